//! The events of a stream, and the ticket that opens it.

use std::time::Duration;

use crate::error::{ApiError, DecodeError, Error, FieldError};
use crate::headers::Headers;
use crate::sse::{Oversized, Span};
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

/// The events of a server that a stream understands.
pub(super) enum Name {
    Message,
    Heartbeat,
    Error,
}

impl Name {
    /// Returns `None` for an event of a later version of the API.
    #[inline]
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"message" => Some(Name::Message),
            b"heartbeat" => Some(Name::Heartbeat),
            b"error" => Some(Name::Error),
            _ => None,
        }
    }
}

/// An event on its way from the reader to the caller.
pub(super) struct Event {
    pub(super) kind: Kind,
    /// The id of its block, else the id within its data. Valid UTF-8.
    pub(super) id: Option<Span>,
    /// What the server sent with it, decoded when the caller takes it.
    pub(super) data: Span,
}

pub(super) enum Kind {
    Connected,
    Message,
    Heartbeat,
    /// A message that is too large.
    Oversized(Oversized),
    /// Boxed, because every event of a batch takes the memory of the largest kind.
    Disconnected(Box<Disconnection>),
}

pub(super) struct Disconnection {
    pub(super) error: Error,
    pub(super) wait: Duration,
}

impl Event {
    /// Makes an event that has no data of the server.
    pub(super) fn new(kind: Kind, id: Option<Span>) -> Self {
        Event {
            kind,
            id,
            data: Span::Range(0..0),
        }
    }

    /// Returns the memory that it takes beside its own size, in bytes.
    #[inline]
    pub(super) fn memory(&self) -> usize {
        let of_kind = match &self.kind {
            Kind::Disconnected(event) => size_of::<Disconnection>() + memory_of(&event.error),
            Kind::Connected | Kind::Message | Kind::Heartbeat | Kind::Oversized(_) => 0,
        };
        of_kind + self.data.memory() + self.id.as_ref().map_or(0, Span::memory)
    }
}

/// Returns the memory that an error takes. It may hold a response with a body of up to 1 MiB.
fn memory_of(error: &Error) -> usize {
    let of_headers = |headers: &Headers| -> usize {
        let each = headers.iter().map(|(name, value)| name.len() + value.len());
        each.map(|text| text + size_of::<[usize; 12]>()).sum()
    };
    match error {
        Error::Api(error) => {
            let fields = error.field_errors().iter();
            let fields: usize = fields
                .map(|field| size_of::<FieldError>() + field.path.len() + field.message.len())
                .sum();
            let text = error.body().len() + error.message().len();
            size_of::<ApiError>() + text + fields + of_headers(error.headers())
        }
        Error::Decode(error) => {
            size_of::<DecodeError>() + error.body().len() + of_headers(error.headers())
        }
        _ => size_of::<ApiError>(),
    }
}

#[cfg(test)]
mod tests {
    use ureq::http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::error::{CallInfo, CallTraits};
    use crate::http::{Response, error_body};

    const EACH_HEADER: usize = size_of::<[usize; 12]>();

    fn response(status: u16, body: &str, headers: &[(&'static str, &'static str)]) -> Response {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        Response {
            call: CallInfo {
                operation: String::new(),
                attempts: 1,
                request_id: None,
                sent: true,
                traits: CallTraits::STREAM,
                page: None,
            },
            status,
            headers: Headers::new(headers.collect::<HeaderMap>(), ""),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn the_memory_of_an_error_counts_the_response_that_it_holds() {
        let plain = r#"{"message":"12345"}"#;
        let fields = r#"{"code":"validation_error","message":"12","errors":[{"path":"a.b","message":"1234567"},{"path":"c","message":"12"}]}"#;
        let of_fields = 2 * size_of::<FieldError>() + 3 + 7 + 1 + 2;
        for (body, message, of_fields) in [(plain, 5, 0), (fields, 2, of_fields)] {
            for (headers, of_headers) in [
                (&[][..], 0),
                (&[("x-a", "12345")], 8 + EACH_HEADER),
                (&[("x-a", "12345"), ("y", "")], 9 + 2 * EACH_HEADER),
            ] {
                let error = error_body::api_error(response(400, body, headers), "");
                let expected = body.len() + message + of_fields + of_headers;
                assert_eq!(memory_of(&error), size_of::<ApiError>() + expected);
            }
        }
    }

    #[test]
    fn the_memory_of_an_undecodable_response_counts_its_body_and_headers() {
        let response = response(200, "12345", &[("x-a", "12345")]);
        let error = Error::Decode(Box::new(DecodeError {
            call: response.call,
            status: response.status,
            headers: response.headers,
            body: response.body,
            what: String::new(),
            truncated: false,
            source: None,
        }));
        let expected = size_of::<DecodeError>() + 5 + 8 + EACH_HEADER;
        assert_eq!(memory_of(&error), expected);
        let other = memory_of(&Error::user("wrong"));
        assert_eq!(other, size_of::<ApiError>());
        // And that of an event that tells of it.
        let wait = Duration::ZERO;
        let event = Kind::Disconnected(Box::new(Disconnection { error, wait }));
        let event = Event::new(event, Some(Span::Owned(vec![0; 10])));
        assert_eq!(event.memory(), size_of::<Disconnection>() + expected + 10);
    }
}
