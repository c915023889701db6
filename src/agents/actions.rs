//! What an agent may do.

use crate::client::handle;
use crate::http::path::Path;
use crate::request::Request;
use crate::types::object;

handle! {
    /// The actions of agents, from [`Agents::actions`](super::Agents::actions).
    pub struct Actions;
}

impl Actions {
    /// Lists all actions of an agent; the API does not page this list.
    ///
    /// `GET /agents/{agent_id}/actions`. All generations.
    pub fn list(&self, agent_id: impl AsRef<str>) -> Request<Vec<AgentAction>> {
        Request::get(&self.client, root(agent_id))
    }

    /// Lets an agent take these actions, by the ids that [`list`](Self::list) gives.
    ///
    /// `POST /agents/{agent_id}/actions/enable`. Since 0.2.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// let actions = client.agents().actions();
    /// let all = actions.list("agt_1").send()?;
    /// let bookings = all.iter().filter(|action| action.integration_type == "google_calendar");
    /// actions.enable("agt_1", bookings.map(|action| &action.id)).send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn enable(
        &self,
        agent_id: impl AsRef<str>,
        action_ids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Request<BulkActionUpdate> {
        self.switch(root(agent_id).then("enable"), action_ids)
    }

    /// Forbids an agent these actions, by the ids that [`list`](Self::list) gives.
    ///
    /// `POST /agents/{agent_id}/actions/disable`. Since 0.2.
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
    /// Something that an agent may do.
    pub struct AgentAction {
        /// Identifier; a made-up one until the action is first switched.
        [required] id: String,
        /// The integration that it belongs to. Since 0.2; empty before.
        integration_id: String,
        /// What kind of integration that is.
        integration_type: String,
        /// What that integration is called.
        integration_name: String,
        /// What it is called, for people.
        name: String,
        /// What it is called, for the agent.
        action_name: String,
        /// What it does.
        description: Option<String>,
        /// Whether the agent may take it.
        is_enabled: bool,
    }
}

object! {
    /// What came of enabling or disabling actions. Since 0.2.
    pub struct BulkActionUpdate {
        /// How many actions changed, where the server says so.
        updated_count: Option<u64>,
    }
}
