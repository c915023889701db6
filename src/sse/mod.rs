//! Server-sent events: bytes in, events out, by the WHATWG event-stream rules.
//!
//! [`Decoder`] is for the caller who takes a stream ticket and opens the stream by hand; it needs
//! nothing else of this crate. What it promises:
//!
//! * How the bytes are cut into [`push`](Decoder::push)es never changes which events come out, and
//!   an event is complete with the last byte of its empty line, also when that byte is a lone CR.
//! * No input makes it panic or ends it: invalid UTF-8 is replaced by U+FFFD, unknown fields are
//!   ignored, and an event above [`max_event_size`](Decoder::max_event_size) is one [`Oversized`]
//!   with whole events before and after it.
//! * Work is linear in the input, and memory is bounded by the size limit and the size of a push,
//!   if [`next_event`](Decoder::next_event) is called until `None` after each push. Comments and
//!   unknown fields may be endless: they are neither kept nor counted.
//! * `retry:` acts when its line ends; `id:` acts at the empty line, with or without data. An event
//!   that the end of the stream cuts off is not delivered and its id does not count.

use std::{fmt, mem, ops::Range, time::Duration};

use memchr::memchr2;

const DEFAULT_MAX_EVENT_SIZE: usize = 1024 * 1024;
/// From this size on, an event may take over the buffer's memory.
const TAKE_OVER: usize = 2 * 1024 * 1024;
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// One server-sent event that carries data.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The event's type: its last `event:` line, or `message` when it has none or an empty one.
    pub event: String,
    /// The `data:` lines, joined by `\n`; invalid UTF-8 is replaced by U+FFFD.
    pub data: String,
    /// The last event id of the stream at this event, which earlier events may have set.
    pub last_event_id: String,
    /// The event's own `id:` line, `None` when it has none; one that contains NUL does not count.
    pub id: Option<String>,
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
    splitter: Splitter,
    /// Pushed bytes; those before `start` are done with.
    buf: Vec<u8>,
    start: usize,
    last_event_id: String,
}

impl Decoder {
    /// Creates a decoder for the start of a stream, with a limit of 1 MiB for one event.
    pub fn new() -> Self {
        Decoder {
            splitter: Splitter::new(DEFAULT_MAX_EVENT_SIZE),
            buf: Vec::new(),
            start: 0,
            last_event_id: String::new(),
        }
    }

    /// Sets the size in bytes that one event may have, 1 MiB unless set.
    ///
    /// Counted are its `data`, `event`, `id` and `retry` lines with their field names, without line
    /// ends. Memory may reach about three times the limit while one event is put together.
    #[must_use]
    pub fn max_event_size(mut self, bytes: usize) -> Self {
        self.splitter.limit = bytes;
        self
    }

    /// Sets the last event id that holds until the stream sends one, empty unless set.
    #[must_use]
    pub fn with_last_event_id(mut self, id: impl Into<String>) -> Self {
        self.last_event_id = id.into();
        self
    }

    /// Takes the next bytes of the stream, which are copied; call [`next_event`](Self::next_event)
    /// until `None` before the next push.
    pub fn push(&mut self, bytes: &[u8]) {
        self.start += self.splitter.consumed(&self.buf[self.start..]);
        // Moved only when the larger part is done with, so that a caller who pushes much and takes
        // little still moves each byte a bounded number of times.
        if self.start >= self.buf.len() - self.start {
            self.buf.drain(..self.start);
            self.start = 0;
            self.splitter.count_work(self.buf.len());
        }
        self.buf.extend_from_slice(bytes);
    }

    /// Returns the next event that is complete, or `None` when more bytes are needed.
    ///
    /// `Err` stands for one event above [`max_event_size`](Self::max_event_size), in its place among
    /// the others and as soon as it is known to be too large; the next event is whole again.
    pub fn next_event(&mut self) -> Option<Result<Event, Oversized>> {
        let buf = &self.buf[self.start..];
        let next = self.splitter.next(buf);
        if let Some(id) = self.splitter.take_bare_id() {
            self.last_event_id = into_text(id);
        }
        let raw = match next? {
            Ok(raw) => raw,
            Err(oversized) => return Some(Err(oversized)),
        };
        let event = text(raw.name(buf));
        let id = raw.id.as_ref().map(|id| text(id.bytes(buf)));
        if let Some(id) = &id {
            self.last_event_id.clone_from(id);
        }
        let data = match raw.data {
            Span::Range(range) => self.take_text(range),
            Span::Owned(bytes) => into_text(bytes),
        };
        Some(Ok(Event {
            event,
            data,
            last_event_id: self.last_event_id.clone(),
            id,
        }))
    }

