//! The body of a success: an object with `data` and, on lists, `meta`.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use serde_json::error::Category;

use super::Response;
use super::json::{self, decode, repair_json, without_bom};
use crate::error::{DecodeError, Error, Excerpt, Mismatch};
use crate::types::object;

object! {
    /// Position of a page within its list.
    pub struct PaginationMeta {
        /// Number of items in all pages.
        total_count: u64,
        /// Number of pages.
        page_count: u64,
        /// Number of this page, from 1.
        current_page: u64,
        /// Maximum number of items per page.
        limit: u64,
        /// Whether there is a next page.
        has_next_page: bool,
        /// Whether there is a previous page.
        has_previous_page: bool,
    }
}

#[derive(Deserialize)]
#[serde(
    bound(deserialize = "T: DeserializeOwned, M: DeserializeOwned"),
    expecting = "an envelope (an object)"
)]
struct Envelope<T, M> {
    #[serde(default = "Option::default")]
    data: Option<T>,
    #[serde(default = "Option::default")]
    meta: Option<M>,
}

/// Returns the data of a success. `None` if it has no body or no data.
pub(crate) fn open<T: DeserializeOwned>(response: &Response) -> Result<Option<T>, Error> {
    // Only lists have a `meta`. Elsewhere it is ignored, whatever it is.
    Ok(envelope::<T, IgnoredAny>(response)?.data)
}

/// Returns the items of a page, and its position in the list.
pub(crate) fn page<T: DeserializeOwned>(
    response: &Response,
) -> Result<(Option<Vec<T>>, Option<PaginationMeta>), Error> {
    let page = envelope(response)?;
    Ok((page.data, page.meta))
}

/// Like [`page`], for a call that may not be a list: a `meta` of another form is ignored.
pub(crate) fn page_if_any<T: DeserializeOwned>(
    response: &Response,
) -> Result<(Option<Vec<T>>, Option<PaginationMeta>), Error> {
    let page = envelope::<_, Value>(response)?;
    let meta = page.meta.and_then(|meta| serde_json::from_value(meta).ok());
    Ok((page.data, meta))
}

fn envelope<T, M>(response: &Response) -> Result<Envelope<T, M>, Error>
where
    T: DeserializeOwned,
    M: DeserializeOwned,
{
    if is_empty(&response.body) {
        return Ok(Envelope {
            data: None,
            meta: None,
        });
    }
    // serde would read an array as the fields of an envelope in their order.
    if without_bom(&response.body).trim_ascii_start().first() == Some(&b'[') {
        let what = "expected an object with `data`, got an array";
        return Err(decode_error(response, what.to_owned(), None));
    }
    decode(&response.body).map_err(|error| mismatch(response, &error))
}

/// Returns whether a body is empty. Some frameworks write `null` for no body.
fn is_empty(body: &[u8]) -> bool {
    matches!(without_bom(body).trim_ascii(), b"" | b"null")
}

/// Returns the data of a success that must have some.
pub(crate) fn data<T: DeserializeOwned>(response: &Response) -> Result<T, Error> {
    let empty = is_empty(&response.body);
    match open(response)? {
        Some(data) => Ok(data),
        None if empty => Err(decode_error(
            response,
            "empty response body; expected `data`".to_owned(),
            None,
        )),
        None => Err(decode_error(
            response,
            "`data` is missing or null".to_owned(),
            None,
        )),
    }
}

/// Checks a success whose data is not used: no body, or any envelope.
pub(crate) fn discard(response: &Response) -> Result<(), Error> {
    open::<IgnoredAny>(response).map(|_| ())
}

/// Maximum number of characters of a media type in an error.
const SHOWN_TYPE: usize = 80;

fn mismatch(response: &Response, error: &serde_json::Error) -> Error {
    let (what, expected) = match error.classify() {
        Category::Data => ("unexpected JSON", expectation(&error.to_string())),
        Category::Eof => ("truncated JSON", "expected more JSON".to_owned()),
        Category::Syntax | Category::Io => {
            if looks_like_html(&response.body) {
                let what = "an HTML page, not JSON: the response of a gateway or a login page; check the \
                            base URL";
                return decode_error(response, what.to_owned(), None);
            }
            let media_type = response.headers.media_type().unwrap_or_default();
            if let Some(encoding) = response.headers.get("content-encoding") {
                let encoding = Excerpt(encoding, SHOWN_TYPE);
                let what = format!("unexpected content encoding \"{encoding}\"");
                return decode_error(response, what, None);
            }
            if error.to_string().starts_with("recursion limit exceeded") {
                let what = "the JSON is nested too deeply".to_owned();
                return decode_error(response, what, None);
            }
            return if media_type.contains("json") {
                decode_error(
                    response,
                    "not valid JSON".to_owned(),
                    Some(located(response, error, "expected valid JSON".to_owned())),
                )
            } else {
                decode_error(
                    response,
                    format!(
                        "expected JSON, got \"{}\"",
                        Excerpt(&media_type, SHOWN_TYPE)
                    ),
                    None,
                )
            };
        }
    };
    decode_error(
        response,
        what.to_owned(),
        Some(located(response, error, expected)),
    )
}

fn located(response: &Response, error: &serde_json::Error, expected: String) -> Mismatch {
    // Line and column are those of the text that was decoded.
    let body = without_bom(&response.body);
    let repaired = repair_json(body);
    let body = repaired.as_ref().map_or(body, String::as_bytes);
    Mismatch {
        expected,
        path: json::path_at(body, error.line(), error.column()),
        line: error.line(),
        column: error.column(),
    }
}

/// Returns the error for a success whose connection closed before the body was complete.
pub(crate) fn truncated_error(response: &Response) -> Error {
    let what = "the connection closed before the body was complete".to_owned();
    let mut error = decode_error(response, what, None);
    if let Error::Decode(error) = &mut error {
        error.truncated = true;
    }
    error
}

pub(crate) fn decode_error(response: &Response, what: String, source: Option<Mismatch>) -> Error {
    Error::Decode(Box::new(DecodeError {
        truncated: false,
        call: response.call.clone(),
        status: response.status,
        headers: response.headers.clone(),
        body: response.body.clone(),
        what,
        source,
    }))
}

/// Returns what serde_json expected, without the value that its message quotes.
fn expectation(message: &str) -> String {
    let message = message
        .rsplit_once(" at line ")
        .map_or(message, |(text, _)| text);
    match message.rsplit_once(", expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None if message.starts_with("missing field `") => message.to_owned(),
        None => "unexpected value".to_owned(),
    }
}

pub(super) fn looks_like_html(body: &[u8]) -> bool {
    without_bom(body).trim_ascii_start().first() == Some(&b'<')
}
