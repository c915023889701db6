//! Conversation flows of agents. API 0.1 only.

use crate::client::handle;
use crate::request::Request;
use crate::types::object;

handle! {
    /// The conversation flows of agents, from
    /// [`Agents::conversation_flows`](super::Agents::conversation_flows). API 0.1 only.
    ///
    /// In the current API, flows are part of a
    /// [`Workflow`](crate::workflows::Workflow::flows).
    pub struct ConversationFlows;
}

impl ConversationFlows {
    /// Lists the conversation flows of an agent. Not paginated.
    ///
    /// `GET /agents/{agent_id}/conversation_flows`. API 0.1 only.
    pub fn list(&self, agent_id: impl AsRef<str>) -> Request<Vec<ConversationFlow>> {
        Request::get(
            &self.client,
            super::path(agent_id).then("conversation_flows"),
        )
    }
}

object! {
    /// A conversation flow of an agent. API 0.1 only.
    pub struct ConversationFlow {
        /// Display name.
        name: String,
        /// Description of the conversation flow.
        description: Option<String>,
        /// Category, free-form.
        category: Option<String>,
        /// Priority among the conversation flows of the agent.
        priority: u64,
        /// Whether the flow is enabled.
        is_active: bool,
    }
}
