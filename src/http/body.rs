//! The body of a response: decompressed, read within its limit, and checked for its end.

use std::io::{self, Read};
use std::time::Instant;

use ureq::Body;
use ureq::http::Response;
use ureq::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use ureq::http::response::Parts;

use super::failure::{self, TransportError, TransportErrorKind};
use super::json;
use super::trace::ExchangeTrace;

/// The maximum length of an error body; the rest is ignored.
const LARGEST_ERROR_BODY: usize = 1 << 20;

/// The body of a response.
pub(crate) struct ResponseBody {
    pub(crate) bytes: Vec<u8>,
    /// Whether its connection ended too early, for a body that has no length of its own.
    pub(crate) truncated: bool,
}

/// Reads a whole response.
pub(crate) fn read(
    response: Response<Body>,
    largest: usize,
) -> Result<(Parts, ResponseBody), TransportError> {
    let (mut head, body) = response.into_parts();
    let body = match head.status.is_success() {
        true => read_success(&mut head, body, largest)?,
        false => ResponseBody {
            bytes: match Content::of(&mut head, body) {
                Ok(content) => read_error(content, None),
                Err(_) => Vec::new(),
            },
            truncated: false,
        },
    };
    Ok((head, body))
}

/// Reads the whole body of a success.
fn read_success(
    head: &mut Parts,
    body: Body,
    largest: usize,
) -> Result<ResponseBody, TransportError> {
    // A length that the server only claims is not worth more than this in memory.
    const BELIEVED: u64 = 1 << 20;
    let claimed = body.content_length().unwrap_or(0).min(BELIEVED) as usize;
    let until_close =
        !head.headers.contains_key(CONTENT_LENGTH) && !head.headers.contains_key(TRANSFER_ENCODING);
    let content = Content::of(head, body).map_err(failure::of_body)?;
    let mut bytes = Vec::with_capacity(claimed.min(largest));
    let mut reader = content.take((largest as u64).saturating_add(1));
    reader.read_to_end(&mut bytes).map_err(failure::of_body)?;
    if bytes.len() > largest {
        return Err(TransportError {
            kind: TransportErrorKind::TooLarge(Box::new(head.clone())),
            trace: ExchangeTrace::get(),
        });
    }
    let truncated = until_close && is_truncated(&bytes, ExchangeTrace::get().broken);
    Ok(ResponseBody { bytes, truncated })
}

/// Returns whether a body that ends with its connection ends too early: its JSON tells, or else
/// whether the connection was closed cleanly.
fn is_truncated(bytes: &[u8], broken: bool) -> bool {
    if bytes.trim_ascii().is_empty() {
        return broken;
    }
    match json::decode::<serde::de::IgnoredAny>(bytes) {
        Ok(_) => false,
        Err(error) => error.is_eof() || broken,
    }
}

/// Reads what there is of the body of an error, until a point in time: nothing else limits a body
/// that trickles.
pub(crate) fn read_error(mut body: impl Read, until: Option<Instant>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    while bytes.len() < LARGEST_ERROR_BODY && until.is_none_or(|until| Instant::now() < until) {
        match body.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
        }
    }
    bytes.truncate(LARGEST_ERROR_BODY);
    bytes
}

#[cfg(feature = "gzip")]
use gzip::Content;

/// ureq's own decompression takes an empty body for a damaged one, also where none is allowed, and
/// knows one spelling of the encoding. So its feature stays off.
#[cfg(feature = "gzip")]
mod gzip {
    use std::io::{BufRead as _, BufReader};

    use flate2::bufread::MultiGzDecoder;
    use ureq::BodyReader;
    use ureq::http::header::{CONTENT_ENCODING, HeaderMap};

    use super::*;
    use crate::http::failure::NotDecompressed;

    /// What a body says.
    pub(super) enum Content {
        Plain(BodyReader<'static>),
        Gzip(Box<MultiGzDecoder<BufReader<BodyReader<'static>>>>),
    }

    impl Content {
        /// Removes the encoding from the head with the encoding of the body.
        pub(super) fn of(head: &mut Parts, body: Body) -> io::Result<Self> {
            let reader = body.into_reader();
            if !is_gzip(&head.headers) {
                return Ok(Content::Plain(reader));
            }
            let mut reader = BufReader::new(reader);
            let is_empty = reader.fill_buf()?.is_empty();
            head.headers.remove(CONTENT_ENCODING);
            if is_empty {
                return Ok(Content::Plain(reader.into_inner()));
            }
            // It is the length of what was compressed.
            head.headers.remove(CONTENT_LENGTH);
            Ok(Content::Gzip(Box::new(MultiGzDecoder::new(reader))))
        }
    }

    impl Read for Content {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self {
                Content::Plain(reader) => reader.read(buffer),
                Content::Gzip(reader) => reader.read(buffer).map_err(marked),
            }
        }
    }

    /// Marks an error of the decoder. Those of the connection pass through it as they are.
    fn marked(error: io::Error) -> io::Error {
        let is_of_connection = error.raw_os_error().is_some()
            || error
                .get_ref()
                .is_some_and(|inner| inner.is::<ureq::Error>());
        match is_of_connection {
            true => error,
            false => io::Error::new(error.kind(), NotDecompressed),
        }
    }

    /// Returns whether the encoding is gzip once: other encodings are left to who reads the body.
    fn is_gzip(headers: &HeaderMap) -> bool {
        let values = headers.get_all(CONTENT_ENCODING).into_iter();
        let mut encodings = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|encoding| !encoding.is_empty() && !is(encoding, "identity"));
        let first = encodings.next();
        first.is_some_and(|it| is(it, "gzip") || is(it, "x-gzip")) && encodings.next().is_none()
    }

    fn is(encoding: &str, name: &str) -> bool {
        encoding.eq_ignore_ascii_case(name)
    }
}

#[cfg(not(feature = "gzip"))]
struct Content(ureq::BodyReader<'static>);

#[cfg(not(feature = "gzip"))]
impl Content {
    fn of(_: &mut Parts, body: Body) -> io::Result<Self> {
        Ok(Content(body.into_reader()))
    }
}

#[cfg(not(feature = "gzip"))]
impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}
