//! Decodes server-sent events by the WHATWG event-stream rules: bytes in, events out.
//!
//! [`Decoder`] is for callers who create a stream ticket and open the stream themselves. It needs
//! nothing else of this crate. It guarantees:
//!
//! * **The same events for every division of the input.** How the bytes are divided into
//!   [`push`](Decoder::push)es does not change the events. An event is complete with the last byte
//!   of its empty line, also if that byte is a lone CR.
//! * **No panic, and no end.** Invalid UTF-8 is replaced by U+FFFD, and unknown fields are ignored.
//!   An event above [`max_event_size`](Decoder::max_event_size) is one [`Oversized`], with whole
//!   events before and after it.
//! * **Linear work and bounded memory.** Memory is bounded by the size limit and the size of a push
//!   if [`next_event`](Decoder::next_event) is called until it returns `None` after each push.
//!   Comments and unknown fields may be endless: they are neither kept nor counted.
//! * **Fields act when they are complete.** `retry:` acts when its line ends. `id:` acts at the empty
//!   line, with or without data. An event that the end of the stream truncates is not delivered, and
//!   its id does not count.

mod splitter;
mod value;

use std::{borrow::Cow, collections::VecDeque, fmt, time::Duration};

pub(crate) use splitter::{RawEvent, Splitter};
pub(crate) use value::Span;
use value::Text;

const DEFAULT_MAX_EVENT_SIZE: usize = 1024 * 1024;
/// From this size on, `push` decodes an event itself: a copy of the bytes would take as long as all
/// the rest. Smaller ones are decoded one at a time, which reuses the memory of those before.
const LARGE: usize = 512;

/// One server-sent event that carries data.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Event type: its last `event:` line, or `message` if it has none or an empty one.
    pub event: Cow<'static, str>,
    /// `data:` lines, joined by `\n`. Invalid UTF-8 is replaced by U+FFFD.
    pub data: String,
    /// Last event id of the stream at this event, which earlier events may have set.
    pub last_event_id: String,
    has_id: bool,
}

impl Event {
    /// Returns the event's own id: its last `id:` line without NUL, `None` if it has none. It is the
    /// [`last_event_id`](Self::last_event_id) then.
    pub fn id(&self) -> Option<&str> {
        self.has_id.then_some(&self.last_event_id)
    }
}

/// An event was larger than [`Decoder::max_event_size`] and is left out.
///
/// Only its type and data are lost: its `retry:` counts, and so does its `id:` if that line alone
/// is within the limit, so that a resumed stream does not receive the same event again and again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "server-sent event of more than {limit} bytes; raise the limit with `Decoder::max_event_size`"
)]
pub struct Oversized {
    limit: usize,
}

impl Oversized {
    /// Returns the limit that the event exceeds, in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }
}

/// Decodes a stream of server-sent events from bytes that arrive in any pieces.
///
/// One decoder is for one connection. For the next one, start a new decoder
/// [`with_last_event_id`](Self::with_last_event_id) of the old.
///
/// ```
/// use bimpeai::sse::Decoder;
/// use std::io::Read;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut body: &[u8] = b": hello\n\nid: msg_1\nevent: message\ndata: {\"role\":\"user\"}\n\n";
/// let mut decoder = Decoder::new();
/// let mut chunk = [0; 16 * 1024];
/// loop {
///     let n = body.read(&mut chunk)?;
///     if n == 0 {
///         break; // resume after `decoder.last_event_id()`
///     }
///     decoder.push(&chunk[..n]);
///     while let Some(event) = decoder.next_event() {
///         let event = event?;
///         println!("{}: {}", event.event, event.data);
///     }
/// }
/// assert_eq!(decoder.last_event_id(), "msg_1");
/// # Ok(())
/// # }
/// ```
pub struct Decoder {
    splitter: Splitter<Text>,
    /// Large events that `push` has decoded.
    ready: VecDeque<Ready>,
    /// Pushed bytes behind them; those before `start` are not needed.
    buf: Vec<u8>,
    start: usize,
    last_event_id: String,
}

enum Ready {
    /// What a block without data has set.
    Id(Text),
    Event(RawEvent<Text>),
    Oversized(Oversized),
}

impl Decoder {
    /// Creates a decoder for the start of a stream, with a limit of 1 MiB for one event.
    pub fn new() -> Self {
        Decoder {
            splitter: Splitter::new(DEFAULT_MAX_EVENT_SIZE),
            ready: VecDeque::new(),
            buf: Vec::new(),
            start: 0,
            last_event_id: String::new(),
        }
    }

