//! The messages of a conversation.

use crate::client::handle;
use crate::http::path::Path;
use crate::pagination::ListRequest;
use crate::request::Request;
use crate::stream::{MessageRole, StreamMessageEvent, StreamRequest, StreamTicket};
use crate::types::{Extra, FieldPresence, Timestamp, body, object, open_enum};

handle! {
    /// The messages of conversations, from [`Conversations::messages`](super::Conversations::messages).
    ///
    /// [`stream`](Self::stream) delivers messages as they arrive, [`list`](Self::list) returns those of
    /// the past. To ask an agent and wait for its reply, call
    /// [`Conversations::ask`](super::Conversations::ask).
    pub struct Messages;
}

impl Messages {
    /// Lists the messages of a conversation. The API does not document their order: to be sure of
    /// it, set [`sort`](ListRequest::sort).
    ///
    /// API 0.1 does not support [`search`](ListRequest::search) and [`sort`](ListRequest::sort) here.
    ///
    /// `GET /agents/{agent_id}/conversations/{conversation_id}/messages`.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// # let id = emulator.add_conversation(&agent.id, "webchat");
    /// # emulator.customer_says(&agent.id, &id, "Hello!");
    /// let messages = client.conversations().messages();
    ///
    /// // The latest ten, newest first.
    /// let latest = messages.list(&agent.id, &id).sort("-created_at").limit(10);
    /// for message in latest.send()?.data {
    ///     println!("{}: {}", message.role, message.message.unwrap_or_default());
    /// }
    ///
    /// // All of them, as text in order.
    /// let all = messages.list(&agent.id, &id).all()?;
    /// print!("{}", bimpeai::conversations::transcript(&all));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "ListMessagesQuery")]
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
    /// The body is a [`SendMessage`], or a string, which is sent with the role `user`.
    ///
    /// If the message has the role `user` (the default), the assistant replies to it. Its reply
    /// arrives on the [`stream`](Self::stream) and in the [`list`](Self::list). To let a person
    /// take over, [pause the assistant](super::Conversations::set_ai_status) and set the role
    /// `assistant`.
    ///
    /// `POST /agents/{agent_id}/conversations/{conversation_id}/messages`.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// # let id = emulator.add_conversation(&agent.id, "webchat");
    /// use bimpeai::conversations::MessageRole;
    ///
    /// let messages = client.conversations().messages();
    /// let question = "Do you have a table at eight?";
    /// let sent = messages.send(&agent.id, &id, question).send()?;
    ///
    /// // Waits for the reply, among the messages after the sent one.
    /// for event in messages.stream(&agent.id, &id).after(&sent.id) {
    ///     let event = event?;
    ///     if event.role == MessageRole::Assistant {
    ///         println!("{}", event.message.unwrap_or_default());
    ///         break;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn send(
        &self,
        agent_id: impl AsRef<str>,
        conversation_id: impl AsRef<str>,
        body: impl Into<SendMessage>,
    ) -> Request<Message> {
        Request::post(&self.client, path(agent_id, conversation_id), &body.into())
    }

    /// Returns a message.
    ///
    /// `GET /agents/{agent_id}/conversations/{conversation_id}/messages/{message_id}`. API 0.2+.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// # let id = emulator.add_conversation(&agent.id, "webchat");
    /// # let message_id = emulator.customer_says(&agent.id, &id, "Hello!");
    /// let messages = client.conversations().messages();
    /// let message = messages.retrieve(&agent.id, &id, &message_id).send()?;
    /// for attachment in &message.attachments {
    ///     println!("{}", attachment.url);
    /// }
    /// # Ok(())
    /// # }
    /// ```
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

    /// Creates a single-use ticket for opening the conversation's event stream yourself.
    ///
    /// [`stream`](Self::stream) does this automatically. The ticket is valid for this agent and
    /// conversation only.
    ///
    /// `POST /agents/{agent_id}/conversations/{conversation_id}/stream-ticket`.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// # let id = emulator.add_conversation(&agent.id, "webchat");
    /// let messages = client.conversations().messages();
    /// let ticket = messages.stream_ticket(&agent.id, &id).send()?;
    /// println!("use it within {} s", ticket.expires_in);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "streamTicket")]
    pub fn stream_ticket(
        &self,
        agent_id: impl AsRef<str>,
        conversation_id: impl AsRef<str>,
    ) -> Request<StreamTicket> {
        let path = super::path(agent_id, conversation_id).then("stream-ticket");
        Request::post_empty(&self.client, path)
    }

    /// Streams the messages of a conversation as they arrive.
    ///
    /// Reconnects and resumes after the last message automatically. Each message is delivered once.
    /// See [`StreamRequest`] for the options and [`MessageStream`](crate::stream::MessageStream) for
    /// the ways to read it.
    ///
    /// `POST /agents/{agent_id}/conversations/{conversation_id}/stream-ticket`, then
    /// `GET /agents/{agent_id}/conversations/{conversation_id}/stream`, both for each connection.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// # let id = emulator.add_conversation(&agent.id, "webchat");
    /// # emulator.customer_says(&agent.id, &id, "Hello!");
    /// // Waits for messages until the program ends.
    /// for event in client.conversations().messages().stream(&agent.id, &id) {
    ///     let event = event?;
    ///     println!("{}: {}", event.role, event.message.unwrap_or_default());
    /// #   break;
    /// }
    /// # Ok(())
    /// # }
    /// ```
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
    /// A message of a conversation or a phone call.
    pub struct Message {
        /// Identifier.
        [required] id: String,
        /// Role of the sender, such as `user` (the customer) or `assistant` (the agent).
        role: MessageRole,
        /// Text of the message.
        message: Option<String>,
        /// Type of the message, such as `text`.
        message_type: Option<String>,
        /// Attached files. API 0.2+.
        attachments: Vec<MessageAttachment>,
        /// Creation time.
        created_at: Timestamp,
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
    /// The type of an attached file.
    pub enum AttachmentType ("type of an attachment") {
        /// Image.
        Image = "image",
        /// Audio recording.
        Audio = "audio",
        /// Any other file.
        File = "file",
    }
}

object! {
    /// A file attached to a message. Messages return it in API 0.2+ and accept it in API 0.1 only.
    pub struct MessageAttachment {
        /// Type of the file.
        r#type = "type": AttachmentType,
        /// URL of the file.
        url: String,
    }
}

impl MessageAttachment {
    /// Creates an attachment to send. API 0.1 only.
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
    /// A message to an existing conversation, for [`Messages::send`].
    ///
    /// ```
    /// use bimpeai::conversations::{MessageRole, SendMessage};
    ///
    /// let question = SendMessage::new("Are you open on Sunday?");
    /// let by_hand = SendMessage::new("We are.").role(MessageRole::Assistant);
    /// ```
    #[doc(alias = "SendMessageBody")]
    pub struct SendMessage {
        required {
            /// Text. Maximum 4,096 characters.
            message: String,
        }
        optional {
            /// Role of the sender: `user` (a customer) or `assistant`. The server accepts
            /// `assistant` only while the assistant is paused. Default: `user`. API 0.2+.
            role: MessageRole,
        }
        list {
            /// Attached files. API 0.1 only.
            attachments: MessageAttachment,
        }
    }
}

impl From<&str> for SendMessage {
    fn from(message: &str) -> Self {
        SendMessage::new(message)
    }
}

impl From<String> for SendMessage {
    fn from(message: String) -> Self {
        SendMessage::new(message)
    }
}
