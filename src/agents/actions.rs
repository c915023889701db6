//! Actions, which an agent performs through its integrations.

use crate::client::handle;
use crate::http::path::Path;
use crate::request::Request;
use crate::types::object;

handle! {
    /// The actions of agents, from [`Agents::actions`](super::Agents::actions).
    ///
    /// An action is something that an agent can do through an integration, such as adding an event to
    /// a calendar. The agent performs enabled actions only.
    pub struct Actions;
}

impl Actions {
    /// Lists the actions of an agent, enabled or not. Not paginated.
    ///
    /// `GET /agents/{agent_id}/actions`.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let template = client.workflows().list().first()?.unwrap();
    /// # let body = CreateAgent::new("Ada").workflow_id(template.id);
    /// # let agent = client.agents().create(body.description("Books.")).send()?;
    /// for action in client.agents().actions().list(&agent.id) {
    ///     let action = action?;
    ///     let state = if action.is_enabled { "on" } else { "off" };
    ///     println!("{}: {} {state}", action.integration_name, action.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self, agent_id: impl AsRef<str>) -> Request<Vec<AgentAction>> {
        Request::get(&self.client, root(agent_id))
    }

    /// Enables actions of an agent, by the ids from [`list`](Self::list).
    ///
    /// `POST /agents/{agent_id}/actions/enable`. API 0.2+.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let template = client.workflows().list().first()?.unwrap();
    /// # let body = CreateAgent::new("Ada").workflow_id(template.id);
    /// # let agent = client.agents().create(body.description("Books.")).send()?;
    /// let actions = client.agents().actions();
    /// let all = actions.list(&agent.id).send()?;
    /// let calendar = all
    ///     .iter()
    ///     .filter(|action| action.integration_type == "google_calendar");
    /// actions.enable(&agent.id, calendar.map(|it| &it.id)).send()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "BulkActionIdsBody")]
    pub fn enable(
        &self,
        agent_id: impl AsRef<str>,
        action_ids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Request<BulkActionUpdate> {
        self.switch(root(agent_id).then("enable"), action_ids)
    }

    /// Disables actions of an agent, by the ids from [`list`](Self::list).
    ///
    /// `POST /agents/{agent_id}/actions/disable`. API 0.2+.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let template = client.workflows().list().first()?.unwrap();
    /// # let body = CreateAgent::new("Ada").workflow_id(template.id);
    /// # let agent = client.agents().create(body.description("Books.")).send()?;
    /// let actions = client.agents().actions();
    /// let all = actions.list(&agent.id).send()?;
    /// let enabled = all.iter().filter(|action| action.is_enabled);
    /// actions.disable(&agent.id, enabled.map(|it| &it.id)).send()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "BulkActionIdsBody")]
    pub fn disable(
        &self,
        agent_id: impl AsRef<str>,
        action_ids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Request<BulkActionUpdate> {
        self.switch(root(agent_id).then("disable"), action_ids)
    }

    fn switch(
        &self,
        path: Path,
        action_ids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Request<BulkActionUpdate> {
        let action_ids: Vec<String> = action_ids
            .into_iter()
            .map(|id| id.as_ref().to_owned())
            .collect();
        let body = serde_json::json!({ "action_ids": action_ids });
        Request::post(&self.client, path, &body).or_empty(BulkActionUpdate::default)
    }
}

fn root(agent_id: impl AsRef<str>) -> Path {
    super::path(agent_id).then("actions")
}

object! {
    /// An action of an agent.
    pub struct AgentAction {
        /// Identifier. It changes when the action is enabled or disabled for the first time.
        [required] id: String,
        /// Identifier of the integration. Empty in API 0.1.
        integration_id: String,
        /// Type of the integration, such as `google_calendar`.
        integration_type: String,
        /// Display name of the integration.
        integration_name: String,
        /// Display name.
        name: String,
        /// Name by which the agent calls the action.
        action_name: String,
        /// Description of what the action does.
        description: Option<String>,
        /// Whether the action is enabled.
        is_enabled: bool,
    }
}

object! {
    /// The result of [`Actions::enable`] and [`Actions::disable`]. API 0.2+.
    pub struct BulkActionUpdate {
        /// Number of updated actions. `None` if the response does not contain it.
        updated_count: Option<u64>,
    }
}
