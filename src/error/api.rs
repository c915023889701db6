//! Errors that the API returns.

use std::fmt;
use std::time::Duration;

use super::{After, CallInfo, Excerpt};
use crate::headers::{Headers, RateLimit};
use crate::types::open_enum;

/// An error response of the API.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let emulator = bimpeai::emulator::Emulator::start()?;
/// # let client = emulator.client_builder().build()?;
/// use bimpeai::Error;
/// use bimpeai::agents::CreateAgent;
/// use bimpeai::error::ErrorCode;
///
/// let result = client.agents().create(CreateAgent::new("")).send();
/// if let Err(Error::Api(error)) = result {
///     assert_eq!(error.status(), 400);
///     assert_eq!(error.code(), Some(&ErrorCode::ValidationError));
///     for field in error.field_errors() {
///         println!("{}: {}", field.path, field.message);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ApiError {
    pub(crate) call: CallInfo,
    pub(crate) kind: ApiErrorKind,
    pub(crate) status: u16,
    pub(crate) code: Option<ErrorCode>,
    pub(crate) message: String,
    /// Whether the body is a JSON object, as the API's are, and not of a gateway or another server.
    pub(crate) is_from_api: bool,
    /// Whether it is a 409 because an earlier attempt may still be in progress.
    pub(crate) in_progress: bool,
    /// What the server said on the stream before, in an `error` event.
    pub(crate) reported: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
}

impl ApiError {
    /// Returns the class of the error, such as `NotFound` or `Validation`. It follows from the
    /// status. For a finer distinction, see [`code`](Self::code).
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use bimpeai::Error;
    /// use bimpeai::error::{ApiErrorKind, ErrorCode};
    ///
    /// match client.agents().delete("agt_1").send() {
    ///     Err(Error::Api(error)) => match error.kind() {
    ///         ApiErrorKind::Authentication => eprintln!("check the API key"),
    ///         ApiErrorKind::NotFound => eprintln!("already deleted"),
    ///         _ if error.code() == Some(&ErrorCode::Forbidden) => {
    ///             eprintln!("not allowed");
    ///         }
    ///         _ => return Err(Error::Api(error)),
    ///     },
    ///     other => other?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn kind(&self) -> &ApiErrorKind {
        &self.kind
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the API's own error code if the body has one.
    pub fn code(&self) -> Option<&ErrorCode> {
        self.code.as_ref()
    }

    /// Returns the whole message of the server, or an empty string. Several messages are joined by
    /// `; `.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the fields that a validation error names; empty for other kinds.
    pub fn field_errors(&self) -> &[FieldError] {
        match &self.kind {
            ApiErrorKind::Validation { field_errors } => field_errors,
            _ => &[],
        }
    }

    /// Returns the request id: from the response header, else from its body, else the one that was
    /// sent.
    pub fn request_id(&self) -> Option<&str> {
        self.call.request_id.as_deref()
    }

    /// Returns the delay that the server asks for before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns the response headers.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Returns the response body as received. This crate never prints it.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// The part of a server's message that an error's line shows, in characters.
const SHOWN_MESSAGE: usize = 300;

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call.operation, self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {}", Excerpt(code.as_str(), 80))?;
        }
        if !self.message.is_empty() {
            // More may follow on the line.
            let message = self.message.strip_suffix('.').unwrap_or(&self.message);
            write!(f, ": {}", Excerpt(message, SHOWN_MESSAGE))?;
        }
        const SHOWN_FIELDS: usize = 10;
        let fields = self.field_errors();
        for FieldError { path, message } in fields.iter().take(SHOWN_FIELDS) {
            if !self.message.contains(message) {
                write!(f, "; {}: {}", Excerpt(path, 80), Excerpt(message, 120))?;
            }
        }
        if fields.len() > SHOWN_FIELDS {
            write!(f, "; and {} more", fields.len() - SHOWN_FIELDS)?;
        }
        if let Some(reported) = &self.reported {
            f.write_str(reported)?;
        }
        write!(f, "{}", After(self.advice()))?;
        if let Some(wait) = self.retry_after {
            write!(f, "; retry in {wait:?}")?;
        }
        write!(f, "{}", self.call.trailer())
    }
}

/// The kind of an [`ApiError`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiErrorKind {
    /// 400: the request is invalid.
    #[doc(alias = "BadRequestError")]
    BadRequest,
    /// 400 or 422 with `validation_error`: some fields are invalid.
    #[doc(alias = "ValidationError")]
    Validation {
        /// The invalid fields.
        field_errors: Vec<FieldError>,
    },
    /// 401: the API key is missing or invalid.
    #[doc(alias = "AuthenticationError")]
    Authentication,
    /// 403: the API key lacks the permission.
    #[doc(alias = "PermissionDeniedError")]
    PermissionDenied,
    /// 404: the resource does not exist in this team.
    #[doc(alias = "NotFoundError")]
    NotFound,
    /// 409: the request conflicts with the state of the resource, or an earlier attempt of the same write is
    /// still in progress.
    ///
    /// Retried only if an earlier attempt of the call may have reached the server under the same
    /// idempotency key.
    #[doc(alias = "ConflictError")]
    Conflict,
    /// 429: too many requests.
    #[doc(alias = "RateLimitError")]
    RateLimit(RateLimit),
    /// 5xx except 501.
    #[doc(alias = "InternalServerError")]
    InternalServer,
    /// 501: the API does not implement the operation. Never retried.
    #[doc(alias = "APINotImplementedError")]
    NotImplemented,
    /// Any other status, such as that of a redirect.
    Other,
}

/// An invalid field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldError {
    /// Path of the field, such as `rules.0.id`; empty if the server names none.
    pub path: String,
    /// Why it is invalid.
    pub message: String,
}

open_enum! {
    /// An error code of the API.
    pub enum ErrorCode ("error code") {
        /// 400: some fields are invalid.
        ValidationError = "validation_error",
        /// 400: the request is invalid.
        BadRequest = "bad_request",
        /// 400: the operation needs an agent with a workflow.
        WorkflowRequired = "workflow_required",
        /// 400: the integration refused the credentials, or is not reachable.
        IntegrationConnectionFailed = "integration_connection_failed",
        /// 400: the agent does not have this channel.
        ChannelNotConfigured = "channel_not_configured",
        /// 401: not authenticated.
        Unauthorized = "unauthorized",
        /// 401: the request has no API key.
        ApiKeyMissing = "api_key_missing",
        /// 401: the API key is invalid.
        ApiKeyInvalid = "api_key_invalid",
        /// 401: the API key has expired.
        ApiKeyExpired = "api_key_expired",
        /// 403: the API key lacks a scope, which the message names.
        InsufficientScope = "insufficient_scope",
        /// 403: not allowed.
        Forbidden = "forbidden",
        /// 404: the resource does not exist in this team.
        NotFound = "not_found",
        /// 409: the request conflicts with the state of the resource.
        Conflict = "conflict",
        /// 409: the plan allows no more integrations.
        IntegrationLimitReached = "integration_limit_reached",
        /// 429: the rate limit is used up.
        RateLimited = "rate_limited",
        /// 429: too many requests at once.
        TooManyRequests = "too_many_requests",
        /// Too many open streams.
        TooManyStreams = "too_many_streams",
        /// 501: the API does not implement the operation.
        NotImplemented = "not_implemented",
        /// The plan allows no more agents.
        AgentLimitReached = "agent_limit_reached",
        /// 500: the server failed.
        InternalError = "internal_error",
    }
}
