//! MCP servers.

use super::{IntegrationAuthConfig, IntegrationAuthType, IntegrationTool};
use crate::client::handle;
use crate::http::path::Path;
use crate::request::Request;
use crate::types::{body, object, open_enum};

handle! {
    /// The MCP servers of agents, from
    /// [`Integrations::mcp_server`](super::Integrations::mcp_server). Since 0.3.
    pub struct McpServerIntegrations;
}

impl McpServerIntegrations {
    /// The tools of MCP servers.
    pub fn tools(&self) -> McpServerTools {
        McpServerTools::new(&self.client)
    }

    /// Lists the MCP servers of an agent, those of Pipedream excepted.
    ///
    /// An agent without a workflow answers `workflow_required`.
    ///
    /// `GET /agents/{agent_id}/integrations/mcp_server`. Since 0.3.
    pub fn list(&self, agent_id: impl AsRef<str>) -> Request<Vec<McpServerIntegration>> {
        Request::get(&self.client, root(agent_id))
    }

    /// Connects an MCP server.
    ///
    /// An agent without a workflow answers `workflow_required`, a plan that has no integrations left
    /// `integration_limit_reached`.
    ///
    /// `POST /agents/{agent_id}/integrations/mcp_server/configure`. Since 0.3.
    pub fn configure(
        &self,
        agent_id: impl AsRef<str>,
        body: McpServerConfigure,
    ) -> Request<McpServerIntegration> {
        Request::post(&self.client, root(agent_id).then("configure"), &body)
    }

    /// Tries the connection to an MCP server.
    ///
    /// A connection that fails may be an `integration_connection_failed`; a success without a body
    /// is a success.
    ///
    /// `POST /agents/{agent_id}/integrations/mcp_server/{integration_id}/test`. Since 0.3.
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

    /// Asks an MCP server for its tools and takes them over.
    ///
    /// The id of an integration of another family is a `bad_request`. A success without a body, as
    /// the API documents it, is all zeros.
    ///
    /// `POST /agents/{agent_id}/integrations/mcp_server/{integration_id}/discover`. Since 0.3.
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
    /// The id of an integration of another family is a `bad_request`.
    ///
    /// `DELETE /agents/{agent_id}/integrations/mcp_server/{integration_id}`. Since 0.3.
    pub fn disconnect(
        &self,
        agent_id: impl AsRef<str>,
        integration_id: impl AsRef<str>,
    ) -> Request<()> {
        Request::delete(&self.client, path(agent_id, integration_id))
    }
}

handle! {
    /// The tools of MCP servers, from [`McpServerIntegrations::tools`]. Since 0.3.
    pub struct McpServerTools;
}

impl McpServerTools {
    /// Lists the tools of an MCP server; the API does not page this list.
    ///
    /// The id of an integration of another family is a `bad_request`.
    ///
    /// `GET /agents/{agent_id}/integrations/mcp_server/{integration_id}/tools`. Since 0.3.
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
    /// How an MCP server is spoken to. Since 0.3.
    pub enum McpServerTransport ("transport of an MCP server") {
        /// HTTP with server-sent events, the older way.
        HttpSse = "http_sse",
        /// Streamable HTTP; the server's default.
        StreamableHttp = "streamable_http",
    }
}

object! {
    /// An MCP server of an agent. Since 0.3.
    pub struct McpServerIntegration {
        /// Identifier.
        [required] id: String,
        /// How it is reached.
        config: McpServerConfig,
    }
}

object! {
    /// How an MCP server is reached; without its secrets. Since 0.3.
    pub struct McpServerConfig {
        /// What it is called.
        name: String,
        /// Where it is.
        server_url: String,
        /// How it is spoken to.
        transport: McpServerTransport,
        /// How it is told who asks.
        auth_type: IntegrationAuthType,
    }
}

body! {
    /// How an MCP server is reached. Since 0.3.
    pub struct McpServerConfigure {
        required {
            /// What it is called.
            name: String,
            /// Where it is.
            server_url: String,
        }
        optional {
            /// How it is spoken to; the server's default is streamable_http.
            transport: McpServerTransport,
            /// How it is told who asks; the server's default is none.
            auth_type: IntegrationAuthType,
            /// What it is told.
            auth_config: IntegrationAuthConfig,
        }
    }
}

object! {
    /// What came of trying an MCP server. Since 0.3.
    pub struct McpServerTestResult {
        /// Whether it answered.
        success: bool,
        /// What happened, for people.
        message: String,
        /// What went wrong.
        error: Option<String>,
        /// How many tools it has.
        tools_count: Option<u64>,
    }
}

object! {
    /// What came of asking an MCP server for its tools. Since 0.3.
    pub struct McpServerDiscoverResult {
        /// How many tools it has.
        discovered: u64,
        /// How many of them are new.
        created: u64,
        /// How many changed.
        updated: u64,
        /// How many it has no more.
        disabled: u64,
    }
}
