//! Finds events in bytes that arrive in any pieces: the grammar, and nothing about what becomes of
//! the values.

use std::{mem, ops::Range, time::Duration};

use memchr::memchr2;

use super::Oversized;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// What the value of a field is kept in.
pub(crate) trait Value {
    /// Keeps a value that lies in `buf` as a whole.
    fn whole(buf: &[u8], range: Range<usize>) -> Self;

    /// Keeps the first part of a value, in memory of its own with room for `capacity` bytes.
    fn open(part: &[u8], capacity: usize) -> Self;

    /// Adds bytes. `buf` is where the value itself lies.
    fn append(&mut self, buf: &[u8], more: &[u8]);

    /// Ends a line of the value.
    fn end_line(&mut self);

    /// Moves the value out of `buf`, which is about to go away. Returns how many bytes that copies.
    fn detach(&mut self, buf: &[u8]) -> usize;

    /// Returns the bytes. `buf` is where the value itself lies.
    fn bytes<'a>(&'a self, buf: &'a [u8]) -> &'a [u8];
}

/// One event.
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct RawEvent<V> {
    /// Its last `event:` line; [`name`](Self::name) has the default.
    pub(crate) event: Option<V>,
    pub(crate) data: V,
    /// Its own last `id:` line without NUL. May be empty.
    pub(crate) id: Option<V>,
}

impl<V: Value> RawEvent<V> {
    /// Returns the event's type, `message` if it names none.
    pub(crate) fn name<'a>(&'a self, buf: &'a [u8]) -> &'a [u8] {
        match self.event.as_ref().map(|event| event.bytes(buf)) {
            None | Some([]) => b"message",
            Some(name) => name,
        }
    }
}

/// Finds the events in the caller's buffers, one after the other.
///
/// The caller calls [`next`](Self::next) with a buffer until it returns `None`. Before it calls
/// `next` with another buffer, it calls [`consumed`](Self::consumed) and drops that many bytes: what
/// is left, with or without further bytes, is the start of the next buffer. The splitter itself
/// keeps what it needs of an unfinished event, which is bounded by the size limit.
///
/// No byte is scanned twice, however the input is divided.
pub(crate) struct Splitter<V> {
    pub(super) limit: usize,
    pub(super) retry: Option<Duration>,
    /// Every byte of the buffer before it has been scanned.
    pos: usize,
    line: Line<V>,
    /// Bytes of the field lines of the unfinished block.
    size: usize,
    /// The size of the last block: the next one may be as large.
    last_size: usize,
    /// The block is too large and was reported.
    discarding: bool,
    event: Option<V>,
    data: Option<V>,
    id: Option<V>,
    bare_id: Option<V>,
    #[cfg(test)]
    pub(super) work: usize,
}

/// Where in a line the scanned bytes end.
enum Line<V> {
    /// At the start of the stream, after this number of bytes of the BOM.
    Bom(usize),
    Start,
    /// Behind a CR, which a LF may follow.
    AfterCr,
    /// Within a possible field name with its colon, after this number of bytes.
    Name(Field, usize),
    /// Within the value of a field. The length is that of the received part of the line.
    Value(Field, usize, V),
    /// In a line that is of no use.
    Skip,
}

impl<V: Value> Splitter<V> {
    /// Creates a splitter for the start of a stream; `limit` is as in
    /// [`Decoder::max_event_size`](super::Decoder::max_event_size).
    pub(crate) fn new(limit: usize) -> Self {
        Splitter {
            limit,
            retry: None,
            pos: 0,
            line: Line::Bom(0),
            size: 0,
            last_size: 0,
            discarding: false,
            event: None,
            data: None,
            id: None,
            bare_id: None,
            #[cfg(test)]
            work: 0,
        }
    }

    /// Returns the next event that is complete.
    #[inline]
    pub(crate) fn next(&mut self, buf: &[u8]) -> Option<Result<RawEvent<V>, Oversized>> {
        match self.advance(buf)? {
            Ok(()) => self.take_event().map(Ok),
            Err(oversized) => Some(Err(oversized)),
        }
    }

    /// Goes to the end of the next event, which [`take_event`](Self::take_event) then returns. Each
    /// move of an event costs as much as the search for one of its lines.
    pub(super) fn advance(&mut self, buf: &[u8]) -> Option<Result<(), Oversized>> {
        loop {
            let rest = buf.get(self.pos..)?;
            let first = *rest.first()?;
            if !matches!(self.line, Line::Start) {
                if let Some(oversized) = self.resume(buf, first) {
                    return Some(Err(oversized));
                }
                continue;
            }
            let Some(found) = self.line_end(rest, first) else {
                let oversized = self.begin_line(rest);
                self.pos = buf.len();
                return oversized.map(Err);
            };
            let line = self.pos..self.pos + found;
            self.end_line(buf, line.end);
            if line.is_empty() {
                if self.end_block() {
                    return Some(Ok(()));
                }
            } else if let Some(oversized) = self.field_line(buf, line) {
                return Some(Err(oversized));
            }
        }
    }

