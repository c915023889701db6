//! Everything that can go wrong, in one type.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use crate::headers::Headers;
use crate::types::open_enum;

mod advice;

pub(crate) use advice::CallTraits;

pub use crate::headers::RateLimit;

/// Why a call did not give its result.
///
/// Its text is one line that says what happened, to which call, and what to do; `Debug` prints the
/// same line, because `fn main() -> Result<(), Error>` prints `Debug`. No key, ticket or body is
/// ever in it.
///
/// The line of an I/O failure ends with the system's own words, such as `Too many open files (os
/// error 24)`. So that a report that follows sources does not print them twice,
/// [`source`](std::error::Error::source) has no words: it is a [`std::io::Error`] of the same kind, or
/// `None` where the kind says nothing. [`ConnectionError::io_error`] returns the system's error itself.
///
/// ```no_run
/// use bimpeai::{Client, Error};
///
/// # fn main() -> Result<(), Error> {
/// # let client = Client::from_env()?;
/// match client.agents().retrieve("agt_1").send() {
///     Ok(agent) => println!("{}", agent.name),
///     Err(Error::Api(error)) if error.status() == 404 => println!("no such agent"),
///     Err(error) if error.is_retryable() => println!("later: {error}"),
///     Err(error) => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
pub enum Error {
    /// Refused by this crate before anything was sent: a bad id, header, key or setting.
    User(Box<UserError>),
    /// No answer could be had: look-up, connect, TLS, or the connection broke.
    Connection(Box<ConnectionError>),
    /// The answer did not come in time.
    Timeout(Box<TimeoutError>),
    /// The API answered with an error.
    Api(Box<ApiError>),
    /// The answer came, and is not what the API documents.
    Decode(Box<DecodeError>),
    /// A stream skipped one message, which cannot be decoded or is too large, and continues.
    ///
    /// Only streams return it. Every other error is the last item of a stream.
    SkippedMessage(Box<SkippedMessageError>),
    /// A [`StreamHandle`](crate::stream::StreamHandle) cancelled the opening of its stream.
    Cancelled(Box<CancelledError>),
}

impl Error {
    /// The call on the wire, such as `POST /agents`; `None` where no call was made yet.
    pub fn operation(&self) -> Option<&str> {
        let operation = match self {
            Error::User(error) => error.operation.as_deref()?,
            _ => &self.call()?.operation,
        };
        Some(operation)
    }

