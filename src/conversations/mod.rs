//! Conversations between agents and customers, and their messages: `client.conversations()`.

mod ask;
mod messages;
mod visitors;

use std::time::Duration;

use crate::client::{Client, handle};
use crate::http::path::Path;
use crate::pagination::ListRequest;
use crate::request::Request;
use crate::types::{Timestamp, body, object, open_enum};

pub use crate::stream::{
    MessageRole, StreamHeartbeatEvent, StreamMessageEvent, StreamMessageRole, StreamTicket,
};
pub use ask::{AskRequest, Reply};
pub use messages::*;
pub use visitors::{transcript, visitor_id};

impl Client {
    /// Returns the handle for conversations and their messages.
    pub fn conversations(&self) -> Conversations {
        Conversations::new(self)
    }
}

handle! {
    /// The conversations of agents, from [`Client::conversations`].
    ///
    /// * To ask an agent and get its reply, call [`ask`](Self::ask).
    /// * To follow a conversation live, call [`messages().stream`](Messages::stream).
    /// * To let a person take over, pause the assistant with
    ///   [`set_ai_status`](Self::set_ai_status), and send messages with the role `assistant`.
    pub struct Conversations;
}

impl Conversations {
    /// Returns the handle for the messages of a conversation and their live stream.
    pub fn messages(&self) -> Messages {
        Messages::new(&self.client)
    }

    /// Lists the conversations of an agent. The filters are methods of [`ListRequest`].
    ///
    /// A new agent has no conversations until a customer writes to it or [`send`](Self::send) opens
    /// one.
    ///
    /// The API stores phone numbers without the plus sign.
    /// [`search("2348012345678")`](ListRequest::search) finds the conversation of that number, and
    /// `search("+2348012345678")` finds nothing.
    ///
    /// Documented rate limit: 120 requests per minute and API key.
    ///
    /// `GET /agents/{agent_id}/conversations`.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// use bimpeai::conversations::ConversationChannel;
    ///
    /// // WhatsApp conversations that need a person, most recent first.
    /// let waiting = client
    ///     .conversations()
    ///     .list(&agent.id)
    ///     .channel(ConversationChannel::Whatsapp)
    ///     .needs_attention(true)
    ///     .sort("-updated_at");
    /// for conversation in waiting {
    ///     let conversation = conversation?;
    ///     let preview = conversation.last_message_preview.unwrap_or_default();
    ///     println!("{}: {preview}", conversation.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "ListConversationsQuery")]
    pub fn list(&self, agent_id: impl AsRef<str>) -> ListRequest<Conversation> {
        ListRequest::new(&self.client, root(agent_id), |conversation| {
            &conversation.id
        })
    }

    /// Sends a message to a conversation, and opens the conversation if there is none.
    ///
    /// The body names a [`conversation_id`](CreateConversationMessage::conversation_id), or a
    /// [`channel_type`](CreateConversationMessage::channel_type) with a
    /// [`channel_user_id`](CreateConversationMessage::channel_user_id). If `body` is a string, it
    /// is sent as the first message of a new web visitor in a test conversation.
    ///
    /// The server usually waits for the assistant and returns its reply. It returns the sent
    /// message instead in three cases: the assistant is paused, the message has the role
    /// `assistant`, or the reply is delivered later. If you sent a message with the role `user`, a
    /// result with the role `assistant` is the reply, and one with the role `user` is your own
    /// message. [`ask`](Self::ask) also waits for a reply that is delivered later.
    ///
    /// Default timeout of one attempt: 60 s.
    ///
    /// # Errors
    ///
    /// Besides those of [`Request::send`], the API refuses with a 400:
    ///
    /// * the role `assistant` while the assistant is not paused; see
    ///   [`set_ai_status`](Self::set_ai_status),
    /// * on the WhatsApp test channel, a phone number that has never written to it.
    ///
    /// `POST /agents/{agent_id}/conversations/messages`. API 0.2+.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// use bimpeai::conversations::CreateConversationMessage;
    ///
    /// let question = CreateConversationMessage::webchat("Hello!", "visitor 7");
    /// let reply = client.conversations().send(&agent.id, question).send()?;
    /// println!("{}: {}", reply.role, reply.message.unwrap_or_default());
    ///
    /// // Continues the same conversation.
    /// if let Some(conversation_id) = reply.conversation_id {
    ///     let next = CreateConversationMessage::new("Are you open today?")
    ///         .conversation_id(conversation_id);
    ///     client.conversations().send(&agent.id, next).send()?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn send(
        &self,
        agent_id: impl AsRef<str>,
        body: impl Into<CreateConversationMessage>,
    ) -> Request<Message> {
        Request::post(&self.client, root(agent_id).then("messages"), &body.into())
            .default_timeout(Duration::from_secs(60))
    }

    /// Returns a conversation with the contact data of its user.
    ///
    /// `GET /agents/{agent_id}/conversations/{conversation_id}`.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// # let id = emulator.add_conversation(&agent.id, "webchat");
    /// let conversation = client.conversations().retrieve(&agent.id, &id).send()?;
    /// if conversation.needs_attention {
    ///     let email = conversation.email.unwrap_or_default();
    ///     println!("write to {email}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn retrieve(
        &self,
        agent_id: impl AsRef<str>,
        conversation_id: impl AsRef<str>,
    ) -> Request<ConversationDetail> {
        Request::get(&self.client, path(agent_id, conversation_id))
    }

    /// Pauses (`true`) or resumes (`false`) the assistant in a conversation.
    ///
    /// While the assistant is paused, messages with the role `assistant` can be sent.
    ///
    /// `PATCH /agents/{agent_id}/conversations/{conversation_id}/ai-status`. API 0.2+.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// # let id = emulator.add_conversation(&agent.id, "webchat");
    /// use bimpeai::conversations::{MessageRole, SendMessage};
    ///
    /// let conversations = client.conversations();
    /// conversations.set_ai_status(&agent.id, &id, true).send()?;
    /// let reply = SendMessage::new("This is Bola. I will look into it.")
    ///     .role(MessageRole::Assistant);
    /// conversations.messages().send(&agent.id, &id, reply).send()?;
    /// conversations.set_ai_status(&agent.id, &id, false).send()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "setAiStatus")]
    #[doc(alias = "SetAiStatusBody")]
    pub fn set_ai_status(
        &self,
        agent_id: impl AsRef<str>,
        conversation_id: impl AsRef<str>,
        is_ai_chat_paused: bool,
    ) -> Request<ConversationAiStatus> {
        let body = serde_json::json!({ "is_ai_chat_paused": is_ai_chat_paused });
        let path = path(agent_id, conversation_id).then("ai-status");
        Request::patch(&self.client, path, &body)
    }
}

