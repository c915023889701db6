//! Conversations of agents, and their messages. `client.conversations()`.

mod ask;
mod messages;
mod visitors;

use std::time::Duration;

use crate::client::{Client, handle};
use crate::http::path::Path;
use crate::pagination::ListRequest;
use crate::request::Request;
use crate::types::{body, object, open_enum};

pub use crate::stream::{
    MessageRole, StreamHeartbeatEvent, StreamMessageEvent, StreamMessageRole, StreamTicket,
};
pub use ask::{AskRequest, Reply};
pub use messages::*;
pub use visitors::{transcript, visitor_id};

impl Client {
    /// The conversations of agents, and their messages.
    pub fn conversations(&self) -> Conversations {
        Conversations::new(self)
    }
}

handle! {
    /// The conversations of agents, from [`Client::conversations`].
    pub struct Conversations;
}

impl Conversations {
    /// The messages of conversations, and their live stream.
    pub fn messages(&self) -> Messages {
        Messages::new(&self.client)
    }

    /// Lists the conversations of an agent. The filters are methods of the request.
    ///
    /// A new agent has none until a customer writes to it, or [`send`](Self::send) opens one.
    ///
    /// The API stores phone numbers without the plus sign.
    /// [`search("2348012345678")`](ListRequest::search) finds the conversation of that number, and
    /// `search("+2348012345678")` finds nothing.
    ///
    /// Documented rate limit: 120 requests per minute and API key.
    ///
    /// `GET /agents/{agent_id}/conversations`.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use bimpeai::conversations::ConversationChannel;
    ///
    /// let waiting = client
    ///     .conversations()
    ///     .list("agt_1")
    ///     .channel(ConversationChannel::Whatsapp)
    ///     .needs_attention(true);
    /// for conversation in waiting {
    ///     println!("{}", conversation?.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self, agent_id: impl AsRef<str>) -> ListRequest<Conversation> {
        ListRequest::new(&self.client, root(agent_id), |conversation| {
            &conversation.id
        })
    }

    /// Sends a message to a conversation, and opens the conversation if there is none.
    ///
    /// The body names a [`conversation_id`](CreateConversationMessage::conversation_id), or a
    /// [`channel_type`](CreateConversationMessage::channel_type) with a
    /// [`channel_user_id`](CreateConversationMessage::channel_user_id).
    ///
    /// The server usually waits for the assistant and returns its reply. It returns the sent message
    /// instead while the assistant is paused, if the message has the role `assistant`, and if the reply
    /// comes later. The [`role`](Message::role) of the result tells them apart.
    /// [`ask`](Self::ask) returns the reply in all cases but a paused assistant.
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
    pub fn send(
        &self,
        agent_id: impl AsRef<str>,
        body: CreateConversationMessage,
    ) -> Request<Message> {
        Request::post(&self.client, root(agent_id).then("messages"), &body)
            .default_timeout(Duration::from_secs(60))
    }

    /// Reads one conversation.
    ///
    /// `GET /agents/{agent_id}/conversations/{conversation_id}`. All generations.
    pub fn retrieve(
        &self,
        agent_id: impl AsRef<str>,
        conversation_id: impl AsRef<str>,
    ) -> Request<ConversationDetail> {
        Request::get(&self.client, path(agent_id, conversation_id))
    }

    /// Pauses (`true`) or resumes (`false`) the assistant in one conversation.
    ///
    /// `PATCH /agents/{agent_id}/conversations/{conversation_id}/ai-status`. Since 0.2.
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
    /// Only those on this channel. All generations.
    pub fn channel(self, channel: impl Into<ConversationChannel>) -> Self {
        self.filter("channel", channel.into())
    }

    /// Only test conversations, or none of them. Since 0.2.
    pub fn is_test_channel(self, is_test_channel: bool) -> Self {
        self.filter("is_test_channel", is_test_channel)
    }

    /// Only those in which the assistant is paused, or is not. Since 0.2.
    pub fn is_ai_chat_paused(self, is_ai_chat_paused: bool) -> Self {
        self.filter("is_ai_chat_paused", is_ai_chat_paused)
    }

    /// Only those that wait for a person, or do not. Since 0.2.
    pub fn needs_attention(self, needs_attention: bool) -> Self {
        self.filter("needs_attention", needs_attention)
    }
}

