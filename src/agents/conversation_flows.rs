//! The conversation flows of an agent, of the first generation.

use crate::client::handle;
use crate::request::Request;
use crate::types::object;

handle! {
    /// The conversation flows of agents, from
    /// [`Agents::conversation_flows`](super::Agents::conversation_flows). First generation only (0.1).
    pub struct ConversationFlows;
}

impl ConversationFlows {
    /// Lists all conversation flows of an agent; later they are part of its workflow.
    ///
    /// `GET /agents/{agent_id}/conversation_flows`. First generation only (0.1).
    pub fn list(&self, agent_id: impl AsRef<str>) -> Request<Vec<ConversationFlow>> {
        Request::get(
            &self.client,
            super::path(agent_id).then("conversation_flows"),
        )
    }
}

object! {
    /// A conversation flow of an agent. First generation only (0.1).
    pub struct ConversationFlow {
        /// What it is called.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// Free grouping.
        category: Option<String>,
        /// Which flow goes first.
        priority: u64,
        /// Whether it is in force.
        is_active: bool,
    }
}