fn root(agent_id: impl AsRef<str>) -> Path {
    Path::new("agents")
        .id("agent_id", agent_id)
        .then("conversations")
}

fn path(agent_id: impl AsRef<str>, conversation_id: impl AsRef<str>) -> Path {
    root(agent_id).id("conversation_id", conversation_id)
}

impl ListRequest<Conversation> {
    /// Filters by channel.
    ///
    /// Test conversations have channels of their own here, such as
    /// [`TestWhatsapp`](ConversationChannel::TestWhatsapp).
    pub fn channel(self, channel: impl Into<ConversationChannel>) -> Self {
        self.filter("channel", channel.into())
    }

    /// Filters by test conversations (`true`) or real ones (`false`). Default: both. API 0.2+.
    pub fn is_test_channel(self, is_test_channel: bool) -> Self {
        self.filter("is_test_channel", is_test_channel)
    }

    /// Filters by whether the assistant is paused. API 0.2+.
    pub fn is_ai_chat_paused(self, is_ai_chat_paused: bool) -> Self {
        self.filter("is_ai_chat_paused", is_ai_chat_paused)
    }

    /// Filters by whether the conversation needs the attention of a person. API 0.2+.
    pub fn needs_attention(self, needs_attention: bool) -> Self {
        self.filter("needs_attention", needs_attention)
    }
}

open_enum! {
    /// A filter for [lists of conversations](ListRequest::channel).
    ///
    /// Unlike the [`ChannelType`] of a conversation, it has values for test conversations, such as
    /// `test_whatsapp`. A conversation of that kind has the type `whatsapp` and the flag
    /// [`is_test_channel`](Conversation::is_test_channel).
    ///
    /// ```
    /// use bimpeai::conversations::ConversationChannel;
    ///
    /// let refused = "voice".parse::<ConversationChannel>().unwrap_err();
    /// assert!(refused.to_string().contains("telephony, test_whatsapp"));
    /// ```
    pub enum ConversationChannel ("channel of a conversation") {
        /// WhatsApp.
        Whatsapp = "whatsapp",
        /// Facebook Messenger. API 0.1 only.
        Messenger = "messenger",
        /// Instagram. API 0.1 only.
        Instagram = "instagram",
        /// Chat on a web page.
        Webchat = "webchat",
        /// Phone calls. API 0.2+.
        Telephony = "telephony",
        /// Tests on WhatsApp.
        TestWhatsapp = "test_whatsapp",
        /// Tests on Facebook Messenger. API 0.1 only.
        TestMessenger = "test_messenger",
        /// Tests on Instagram. API 0.1 only.
        TestInstagram = "test_instagram",
        /// Tests of the chat on a web page. API 0.2+.
        TestWebchat = "test_webchat",
        /// Test calls. API 0.2+.
        TestTelephony = "test_telephony",
    }
}