open_enum! {
    /// A filter for [lists of conversations](ListRequest::channel).
    ///
    /// It has values for tests, such as `test_whatsapp`, and a conversation has not: its
    /// [`ChannelType`] is `whatsapp`, and its flag `is_test_channel` is set.
    ///
    /// ```
    /// use bimpeai::conversations::ConversationChannel;
    ///
    /// let refused = "voice".parse::<ConversationChannel>().unwrap_err();
    /// assert!(refused.to_string().contains("telephony, test_whatsapp"));
    /// ```
    pub enum ConversationChannel ("channel of a conversation") {
        /// WhatsApp. All generations.
        Whatsapp = "whatsapp",
        /// Facebook Messenger. First generation only (0.1).
        Messenger = "messenger",
        /// Instagram. First generation only (0.1).
        Instagram = "instagram",
        /// The chat on a web page. All generations.
        Webchat = "webchat",
        /// Calls. Since 0.2.
        Telephony = "telephony",
        /// Tests on WhatsApp. All generations.
        TestWhatsapp = "test_whatsapp",
        /// Tests on Facebook Messenger. First generation only (0.1).
        TestMessenger = "test_messenger",
        /// Tests on Instagram. First generation only (0.1).
        TestInstagram = "test_instagram",
        /// Tests of the chat on a web page. Since 0.2.
        TestWebchat = "test_webchat",
        /// Test calls. Since 0.2.
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
        /// Facebook Messenger. First generation only (0.1).
        Messenger = "messenger",
        /// Instagram. First generation only (0.1).
        Instagram = "instagram",
        /// The chat on a web page.
        Webchat = "webchat",
        /// Calls. Since 0.2.
        Telephony = "telephony",
    }
}

/// The fields that a conversation has in lists and alone.
macro_rules! conversation {
    ($(#[$meta:meta])* $name:ident { $($more:tt)* }) => {
        object! {
            $(#[$meta])*
            pub struct $name {
                /// Identifier.
                [required] id: String,
                /// The channel that it is on.
                channel_type: ChannelType,
                /// The agent's channel, by its id.
                channel_id: Option<String>,
                /// Identifier of the user on the channel. On whatsapp and telephony it is a phone
                /// number in digits, without the plus sign that it was sent with; on webchat, a UUID.
                channel_user_id: Option<String>,
                /// What the user is called on the channel. Since 0.2.
                channel_user_username: Option<String>,
                /// What the user is called on the channel. First generation only (0.1).
                channel_username: Option<String>,
                /// Whether it is a test.
                is_test_channel: bool,
                /// Whether the assistant is paused in it.
                is_ai_chat_paused: bool,
                /// Whether it waits for a person. Since 0.2.
                needs_attention: bool,
                /// The user's name. In lists first generation only (0.1).
                full_name: Option<String>,
                /// The user's e-mail address. In lists first generation only (0.1).
                email: Option<String>,
                /// The user's phone number. In lists first generation only (0.1).
                phone_number: Option<String>,
                /// When the last message was written, RFC 3339.
                last_message_at: Option<String>,
                /// When the user last looked, RFC 3339. Since 0.2.
                last_seen: Option<String>,
                /// How the last message begins.
                last_message_preview: Option<String>,
                /// When it began, RFC 3339.
                created_at: String,
                /// When it last changed, RFC 3339.
                updated_at: String,
                $($more)*
            }
        }
    };
}

conversation! {
    /// A conversation as lists have it.
    Conversation {}
}

conversation! {
    /// A conversation as [`Conversations::retrieve`] has it, with what is known about the user.
    ConversationDetail {
        /// The user's picture, a URL. Since 0.2.
        profile_picture: Option<String>,
    }
}

object! {
    /// Whether the assistant is paused. Since 0.2.
    pub struct ConversationAiStatus {
        /// As it is now, where the server says so.
        is_ai_chat_paused: Option<bool>,
    }
}

body! {
    /// A message to a conversation that may have to be opened. Since 0.2.
    ///
    /// ```
    /// use bimpeai::conversations::{ChannelType, CreateConversationMessage};
    ///
    /// let first = CreateConversationMessage::new("Is table 4 free tonight?")
    ///     .channel_type(ChannelType::Whatsapp)
    ///     .channel_user_id("+2348012345678")
    ///     .is_test_channel(true);
    /// ```
    pub struct CreateConversationMessage {
        required {
            /// The text, at most 4,096 characters.
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
            /// What the user is called, at most 255 characters.
            channel_username: String,
            /// Whether it is a test; the server's default is `false`.
            is_test_channel: bool,
        }
    }
}
