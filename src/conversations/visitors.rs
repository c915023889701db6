//! Visitors of a web page, and conversations as text.

use std::fmt::Write as _;

use uuid::Uuid;

use super::{ChannelType, CreateConversationMessage, Message};
use crate::random;

impl CreateConversationMessage {
    /// Creates a message from a visitor of a web page.
    ///
    /// `visitor` is any text that identifies the person, such as an account name. See
    /// [`visitor_id`].
    ///
    /// ```
    /// use bimpeai::conversations::{
    ///     ChannelType, CreateConversationMessage, visitor_id,
    /// };
    ///
    /// let message =
    ///     CreateConversationMessage::webchat("Are you open?", "customer 7");
    /// assert_eq!(message.channel_type, Some(ChannelType::Webchat));
    /// assert_eq!(message.channel_user_id, Some(visitor_id("customer 7")));
    /// ```
    #[must_use]
    pub fn webchat(message: impl Into<String>, visitor: impl AsRef<str>) -> Self {
        CreateConversationMessage::new(message)
            .channel_type(ChannelType::Webchat)
            .channel_user_id(visitor_id(visitor))
    }
}

/// A message from a new visitor of a web page, in a test conversation.
impl From<&str> for CreateConversationMessage {
    fn from(message: &str) -> Self {
        CreateConversationMessage::from(message.to_owned())
    }
}

/// A message from a new visitor of a web page, in a test conversation.
impl From<String> for CreateConversationMessage {
    fn from(message: String) -> Self {
        // Without random numbers, the request has no idempotency key either, and is not sent.
        let visitor = random::uuid().unwrap_or_default().to_string();
        CreateConversationMessage::webchat(message, visitor).is_test_channel(true)
    }
}

/// Returns the id of a web page visitor, which the API requires to be a UUID.
///
/// A UUID is returned as it is, in lower case. Any other text becomes the UUID v5 of
/// `bimpeai:webchat:` and the text in the URL namespace, so that the same text is the same visitor
/// in each run and in other languages: in Python,
/// `uuid.uuid5(uuid.NAMESPACE_URL, "bimpeai:webchat:" + text)`.
///
/// ```
/// use bimpeai::conversations::visitor_id;
///
/// let id = visitor_id("customer 7");
/// assert_eq!(id, "82d22e0f-d6d2-53b1-892a-7f1d01707bfe");
/// ```
#[must_use]
pub fn visitor_id(text: impl AsRef<str>) -> String {
    let text = text.as_ref();
    // Only the form with hyphens: 32 digits may be somebody's account number.
    let id = match Uuid::try_parse(text) {
        Ok(id) if text.len() == uuid::fmt::Hyphenated::LENGTH => id,
        _ => Uuid::new_v5(
            &Uuid::NAMESPACE_URL,
            format!("bimpeai:webchat:{text}").as_bytes(),
        ),
    };
    id.hyphenated().to_string()
}

/// Returns messages as text: `role: text`, one line each, in the order of their creation.
///
/// Line breaks within a message become spaces. Messages without a text are left out.
///
/// ```no_run
/// # fn main() -> Result<(), bimpeai::Error> {
/// # let client = bimpeai::Client::from_env()?;
/// let messages = client.conversations().messages();
/// let messages = messages.list("agt_1", "cnv_1").all()?;
/// print!("{}", bimpeai::conversations::transcript(&messages));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn transcript<'a>(messages: impl IntoIterator<Item = &'a Message>) -> String {
    let mut messages: Vec<&Message> = messages.into_iter().collect();
    // Stable, so that messages of one instant, or without a time, keep their order.
    messages.sort_by_cached_key(|message| message.created_at.to_system_time());
    let mut text = String::new();
    for message in messages {
        let words: Vec<&str> = message
            .message
            .as_deref()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        if !words.is_empty() {
            let _ = writeln!(text, "{}: {}", message.role, words.join(" "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_visitor_is_the_same_in_python() {
        for (text, id) in [
            ("", "307d3a58-ecb3-5af8-9c9b-76ce03c02d4f"),
            ("customer 7", "82d22e0f-d6d2-53b1-892a-7f1d01707bfe"),
            ("+2348012345678", "fe9c3a16-1df7-5299-b93e-414c1ff79e01"),
            ("Zoë 🍕", "9f6d366a-571a-57d5-ae9e-8d0c2222a3d9"),
            (
                "6f1c0b9e4a3d4f7a9d0e1b2c3d4e5f60",
                "60767cdd-19e5-5d99-b252-cdd023aaf3e7",
            ),
        ] {
            assert_eq!(visitor_id(text), id, "{text}");
        }
        let id = "6F1C0B9E-4A3D-4F7A-9D0E-1B2C3D4E5F60";
        assert_eq!(visitor_id(id), id.to_lowercase());
    }

    #[test]
    fn a_transcript_has_a_line_for_each_message_in_order() {
        let messages: Vec<Message> = serde_json::from_value(json!([
            {"id": "2", "role": "assistant", "message": "Hello.\r\n How are you?", "created_at": "2026-06-05T08:00:01.000Z"},
            {"id": "3", "role": "user", "message": null, "created_at": "2026-06-05T08:00:02.000Z"},
            {"id": "1", "role": "user", "message": "Hi", "created_at": "2026-06-05T08:00:00.000Z"},
        ])).unwrap();
        assert_eq!(
            transcript(&messages),
            "user: Hi\nassistant: Hello. How are you?\n"
        );
        assert_eq!(transcript(&[]), "");
    }
}