    /// The HTTP status of the answer, where one came.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Api(error) => Some(error.status),
            Error::Decode(error) => Some(error.status),
            _ => None,
        }
    }

    /// The id of the request: the server's where it answered with one, else the one that was sent.
    pub fn request_id(&self) -> Option<&str> {
        self.call()?.request_id.as_deref()
    }

    /// How many attempts were made; 0 when nothing was sent.
    pub fn attempts(&self) -> u32 {
        self.call().map_or(0, |call| call.attempts)
    }

    /// How long the server asks to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Api(error) => error.retry_after,
            _ => None,
        }
    }

    /// Returns whether the same call may succeed later.
    ///
    /// `true` for timeouts, truncated bodies, 408, 429, 5xx except 501, and connection failures; also
    /// for a 409 to a retry of a write, because the first attempt may still be in progress. These
    /// connection failures are permanent, so `false`:
    ///
    /// - The resolver says that the host does not exist. A temporary lookup failure is retryable.
    /// - TLS is refused: an untrusted or expired certificate, another host name, a missing client
    ///   certificate, a server without TLS.
    /// - The proxy refuses the tunnel, such as for a wrong password.
    /// - The request's URL or one of its headers is too long to be sent.
    /// - The response is not valid HTTP. One that a lost connection truncated is retryable.
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Connection(error) => !error.kind.is_permanent(),
            Error::Timeout(_) => true,
            Error::Api(error) => is_retryable_status(error.status) || error.in_progress,
            Error::Decode(error) => error.truncated,
            Error::User(_) | Error::SkippedMessage(_) | Error::Cancelled(_) => false,
        }
    }

    /// Whether the request may have reached the server.
    ///
    /// `false` only where it is proven that it did not (look-up, connect, TLS, refused by this
    /// crate): a batch job may then repeat a write without looking first.
    pub fn may_have_been_sent(&self) -> bool {
        self.call().is_some_and(|call| call.sent)
    }

    fn call(&self) -> Option<&CallInfo> {
        match self {
            Error::User(_) => None,
            Error::Connection(error) => Some(&error.call),
            Error::Timeout(error) => Some(&error.call),
            Error::Api(error) => Some(&error.call),
            Error::Decode(error) => Some(&error.call),
            Error::SkippedMessage(error) => Some(&error.call),
            Error::Cancelled(error) => Some(&error.call),
        }
    }

    pub(crate) fn call_mut(&mut self) -> Option<&mut CallInfo> {
        match self {
            Error::User(_) => None,
            Error::Connection(error) => Some(&mut error.call),
            Error::Timeout(error) => Some(&mut error.call),
            Error::Api(error) => Some(&mut error.call),
            Error::Decode(error) => Some(&mut error.call),
            Error::SkippedMessage(error) => Some(&mut error.call),
            Error::Cancelled(error) => Some(&mut error.call),
        }
    }

    pub(crate) fn user(what: impl Into<String>) -> Error {
        Error::User(Box::new(UserError {
            operation: None,
            what: what.into(),
        }))
    }

    /// Names the page of a list that the error is about.
    pub(crate) fn on_page(mut self, page: Option<u64>) -> Error {
        if let Some(call) = self.call_mut() {
            call.page = page;
        }
        self
    }

    /// Marks a 409 to a write that may have reached the server before, under the same idempotency
    /// key: the server may still be working on it.
    pub(crate) fn of_repeated_write(mut self) -> Error {
        if let Error::Api(error) = &mut self {
            error.in_progress =
                error.status == 409 && error.code != Some(ErrorCode::IntegrationLimitReached);
        }
        self
    }

    /// A limit on several calls was exceeded, after something was sent.
    pub(crate) fn timed_out(operation: String, what: String, limit: Duration) -> Error {
        Error::Timeout(Box::new(TimeoutError {
            call: CallInfo {
                operation,
                attempts: 0,
                request_id: None,
                sent: true,
                // `what` says what became of the write.
                traits: CallTraits::READ,
                page: None,
            },
            what,
            limit: Some(limit),
        }))
    }

    /// A wait between two calls was cancelled.
    pub(crate) fn cancelled(operation: String) -> Error {
        Error::Cancelled(Box::new(CancelledError {
            call: CallInfo {
                operation,
                attempts: 0,
                request_id: None,
                sent: true,
                traits: CallTraits::READ,
                page: None,
            },
        }))
    }

    /// Names the call that a refusal belongs to.
    pub(crate) fn in_operation(mut self, operation: impl fmt::Display) -> Error {
        if let Error::User(error) = &mut self {
            error.operation.get_or_insert_with(|| operation.to_string());
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::User(error) => error.fmt(f),
            Error::Connection(error) => error.fmt(f),
            Error::Timeout(error) => error.fmt(f),
            Error::Api(error) => error.fmt(f),
            Error::Decode(error) => error.fmt(f),
            Error::SkippedMessage(error) => error.fmt(f),
            Error::Cancelled(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Connection(error) => error.source(),
            Error::User(_)
            | Error::Timeout(_)
            | Error::Api(_)
            | Error::Decode(_)
            | Error::SkippedMessage(_)
            | Error::Cancelled(_) => None,
        }
    }
}

/// The statuses that the retry policy tries again.
pub(crate) fn is_retryable_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599) && status != 501
}

/// What every failed call knows of itself.
#[derive(Clone)]
pub(crate) struct CallInfo {
    pub(crate) operation: String,
    pub(crate) attempts: u32,
    pub(crate) request_id: Option<String>,
    pub(crate) sent: bool,
    pub(crate) traits: CallTraits,
    /// The number of the requested page, on a list.
    pub(crate) page: Option<u64>,
}

impl CallInfo {
    /// The end of an error's line: the page, the request id, the number of attempts.
    fn trailer(&self) -> Trailer<'_> {
        Trailer(self)
    }
}

/// A further part of an error's line, if there is one.
struct After(Option<Cow<'static, str>>);

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(text) => write!(f, "; {text}"),
            None => Ok(()),
        }
    }
}

struct Trailer<'a>(&'a CallInfo);

impl fmt::Display for Trailer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = self.0;
        let page = call.page.filter(|page| *page > 1);
        let parts = [
            page.map(|page| format!("page {page}")),
            call.request_id
                .as_deref()
                .map(|id| format!("request {}", OneLine(id, 255))),
            (call.attempts > 1).then(|| format!("{} attempts", call.attempts)),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", parts.join(", "))
    }
}

