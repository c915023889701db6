//! Channels of agents.

use crate::client::handle;
use crate::request::Request;
use crate::types::object;

handle! {
    /// The channels of agents, from [`Agents::channels`](super::Agents::channels).
    ///
    /// A channel is a place where customers talk to the agent, such as WhatsApp. The API lists the
    /// channels but has no operation to connect one.
    pub struct Channels;
}

impl Channels {
    /// Lists the channels of an agent. Not paginated.
    ///
    /// `GET /agents/{agent_id}/channels`.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// # emulator.connect_channel(&agent.id, "telephony");
    /// let channels = client.agents().channels().list(&agent.id).send()?;
    /// let can_call = channels
    ///     .iter()
    ///     .any(|channel| channel.r#type == "telephony" && channel.is_connected);
    /// assert!(can_call);
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self, agent_id: impl AsRef<str>) -> Request<Vec<AgentChannel>> {
        Request::get(&self.client, super::path(agent_id).then("channels"))
    }
}

object! {
    /// A channel of an agent.
    pub struct AgentChannel {
        /// Identifier.
        [required] id: String,
        /// Type of the channel, such as `whatsapp`.
        r#type = "type": String,
        /// Display name. Empty in API 0.1.
        name: String,
        /// Status, such as `enabled`, `paused` or `pending`.
        status: String,
        /// Whether the channel is connected.
        is_connected: bool,
    }
}

/// Alias of [`AgentChannel`], as in the Python SDK of API 0.1.
pub type Channel = AgentChannel;
