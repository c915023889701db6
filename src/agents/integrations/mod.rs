//! What an agent is connected to.

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
    pub struct Integrations;
}

impl Integrations {
    /// The five first-party integrations: Bumpa, Google Calendar, Google Sheets, Paystack, Stripe.
    pub fn bimpeai(&self) -> BimpeaiIntegrations {
        BimpeaiIntegrations::new(&self.client)
    }

    /// Apps connected through Pipedream.
    pub fn pipedream(&self) -> PipedreamIntegrations {
        PipedreamIntegrations::new(&self.client)
    }

    /// MCP servers.
    pub fn mcp_server(&self) -> McpServerIntegrations {
        McpServerIntegrations::new(&self.client)
    }

    /// HTTP APIs, whose calls are defined as tools.
    pub fn custom_api(&self) -> CustomApiIntegrations {
        CustomApiIntegrations::new(&self.client)
    }

    /// Lists all integrations of an agent with their actions; the API does not page this list.
    ///
    /// `GET /agents/{agent_id}/integrations`. All generations.
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
        /// What kind of integration it is.
        r#type = "type": String,
        /// What it is called. Since 0.2; empty before.
        name: String,
        /// How it is, as `enabled`, `paused` or `pending`.
        status: String,
        /// Whether it is connected.
        is_connected: bool,
        /// What it is configured with.
        config_fields: Vec<IntegrationConfigField>,
        /// What it can do.
        actions: Vec<IntegrationAction>,
    }
}

/// The first generation's name for [`AgentIntegration`].
pub type Integration = AgentIntegration;

object! {
    /// An integration as the agent itself has it. Since 0.2.
    pub struct IntegrationSummary {
        /// Identifier.
        [required] id: String,
        /// What kind of integration it is.
        r#type = "type": String,
        /// What it is called.
        name: String,
        /// How it is, as `enabled`, `paused` or `pending`.
        status: String,
        /// Whether it is connected.
        is_connected: bool,
    }
}

object! {
    /// One setting of an integration.
    pub struct IntegrationConfigField {
        /// Its name on the wire.
        key: String,
        /// Its name for people.
        label: String,
        /// What kind of value it takes.
        r#type = "type": String,
        /// Whether it must be given.
        required: bool,
    }
}

object! {
    /// Something that an integration can do.
    pub struct IntegrationAction {
        /// What it is called, for the agent.
        action_name: String,
        /// What it is called, for people.
        name: String,
        /// What it does.
        description: Option<String>,
        /// Free grouping.
        category: String,
        /// Whether the agent may take it.
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
        /// What it is called, for the agent.
        action_name: String,
        /// What it is called, for people.
        name: String,
        /// What it does.
        description: Option<String>,
        /// Free grouping.
        category: String,
        /// Whether the agent may use it.
        is_enabled: bool,
    }
}

object! {
    /// Where a person goes on to connect an app. Since 0.3.
    pub struct OnboardingUrl {
        /// The page to open; empty where the server answers without a body.
        onboarding_url: String,
    }
}

open_enum! {
    /// How a server or API wants to be told who asks. Since 0.3.
    pub enum IntegrationAuthType ("type of authentication") {
        /// Not at all; the server's default.
        None = "none",
        /// By a token in `Authorization: Bearer`.
        Bearer = "bearer",
        /// By a user name and a password.
        Basic = "basic",
        /// By a key in a header.
        ApiKey = "api_key",
        /// In a way of its own.
        Custom = "custom",
    }
}

body! {
    /// Credentials for a server or API; the server never gives them back. Since 0.3.
    pub struct IntegrationAuthConfig {
        optional {
            /// For bearer.
            token: Secret,
            /// For api_key.
            api_key: Secret,
            /// The header that the key goes into, for api_key.
            header_name: String,
            /// For basic.
            username: String,
            /// For basic.
            password: Secret,
        }
    }
}

impl From<IntegrationAuthConfig> for SecretValue {
    fn from(config: IntegrationAuthConfig) -> Self {
        // Texts under fixed names: there is nothing in it that could fail.
        SecretValue::from(serde_json::to_value(config).unwrap_or_default())
    }
}