/// The details of a refusal by this crate; nothing was sent.
#[derive(Clone)]
pub struct UserError {
    operation: Option<String>,
    what: String,
}

impl UserError {
    /// What was refused, why, and what to do.
    pub fn message(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.operation {
            Some(operation) => write!(f, "{operation}: not sent: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// What went wrong on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionKind {
    /// The host name could not be resolved this time.
    LookupFailed,
    /// The resolver says that the host does not exist.
    HostNotFound,
    /// No connection was established: refused, unreachable, no free socket.
    NotConnected,
    /// The proxy refuses the tunnel, however often it is asked.
    ProxyRefused,
    /// One side does not accept the other's certificate or version of TLS.
    TlsRefused,
    /// The URL or a header does not fit into the output buffer.
    RequestTooLong,
    /// The response is not valid HTTP.
    MalformedResponse,
    /// The connection broke or was closed before the response was complete.
    Lost,
}

impl ConnectionKind {
    /// Returns whether another attempt would fail in the same way.
    fn is_permanent(self) -> bool {
        match self {
            ConnectionKind::HostNotFound
            | ConnectionKind::ProxyRefused
            | ConnectionKind::TlsRefused
            | ConnectionKind::RequestTooLong
            | ConnectionKind::MalformedResponse => true,
            ConnectionKind::LookupFailed | ConnectionKind::NotConnected | ConnectionKind::Lost => {
                false
            }
        }
    }
}

/// The details of a connection that could not be established, or was lost.
#[derive(Clone)]
pub struct ConnectionError {
    pub(crate) call: CallInfo,
    pub(crate) kind: ConnectionKind,
    /// What happened, in words, with what to do about it.
    pub(crate) what: String,
    /// The system's error, whose words end the line.
    pub(crate) source: Option<SystemError>,
}

/// An error of the system, and its kind alone.
#[derive(Debug, Clone)]
pub(crate) struct SystemError(Arc<(io::Error, io::Error)>);

impl From<io::Error> for SystemError {
    fn from(error: io::Error) -> Self {
        let kind = error.kind().into();
        SystemError(Arc::new((error, kind)))
    }
}

impl SystemError {
    /// Returns the error's kind, unless it is one that says nothing.
    fn kind(&self) -> Option<&io::Error> {
        let (_, kind) = &*self.0;
        // The first of them has no name in stable Rust.
        let says_nothing = ["uncategorized error", "other error"];
        (!says_nothing.contains(&kind.to_string().as_str())).then_some(kind)
    }
}

impl ConnectionError {
    /// Returns the system's error, for programs that look at its kind or code.
    ///
    /// `None` where the system did not fail: a proxy that refused, a certificate that is not trusted,
    /// a malformed response. Its text ends the line of this error.
    ///
    /// ```no_run
    /// use std::io::ErrorKind;
    ///
    /// # let client = bimpeai::Client::from_env().unwrap();
    /// if let Err(bimpeai::Error::Connection(error)) = client.agents().retrieve("agt_1").send() {
    ///     let kind = error.io_error().map(std::io::Error::kind);
    ///     if kind == Some(ErrorKind::ConnectionRefused) {
    ///         println!("the server is not running yet");
    ///     }
    /// }
    /// ```
    pub fn io_error(&self) -> Option<&io::Error> {
        self.source.as_ref().map(|SystemError(both)| &both.0)
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConnectionError { call, what, .. } = self;
        let advice = After(self.advice());
        write!(f, "{}: {what}{advice}{}", call.operation, call.trailer())?;
        const SHOWN: usize = 200;
        match self.io_error() {
            Some(error) => write!(f, ": {}", OneLine(&error.to_string(), SHOWN)),
            None => Ok(()),
        }
    }
}

// `io::Error` may hold any error, so the compiler cannot see it. Nothing in it is changed.
impl UnwindSafe for ConnectionError {}
impl RefUnwindSafe for ConnectionError {}

/// The details of an answer that did not come in time.
#[derive(Clone)]
pub struct TimeoutError {
    pub(crate) call: CallInfo,
    pub(crate) what: String,
    pub(crate) limit: Option<Duration>,
}

impl TimeoutError {
    /// The limit that was reached.
    pub fn limit(&self) -> Option<Duration> {
        self.limit
    }
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}{}{}",
            self.call.operation,
            self.what,
            After(self.call.repeat()),
            self.call.trailer()
        )
    }
}

