//! The messages of a conversation.

use crate::client::handle;
use crate::http::path::Path;
use crate::pagination::ListRequest;
use crate::request::Request;
use crate::stream::{MessageRole, StreamMessageEvent, StreamRequest, StreamTicket};
use crate::types::{Extra, FieldPresence, body, object, open_enum};

handle! {
    /// The messages of conversations, from [`Conversations::messages`](super::Conversations::messages).
    pub struct Messages;
}

impl Messages {
    /// Lists the messages of a conversation.
    ///
    /// The first generation knows neither `search` nor `sort` here.
    ///
    /// `GET /agents/{agent_id}/conversations/{conversation_id}/messages`. All generations.
    pub fn list(
        &self,
        agent_id: impl AsRef<str>,
        conversation_id: impl AsRef<str>,
    ) -> ListRequest<Message> {
        ListRequest::new(&self.client, path(agent_id, conversation_id), |message| {
            &message.id
        })
    }

    /// Sends a message to a conversation and returns the sent message.
    ///
    /// The assistant replies to a message with the role `user`. Its reply arrives on the
    /// [`stream`](Self::stream) and in the [`list`](Self::list). To write as the assistant,
    /// [pause it](super::Conversations::set_ai_status) and set the role `assistant`.
    ///
    /// `POST /agents/{agent_id}/conversations/{conversation_id}/messages`.
    pub fn send(
        &self,
        agent_id: impl AsRef<str>,
        conversation_id: impl AsRef<str>,
        body: SendMessage,
    ) -> Request<Message> {
        Request::post(&self.client, path(agent_id, conversation_id), &body)
    }

    /// Reads one message.
    ///
    /// `GET /agents/{agent_id}/conversations/{conversation_id}/messages/{message_id}`. Since 0.2.
    pub fn retrieve(
        &self,
        agent_id: impl AsRef<str>,
        conversation_id: impl AsRef<str>,
        message_id: impl AsRef<str>,
    ) -> Request<Message> {
        // `messages/stream` is the event stream of the first generation.
        let path = path(agent_id, conversation_id).id_except("message_id", message_id, &["stream"]);
        Request::get(&self.client, path)
    }

    /// Buys the ticket that opens one event stream of a conversation.
    ///
    /// For who opens the stream by hand; the stream of this crate takes its own. A ticket is good
    /// once, for this agent and conversation.
    ///
    /// `POST /agents/{agent_id}/conversations/{conversation_id}/stream-ticket`. All generations.
    pub fn stream_ticket(
        &self,
        agent_id: impl AsRef<str>,
        conversation_id: impl AsRef<str>,
    ) -> Request<StreamTicket> {
        let path = super::path(agent_id, conversation_id).then("stream-ticket");
        Request::post_empty(&self.client, path)
    }

    /// Streams the messages of a conversation as they come.
    ///
    /// It connects again and goes on from the last message by itself; each message comes once. See
    /// [`StreamRequest`] for the options and [`MessageStream`](crate::stream::MessageStream) for
    /// what it gives.
    ///
    /// `POST …/stream-ticket` and `GET /agents/{agent_id}/conversations/{conversation_id}/stream`,
    /// again for every connection. All generations.
    pub fn stream(
        &self,
        agent_id: impl AsRef<str>,
        conversation_id: impl AsRef<str>,
    ) -> StreamRequest {
        StreamRequest::new(&self.client, super::path(agent_id, conversation_id))
    }
}

fn path(agent_id: impl AsRef<str>, conversation_id: impl AsRef<str>) -> Path {
    super::path(agent_id, conversation_id).then("messages")
}

object! {
    /// A message of a conversation or of a call.
    pub struct Message {
        /// Identifier.
        [required] id: String,
        /// Who wrote it.
        role: MessageRole,
        /// Its text.
        message: Option<String>,
        /// What kind of message it is, as `text`.
        message_type: Option<String>,
        /// What came with it. Since 0.2.
        attachments: Vec<MessageAttachment>,
        /// Creation time (RFC 3339).
        created_at: String,
        /// Identifier of the conversation, in responses of
        /// [`Conversations::send`](super::Conversations::send) from servers that return it.
        conversation_id: Option<String>,
    }
}

impl From<StreamMessageEvent> for Message {
    fn from(event: StreamMessageEvent) -> Self {
        Message {
            id: event.id,
            role: event.role,
            message: event.message,
            message_type: event.message_type,
            attachments: Vec::new(),
            created_at: event.created_at,
            conversation_id: Some(event.conversation_id).filter(|id| !id.is_empty()),
            extra: event.extra,
            presence: FieldPresence::BUILT,
        }
    }
}

open_enum! {
    /// What kind of file an attachment is.
    pub enum AttachmentType ("type of an attachment") {
        /// A picture.
        Image = "image",
        /// A recording.
        Audio = "audio",
        /// Any other file.
        File = "file",
    }
}

object! {
    /// A file that comes with a message. Read since 0.2, sent in the first generation only (0.1).
    pub struct MessageAttachment {
        /// What kind of file it is.
        r#type = "type": AttachmentType,
        /// Where it is.
        url: String,
    }
}

impl MessageAttachment {
    /// An attachment to be sent.
    #[must_use]
    pub fn new(r#type: impl Into<AttachmentType>, url: impl Into<String>) -> Self {
        MessageAttachment {
            r#type: r#type.into(),
            url: url.into(),
            extra: Extra::new(),
            presence: FieldPresence::BUILT,
        }
    }
}

body! {
    /// A message to a conversation.
    pub struct SendMessage {
        required {
            /// The text, at most 4,096 characters.
            message: String,
        }
        optional {
            /// Role of the sender: `user` (a customer) or `assistant`. The server accepts
            /// `assistant` only while the assistant is paused. Default: `user`. API 0.2+.
            role: MessageRole,
        }
        list {
            /// Files to send along. First generation only (0.1).
            attachments: MessageAttachment,
        }
    }
}
