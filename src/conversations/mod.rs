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

    /// Lists an agent's conversations; the filters are methods of the request.
    ///
    /// Documented limit: 120 calls a minute for each key.
    ///
    /// `GET /agents/{agent_id}/conversations`. All generations.
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

    /// Sends a message to a conversation, opening one with the user where there is none, and waits
    /// for the assistant's reply.
    ///
    /// The body names a [`conversation_id`](CreateConversationMessage::conversation_id), or a
    /// [`channel_type`](CreateConversationMessage::channel_type) with a
    /// [`channel_user_id`](CreateConversationMessage::channel_user_id). The answer is the reply; its
    /// `conversation_id`, where the server sends one, is in `extra`. One attempt may take 60 s here
    /// unless call or client set a timeout.
    ///
    /// `POST /agents/{agent_id}/conversations/messages`. Since 0.2.
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
    /// The channel that a list of conversations is narrowed to.
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
    /// The channel that a conversation is on.
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
                /// Who the user is on the channel: a phone number, or a UUID on the web page.
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
            /// Who speaks: user, the server's default, or assistant, which the server takes only
            /// while the assistant is paused.
            role: MessageRole,
            /// The conversation, where there is one.
            conversation_id: String,
            /// Needed without a `conversation_id`: whatsapp, webchat or telephony.
            channel_type: ChannelType,
            /// Needed without a `conversation_id`: an E.164 number on whatsapp and telephony, a UUID
            /// on webchat.
            channel_user_id: String,
            /// What the user is called, at most 255 characters.
            channel_username: String,
            /// Whether it is a test; the server's default is `false`.
            is_test_channel: bool,
        }
    }
}
