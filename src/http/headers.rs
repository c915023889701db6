//! The headers that a caller gives, checked before they are sent.

use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::Error;

/// The longest value of a header that is sent; servers take no longer ones.
pub(crate) const LONGEST_VALUE: usize = 8 * 1024;

/// The longest idempotency key or request id, in bytes.
pub(crate) const LONGEST_ID: usize = 255;

/// What a caller's header turns out to be.
pub(crate) enum CallerHeader {
    IdempotencyKey(String),
    RequestId(String),
    Plain(HeaderName, HeaderValue),
}

/// Sets headers that were checked; those of the same names are replaced.
pub(crate) fn set_all(headers: &mut HeaderMap, more: &HeaderMap) {
    for (name, value) in more {
        headers.insert(name.clone(), value.clone());
    }
}

/// Checks a header of the caller's; a refusal never shows the value.
pub(crate) fn caller_header(name: &str, value: &str) -> Result<CallerHeader, Error> {
    // A name that is none is not shown: it may be a whole header, with its secret.
    let Ok(parsed) = HeaderName::try_from(name) else {
        return Err(Error::user(
            "a header has no valid name: letters, digits and dashes are, without the colon",
        ));
    };
    let refuse = |why: &str| {
        Err(Error::user(format!(
            "the header {:?} {why}",
            parsed.as_str()
        )))
    };
    if value.len() > LONGEST_VALUE {
        return refuse(&format!(
            "has a value of {} bytes; {LONGEST_VALUE} is the most",
            value.len()
        ));
    }
    match parsed.as_str() {
        "idempotency-key" => return Ok(CallerHeader::IdempotencyKey(value.to_owned())),
        "x-request-id" => return Ok(CallerHeader::RequestId(value.to_owned())),
        "authorization" => return refuse("is set by the client, from its key"),
        "host" | "content-length" | "transfer-encoding" | "connection" => {
            return refuse("is set by the connection");
        }
        _ => {}
    }
    match HeaderValue::from_bytes(value.as_bytes()) {
        Ok(mut value) => {
            value.set_sensitive(true);
            Ok(CallerHeader::Plain(parsed, value))
        }
        Err(_) => refuse("has a control character, such as a line end, in its value"),
    }
}

/// Checks an idempotency key or a request id: 1 to 255 visible ASCII characters.
pub(crate) fn visible(what: &str, text: &str) -> Result<HeaderValue, Error> {
    let refuse = |why: String| Err(Error::user(format!("the {what} {why}")));
    if text.is_empty() {
        return refuse("is empty".to_owned());
    }
    if text.len() > LONGEST_ID {
        return refuse(format!(
            "is {} bytes long; {LONGEST_ID} is the most",
            text.len()
        ));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return refuse("may hold visible ASCII characters only, and no blanks".to_owned());
    }
    HeaderValue::from_str(text).or_else(|_| refuse("is no valid header value".to_owned()))
}