    /// Sets the maximum size of one event, in bytes. Default: 1 MiB.
    ///
    /// Counts its `data`, `event`, `id` and `retry` lines with their field names, without line
    /// ends. Memory may reach about three times the limit while one event is put together.
    #[must_use]
    pub fn max_event_size(mut self, bytes: usize) -> Self {
        self.splitter.limit = bytes;
        self
    }

    /// Sets the last event id that holds until the stream sends one. Default: empty.
    #[must_use]
    pub fn with_last_event_id(mut self, id: impl Into<String>) -> Self {
        self.last_event_id = id.into();
        self
    }

    /// Adds the next bytes of the stream. Call [`next_event`](Self::next_event) until it returns
    /// `None` before the next push.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.buf.is_empty() {
            self.start += self.splitter.consumed(&self.buf[self.start..]);
            if self.start < self.buf.len() {
                return self.append(bytes);
            }
            self.buf.clear();
            self.start = 0;
        }
        while let Some(event) = self.splitter.next(bytes) {
            let is_large = matches!(&event, Ok(event) if event.data.len() >= LARGE);
            self.ready
                .extend(self.splitter.take_bare_id().map(Ready::Id));
            self.ready.push_back(match event {
                Ok(event) => Ready::Event(event),
                Err(oversized) => Ready::Oversized(oversized),
            });
            if !is_large {
                break;
            }
        }
        let used = self.splitter.consumed(bytes);
        self.buf.extend_from_slice(&bytes[used..]);
    }

    fn append(&mut self, bytes: &[u8]) {
        // Moved only when the larger part is not needed, so that a caller who pushes much and takes
        // little still moves each byte a bounded number of times.
        if self.start >= self.buf.len() - self.start {
            self.buf.drain(..self.start);
            self.start = 0;
            self.splitter.count_work(self.buf.len());
        }
        self.buf.extend_from_slice(bytes);
    }

    /// Returns the next event that is complete, or `None` if more bytes are needed.
    ///
    /// `Err` stands for one event above [`max_event_size`](Self::max_event_size), in its place among
    /// the others and as soon as it is known to be too large. Later events are complete again.
    pub fn next_event(&mut self) -> Option<Result<Event, Oversized>> {
        while let Some(ready) = self.ready.pop_front() {
            match ready {
                Ready::Id(id) => self.last_event_id = id.into_text().into_owned(),
                Ready::Event(event) => return Some(Ok(self.event(event))),
                Ready::Oversized(oversized) => return Some(Err(oversized)),
            }
        }
        let next = self.splitter.advance(&self.buf[self.start..]);
        if let Some(id) = self.splitter.take_bare_id() {
            self.last_event_id = id.into_text().into_owned();
        }
        match next? {
            Ok(()) => {
                let event = self.splitter.take_event()?;
                Some(Ok(self.event(event)))
            }
            Err(oversized) => Some(Err(oversized)),
        }
    }

    #[inline]
    fn event(&mut self, raw: RawEvent<Text>) -> Event {
        let has_id = raw.id.is_some();
        let last_event_id = match raw.id {
            Some(id) => {
                let id = id.into_text().into_owned();
                self.last_event_id.clone_from(&id);
                id
            }
            None => self.last_event_id.clone(),
        };
        let event = raw.event.map(Text::into_text);
        Event {
            event: event
                .filter(|event| !event.is_empty())
                .unwrap_or(Cow::Borrowed("message")),
            data: raw.data.into_text().into_owned(),
            last_event_id,
            has_id,
        }
    }

    /// Returns the id to resume after: the last one that took effect, empty if there is none.
    ///
    /// It is up to date with what [`next_event`](Self::next_event) has returned, `None` included.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Returns the delay before a reconnection that the server has asked for last.
    ///
    /// It may be ahead of [`next_event`](Self::next_event) by up to a push.
    ///
    /// The server says milliseconds, up to `u64::MAX` (more is taken for that): cap it before use.
    pub fn retry(&self) -> Option<Duration> {
        self.splitter.retry()
    }
}

#[cfg(test)]
impl Decoder {
    /// Returns the memory for what was pushed, in bytes.
    fn memory(&self) -> usize {
        self.buf.capacity() + self.splitter.memory()
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new()
    }
}

/// Sizes only: what is buffered may be somebody's conversation.
impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("buffered_bytes", &(self.buf.len() - self.start))
            .field("max_event_size", &self.splitter.limit)
            .field("retry", &self.splitter.retry())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
