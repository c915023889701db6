//! What a stream brings, and the ticket that opens it.

use crate::types::{Secret, object, open_enum};

open_enum! {
    /// Who wrote a message.
    pub enum MessageRole ("role of a message") {
        /// The person who talks to the agent.
        User = "user",
        /// The agent.
        Assistant = "assistant",
        /// A member of the team; in answers only.
        RestaurantUser = "restaurant_user",
        /// A customer; in events only.
        Customer = "customer",
    }
}

/// Another name for [`MessageRole`], as in Python.
pub type StreamMessageRole = MessageRole;

object! {
    /// What opens one event stream.
    pub struct StreamTicket {
        /// The ticket; a secret for as long as it is good.
        ticket: Secret,
        /// How long it is good, in seconds.
        expires_in: u64,
    }
}

object! {
    /// A message as the event stream has it.
    pub struct StreamMessageEvent {
        /// Identifier of the message.
        [required] id: String,
        /// The conversation that it is part of.
        conversation_id: String,
        /// Who wrote it.
        role: StreamMessageRole,
        /// Its text.
        message: Option<String>,
        /// What kind of message it is, as `text`.
        message_type: Option<String>,
        /// When it was written, RFC 3339.
        created_at: String,
    }
}

object! {
    /// The sign of life of an event stream, about every 20 s.
    pub struct StreamHeartbeatEvent {
        /// The server's clock, in milliseconds since 1970.
        ts: u64,
    }
}
