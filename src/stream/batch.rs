//! The events of one socket read, on their way from the reader to the caller.
//!
//! This file and `buffer.rs` are the fast path: events stay undecoded in the bytes that were received,
//! and memory goes back to the reader. The rows `stream` of `cargo bench --bench figures` depend on it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::StreamEvent;
use super::event::{Disconnection, Event, Kind, StreamHeartbeatEvent, StreamMessageEvent};
use crate::error::{CallInfo, Error, SkipReason, SkippedMessageError};
use crate::http::json;
use crate::types::{ObjectFields as _, time};

/// Events whose data lies in the received bytes.
///
/// A batch that the caller has finished returns to the reader, which reuses its memory: allocating
/// new memory costs more than decoding the events.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    events: Vec<Event>,
    /// Memory of events whose data spans several lines, and of ids.
    owned: usize,
    /// Number of events that the caller has taken.
    taken: usize,
}

impl Batch {
    /// Makes a batch of one event that has no data of the server.
    pub(super) fn of(kind: Kind) -> Self {
        let mut batch = Batch::default();
        batch.push(Event::new(kind, None));
        batch
    }

    #[inline]
    pub(super) fn push(&mut self, event: Event) {
        self.owned += event.memory();
        self.events.push(event);
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// Returns all memory that it takes, in bytes.
    pub(super) fn memory(&self) -> usize {
        let events = self.events.capacity() * size_of::<Event>();
        self.bytes.capacity() + events + self.owned
    }

    /// Moves to the next event. Returns `false` if there is none.
    pub(super) fn advance(&mut self) -> bool {
        self.taken += 1;
        self.taken <= self.events.len()
    }

    /// Returns whether the next event is a message.
    pub(super) fn has_message(&self) -> bool {
        let next = self.events.get(self.taken);
        next.is_some_and(|event| matches!(event.kind, Kind::Message))
    }

    /// Returns the event that it was moved to.
    pub(super) fn event(&self) -> Option<&Event> {
        self.events.get(self.taken.wrapping_sub(1))
    }

    /// Takes and decodes the next event.
    pub(super) fn take_next(&mut self, stream: &CallInfo) -> Option<Result<StreamEvent, Error>> {
        if !self.advance() {
            return None;
        }
        let event = self.events.get_mut(self.taken.wrapping_sub(1))?;
        // What is taken is not looked at again, except for its id.
        let kind = std::mem::replace(&mut event.kind, Kind::Connected);
        let event = self.event()?;
        Some(match kind {
            Kind::Connected => Ok(StreamEvent::Connected),
            Kind::Message => self.message(event, stream).map(StreamEvent::Message),
            Kind::Heartbeat => Ok(StreamEvent::Heartbeat(heartbeat(self.data(event)))),
            Kind::Oversized(oversized) => {
                let reason = SkipReason::TooLarge(oversized.limit());
                Err(skipped(stream, self.id(event), &[], reason))
            }
            Kind::Disconnected(event) => {
                let Disconnection { error, wait } = *event;
                Ok(StreamEvent::Disconnected { error, wait })
            }
        })
    }

    /// Removes all events and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.events.clear();
        self.owned = 0;
        self.taken = 0;
    }

    fn data<'a>(&'a self, event: &'a Event) -> &'a [u8] {
        event.data.bytes(&self.bytes)
    }

    fn id<'a>(&'a self, event: &'a Event) -> Option<&'a [u8]> {
        event.id.as_ref().map(|id| id.bytes(&self.bytes))
    }

    /// Decodes a message.
    #[inline]
    pub(super) fn message(
        &self,
        event: &Event,
        stream: &CallInfo,
    ) -> Result<StreamMessageEvent, Error> {
        // Filled in place, because moving a message costs as much as decoding one of its fields.
        let mut message = StreamMessageEvent::default();
        match fill(&mut message, self.data(event)) {
            true => Ok(message),
            false => unusual_message(self.data(event), self.id(event), stream),
        }
    }

    /// Returns the ids of all its events that are text, the last one first. `bytes` is the memory that the
    /// events lie in as long as it is not the batch's own.
    pub(super) fn ids<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = &'a str> {
        let ids = self.events.iter().rev().filter_map(|it| it.id.as_ref());
        ids.filter_map(|id| std::str::from_utf8(id.bytes(bytes)).ok())
    }

    /// Returns the last id of this kind among the messages that the caller has taken.
    pub(super) fn last_id(&self, is_wanted: impl Fn(&str) -> bool) -> Option<&str> {
        let taken = self.events.iter().take(self.taken).rev();
        let mut ids = taken.filter_map(|event| std::str::from_utf8(self.id(event)?).ok());
        ids.find(|id| is_wanted(id))
    }
}

/// Returns whether the data begins with this id, as it nearly always does. If so, it need not be
/// decoded.
#[inline]
pub(super) fn starts_with_id(data: &[u8], id: &[u8]) -> bool {
    let Some(rest) = data.strip_prefix(b"{\"id\":") else {
        return false;
    };
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let text = rest
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_prefix(id));
    text.is_some_and(|rest| rest.first() == Some(&b'"'))
}

/// Returns the id within a message.
pub(super) fn id_in_data(data: &[u8]) -> Option<String> {
    text_in_data(data, |message| message.id, "id")
}