/// The details of a stream that was cancelled while it was being opened.
///
/// Only streams can be cancelled. The duration of a call is bounded by its `timeout` and `deadline`.
#[derive(Clone)]
pub struct CancelledError {
    pub(crate) call: CallInfo,
}

impl fmt::Display for CancelledError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: cancelled{}",
            self.call.operation,
            self.call.trailer()
        )
    }
}

/// The details of an answer that is not what the API documents.
#[derive(Clone)]
pub struct DecodeError {
    pub(crate) call: CallInfo,
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    pub(crate) what: String,
    /// Whether the connection closed too early: another attempt may bring the whole.
    pub(crate) truncated: bool,
    pub(crate) source: Option<Mismatch>,
}

impl DecodeError {
    /// The HTTP status of the answer.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The headers of the answer.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The body as it came; never printed by this crate.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} answer: {}",
            self.call.operation, self.status, self.what
        )?;
        if let Some(mismatch) = &self.source {
            write!(f, ": {mismatch}")?;
        }
        write!(f, "{}{}", After(self.advice()), self.call.trailer())
    }
}

/// The details of a message that a stream skipped.
#[derive(Clone)]
pub struct SkippedMessageError {
    pub(crate) call: CallInfo,
    pub(crate) id: Option<String>,
    pub(crate) data: Vec<u8>,
    pub(crate) reason: SkipReason,
}

/// Why a stream skipped a message.
#[derive(Clone, Copy)]
pub(crate) enum SkipReason {
    InvalidJson,
    UnexpectedShape,
    /// The limit, in bytes.
    TooLarge(usize),
}

impl SkippedMessageError {
    /// Returns the id of the message. `None` if it had none.
    ///
    /// The stream's `last_event_id` is this id until the next message is taken.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the message as received; empty if it was too large. Never printed by this crate.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Returns whether the message exceeded the size limit of an event, 1 MiB.
    pub fn is_too_large(&self) -> bool {
        matches!(self.reason, SkipReason::TooLarge(_))
    }
}

impl fmt::Display for SkippedMessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = &self.call.operation;
        write!(f, "{operation}: skipped a message of the stream: ")?;
        match self.reason {
            SkipReason::InvalidJson => f.write_str("it is not valid JSON")?,
            SkipReason::UnexpectedShape => f.write_str("it is not a message as documented")?,
            SkipReason::TooLarge(limit) => write!(f, "it is larger than {limit} bytes")?,
        }
        write!(f, "; the stream continues{}", self.call.trailer())
    }
}

/// Where an answer differs from what is documented, and what was expected there; never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{expected} at {place} (line {line}, column {column})")]
pub(crate) struct Mismatch {
    pub(crate) expected: String,
    pub(crate) place: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// An error that the API answered with.
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
    pub(crate) retry_after: Option<Duration>,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
}

impl ApiError {
    /// What kind of error it is, with what that kind carries.
    pub fn kind(&self) -> &ApiErrorKind {
        &self.kind
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The API's own code, where the body has one.
    pub fn code(&self) -> Option<&ErrorCode> {
        self.code.as_ref()
    }

    /// The server's message, whole; the parts of a list are joined by `; `. Empty where there is none.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The fields that a validation error names; empty for other kinds.
    pub fn field_errors(&self) -> &[FieldError] {
        match &self.kind {
            ApiErrorKind::Validation { field_errors } => field_errors,
            _ => &[],
        }
    }

    /// The id of the request: of the answer's header, else of its body, else the one that was sent.
    pub fn request_id(&self) -> Option<&str> {
        self.call.request_id.as_deref()
    }

    /// How long the server asks to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The headers of the answer.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The body as it came; never printed by this crate.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// How much of a server's message is shown in an error's line.
const SHOWN_MESSAGE: usize = 300;

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call.operation, self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {}", OneLine(code.as_str(), 80))?;
        }
        if !self.message.is_empty() {
            // More may follow on the line.
            let message = self.message.strip_suffix('.').unwrap_or(&self.message);
            write!(f, ": {}", OneLine(message, SHOWN_MESSAGE))?;
        }
        const SHOWN_FIELDS: usize = 10;
        let fields = self.field_errors();
        for FieldError { path, message } in fields.iter().take(SHOWN_FIELDS) {
            if !self.message.contains(message) {
                write!(f, "; {}: {}", OneLine(path, 80), OneLine(message, 120))?;
            }
        }
        if fields.len() > SHOWN_FIELDS {
            write!(f, "; and {} more", fields.len() - SHOWN_FIELDS)?;
        }
        write!(f, "{}", After(self.advice()))?;
        if let Some(wait) = self.retry_after {
            write!(f, "; try again in {wait:?}")?;
        }
        write!(f, "{}", self.call.trailer())
    }
}

