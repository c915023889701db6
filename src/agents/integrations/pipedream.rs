//! Apps connected through Pipedream.

use super::OnboardingUrl;
use crate::client::handle;
use crate::http::path::Path;
use crate::request::Request;
use crate::types::{body, object};

handle! {
    /// The apps of agents that are connected through Pipedream, from
    /// [`Integrations::pipedream`](super::Integrations::pipedream). API 0.3+.
    pub struct PipedreamIntegrations;
}

impl PipedreamIntegrations {
    /// Lists the apps that are connected through Pipedream. Not paginated.
    ///
    /// Fails with [`workflow_required`](crate::error::ErrorCode::WorkflowRequired) if the agent has no
    /// workflow.
    ///
    /// `GET /agents/{agent_id}/integrations/pipedream`. API 0.3+.
    pub fn list(&self, agent_id: impl AsRef<str>) -> Request<Vec<PipedreamIntegration>> {
        Request::get(&self.client, root(agent_id))
    }

    /// Starts the connection of an app, and returns the URL on which a person authorizes it.
    ///
    /// The API documents that the response may have no body. The URL is empty then.
    ///
    /// Fails with [`workflow_required`](crate::error::ErrorCode::WorkflowRequired) if the agent has no
    /// workflow.
    ///
    /// `POST /agents/{agent_id}/integrations/pipedream/configure`. API 0.3+.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let template = client.workflows().list().first()?.unwrap();
    /// # let body = CreateAgent::new("Ada").workflow_id(template.id);
    /// # let agent = client.agents().create(body.description("Books.")).send()?;
    /// use bimpeai::agents::PipedreamConfigure;
    ///
    /// let pipedream = client.agents().integrations().pipedream();
    /// let slack = PipedreamConfigure::new("slack");
    /// let page = pipedream.configure(&agent.id, slack).send()?;
    /// println!("Authorize Slack at {}", page.onboarding_url);
    ///
    /// // Once a person has done that, the app is listed.
    /// for app in pipedream.list(&agent.id) {
    ///     println!("connected: {}", app?.config.app_slug);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn configure(
        &self,
        agent_id: impl AsRef<str>,
        body: PipedreamConfigure,
    ) -> Request<OnboardingUrl> {
        Request::post(&self.client, root(agent_id).then("configure"), &body)
            .or_empty(OnboardingUrl::default)
    }

    /// Disconnects an app.
    ///
    /// Fails with `bad_request` if the id belongs to an integration of another kind.
    ///
    /// `DELETE /agents/{agent_id}/integrations/pipedream/{integration_id}`. API 0.3+.
    pub fn disconnect(
        &self,
        agent_id: impl AsRef<str>,
        integration_id: impl AsRef<str>,
    ) -> Request<()> {
        let path = root(agent_id).id("integration_id", integration_id);
        Request::delete(&self.client, path)
    }
}

fn root(agent_id: impl AsRef<str>) -> Path {
    super::family(agent_id, "pipedream")
}

object! {
    /// An app that is connected through Pipedream. API 0.3+.
    pub struct PipedreamIntegration {
        /// Identifier.
        [required] id: String,
        /// Type of the connection: `mcp_server`.
        channel_type: String,
        /// App and its server.
        config: PipedreamIntegrationConfig,
    }
}

object! {
    /// An app and its server. API 0.3+.
    pub struct PipedreamIntegrationConfig {
        /// Pipedream's name of the app, such as `google-sheets`.
        app_slug: String,
        /// Display name of the app.
        app_name: Option<String>,
        /// URL of the app's icon.
        app_icon: Option<String>,
        /// URL of the MCP server that serves the app.
        server_url: String,
    }
}

body! {
    /// The app to connect, for [`PipedreamIntegrations::configure`]. API 0.3+.
    #[doc(alias = "PipedreamConfigureBody")]
    pub struct PipedreamConfigure {
        required {
            /// Pipedream's name of the app, such as `google-sheets`.
            app_slug: String,
        }
        optional {
            /// Display name of the app.
            app_name: String,
            /// URL of the app's icon.
            app_icon: String,
        }
    }
}