    #[inline]
    pub(super) fn take_event(&mut self) -> Option<RawEvent<V>> {
        Some(RawEvent {
            data: self.data.take()?,
            event: self.event.take(),
            id: self.id.take(),
        })
    }

    /// Returns how many bytes at the front of `buf`, the one of the last [`next`](Self::next), have
    /// been used. The caller drops exactly these before the next call.
    pub(crate) fn consumed(&mut self, buf: &[u8]) -> usize {
        let mut copied = 0;
        let parts = [
            &mut self.event,
            &mut self.data,
            &mut self.id,
            &mut self.bare_id,
        ];
        for part in parts.into_iter().flatten() {
            copied += part.detach(buf);
        }
        self.count_work(copied);
        mem::take(&mut self.pos)
    }

    /// Returns, once, the id that blocks without an event (no data, or too large) have set before
    /// the event that the last [`next`](Self::next) returned.
    pub(crate) fn take_bare_id(&mut self) -> Option<V> {
        self.bare_id.take()
    }

    /// Returns whether an event that was reported as too large has not ended yet.
    pub(crate) fn is_discarding(&self) -> bool {
        self.discarding
    }

    /// Returns the last `retry:` of the stream, whether or not its block is finished.
    pub(crate) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Finds the end of the line in `rest`, which starts with `first`.
    #[inline]
    fn line_end(&mut self, rest: &[u8], first: u8) -> Option<usize> {
        // Every event ends with an empty line, and a call costs more than a look.
        let found = match first {
            b'\n' => Some(0),
            _ => memchr2(b'\n', b'\r', rest),
        };
        self.count_work(found.map_or(rest.len(), |found| found + 1));
        found
    }

    /// Moves behind the line end at `at`.
    #[inline]
    fn end_line(&mut self, buf: &[u8], at: usize) {
        self.pos = at + 1;
        self.line = Line::Start;
        if buf[at] == b'\r' {
            match buf.get(self.pos) {
                Some(b'\n') => self.pos += 1,
                Some(_) => {}
                None => self.line = Line::AfterCr,
            }
        }
    }

    /// At the empty line, what the block has set takes effect. Returns whether it is an event.
    #[inline]
    fn end_block(&mut self) -> bool {
        self.last_size = mem::take(&mut self.size);
        self.discarding = false;
        if self.data.is_some() {
            return true;
        }
        self.event = None;
        if self.id.is_some() {
            self.bare_id = self.id.take();
        }
        false
    }

    /// Reads a line that is in the buffer as a whole.
    #[inline]
    fn field_line(&mut self, buf: &[u8], line: Range<usize>) -> Option<Oversized> {
        let (field, value) = field(&buf[line.clone()])?;
        let oversized = self.outgrown_by(line.len());
        if !self.is_wanted(field, line.len()) {
            return oversized;
        }
        let value = line.start + value..line.end;
        self.grow(line.len());
        match (field, &mut self.data) {
            (Field::Data, None) => self.data = Some(V::whole(buf, value)),
            (Field::Data, Some(data)) => add_line(data, buf, &buf[value]),
            (Field::Event, _) => self.event = Some(V::whole(buf, value)),
            (Field::Id, _) if buf[value.clone()].contains(&0) => {}
            (Field::Id, _) => self.id = Some(V::whole(buf, value)),
            (Field::Retry, _) => self.retry = milliseconds(&buf[value]).or(self.retry),
        }
        oversized
    }

    /// Reads a line that the buffer does not have as a whole: as far as it is known, so that the
    /// rest of the buffer is not needed.
    fn begin_line(&mut self, part: &[u8]) -> Option<Oversized> {
        let starts = |name: &[u8]| part.iter().zip(name).all(|(a, b)| a == b);
        let Some(field) = FIELDS.into_iter().find(|field| starts(field.name())) else {
            self.line = Line::Skip;
            return None;
        };
        let name = field.name().len();
        if part.len() <= name {
            self.line = Line::Name(field, part.len());
            return None;
        }
        let value = name + usize::from(part[name] == b' ');
        self.open(field, value, &part[value..])
    }

