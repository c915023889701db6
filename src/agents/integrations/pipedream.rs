//! Apps connected through Pipedream.

use super::OnboardingUrl;
use crate::client::handle;
use crate::http::path::Path;
use crate::request::Request;
use crate::types::{body, object};

handle! {
    /// The apps of agents that are connected through Pipedream, from
    /// [`Integrations::pipedream`](super::Integrations::pipedream). Since 0.3.
    pub struct PipedreamIntegrations;
}

impl PipedreamIntegrations {
    /// Lists the apps that are connected through Pipedream.
    ///
    /// An agent without a workflow answers `workflow_required`.
    ///
    /// `GET /agents/{agent_id}/integrations/pipedream`. Since 0.3.
    pub fn list(&self, agent_id: impl AsRef<str>) -> Request<Vec<PipedreamIntegration>> {
        Request::get(&self.client, root(agent_id))
    }

    /// Tells where a person connects an app.
    ///
    /// An agent without a workflow answers `workflow_required`. The URL is empty where the server
    /// answers without a body, as the API documents it may.
    ///
    /// `POST /agents/{agent_id}/integrations/pipedream/configure`. Since 0.3.
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
    /// The id of an integration of another family is a `bad_request`.
    ///
    /// `DELETE /agents/{agent_id}/integrations/pipedream/{integration_id}`. Since 0.3.
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
    /// An app that is connected through Pipedream. Since 0.3.
    pub struct PipedreamIntegration {
        /// Identifier.
        [required] id: String,
        /// How it is connected: `mcp_server`.
        channel_type: String,
        /// What it is connected to.
        config: PipedreamIntegrationConfig,
    }
}

object! {
    /// What an app is connected to. Since 0.3.
    pub struct PipedreamIntegrationConfig {
        /// The app, as `google-sheets`.
        app_slug: String,
        /// What the app is called.
        app_name: Option<String>,
        /// Its picture, a URL.
        app_icon: Option<String>,
        /// The server that speaks for it.
        server_url: String,
    }
}

body! {
    /// Which app to connect. Since 0.3.
    pub struct PipedreamConfigure {
        required {
            /// The app, as `google-sheets`.
            app_slug: String,
        }
        optional {
            /// What the app is called.
            app_name: String,
            /// Its picture, a URL.
            app_icon: String,
        }
    }
}
