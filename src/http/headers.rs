//! The headers that a caller sets, checked before they are sent.

use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::Error;

/// The maximum length of a header value, in bytes; servers accept no longer ones.
pub(crate) const LONGEST_VALUE: usize = 8 * 1024;

/// The longest idempotency key or request id, in bytes.
pub(crate) const LONGEST_ID: usize = 255;

/// A header of the caller's, by what it is for.
pub(crate) enum CallerHeader {
    IdempotencyKey(String),
    RequestId(String),
    Plain(HeaderName, HeaderValue),
}

/// Sets checked headers; those of the same names are replaced.
pub(crate) fn set_all(headers: &mut HeaderMap, more: &HeaderMap) {
    for (name, value) in more {
        headers.insert(name.clone(), value.clone());
    }
}

/// Checks a header of the caller's. A refusal never shows the value.
pub(crate) fn caller_header(name: &str, value: &str) -> Result<CallerHeader, Error> {
    // An invalid name is not shown: it may be a whole header, with its secret.
    let Ok(parsed) = HeaderName::try_from(name) else {
        return Err(Error::user(
            "the name of a header is not valid: use letters, digits and dashes, without the colon",
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
            "has a value of {} bytes; the maximum is {LONGEST_VALUE}",
            value.len()
        ));
    }
    match parsed.as_str() {
        "idempotency-key" => return Ok(CallerHeader::IdempotencyKey(value.to_owned())),
        "x-request-id" => return Ok(CallerHeader::RequestId(value.to_owned())),
        "authorization" => return refuse("is set by the client, from its API key"),
        "proxy-authorization" => {
            return refuse("is for a proxy; put user name and password into the proxy URL");
        }
        "expect" => return refuse("is not supported: the request body is sent at once"),
        "host" | "content-length" => return refuse("is set by the connection"),
        // Of one connection each, and meaningful to the code that manages it (RFC 9110, 7.6.1).
        "connection" | "http2-settings" | "keep-alive" | "proxy-connection" | "te" | "trailer"
        | "transfer-encoding" | "upgrade" => return refuse("is set by the connection"),
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
            "is {} bytes long; the maximum is {LONGEST_ID}",
            text.len()
        ));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return refuse("must consist of visible ASCII characters, without spaces".to_owned());
    }
    HeaderValue::from_str(text).or_else(|_| refuse("is not a valid header value".to_owned()))
}
