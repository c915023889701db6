//! What an answer's body says: the envelope of a success, the body of an error.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Error as _, IgnoredAny};
use serde_json::Value;
use serde_json::error::Category;

use super::Response;
use crate::error::{
    ApiError, ApiErrorKind, DecodeError, Error, ErrorCode, FieldError, Mismatch, OneLine,
};
use crate::types::object;

object! {
    /// Where a page stands among its list.
    pub struct PaginationMeta {
        /// Items in all pages.
        total_count: u64,
        /// Pages in all.
        page_count: u64,
        /// The number of this page, from 1.
        current_page: u64,
        /// Items that a page holds.
        limit: u64,
        /// Whether a page follows.
        has_next_page: bool,
        /// Whether a page precedes.
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

/// The data of a success; `None` where there is no body or no data.
pub(crate) fn open<T: DeserializeOwned>(response: &Response) -> Result<Option<T>, Error> {
    // Lists alone have a `meta`: whatever it is elsewhere, nobody looks at it.
    Ok(envelope::<T, IgnoredAny>(response)?.data)
}

/// The items of a page, and what it says of its list.
pub(crate) fn page<T: DeserializeOwned>(
    response: &Response,
) -> Result<(Option<Vec<T>>, Option<PaginationMeta>), Error> {
    let page = envelope(response)?;
    Ok((page.data, page.meta))
}

/// Like [`page`] for a call that may not be a list: a `meta` of another form does not matter.
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
    // serde would read a list as the fields of an envelope in their order.
    if without_bom(&response.body).trim_ascii_start().first() == Some(&b'[') {
        let what = "not what is documented: a list, and an envelope (an object) was expected";
        return Err(decode_error(response, what.to_owned(), None));
    }
    decode(&response.body).map_err(|error| mismatch(response, &error))
}

/// Returns whether a body says nothing: some frameworks write `null` for no body.
fn is_empty(body: &[u8]) -> bool {
    matches!(without_bom(body).trim_ascii(), b"" | b"null")
}

/// Decodes JSON, also with mistakes that leave its structure intact: see [`repair_json`], and a byte
/// order mark before it.
pub(crate) fn decode<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    let json = without_bom(json);
    // One check of the whole costs a third of what serde_json's check of each string would.
    let first = match std::str::from_utf8(json) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => Err(serde_json::Error::custom("invalid UTF-8")),
    };
    first.or_else(|error| match repair_json(json) {
        Some(repaired) => serde_json::from_str(&repaired),
        None => Err(error),
    })
}

/// The data of a success that has to have some.
pub(crate) fn data<T: DeserializeOwned>(response: &Response) -> Result<T, Error> {
    let empty = is_empty(&response.body);
    match open(response)? {
        Some(data) => Ok(data),
        None if empty => Err(decode_error(
            response,
            "the body is empty, and data was due".to_owned(),
            None,
        )),
        None => Err(decode_error(
            response,
            "`data` is missing or null, and was due".to_owned(),
            None,
        )),
    }
}

/// A success whose data says nothing: no body, or any envelope.
pub(crate) fn nothing(response: &Response) -> Result<(), Error> {
    open::<IgnoredAny>(response).map(|_| ())
}

/// How much of a media type is shown; real ones are shorter.
const SHOWN_TYPE: usize = 80;

/// How much of the path to a value is shown: keys are the server's.
const SHOWN_PLACE: usize = 200;