    /// Goes on in a line whose start was in an earlier buffer. Uses at least one byte, or is at the
    /// start of a line then.
    fn resume(&mut self, buf: &[u8], first: u8) -> Option<Oversized> {
        let is_end = matches!(first, b'\n' | b'\r');
        match &mut self.line {
            Line::Start => {}
            Line::Bom(passed) => {
                if first == BOM[*passed] {
                    self.pos += 1;
                    *passed += 1;
                    if *passed == BOM.len() {
                        self.line = Line::Start;
                    }
                } else {
                    // A part of it is the start of an unknown field.
                    let is_start = *passed == 0;
                    self.line = if is_start { Line::Start } else { Line::Skip };
                }
            }
            Line::AfterCr => {
                self.pos += usize::from(first == b'\n');
                self.line = Line::Start;
            }
            Line::Name(field, passed) => {
                let (field, len) = (*field, *passed);
                let name = field.name();
                if is_end {
                    self.end_line(buf, self.pos);
                    // The colon may be missing.
                    if len + 1 >= name.len() {
                        let oversized = self.outgrown_by(len);
                        if self.is_wanted(field, len) {
                            self.set(field, len, V::open(b"", 0), buf);
                        }
                        return oversized;
                    }
                } else if len == name.len() {
                    let space = usize::from(first == b' ');
                    self.pos += space;
                    return self.open(field, len + space, b"");
                } else if first == name[len] {
                    self.pos += 1;
                    *passed += 1;
                } else {
                    self.line = Line::Skip;
                }
            }
            Line::Value(..) => return self.resume_value(buf, first),
            Line::Skip => {
                let rest = &buf[self.pos..];
                match self.line_end(rest, first) {
                    Some(found) => self.end_line(buf, self.pos + found),
                    None => self.pos = buf.len(),
                }
            }
        }
        None
    }

    fn resume_value(&mut self, buf: &[u8], first: u8) -> Option<Oversized> {
        let rest = &buf[self.pos..];
        let found = self.line_end(rest, first);
        let part = &rest[..found.unwrap_or(rest.len())];
        // The middle of a long value: it stays where it is.
        if let (None, false, Line::Value(_, len, value)) = (found, self.discarding, &mut self.line)
        {
            if *len + part.len() <= self.limit.saturating_sub(self.size) {
                *len += part.len();
                value.append(buf, part);
                self.pos = buf.len();
                return None;
            }
        }
        let Line::Value(field, len, mut value) = mem::replace(&mut self.line, Line::Skip) else {
            return None;
        };
        let len = len + part.len();
        let oversized = self.outgrown_by(len);
        let is_wanted = self.is_wanted(field, len);
        if is_wanted {
            value.append(buf, part);
        }
        match found {
            Some(found) => {
                self.end_line(buf, self.pos + found);
                if is_wanted {
                    value.end_line();
                    self.set(field, len, value, buf);
                }
            }
            None => {
                self.pos = buf.len();
                if is_wanted {
                    self.line = Line::Value(field, len, value);
                }
            }
        }
        oversized
    }

    /// Begins a value that goes on in the next buffer. `before` is the length of the line before
    /// `part`.
    fn open(&mut self, field: Field, before: usize, part: &[u8]) -> Option<Oversized> {
        let len = before + part.len();
        let oversized = self.outgrown_by(len);
        self.line = Line::Skip;
        if self.is_wanted(field, len) {
            let capacity = match field {
                Field::Data => self.last_size.max(part.len()),
                _ => part.len(),
            };
            self.line = Line::Value(field, len, V::open(part, capacity));
        }
        oversized
    }

    /// Sets a field to the value of a line of this length that was in several buffers.
    fn set(&mut self, field: Field, len: usize, value: V, buf: &[u8]) {
        self.grow(len);
        match field {
            Field::Data => match &mut self.data {
                Some(data) => add_line(data, buf, value.bytes(buf)),
                None => self.data = Some(value),
            },
            Field::Event => self.event = Some(value),
            Field::Id if value.bytes(buf).contains(&0) => {}
            Field::Id => self.id = Some(value),
            Field::Retry => self.retry = milliseconds(value.bytes(buf)).or(self.retry),
        }
    }

    #[inline]
    fn grow(&mut self, len: usize) {
        if !self.discarding {
            self.size += len;
        }
    }

    /// Reports the block, once, if a line of `len` bytes makes it too large.
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

    #[inline]
    fn is_wanted(&self, field: Field, len: usize) -> bool {
        !self.discarding || (matches!(field, Field::Id | Field::Retry) && len <= self.limit)
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let open = match &self.line {
            Line::Value(_, _, value) => Some(value),
            _ => None,
        };
        let values = [&self.event, &self.data, &self.id, &self.bare_id];
        let values = values.into_iter().flatten().chain(open);
        values.map(|value| value.bytes(b"").len()).sum()
    }

    pub(super) fn count_work(&mut self, _bytes: usize) {
        #[cfg(test)]
        {
            self.work += _bytes;
        }
    }
}

/// Adds another line to the data of an event.
fn add_line<V: Value>(data: &mut V, buf: &[u8], line: &[u8]) {
    data.append(buf, b"\n");
    data.append(buf, line);
    data.end_line();
}

#[derive(Clone, Copy)]
enum Field {
    Data,
    Event,
    Id,
    Retry,
}

/// Their first letters differ.
const FIELDS: [Field; 4] = [Field::Data, Field::Event, Field::Id, Field::Retry];

impl Field {
    fn name(self) -> &'static [u8] {
        match self {
            Field::Data => b"data:",
            Field::Event => b"event:",
            Field::Id => b"id:",
            Field::Retry => b"retry:",
        }
    }
}

/// Returns the field of a whole line, and where its value starts. `None` for comments and unknown
/// fields.
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

/// Returns the value of `retry:` if it is all digits.
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
