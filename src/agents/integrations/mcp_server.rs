//! MCP servers.

use super::{IntegrationAuthConfig, IntegrationAuthType, IntegrationTool};
use crate::client::handle;
use crate::http::path::Path;
use crate::request::Request;
use crate::types::{body, object, open_enum};

handle! {
    /// The MCP servers of agents, from
    /// [`Integrations::mcp_server`](super::Integrations::mcp_server). API 0.3+.
    pub struct McpServerIntegrations;
}

impl McpServerIntegrations {
    /// Returns the handle for the tools of MCP servers.
    pub fn tools(&self) -> McpServerTools {
        McpServerTools::new(&self.client)
    }

    /// Lists the MCP servers of an agent, except those of Pipedream. Not paginated.
    ///
    /// Fails with [`workflow_required`](crate::error::ErrorCode::WorkflowRequired) if the agent has no
    /// workflow.
    ///
    /// `GET /agents/{agent_id}/integrations/mcp_server`. API 0.3+.
    pub fn list(&self, agent_id: impl AsRef<str>) -> Request<Vec<McpServerIntegration>> {
        Request::get(&self.client, root(agent_id))
    }

    /// Connects an MCP server.
    ///
    /// The agent uses the server's tools once they are [discovered](Self::discover).
    ///
    /// Fails with [`workflow_required`](crate::error::ErrorCode::WorkflowRequired) if the agent has no
    /// workflow.
    ///
    /// Fails with [`integration_limit_reached`](crate::error::ErrorCode::IntegrationLimitReached) if
    /// the plan allows no more integrations.
    ///
    /// `POST /agents/{agent_id}/integrations/mcp_server/configure`. API 0.3+.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let template = client.workflows().list().first()?.unwrap();
    /// # let body = CreateAgent::new("Ada").workflow_id(template.id);
    /// # let agent = client.agents().create(body.description("Books.")).send()?;
    /// use bimpeai::agents::{
    ///     IntegrationAuthConfig, IntegrationAuthType, McpServerConfigure,
    /// };
    ///
    /// let mcp = client.agents().integrations().mcp_server();
    /// let docs = McpServerConfigure::new("Docs", "https://mcp.example.com")
    ///     .auth_type(IntegrationAuthType::Bearer)
    ///     .auth_config(IntegrationAuthConfig::new().token("tok_1"));
    /// let server = mcp.configure(&agent.id, docs).send()?;
    ///
    /// let test = mcp.test(&agent.id, &server.id).send()?;
    /// assert!(test.success, "{:?}", test.error);
    /// mcp.discover(&agent.id, &server.id).send()?;
    /// for tool in mcp.tools().list(&agent.id, &server.id) {
    ///     println!("{}", tool?.action_name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn configure(
        &self,
        agent_id: impl AsRef<str>,
        body: McpServerConfigure,
    ) -> Request<McpServerIntegration> {
        Request::post(&self.client, root(agent_id).then("configure"), &body)
    }

    /// Tests the connection to an MCP server.
    ///
    /// A failed connection is either an `integration_connection_failed` error or a result whose
    /// `success` is false. A successful response without a body counts as `success`.
    ///
    /// `POST /agents/{agent_id}/integrations/mcp_server/{integration_id}/test`. API 0.3+.
    pub fn test(
        &self,
        agent_id: impl AsRef<str>,
        integration_id: impl AsRef<str>,
    ) -> Request<McpServerTestResult> {
        let path = path(agent_id, integration_id).then("test");
        Request::post_empty(&self.client, path).or_empty(|| McpServerTestResult {
            success: true,
            ..McpServerTestResult::default()
        })
    }

    /// Updates the list of tools from the MCP server.
    ///
    /// The API documents that the response may have no body. All counts are 0 then.
    ///
    /// Fails with `bad_request` if the id belongs to an integration of another kind.
    ///
    /// `POST /agents/{agent_id}/integrations/mcp_server/{integration_id}/discover`. API 0.3+.
    pub fn discover(
        &self,
        agent_id: impl AsRef<str>,
        integration_id: impl AsRef<str>,
    ) -> Request<McpServerDiscoverResult> {
        let path = path(agent_id, integration_id).then("discover");
        Request::post_empty(&self.client, path).or_empty(McpServerDiscoverResult::default)
    }

    /// Disconnects an MCP server.
    ///
    /// Fails with `bad_request` if the id belongs to an integration of another kind.
    ///
    /// `DELETE /agents/{agent_id}/integrations/mcp_server/{integration_id}`. API 0.3+.
    pub fn disconnect(
        &self,
        agent_id: impl AsRef<str>,
        integration_id: impl AsRef<str>,
    ) -> Request<()> {
        Request::delete(&self.client, path(agent_id, integration_id))
    }
}

