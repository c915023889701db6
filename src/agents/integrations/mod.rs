//! Integrations: the apps, MCP servers and HTTP APIs that an agent uses.

mod bimpeai;
mod custom_api;
mod mcp_server;
mod pipedream;

use crate::client::handle;
use crate::http::path::Path;
use crate::request::Request;
use crate::types::{Secret, SecretValue, body, object, open_enum};

pub use bimpeai::*;
pub use custom_api::*;
pub use mcp_server::*;
pub use pipedream::*;

handle! {
    /// The integrations of agents, from [`Agents::integrations`](super::Agents::integrations).
    ///
    /// | kind | connects |
    /// |---|---|
    /// | [`bimpeai`](Self::bimpeai) | Bumpa, Google Calendar, Google Sheets, Paystack, Stripe |
    /// | [`pipedream`](Self::pipedream) | an app through Pipedream |
    /// | [`mcp_server`](Self::mcp_server) | an MCP server and its tools |
    /// | [`custom_api`](Self::custom_api) | an HTTP API, by tools that you define |
    pub struct Integrations;
}

impl Integrations {
    /// Returns the handle for the five first-party integrations: Bumpa, Google Calendar, Google
    /// Sheets, Paystack and Stripe. API 0.3+.
    pub fn bimpeai(&self) -> BimpeaiIntegrations {
        BimpeaiIntegrations::new(&self.client)
    }

    /// Returns the handle for apps that are connected through Pipedream. API 0.3+.
    pub fn pipedream(&self) -> PipedreamIntegrations {
        PipedreamIntegrations::new(&self.client)
    }

    /// Returns the handle for MCP servers. API 0.3+.
    #[doc(alias = "mcpServer")]
    pub fn mcp_server(&self) -> McpServerIntegrations {
        McpServerIntegrations::new(&self.client)
    }

    /// Returns the handle for HTTP APIs, whose operations are defined as tools. API 0.3+.
    #[doc(alias = "customApi")]
    pub fn custom_api(&self) -> CustomApiIntegrations {
        CustomApiIntegrations::new(&self.client)
    }

    /// Lists the integrations of an agent, of all kinds, with their actions. Not paginated.
    ///
    /// `GET /agents/{agent_id}/integrations`.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let template = client.workflows().list().first()?.unwrap();
    /// # let body = CreateAgent::new("Ada").workflow_id(template.id);
    /// # let agent = client.agents().create(body.description("Books.")).send()?;
    /// for integration in client.agents().integrations().list(&agent.id) {
    ///     let integration = integration?;
    ///     if !integration.is_connected {
    ///         println!("{} is not connected", integration.name);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self, agent_id: impl AsRef<str>) -> Request<Vec<AgentIntegration>> {
        Request::get(&self.client, super::path(agent_id).then("integrations"))
    }
}

fn family(agent_id: impl AsRef<str>, family: &str) -> Path {
    super::path(agent_id).then("integrations").then(family)
}

object! {
    /// An integration of an agent, with its actions.
    pub struct AgentIntegration {
        /// Identifier.
        [required] id: String,
        /// Type of the integration, such as `google_calendar`.
        r#type = "type": String,
        /// Display name. Empty in API 0.1.
        name: String,
        /// Status, such as `enabled`, `paused` or `pending`.
        status: String,
        /// Whether the integration is connected.
        is_connected: bool,
        /// Settings that the integration has.
        config_fields: Vec<IntegrationConfigField>,
        /// Actions that the integration offers.
        actions: Vec<IntegrationAction>,
    }
}

/// Alias of [`AgentIntegration`], as in the Python SDK of API 0.1.
pub type Integration = AgentIntegration;

object! {
    /// An integration without its actions, as part of an agent. API 0.2+.
    pub struct IntegrationSummary {
        /// Identifier.
        [required] id: String,
        /// Type of the integration, such as `google_calendar`.
        r#type = "type": String,
        /// Display name.
        name: String,
        /// Status, such as `enabled`, `paused` or `pending`.
        status: String,
        /// Whether the integration is connected.
        is_connected: bool,
    }
}

object! {
    /// A setting of an integration.
    pub struct IntegrationConfigField {
        /// Name on the wire.
        key: String,
        /// Display name.
        label: String,
        /// Type of the value.
        r#type = "type": String,
        /// Whether a value is required.
        required: bool,
    }
}

object! {
    /// An action that an integration offers.
    pub struct IntegrationAction {
        /// Name by which the agent calls the action.
        action_name: String,
        /// Display name.
        name: String,
        /// Description of what the action does.
        description: Option<String>,
        /// Category, free-form.
        category: String,
        /// Whether the action is enabled.
        is_enabled: bool,
        /// Whether a person has to approve each use.
        require_human_approval: bool,
    }
}

object! {
    /// A tool of an MCP server or a custom API. API 0.3+.
    ///
    /// The API does not return the definition of a tool: its URL, method, parameters, templates and
    /// credentials cannot be read back. Keep the
    /// [`CustomApiCreateTool`] that defined it. To change a tool, delete it and add it again.
    pub struct IntegrationTool {
        /// Identifier.
        [required] id: String,
        /// Name by which the agent calls the tool.
        action_name: String,
        /// Display name.
        name: String,
        /// Description of what the tool does.
        description: Option<String>,
        /// Category, free-form.
        category: String,
        /// Whether the tool is enabled.
        is_enabled: bool,
    }
}

object! {
    /// The page on which a person authorizes the connection to an app. API 0.3+.
    pub struct OnboardingUrl {
        /// URL to open in a browser. Empty if the response has no body.
        onboarding_url: String,
    }
}

open_enum! {
    /// The authentication method of an MCP server or HTTP API. API 0.3+.
    pub enum IntegrationAuthType ("type of authentication") {
        /// No authentication. Default of the server.
        None = "none",
        /// Token in `Authorization: Bearer`.
        Bearer = "bearer",
        /// User name and password (HTTP basic authentication).
        Basic = "basic",
        /// API key in a header.
        ApiKey = "api_key",
        /// Any other method.
        Custom = "custom",
    }
}

body! {
    /// Credentials for an MCP server or HTTP API. API 0.3+.
    ///
    /// The server never returns them, and `Debug` does not print the secrets.
    ///
    /// ```
    /// use bimpeai::agents::IntegrationAuthConfig;
    ///
    /// let bearer = IntegrationAuthConfig::new().token("tok_1");
    /// let api_key = IntegrationAuthConfig::new()
    ///     .api_key("k_1")
    ///     .header_name("X-Api-Key");
    /// assert!(!format!("{api_key:?}").contains("k_1"));
    /// ```
    pub struct IntegrationAuthConfig {
        optional {
            /// Token, for [`Bearer`](IntegrationAuthType::Bearer).
            token: Secret,
            /// API key, for [`ApiKey`](IntegrationAuthType::ApiKey).
            api_key: Secret,
            /// Name of the header with the API key, for [`ApiKey`](IntegrationAuthType::ApiKey).
            header_name: String,
            /// User name, for [`Basic`](IntegrationAuthType::Basic).
            username: String,
            /// Password, for [`Basic`](IntegrationAuthType::Basic).
            password: Secret,
        }
    }
}

impl From<IntegrationAuthConfig> for SecretValue {
    fn from(config: IntegrationAuthConfig) -> Self {
        // Strings under fixed names always serialize.
        SecretValue::from(serde_json::to_value(config).unwrap_or_default())
    }
}
