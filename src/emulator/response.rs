//! Responses: the envelope of a success, and the body of each documented error.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::http::reason;

/// The fields of a JSON object.
pub(super) type Object = Map<String, Value>;

/// What a handler returns.
pub(super) type HandlerResult = Result<Response, ErrorResponse>;

/// Like `json!`, but returns the fields of an object.
macro_rules! object {
    ($($json:tt)*) => {
        match serde_json::json!({ $($json)* }) {
            serde_json::Value::Object(fields) => fields,
            _ => serde_json::Map::new(),
        }
    };
}
pub(super) use object;

const JSON: &str = "application/json; charset=utf-8";

/// A status and a body. The server adds the headers that every response has.
#[derive(Clone)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    /// Headers of this response. They replace others of the same name.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Response {
    pub(super) fn new(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        Response {
            status,
            content_type,
            headers: Vec::new(),
            body,
        }
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        Response::new(status, JSON, body.to_string().into_bytes())
    }

    fn envelope(status: u16, data: impl Into<Value>) -> Self {
        Response::json(
            status,
            &json!({ "message": "Success", "data": data.into() }),
        )
    }

    pub(super) fn ok(data: impl Into<Value>) -> Self {
        Response::envelope(200, data)
    }

    pub(super) fn created(data: impl Into<Value>) -> Self {
        Response::envelope(201, data)
    }

    pub(super) fn deleted() -> Self {
        Response::envelope(200, Value::Null)
    }

    /// A success that is documented without a body.
    pub(super) fn bodyless() -> Self {
        Response::new(201, JSON, Vec::new())
    }
}

/// A field that breaks a rule of the API.
pub(super) struct FieldError {
    pub(super) path: String,
    pub(super) message: String,
}

/// An error of the API, before it takes one of its two forms.
pub(super) struct ErrorResponse {
    pub(super) status: u16,
    pub(super) code: Cow<'static, str>,
    pub(super) message: String,
    pub(super) fields: Vec<FieldError>,
    pub(super) retry_after: Option<u64>,
}

impl ErrorResponse {
    pub(super) fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        let (code, message) = (code.into(), message.into());
        ErrorResponse {
            status,
            code,
            message,
            fields: Vec::new(),
            retry_after: None,
        }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        ErrorResponse::new(400, "bad_request", message)
    }

    pub(super) fn not_found(what: &str) -> Self {
        ErrorResponse::new(404, "not_found", format!("{what} not found"))
    }

    pub(super) fn validation(fields: Vec<FieldError>) -> Self {
        ErrorResponse {
            fields,
            ..ErrorResponse::new(400, "validation_error", "Request validation failed.")
        }
    }

    pub(super) fn invalid(path: &str, message: impl Into<String>) -> Self {
        ErrorResponse::validation(vec![FieldError {
            path: path.to_owned(),
            message: message.into(),
        }])
    }

    pub(super) fn is_validation(&self) -> bool {
        self.code == "validation_error"
    }

    /// The error in one line.
    pub(super) fn text(&self) -> String {
        let fields = self.fields.iter();
        let fields: Vec<String> = fields
            .map(|e| format!("{}: {}", e.path, e.message))
            .collect();
        if fields.is_empty() {
            self.message.clone()
        } else {
            fields.join(", ")
        }
    }

    /// Encodes the error in the form of the API reference, or in that of the older errors guide.
    pub(super) fn into_response(self, request_id: &str, guide_form: bool) -> Response {
        let body = if guide_form {
            let mut body = object! { "code": self.code, "message": self.message };
            if !self.fields.is_empty() {
                let errors = self.fields.iter();
                let errors = errors.map(|e| json!({ "path": e.path, "message": e.message }));
                body.insert("errors".to_owned(), errors.collect());
            }
            Value::Object(body)
        } else {
            let message = match self.fields.as_slice() {
                [] => Value::from(self.message),
                fields => fields
                    .iter()
                    .map(|e| format!("{}: {}", e.path, e.message))
                    .collect(),
            };
            json!({
                "message": message,
                "error": reason(self.status),
                "code": self.code,
                "statusCode": self.status,
                "request_id": request_id,
            })
        };
        let mut response = Response::json(self.status, &body);
        let wait = self
            .retry_after
            .map(|seconds| ("Retry-After".to_owned(), seconds.to_string()));
        response.headers.extend(wait);
        response
    }
}