handle! {
    /// The tools of MCP servers, from [`McpServerIntegrations::tools`]. API 0.3+.
    pub struct McpServerTools;
}

impl McpServerTools {
    /// Lists the tools of an MCP server. Not paginated.
    ///
    /// Fails with `bad_request` if the id belongs to an integration of another kind.
    ///
    /// `GET /agents/{agent_id}/integrations/mcp_server/{integration_id}/tools`. API 0.3+.
    pub fn list(
        &self,
        agent_id: impl AsRef<str>,
        integration_id: impl AsRef<str>,
    ) -> Request<Vec<IntegrationTool>> {
        let path = path(agent_id, integration_id).then("tools");
        Request::get(&self.client, path)
    }
}

fn root(agent_id: impl AsRef<str>) -> Path {
    super::family(agent_id, "mcp_server")
}

fn path(agent_id: impl AsRef<str>, integration_id: impl AsRef<str>) -> Path {
    root(agent_id).id("integration_id", integration_id)
}

open_enum! {
    /// The transport of an MCP server. API 0.3+.
    pub enum McpServerTransport ("transport of an MCP server") {
        /// HTTP with server-sent events, the older transport.
        HttpSse = "http_sse",
        /// Streamable HTTP. Default of the server.
        StreamableHttp = "streamable_http",
    }
}

object! {
    /// An MCP server of an agent. API 0.3+.
    pub struct McpServerIntegration {
        /// Identifier.
        [required] id: String,
        /// Settings of the connection.
        config: McpServerConfig,
    }
}

object! {
    /// The settings of an MCP server, without credentials. API 0.3+.
    pub struct McpServerConfig {
        /// Display name.
        name: String,
        /// URL of the server.
        server_url: String,
        /// Transport protocol.
        transport: McpServerTransport,
        /// Authentication method.
        auth_type: IntegrationAuthType,
    }
}

body! {
    /// The settings of an MCP server, for [`McpServerIntegrations::configure`]. API 0.3+.
    #[doc(alias = "McpServerConfigureBody")]
    pub struct McpServerConfigure {
        required {
            /// Display name.
            name: String,
            /// URL of the server.
            server_url: String,
        }
        optional {
            /// Transport. Default of the server: `streamable_http`.
            transport: McpServerTransport,
            /// Authentication method. Default of the server: `none`.
            auth_type: IntegrationAuthType,
            /// Credentials for `auth_type`.
            auth_config: IntegrationAuthConfig,
        }
    }
}

object! {
    /// The result of [`McpServerIntegrations::test`]. API 0.3+.
    pub struct McpServerTestResult {
        /// Whether the connection succeeded.
        success: bool,
        /// Explanation for people.
        message: String,
        /// Error, if the connection failed.
        error: Option<String>,
        /// Number of tools that the server offers.
        tools_count: Option<u64>,
    }
}

object! {
    /// The result of [`McpServerIntegrations::discover`]. API 0.3+.
    pub struct McpServerDiscoverResult {
        /// Number of tools that the server offers.
        discovered: u64,
        /// Number of new tools.
        created: u64,
        /// Number of changed tools.
        updated: u64,
        /// Number of tools that were disabled because the server no longer offers them.
        disabled: u64,
    }
}