fn mismatch(response: &Response, error: &serde_json::Error) -> Error {
    let (what, expected) = match error.classify() {
        Category::Data => ("not what is documented", expectation(&error.to_string())),
        Category::Eof => ("the JSON ends early", "more JSON was expected".to_owned()),
        Category::Syntax | Category::Io => {
            if looks_like_html(&response.body) {
                let what = "an HTML page, not JSON: a gateway or a login page answered, or the \
                            base URL is not the API's";
                return decode_error(response, what.to_owned(), None);
            }
            let media_type = response.headers.media_type().unwrap_or_default();
            if let Some(encoding) = response.headers.get("content-encoding") {
                let encoding = OneLine(encoding, SHOWN_TYPE);
                let what = format!("compressed (\"{encoding}\") though nobody asked for it");
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
                    Some(located(
                        response,
                        error,
                        "valid JSON was expected".to_owned(),
                    )),
                )
            } else {
                decode_error(
                    response,
                    format!(
                        "not JSON (its type is \"{}\")",
                        OneLine(&media_type, SHOWN_TYPE)
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
        place: place(body, error.line(), error.column()),
        line: error.line(),
        column: error.column(),
    }
}

/// A success whose connection closed before its body was whole.
pub(crate) fn truncated_error(response: &Response) -> Error {
    let what = "the connection closed before the body was whole".to_owned();
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

/// What serde_json expected; the value that it quotes before that is left out.
fn expectation(message: &str) -> String {
    let message = message
        .rsplit_once(" at line ")
        .map_or(message, |(text, _)| text);
    match message.rsplit_once(", expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None if message.starts_with("missing field `") => message.to_owned(),
        None => "expected something else".to_owned(),
    }
}

/// The path to a line and column of a JSON text, such as `data[3].rules`.
fn place(json: &[u8], line: usize, column: usize) -> String {
    enum Step {
        Key(String),
        Index(usize),
    }
    let before: usize = json
        .split_inclusive(|b| *b == b'\n')
        .take(line.saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    let end = (before + column.saturating_sub(1)).min(json.len());
    // Deeper, serde_json follows no more; nor is a path of that length of use to anybody.
    const DEEPEST: usize = 128;
    let mut path: Vec<Step> = Vec::new();
    let mut deeper = 0_usize;
    let mut at = 0;
    while at < end {
        match json[at] {
            b'{' | b'[' if path.len() == DEEPEST => deeper += 1,
            b'}' | b']' if deeper > 0 => deeper -= 1,
            b'{' => path.push(Step::Key(String::new())),
            b'[' => path.push(Step::Index(0)),
            b'}' | b']' => {
                path.pop();
            }
            b',' => {
                if let Some(Step::Index(index)) = path.last_mut() {
                    *index += 1;
                }
            }
            b'"' => {
                let start = at + 1;
                at = start;
                while at < json.len() && json[at] != b'"' {
                    at += if json[at] == b'\\' { 2 } else { 1 };
                }
                let text = &json[start..at.min(json.len())];
                let after = json.get(at + 1..).unwrap_or_default();
                let is_key = after.trim_ascii_start().first() == Some(&b':');
                if let (true, Some(Step::Key(key))) = (is_key, path.last_mut()) {
                    *key = String::from_utf8_lossy(text).chars().take(80).collect();
                }
            }
            _ => {}
        }
        at += 1;
    }
    let mut text = String::new();
    for step in &path {
        match step {
            Step::Key(key) if key.is_empty() => {}
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    if text.is_empty() {
        text.push_str("the top");
    }
    OneLine(&text, SHOWN_PLACE).to_string()
}

/// Returns a copy that strict JSON allows, or `None` if there is nothing to repair.
///
/// In strings, raw control characters are escaped, and invalid UTF-8 and half surrogate pairs
/// (`\ud83d` alone, as JavaScript servers write a truncated emoji) are replaced by U+FFFD.
fn repair_json(json: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(json);
    let mut is_repaired = matches!(text, Cow::Owned(_));
    let mut output = String::with_capacity(text.len() + 16);
    let mut in_string = false;
    let mut rest = &*text;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        let mut replacement = None;
        match c {
            '"' => in_string = !in_string,
            '\0'..' ' if in_string => replacement = Some(format!("\\u{:04x}", u32::from(c))),
            '\\' if in_string => match escaped_unit(rest) {
                Some(0xd800..=0xdbff) if is_low_surrogate(&rest[6..]) => length = 12,
                Some(0xd800..=0xdfff) => {
                    length = 6;
                    replacement = Some("\\ufffd".to_owned());
                }
                _ => match rest[1..].chars().next() {
                    // The control character is escaped in the next round.
                    Some('\0'..' ') => replacement = Some(String::new()),
                    Some(escaped) => length += escaped.len_utf8(),
                    None => {}
                },
            },
            _ => {}
        }
        is_repaired |= replacement.is_some();
        output.push_str(replacement.as_deref().unwrap_or(&rest[..length]));
        rest = &rest[length..];
    }
    is_repaired.then_some(output)
}

/// Returns the UTF-16 code unit of an escape such as `\ud83d` at the start of a text.
fn escaped_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let are_digits = digits.bytes().all(|b| b.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| are_digits)
}

fn is_low_surrogate(text: &str) -> bool {
    matches!(escaped_unit(text), Some(0xdc00..=0xdfff))
}

/// Returns a body without the byte order mark that some servers write before it.
fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

fn looks_like_html(body: &[u8]) -> bool {
    without_bom(body).trim_ascii_start().first() == Some(&b'<')
}

/// The error that an answer with no success status is.
pub(crate) fn api_error(response: Response, secret: &str) -> Error {
    let parsed = ErrorBody::parse(&response.body, secret);
    let status = response.status;
    let mut call = response.call.clone();
    call.request_id = call.request_id.filter(|id| !id.contains(secret));
    if response.headers.request_id().is_none() {
        call.request_id = parsed.request_id.or(call.request_id);
    }
    let code = parsed
        .code
        .filter(|code| !code.is_empty())
        .map(ErrorCode::from);
    let validation = code == Some(ErrorCode::ValidationError);
    let retry_after = response.headers.retry_after();
    let kind = match status {
        400 | 422 if validation => ApiErrorKind::Validation {
            field_errors: parsed.field_errors,
        },
        400 => ApiErrorKind::BadRequest,
        401 => ApiErrorKind::Authentication,
        403 => ApiErrorKind::PermissionDenied,
        404 => ApiErrorKind::NotFound,
        409 => ApiErrorKind::Conflict,
        429 => ApiErrorKind::RateLimit(response.headers.rate_limit()),
        501 => ApiErrorKind::NotImplemented,
        500..=599 => ApiErrorKind::InternalServer,
        _ => ApiErrorKind::Other,
    };
    let message = match parsed.message {
        Some(message) => message,
        None if looks_like_html(&response.body) => {
            format!(
                "{} (an HTML page: from a gateway, not from the API)",
                reason(status)
            )
        }
        None => reason(status).to_owned(),
    };
    Error::Api(Box::new(ApiError {
        call,
        kind,
        status,
        code,
        message,
        is_from_api: parsed.is_object,
        in_progress: false,
        reported: None,
        retry_after,
        headers: response.headers,
        body: response.body,
    }))
}

fn reason(status: u16) -> &'static str {
    ureq::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("")
}

/// Returns what an error that is not a response says: the code and the message of a JSON object,
/// else the text itself.
pub(crate) fn error_text(data: &[u8]) -> String {
    let parsed = ErrorBody::parse(data, "");
    let code = parsed.code.filter(|code| !code.is_empty());
    match (code, parsed.message) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(text), None) | (None, Some(text)) => text,
        (None, None) => match decode::<String>(data) {
            Ok(text) => text,
            Err(_) => String::from_utf8_lossy(data).into_owned(),
        },
    }
}

#[derive(Default)]
struct ErrorBody {
    is_object: bool,
    message: Option<String>,
    code: Option<String>,
    request_id: Option<String>,
    field_errors: Vec<FieldError>,
}

impl ErrorBody {
    /// Reads both shapes that the API documents, and as much as there is of any other.
    fn parse(body: &[u8], secret: &str) -> ErrorBody {
        let Ok(mut parsed) = decode(body) else {
            return ErrorBody::default();
        };
        redact(&mut parsed, secret);
        let Value::Object(mut object) = parsed else {
            return ErrorBody::default();
        };
        let mut text_of = |key: &str| match object.get_mut(key).map(Value::take) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let code = text_of("code");
        let request_id = text_of("request_id");
        let reason = text_of("error");
        let mut field_errors = Vec::new();
        let message = match object.get("message") {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Array(items)) => {
                let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                field_errors.extend(texts.iter().map(|text| field_error(text)));
                Some(texts.join("; "))
            }
            _ => reason,
        };
        if let Some(Value::Array(errors)) = object.get("errors") {
            let text_in = |item: &Value, key| Some(item.get(key)?.as_str()?.to_owned());
            field_errors.extend(errors.iter().map(|item| {
                FieldError {
                    path: text_in(item, "path").unwrap_or_default(),
                    message: text_in(item, "message")
                        .or_else(|| item.as_str().map(str::to_owned))
                        .unwrap_or_default(),
                }
            }));
        }
        ErrorBody {
            is_object: true,
            message: message.filter(|message| !message.is_empty()),
            code,
            request_id,
            field_errors,
        }
    }
}

/// A server that quotes the key back must not make this crate print it. After decoding, for JSON
/// can write the same text in many ways.
fn redact(value: &mut Value, secret: &str) {
    match value {
        Value::String(text) if !secret.is_empty() && text.contains(secret) => {
            *text = text.replace(secret, "[redacted]");
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, secret)),
        Value::Object(object) => object.values_mut().for_each(|item| redact(item, secret)),
        _ => {}
    }
}

/// `path: text`, split at the first colon.
fn field_error(text: &str) -> FieldError {
    match text.split_once(':') {
        Some((path, message)) => FieldError {
            path: path.trim().to_owned(),
            message: message.trim().to_owned(),
        },
        None => FieldError {
            path: String::new(),
            message: text.to_owned(),
        },
    }
}
