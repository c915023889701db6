//! What the values of fields are kept in: text for the decoder, ranges of the received bytes for the
//! reader of a message stream.

use std::{borrow::Cow, ops::Range};

use super::splitter::Value;

/// Text. Invalid UTF-8 is replaced by U+FFFD, wherever the input is divided.
#[derive(Default)]
pub(super) struct Text {
    text: Cow<'static, str>,
    /// The first bytes of a character that the last part ended in.
    held: [u8; 3],
    held_len: u8,
}

impl Text {
    pub(super) fn into_text(self) -> Cow<'static, str> {
        self.text
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    fn push(&mut self, bytes: &[u8]) {
        let bytes = match self.held_len {
            0 => bytes,
            _ => &bytes[self.push_held(bytes)..],
        };
        let (whole, cut) = bytes.split_at(bytes.len() - cut_character(bytes));
        let text = self.text.to_mut();
        match from_utf8(whole) {
            Some(whole) => text.push_str(whole),
            None => push_lossy(text, whole),
        }
        if !cut.is_empty() {
            self.hold(cut);
        }
    }

    /// Completes the held character. Returns how many of the bytes that takes.
    fn push_held(&mut self, bytes: &[u8]) -> usize {
        let held = usize::from(self.held_len);
        let more = bytes.len().min(4 - held);
        let mut character = [0; 4];
        character[..held].copy_from_slice(&self.held[..held]);
        character[held..held + more].copy_from_slice(&bytes[..more]);
        let character = &character[..held + more];
        let len = match std::str::from_utf8(character) {
            Ok(text) => {
                self.held_len = 0;
                self.text.to_mut().push_str(text);
                return more;
            }
            Err(error) if error.valid_up_to() > 0 => error.valid_up_to(),
            Err(error) => match error.error_len() {
                Some(len) => len,
                None => {
                    self.hold(character);
                    return more;
                }
            },
        };
        self.held_len = 0;
        push_lossy(self.text.to_mut(), &character[..len]);
        len - held
    }

    fn hold(&mut self, cut: &[u8]) {
        self.held[..cut.len()].copy_from_slice(cut);
        self.held_len = cut.len() as u8;
    }
}

impl Value for Text {
    #[inline]
    fn whole(buf: &[u8], range: Range<usize>) -> Self {
        let bytes = &buf[range];
        let text = match bytes {
            // The usual type of an event needs no memory.
            b"message" => Cow::Borrowed("message"),
            _ => Cow::Owned(match from_utf8(bytes) {
                Some(text) => text.to_owned(),
                None => String::from_utf8_lossy(bytes).into_owned(),
            }),
        };
        Text {
            text,
            ..Text::default()
        }
    }

    fn open(part: &[u8], capacity: usize) -> Self {
        let mut value = Text {
            text: Cow::Owned(String::with_capacity(capacity)),
            ..Text::default()
        };
        value.push(part);
        value
    }

    fn append(&mut self, _: &[u8], more: &[u8]) {
        self.push(more);
    }

    fn end_line(&mut self) {
        let text = self.text.to_mut();
        if std::mem::take(&mut self.held_len) > 0 {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        if text.capacity() / 2 > text.len() {
            text.shrink_to_fit();
        }
    }

    fn detach(&mut self, _: &[u8]) -> usize {
        0
    }

    fn bytes<'a>(&'a self, _: &'a [u8]) -> &'a [u8] {
        self.text.as_bytes()
    }
}

/// Returns how many bytes at the end are the start of a character.
fn cut_character(bytes: &[u8]) -> usize {
    let last = &bytes[bytes.len().saturating_sub(3)..];
    match last.iter().rposition(|byte| *byte >= 0xC0) {
        Some(at) if matches!(std::str::from_utf8(&last[at..]), Err(error) if error.error_len().is_none()) => {
            last.len() - at
        }
        _ => 0,
    }
}

fn push_lossy(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// Returns the text if it is valid.
#[inline]
fn from_utf8(bytes: &[u8]) -> Option<&str> {
    // A short text takes less time than the choice of instructions.
    match bytes.len() {
        0..64 => std::str::from_utf8(bytes).ok(),
        _ => simdutf8::basic::from_utf8(bytes).ok(),
    }
}

/// Bytes of an event, as they were received: a range of the buffer given to
/// [`Splitter::next`](super::Splitter::next) if one line in it has them all.
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) enum Span {
    Range(Range<usize>),
    Owned(Vec<u8>),
}

impl Span {
    /// Returns the bytes; `buf` is the one given to the `next` that returned the event.
    #[inline]
    pub(crate) fn bytes<'a>(&'a self, buf: &'a [u8]) -> &'a [u8] {
        match self {
            Span::Range(range) => &buf[range.clone()],
            Span::Owned(bytes) => bytes,
        }
    }

    /// Returns the memory that it has of its own, in bytes.
    #[inline]
    pub(crate) fn memory(&self) -> usize {
        match self {
            Span::Range(_) => 0,
            Span::Owned(bytes) => bytes.capacity(),
        }
    }

    /// Replaces invalid UTF-8.
    #[inline]
    pub(crate) fn into_text(self, buf: &[u8]) -> Span {
        let bytes = self.bytes(buf);
        match bytes.is_ascii() || from_utf8(bytes).is_some() {
            true => self,
            false => Span::Owned(String::from_utf8_lossy(bytes).into_owned().into_bytes()),
        }
    }
}

impl Value for Span {
    #[inline]
    fn whole(_: &[u8], range: Range<usize>) -> Self {
        Span::Range(range)
    }

    fn open(part: &[u8], capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.extend_from_slice(part);
        Span::Owned(bytes)
    }

    fn append(&mut self, buf: &[u8], more: &[u8]) {
        self.detach(buf);
        if let Span::Owned(bytes) = self {
            bytes.extend_from_slice(more);
        }
    }

    fn end_line(&mut self) {
        if let Span::Owned(bytes) = self {
            if bytes.capacity() / 2 > bytes.len() {
                bytes.shrink_to_fit();
            }
        }
    }

    fn detach(&mut self, buf: &[u8]) -> usize {
        match self {
            Span::Range(range) => {
                let bytes = buf[range.clone()].to_vec();
                let len = bytes.len();
                *self = Span::Owned(bytes);
                len
            }
            Span::Owned(_) => 0,
        }
    }

    #[inline]
    fn bytes<'a>(&'a self, buf: &'a [u8]) -> &'a [u8] {
        Span::bytes(self, buf)
    }
}