/// Returns the creation time of a message if it has one.
///
/// A date before 1970 counts as none.
pub(super) fn created_at(data: &[u8]) -> Option<SystemTime> {
    let text = text_in_data(data, |message| message.created_at.into(), "created_at")?;
    time::from_iso(&text).filter(|time| *time >= UNIX_EPOCH)
}

/// Returns a field of a message, also of one that is not as documented.
fn text_in_data(
    data: &[u8],
    field: impl FnOnce(StreamMessageEvent) -> String,
    name: &str,
) -> Option<String> {
    let mut message = StreamMessageEvent::default();
    let text = match fill(&mut message, data) {
        true => field(message),
        false => match json::decode::<Value>(data).ok()?.get(name)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        },
    };
    Some(text).filter(|text| !text.is_empty())
}

fn fill(message: &mut StreamMessageEvent, data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let mut json = serde_json::Deserializer::from_str(text);
    message.fill(&mut json).is_ok() && json.end().is_ok()
}

#[cold]
fn unusual_message(
    data: &[u8],
    id: Option<&[u8]>,
    stream: &CallInfo,
) -> Result<StreamMessageEvent, Error> {
    let error = match json::decode::<StreamMessageEvent>(data) {
        Ok(message) => return Ok(message),
        Err(error) => error,
    };
    let mut value = json::decode::<Value>(data).ok();
    // The block has the id if the message itself does not.
    if let (Some(Value::Object(object)), Some(id)) = (&mut value, id) {
        if object.get("id").is_none_or(Value::is_null) {
            let id = String::from_utf8_lossy(id).into_owned();
            object.insert("id".to_owned(), id.into());
        }
    }
    value
        .and_then(|value| serde_json::from_value(value).ok())
        .ok_or_else(|| {
            let reason = match error.is_data() {
                true => SkipReason::UnexpectedShape,
                false => SkipReason::InvalidJson,
            };
            skipped(stream, id, data, reason)
        })
}

pub(super) fn heartbeat(data: &[u8]) -> StreamHeartbeatEvent {
    json::decode(data).unwrap_or_default()
}

/// Returns the error that takes the place of a skipped message.
fn skipped(stream: &CallInfo, id: Option<&[u8]>, data: &[u8], reason: SkipReason) -> Error {
    Error::SkippedMessage(Box::new(SkippedMessageError {
        call: CallInfo {
            sent: true,
            ..stream.clone()
        },
        id: id.map(|id| String::from_utf8_lossy(id).into_owned()),
        data: data.to_vec(),
        reason,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sse::Span;

    #[test]
    fn all_memory_of_a_batch_counts_and_none_of_it_once_it_is_empty() {
        let mut batch = Batch::default();
        assert_eq!(batch.memory(), 0);
        batch.bytes = Vec::with_capacity(1000);
        let spans = [
            (None, Span::Range(0..5), 0),
            (
                Some(Span::Range(0..1)),
                Span::Owned(Vec::with_capacity(300)),
                300,
            ),
            (
                Some(Span::Owned(Vec::with_capacity(20))),
                Span::Range(0..5),
                20,
            ),
        ];
        let mut owned = 0;
        for (id, data, memory) in spans {
            let kind = Kind::Message;
            batch.push(Event { kind, id, data });
            owned += memory;
            let events = batch.events.capacity() * size_of::<Event>();
            assert_eq!(batch.memory(), 1000 + events + owned);
        }
        let events = batch.events.capacity() * size_of::<Event>();
        batch.clear();
        assert_eq!(batch.memory(), 1000 + events);
    }
    #[test]
    fn only_the_next_message_is_ready() {
        let mut batch = Batch::default();
        assert!(!batch.has_message());
        for kind in [Kind::Message, Kind::Heartbeat, Kind::Message] {
            batch.push(Event::new(kind, None));
        }
        assert_eq!(batch.len(), 3);
        for is_message in [true, false, true] {
            assert_eq!(batch.has_message(), is_message);
            assert!(batch.advance());
        }
        assert!(!batch.has_message() && !batch.advance());
    }

    #[test]
    fn an_id_at_the_beginning_of_the_data_is_found_without_decoding() {
        for (data, found) in [
            (r#"{"id":"m1","text":"x"}"#, true),
            (r#"{"id": "m1"}"#, true),
            (r#"{"id":"m12"}"#, false),
            (r#"{"id":"m"}"#, false),
            (r#"{"id":1}"#, false),
            (r#"{"text":"x","id":"m1"}"#, false),
        ] {
            assert_eq!(starts_with_id(data.as_bytes(), b"m1"), found, "{data}");
        }
    }

    #[test]
    fn a_message_as_documented_is_filled_in_place_and_no_other() {
        let mut message = StreamMessageEvent::default();
        assert!(fill(&mut message, br#"{"id":"m1"}"#));
        assert_eq!(message.id, "m1");
        for data in [
            &b"{\"id\":\"m1\"} x"[..],
            b"{\"id\":\"m1\"",
            b"[]",
            b"{\"id\":\"\xff\"}",
        ] {
            assert!(!fill(&mut StreamMessageEvent::default(), data));
        }
    }
}
