//! Where an agent can be talked to.

use crate::client::handle;
use crate::request::Request;
use crate::types::object;

handle! {
    /// The channels of agents, from [`Agents::channels`](super::Agents::channels).
    pub struct Channels;
}

impl Channels {
    /// Lists all channels of an agent; the API does not page this list.
    ///
    /// `GET /agents/{agent_id}/channels`. All generations.
    pub fn list(&self, agent_id: impl AsRef<str>) -> Request<Vec<AgentChannel>> {
        Request::get(&self.client, super::path(agent_id).then("channels"))
    }
}

object! {
    /// A channel of an agent.
    pub struct AgentChannel {
        /// Identifier.
        [required] id: String,
        /// What kind of channel it is, as `whatsapp`.
        r#type = "type": String,
        /// What it is called. Since 0.2; empty before.
        name: String,
        /// How it is, as `enabled`, `paused` or `pending`.
        status: String,
        /// Whether it is connected.
        is_connected: bool,
    }
}

/// The first generation's name for [`AgentChannel`].
pub type Channel = AgentChannel;