/// A text from outside, on one line, at most so many characters of it.
pub(crate) struct OneLine<'a>(pub(crate) &'a str, pub(crate) usize);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every call writes its path so: nearly always there is nothing to do.
        if self.0.len() <= self.1 && self.0.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            return f.write_str(self.0);
        }
        let mut chars = self.0.chars();
        for c in chars.by_ref().take(self.1) {
            f.write_char(if is_unprintable(c) { ' ' } else { c })?;
        }
        f.write_str(if chars.next().is_some() { "…" } else { "" })
    }
}

/// What ends a line, moves a cursor, or turns the direction of what follows.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `Debug` is the line that `Display` prints: nothing else of an error is for printing.
macro_rules! debug_as_display {
    ($($type:ty),*) => { $(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )* };
}
debug_as_display!(
    UserError,
    ConnectionError,
    TimeoutError,
    CancelledError,
    DecodeError,
    SkippedMessageError,
    ApiError
);

impl std::error::Error for UserError {}
impl std::error::Error for ConnectionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.source.as_ref()?.kind()?)
    }
}
impl std::error::Error for DecodeError {}
impl std::error::Error for TimeoutError {}
impl std::error::Error for CancelledError {}
impl std::error::Error for ApiError {}
impl std::error::Error for SkippedMessageError {}

/// The kinds of error that the API answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiErrorKind {
    /// 400: the request cannot be served as it is.
    BadRequest,
    /// 400 or 422 with `validation_error`: some fields are not acceptable.
    Validation {
        /// The fields and what is wrong with them.
        field_errors: Vec<FieldError>,
    },
    /// 401: no key, or not a valid one.
    Authentication,
    /// 403: the key may not do this.
    PermissionDenied,
    /// 404: no such thing in this team.
    NotFound,
    /// 409: it conflicts with the state of the resource, or an earlier attempt of the same write is
    /// still in progress.
    ///
    /// Retried only if an earlier attempt of the call may have reached the server under the same
    /// idempotency key.
    Conflict,
    /// 429: too many requests.
    RateLimit(RateLimit),
    /// 5xx but 501.
    InternalServer,
    /// 501: the API does not do this yet; never retried.
    NotImplemented,
    /// Any other status, redirects among them.
    Other,
}

/// One field of a request that the server does not accept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldError {
    /// The path of the field, such as `rules.0.id`; empty where the server names none.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

open_enum! {
    /// The API's own error codes.
    pub enum ErrorCode ("error code") {
        /// 400: some fields are not acceptable.
        ValidationError = "validation_error",
        /// 400: the request cannot be served as it is.
        BadRequest = "bad_request",
        /// 400: the agent has no workflow, and this needs one.
        WorkflowRequired = "workflow_required",
        /// 400: the integration refused the credentials, or could not be reached.
        IntegrationConnectionFailed = "integration_connection_failed",
        /// 400: the agent has no such live channel.
        ChannelNotConfigured = "channel_not_configured",
        /// 401: not authenticated.
        Unauthorized = "unauthorized",
        /// 401: the request has no key.
        ApiKeyMissing = "api_key_missing",
        /// 401: no such key.
        ApiKeyInvalid = "api_key_invalid",
        /// 401: the key has expired.
        ApiKeyExpired = "api_key_expired",
        /// 403: the key lacks a scope, which the message names.
        InsufficientScope = "insufficient_scope",
        /// 403: not allowed.
        Forbidden = "forbidden",
        /// 404: no such thing in this team.
        NotFound = "not_found",
        /// 409: it contradicts what is there.
        Conflict = "conflict",
        /// 409: the plan allows no more integrations.
        IntegrationLimitReached = "integration_limit_reached",
        /// 429: the rate limit is used up.
        RateLimited = "rate_limited",
        /// 429: too many requests at once.
        TooManyRequests = "too_many_requests",
        /// Too many open streams.
        TooManyStreams = "too_many_streams",
        /// 501: not done yet.
        NotImplemented = "not_implemented",
        /// The plan allows no more agents.
        AgentLimitReached = "agent_limit_reached",
        /// 500: the server failed.
        InternalError = "internal_error",
    }
}