open_enum! {
    /// The channel of a conversation.
    ///
    /// Lists are filtered by a [`ConversationChannel`], which has values for tests too.
    pub enum ChannelType ("type of a channel") {
        /// WhatsApp.
        Whatsapp = "whatsapp",
        /// Facebook Messenger. API 0.1 only.
        Messenger = "messenger",
        /// Instagram. API 0.1 only.
        Instagram = "instagram",
        /// Chat on a web page.
        Webchat = "webchat",
        /// Phone calls. API 0.2+.
        Telephony = "telephony",
    }
}

/// The fields that a conversation has both in lists and alone. Fields of API 0.1 come last.
macro_rules! conversation {
    ($(#[$meta:meta])* $name:ident { $($more:tt)* }) => {
        object! {
            $(#[$meta])*
            pub struct $name {
                /// Identifier.
                [required] id: String,
                /// Type of the channel.
                channel_type: ChannelType,
                /// Identifier of the agent's channel.
                channel_id: Option<String>,
                /// Identifier of the user on the channel. On whatsapp and telephony it is a phone
                /// number in digits, without the plus sign that it was sent with; on webchat, a UUID.
                channel_user_id: Option<String>,
                /// Name of the user on the channel. API 0.2+.
                channel_user_username: Option<String>,
                /// Whether this is a test conversation.
                is_test_channel: bool,
                /// Whether the assistant is paused.
                is_ai_chat_paused: bool,
                /// Whether the conversation needs the attention of a person. API 0.2+.
                needs_attention: bool,
                /// Time of the last message.
                last_message_at: Option<Timestamp>,
                /// Time at which the user was last seen. API 0.2+.
                last_seen: Option<Timestamp>,
                /// Beginning of the last message.
                last_message_preview: Option<String>,
                /// Creation time.
                created_at: Timestamp,
                /// Time of the last change.
                updated_at: Timestamp,
                $($more)*
                /// Name of the user on the channel. API 0.1 only.
                channel_username: Option<String>,
            }
        }
    };
}

conversation! {
    /// A conversation, in lists.
    Conversation {
        /// Full name of the user. API 0.1 only; later in [`ConversationDetail`].
        full_name: Option<String>,
        /// Email address of the user. API 0.1 only; later in [`ConversationDetail`].
        email: Option<String>,
        /// Phone number of the user. API 0.1 only; later in [`ConversationDetail`].
        phone_number: Option<String>,
    }
}

conversation! {
    /// A conversation with the contact data of its user, from [`Conversations::retrieve`].
    ConversationDetail {
        /// Full name of the user.
        full_name: Option<String>,
        /// Email address of the user.
        email: Option<String>,
        /// Phone number of the user.
        phone_number: Option<String>,
        /// URL of the user's picture. API 0.2+.
        profile_picture: Option<String>,
    }
}

object! {
    /// Whether the assistant is paused, from [`Conversations::set_ai_status`]. API 0.2+.
    pub struct ConversationAiStatus {
        /// Whether the assistant is paused now. `None` if the response does not contain it.
        is_ai_chat_paused: Option<bool>,
    }
}

body! {
    /// A message, for [`Conversations::send`] and [`Conversations::ask`]. API 0.2+.
    ///
    /// Set either the [`conversation_id`](Self::conversation_id) or both the
    /// [`channel_type`](Self::channel_type) and the [`channel_user_id`](Self::channel_user_id). For a
    /// visitor of a web page, [`webchat`](Self::webchat) sets the last two.
    ///
    /// ```
    /// use bimpeai::conversations::{ChannelType, CreateConversationMessage};
    ///
    /// let first = CreateConversationMessage::new("Is table 4 free tonight?")
    ///     .channel_type(ChannelType::Whatsapp)
    ///     .channel_user_id("+2348012345678")
    ///     .is_test_channel(true);
    /// ```
    #[doc(alias = "CreateConversationMessageBody")]
    pub struct CreateConversationMessage {
        required {
            /// Text. Maximum 4,096 characters.
            message: String,
        }
        optional {
            /// Role of the sender: `user` (a customer) or `assistant`. The server accepts
            /// `assistant` only while the assistant is paused. Default: `user`.
            role: MessageRole,
            /// Identifier of an existing conversation.
            conversation_id: String,
            /// Channel: whatsapp, webchat or telephony. Required without a `conversation_id`.
            channel_type: ChannelType,
            /// Identifier of the user. Required without a `conversation_id`. On whatsapp and telephony
            /// an E.164 number with its plus sign, which responses leave out; on webchat a UUID.
            channel_user_id: String,
            /// Name of the user. Maximum 255 characters.
            channel_username: String,
            /// Whether this is a test conversation. Default of the server: `false`.
            is_test_channel: bool,
        }
    }
}
