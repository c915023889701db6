//! The events of a stream, and the ticket that opens it.

use crate::types::{Secret, Timestamp, object, open_enum};

open_enum! {
    /// The author of a message.
    pub enum MessageRole ("role of a message") {
        /// The person who talks to the agent.
        User = "user",
        /// The agent.
        Assistant = "assistant",
        /// A member of the team. In responses only.
        RestaurantUser = "restaurant_user",
        /// A customer. In events only.
        Customer = "customer",
    }
}

/// Another name for [`MessageRole`], as in Python.
pub type StreamMessageRole = MessageRole;

object! {
    /// A single-use ticket that opens one event stream.
    pub struct StreamTicket {
        /// The ticket. A secret until it expires.
        ticket: Secret,
        /// Time until it expires, in seconds.
        expires_in: u64,
    }
}

object! {
    /// A message of an event stream.
    pub struct StreamMessageEvent {
        /// Identifier of the message.
        [required] id: String,
        /// Identifier of the conversation.
        conversation_id: String,
        /// Role of the author.
        role: StreamMessageRole,
        /// Text of the message.
        message: Option<String>,
        /// Type of the message, such as `text`.
        message_type: Option<String>,
        /// Creation time.
        created_at: Timestamp,
    }
}

object! {
    /// A heartbeat of an event stream, sent about every 20 s.
    pub struct StreamHeartbeatEvent {
        /// Time of the server, in milliseconds since 1970.
        ts: u64,
    }
}