    fn take_text(&mut self, range: Range<usize>) -> String {
        let range = self.start + range.start..self.start + range.end;
        // A large text becomes the buffer's memory itself: fresh memory costs more than all the
        // rest, and the buffer does not stay large. Only if the move of what is around it is small.
        if range.len() < TAKE_OVER || range.len() < self.buf.len() / 2 {
            return text(&self.buf[range]);
        }
        self.start += self.splitter.consumed(&self.buf[self.start..]);
        let rest = self.buf.split_off(self.start);
        self.splitter.count_work(rest.len());
        let mut data = mem::replace(&mut self.buf, rest);
        self.start = 0;
        data.truncate(range.end);
        data.drain(..range.start);
        data.shrink_to_fit();
        into_text(data)
    }

    /// Returns the id to resume after: the last one that took effect, empty when there is none.
    ///
    /// It is up to date with what [`next_event`](Self::next_event) has returned, `None` included.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Returns the wait before a reconnection that the server asked for last, if it did.
    ///
    /// The server says milliseconds, up to `u64::MAX` (more is taken for that): cap it before use.
    pub fn retry(&self) -> Option<Duration> {
        self.splitter.retry()
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
            .field("retry", &self.splitter.retry)
            .finish_non_exhaustive()
    }
}

fn text(bytes: &[u8]) -> String {
    // `from_utf8_lossy` alone takes five times as long for valid text.
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|invalid| String::from_utf8_lossy(invalid.as_bytes()).into_owned())
}

/// Bytes of an event: a range of the buffer given to [`Splitter::next`] where one line has them all.
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) enum Span {
    Range(Range<usize>),
    Owned(Vec<u8>),
}

impl Span {
    /// The bytes; `buf` is the one given to the `next` that returned the event.
    pub(crate) fn bytes<'a>(&'a self, buf: &'a [u8]) -> &'a [u8] {
        match self {
            Span::Range(range) => &buf[range.clone()],
            Span::Owned(bytes) => bytes,
        }
    }

    /// The memory that it has of its own, in bytes.
    #[inline]
    pub(crate) fn memory(&self) -> usize {
        match self {
            Span::Range(_) => 0,
            Span::Owned(bytes) => bytes.capacity(),
        }
    }

    /// The same, with invalid UTF-8 replaced.
    #[inline]
    pub(crate) fn into_text(self, buf: &[u8]) -> Span {
        let bytes = self.bytes(buf);
        match bytes.is_ascii() || std::str::from_utf8(bytes).is_ok() {
            true => self,
            false => Span::Owned(text(bytes).into_bytes()),
        }
    }

    fn into_owned(self, buf: &[u8]) -> Vec<u8> {
        match self {
            Span::Range(range) => buf[range].to_vec(),
            Span::Owned(bytes) => bytes,
        }
    }
}

/// One event as it stands in the buffer: bytes as received, not checked for UTF-8.
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct RawEvent {
    /// Its last `event:` line; [`name`](Self::name) has the default.
    pub(crate) event: Option<Span>,
    /// A range if it is one line, unless [`Splitter::consumed`] had to let go of that line.
    pub(crate) data: Span,
    /// Its own last `id:` line without NUL, empty if that is.
    pub(crate) id: Option<Span>,
}

impl RawEvent {
    /// The event's type, `message` when it names none.
    pub(crate) fn name<'a>(&'a self, buf: &'a [u8]) -> &'a [u8] {
        match self.event.as_ref().map(|event| event.bytes(buf)) {
            None | Some([]) => b"message",
            Some(name) => name,
        }
    }
}

