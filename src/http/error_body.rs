//! The body of an error response.

use serde_json::Value;

use super::Response;
use super::envelope::looks_like_html;
use super::json::decode;
use crate::error::{ApiError, ApiErrorKind, Error, ErrorCode, FieldError};

/// Returns the error for a response whose status is not a success.
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
    /// Reads both documented shapes, and what it can of any other.
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

/// Removes the API key, which a server may quote. Called after decoding, because JSON can write the
/// same text in many ways.
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