/// Finds events in a buffer that the caller owns, without copying what one line has whole.
///
/// The caller appends what it reads to one buffer and calls [`next`](Self::next) with the whole
/// buffer until `None`. When it wants to be rid of the front, it asks [`consumed`](Self::consumed)
/// and drops exactly that many bytes (or carries the rest over to a new buffer) before it calls
/// `next` again; ranges of events are valid in the buffer as it was before. Asked after each read,
/// `consumed` bounds the buffer to the size limit, [`SPILL_AFTER`] and one read.
///
/// No byte is looked at twice, however the input is cut.
pub(crate) struct Splitter {
    limit: usize,
    retry: Option<Duration>,
    /// Every byte before it has been looked at.
    pos: usize,
    /// Start of the line that `pos` is in.
    line: usize,
    /// The rest of that line matters to nobody.
    skip: bool,
    /// The last line ended with CR, so a LF at `pos` belongs to it.
    after_cr: bool,
    /// The BOM, if any, is passed.
    begun: bool,
    /// Bytes of the field lines of the unfinished block.
    size: usize,
    /// The block is too large and was reported.
    discarding: bool,
    event: Option<Span>,
    data: Option<Span>,
    id: Option<Span>,
    bare_id: Option<Vec<u8>>,
    #[cfg(test)]
    work: usize,
}

/// Bytes of no use (comments, line ends) that may lie among the ranges of an unfinished event before
/// these are copied out of the buffer.
const SPILL_AFTER: usize = 4096;

impl Splitter {
    /// A splitter for the start of a stream; `limit` is as in [`Decoder::max_event_size`].
    pub(crate) fn new(limit: usize) -> Self {
        Splitter {
            limit,
            retry: None,
            pos: 0,
            line: 0,
            skip: false,
            after_cr: false,
            begun: false,
            size: 0,
            discarding: false,
            event: None,
            data: None,
            id: None,
            bare_id: None,
            #[cfg(test)]
            work: 0,
        }
    }

    /// The next event that is complete in `buf`: what was there at the last call, less what was
    /// [`consumed`](Self::consumed), and what came since.
    pub(crate) fn next(&mut self, buf: &[u8]) -> Option<Result<RawEvent, Oversized>> {
        if !self.begun {
            if buf.len() < BOM.len() && BOM.starts_with(buf) {
                return None;
            }
            self.begun = true;
            if buf.starts_with(BOM) {
                self.start_line(BOM.len());
            }
        }
        loop {
            if self.after_cr {
                let next = *buf.get(self.pos)?;
                self.after_cr = false;
                if next == b'\n' {
                    self.start_line(self.pos + 1);
                }
            }
            let rest = buf.get(self.pos..)?;
            let found = match rest.first()? {
                // Every event ends with it, and a call costs more than a look.
                b'\n' => 0,
                _ => match memchr2(b'\n', b'\r', rest) {
                    Some(found) => found,
                    None => {
                        self.count_work(rest.len());
                        self.pos = buf.len();
                        return self.unfinished_line(buf).map(Err);
                    }
                },
            };
            self.count_work(found + 1);
            let line = self.line..self.pos + found;
            self.after_cr = buf[line.end] == b'\r';
            self.start_line(line.end + 1);
            if mem::take(&mut self.skip) {
                continue;
            }
            if line.is_empty() {
                if let Some(event) = self.end_block(buf) {
                    return Some(Ok(event));
                }
            } else if let Some(oversized) = self.field_line(buf, line) {
                return Some(Err(oversized));
            }
        }
    }

    /// How many bytes at the front of `buf` (the one of the last [`next`](Self::next)) are done with;
    /// the caller must drop exactly these, for all positions count from behind them from now on.
    pub(crate) fn consumed(&mut self, buf: &[u8]) -> usize {
        if self.skip {
            self.line = self.pos;
        }
        let mut first = self.line;
        let mut held = 0;
        for part in [&self.event, &self.data, &self.id] {
            if let Some(Span::Range(range)) = part {
                first = first.min(range.start);
                held += range.len();
            }
        }
        let spill = self.line - first > held + SPILL_AFTER;
        if spill {
            first = self.line;
            self.count_work(held);
        }
        if first == 0 {
            return 0;
        }
        let parts = [&mut self.event, &mut self.data, &mut self.id];
        for part in parts.into_iter().flatten() {
            if let Span::Range(range) = part {
                if spill {
                    *part = Span::Owned(buf[range.clone()].to_vec());
                } else {
                    *range = range.start - first..range.end - first;
                }
            }
        }
        self.line -= first;
        self.pos -= first;
        first
    }

    /// The id that blocks without an event (no data, or too large) have set, before the event that
    /// the last [`next`](Self::next) returned; once.
    pub(crate) fn take_bare_id(&mut self) -> Option<Vec<u8>> {
        self.bare_id.take()
    }

    /// The last `retry:` of the stream, whether or not its block is finished.
    pub(crate) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    fn start_line(&mut self, at: usize) {
        self.pos = at;
        self.line = at;
    }

    /// At the empty line, what the block has set takes effect.
    fn end_block(&mut self, buf: &[u8]) -> Option<RawEvent> {
        self.size = 0;
        self.discarding = false;
        let (event, id) = (self.event.take(), self.id.take());
        if let Some(data) = self.data.take() {
            return Some(RawEvent { event, data, id });
        }
        if let Some(id) = id {
            self.bare_id = Some(id.into_owned(buf));
        }
        None
    }

    fn field_line(&mut self, buf: &[u8], line: Range<usize>) -> Option<Oversized> {
        let (field, value) = field(&buf[line.clone()])?;
        let oversized = self.outgrown_by(line.len());
        if !self.wanted(field, line.len()) {
            return oversized;
        }
        if !self.discarding {
            self.size += line.len();
        }
        let value = line.start + value..line.end;
        match field {
            Field::Data => self.data_line(buf, value),
            Field::Event => self.event = Some(Span::Range(value)),
            Field::Id if buf[value.clone()].contains(&0) => {}
            Field::Id => self.id = Some(Span::Range(value)),
            Field::Retry => self.retry = milliseconds(&buf[value]).or(self.retry),
        }
        oversized
    }

    fn data_line(&mut self, buf: &[u8], value: Range<usize>) {
        let Some(data) = self.data.take() else {
            self.data = Some(Span::Range(value));
            return;
        };
        let mut data = data.into_owned(buf);
        data.push(b'\n');
        data.extend_from_slice(&buf[value]);
        self.data = Some(Span::Owned(data));
    }

    /// What is already certain of the line that `buf` ends in, so that nobody has to keep it.
    fn unfinished_line(&mut self, buf: &[u8]) -> Option<Oversized> {
        let line = &buf[self.line..];
        if self.skip {
            return None;
        }
        let Some((field, _)) = field(line) else {
            self.skip = !FIELDS.iter().any(|name| name.starts_with(line));
            return None;
        };
        // Shorter, it may still become another name: `data` may be the start of `database`.
        if line.len() <= LONGEST_FIELD {
            return None;
        }
        let oversized = self.outgrown_by(line.len());
        self.skip = !self.wanted(field, line.len());
        oversized
    }

    /// Reports the block, once, when a line of `len` bytes makes it too large.
    #[inline]
    fn outgrown_by(&mut self, len: usize) -> Option<Oversized> {
        if self.discarding || len <= self.limit.saturating_sub(self.size) {
            return None;
        }
        self.discarding = true;
        self.event = None;
        self.data = None;
        Some(Oversized { limit: self.limit })
    }

    fn wanted(&self, field: Field, len: usize) -> bool {
        !self.discarding || (matches!(field, Field::Id | Field::Retry) && len <= self.limit)
    }

    fn count_work(&mut self, _bytes: usize) {
        #[cfg(test)]
        {
            self.work += _bytes;
        }
    }
}

#[derive(Clone, Copy)]
enum Field {
    Data,
    Event,
    Id,
    Retry,
}

const FIELDS: [&[u8]; 4] = [b"data", b"id", b"event", b"retry"];
const LONGEST_FIELD: usize = 5;

/// The field of a line and where its value starts; `None` for comments and unknown fields.
#[inline]
fn field(line: &[u8]) -> Option<(Field, usize)> {
    // Patterns of fixed length become one comparison each, a table of names a call of `memcmp`.
    let (field, rest) = match line {
        [b'd', b'a', b't', b'a', rest @ ..] => (Field::Data, rest),
        [b'i', b'd', rest @ ..] => (Field::Id, rest),
        [b'e', b'v', b'e', b'n', b't', rest @ ..] => (Field::Event, rest),
        [b'r', b'e', b't', b'r', b'y', rest @ ..] => (Field::Retry, rest),
        _ => return None,
    };
    let value = match rest {
        [] => rest,
        [b':', b' ', value @ ..] | [b':', value @ ..] => value,
        _ => return None,
    };
    Some((field, line.len() - value.len()))
}

/// The value of `retry:` if it is all digits.
fn milliseconds(value: &[u8]) -> Option<Duration> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let millis = value.iter().fold(0_u64, |millis, digit| {
        millis
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    Some(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests;
