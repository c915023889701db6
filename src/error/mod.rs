//! [`Error`], the error type of this crate, and its details.

mod advice;
mod api;
mod details;

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::time::Duration;

pub(crate) use advice::CallTraits;
pub use api::{ApiError, ApiErrorKind, ErrorCode, FieldError};
pub use details::{
    CancelledError, ConnectionError, DecodeError, RateLimitedError, SkippedMessageError,
    TimeoutError, UserError,
};
pub(crate) use details::{ConnectionKind, Mismatch, SkipReason, SystemError, WaitLimit};

pub use crate::headers::RateLimit;

/// Why a call failed. The error type of this crate.
///
/// Its text is one line that says what happened, to which call, and what to do. `Debug` prints the
/// same line, because `fn main() -> Result<(), Error>` prints `Debug`. It never contains an API key, a
/// ticket or a body.
///
/// For an I/O failure, the text ends with the message of the system, such as `Too many open files
/// (os error 24)`. So that programs do not print this message twice,
/// [`source`](std::error::Error::source) returns a [`std::io::Error`] with the
/// [`kind`](std::io::Error::kind) only, or `None` if the kind is `Other`.
/// [`ConnectionError::io_error`] returns the system's error itself.
///
/// ```no_run
/// use bimpeai::{Client, Error};
///
/// # fn main() -> Result<(), Error> {
/// # let client = Client::from_env()?;
/// match client.agents().retrieve("agt_1").send() {
///     Ok(agent) => println!("{}", agent.name),
///     Err(error) if error.is_not_found() => println!("no such agent"),
///     Err(error) if error.is_retryable() => println!("later: {error}"),
///     Err(error) => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "BimpeAIError")]
#[doc(alias = "exception")]
#[non_exhaustive]
pub enum Error {
    /// This crate refused the call before anything was sent: an invalid id, header, key or setting.
    #[doc(alias = "UserError")]
    User(Box<UserError>),
    /// No response was received: DNS lookup, connecting or TLS failed, or the connection was lost.
    #[doc(alias = "APIConnectionError")]
    Connection(Box<ConnectionError>),
    /// A time limit expired before the complete response was received: `timeout`, `connect_timeout`
    /// or `deadline`.
    #[doc(alias = "APITimeoutError")]
    Timeout(Box<TimeoutError>),
    /// The server returned a status other than 2xx, whatever the response body is.
    #[doc(alias = "APIError")]
    Api(Box<ApiError>),
    /// The request was not sent, because waiting for the rate limit to reset would take longer than
    /// `deadline` or `max_retry_wait` allows.
    ///
    /// If the server itself returned a 429, the error is [`Error::Api`].
    RateLimited(Box<RateLimitedError>),
    /// A response was received that does not have the documented form.
    Decode(Box<DecodeError>),
    /// A stream skipped one message, which cannot be decoded or is too large, and continues.
    ///
    /// Only streams return it. Every other error is the last item of a stream.
    SkippedMessage(Box<SkippedMessageError>),
    /// [`Client::shutdown`](crate::Client::shutdown) ended the call or stream, or a
    /// [`StreamHandle`](crate::stream::StreamHandle) cancelled a stream while it was being opened.
    Cancelled(Box<CancelledError>),
}

impl Error {
    /// Returns the HTTP method and path, such as `POST /agents`. `None` if the error is from
    /// building the [`Client`](crate::Client).
    pub fn operation(&self) -> Option<&str> {
        let operation = match self {
            Error::User(error) => error.operation.as_deref()?,
            _ => &self.call()?.operation,
        };
        Some(operation)
    }

    /// Returns the HTTP status if a response was received.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Api(error) => Some(error.status),
            Error::Decode(error) => Some(error.status),
            _ => None,
        }
    }

    /// Returns the request id: the server's if it returned one, else the one that was sent.
    pub fn request_id(&self) -> Option<&str> {
        self.call()?.request_id.as_deref()
    }

    /// Returns the number of attempts; 0 if nothing was sent.
    pub fn attempts(&self) -> u32 {
        self.call().map_or(0, |call| call.attempts)
    }

    /// Returns the delay that the server asks for before the next attempt.
    ///
    /// For [`Error::RateLimited`], the time until the request could be sent.
    ///
    /// ```no_run
    /// # let client = bimpeai::Client::from_env().unwrap();
    /// if let Err(error) = client.agents().list().send() {
    ///     if let Some(wait) = error.retry_after() {
    ///         eprintln!("come back in {} s", wait.as_secs());
    ///     }
    /// }
    /// ```
    #[doc(alias = "retryAfter")]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Api(error) => error.retry_after,
            Error::RateLimited(error) => Some(error.wait),
            _ => None,
        }
    }

    /// Returns whether the same call may succeed later.
    ///
    /// `true` for:
    ///
    /// - connection failures, timeouts and truncated response bodies
    /// - the statuses 408, 429 and 5xx, except 501
    /// - a 409 in response to a retried write: the first attempt may still be in progress
    ///
    /// `false` for these connection failures, which are permanent:
    ///
    /// - The resolver says that the host does not exist. A temporary lookup failure is retryable.
    /// - TLS fails: the certificate is untrusted, expired or for another host name, a client
    ///   certificate is missing, or the server does not speak TLS.
    /// - The proxy refuses the tunnel, such as for a wrong password.
    /// - The request's URL or one of its headers is too long to be sent.
    /// - The response is not valid HTTP. One that a lost connection truncated is retryable.
    ///
    /// ```no_run
    /// # let client = bimpeai::Client::from_env().unwrap();
    /// match client.agents().list().send() {
    ///     Err(error) if error.is_retryable() => eprintln!("later: {error}"),
    ///     Err(error) => eprintln!("do not repeat: {error}"),
    ///     Ok(page) => println!("{} agents", page.data.len()),
    /// }
    /// ```
    #[doc(alias = "retry")]
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Connection(error) => !error.kind.is_permanent(),
            Error::Timeout(_) | Error::RateLimited(_) => true,
            Error::Api(error) => is_retryable_status(error.status) || error.in_progress,
            Error::Decode(error) => error.truncated,
            Error::User(_) | Error::SkippedMessage(_) | Error::Cancelled(_) => false,
        }
    }

    /// Returns whether the request may have reached the server.
    ///
    /// `false` only if it certainly did not: DNS lookup, connecting or TLS failed, the rate limit
    /// did not allow the call, or this crate found its arguments invalid. Then a write can be sent
    /// again without checking whether it was performed.
    ///
    /// ```no_run
    /// # let client = bimpeai::Client::from_env().unwrap();
    /// use bimpeai::calls::MakeCall;
    ///
    /// let call = MakeCall::new("+2348012345678", true);
    /// if let Err(error) = client.calls().make("agt_1", call).send() {
    ///     if error.may_have_been_sent() {
    ///         eprintln!("the phone may have rung: {error}");
    ///     }
    /// }
    /// ```
    pub fn may_have_been_sent(&self) -> bool {
        self.call().is_some_and(|call| call.sent)
    }

    /// Returns whether a time limit was exceeded.
    ///
    /// The request may have reached the server unless
    /// [`may_have_been_sent`](Error::may_have_been_sent) is `false`. If it happens often, raise
    /// `timeout` or `deadline`.
    ///
    /// ```no_run
    /// # let client = bimpeai::Client::from_env().unwrap();
    /// match client.agents().retrieve("agt_1").send() {
    ///     Err(error) if error.is_timeout() => eprintln!("slow today"),
    ///     _ => {}
    /// }
    /// ```
    pub fn is_timeout(&self) -> bool {
        matches!(self, Error::Timeout(_))
    }

    /// Returns whether no connection was established: DNS lookup, TCP, proxy or TLS.
    ///
    /// The request did not reach the server. Check the base URL, the network and the proxy.
    ///
    /// ```no_run
    /// # let client = bimpeai::Client::from_env().unwrap();
    /// match client.agents().list().send() {
    ///     Err(error) if error.is_connect() => eprintln!("offline: {error}"),
    ///     _ => {}
    /// }
    /// ```
    pub fn is_connect(&self) -> bool {
        matches!(self, Error::Connection(_)) && !self.may_have_been_sent()
    }

    /// Returns whether the API returned 404: the resource does not exist in this team.
    ///
    /// The request reached the server. Check the ids; if no id is in the path, check the base URL.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// let agent = match client.agents().retrieve("agt_1").send() {
    ///     Ok(agent) => Some(agent),
    ///     Err(error) if error.is_not_found() => None,
    ///     Err(error) => return Err(error),
    /// };
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::Api(error) if error.status() == 404)
    }

    /// Returns whether a rate limit is used up.
    ///
    /// Either the API returned 429: the request reached the server, which did nothing. Or the request
    /// was not sent, because of what earlier responses said ([`Error::RateLimited`]). In both cases,
    /// [`retry_after`](Error::retry_after) returns the delay before the next attempt.
    ///
    /// ```no_run
    /// # let client = bimpeai::Client::from_env().unwrap();
    /// match client.agents().list().send() {
    ///     Err(error) if error.is_rate_limited() => {
    ///         println!("wait {:?}", error.retry_after());
    ///     }
    ///     _ => {}
    /// }
    /// ```
    #[doc(alias = "rate limit")]
    pub fn is_rate_limited(&self) -> bool {
        match self {
            Error::Api(error) => error.status() == 429,
            Error::RateLimited(_) => true,
            _ => false,
        }
    }

    /// Returns whether the call or stream was cancelled, such as by
    /// [`Client::shutdown`](crate::Client::shutdown).
    ///
    /// A request that was already sent may have reached the server.
    ///
    /// ```no_run
    /// # let client = bimpeai::Client::from_env().unwrap();
    /// match client.agents().list().send() {
    ///     Err(error) if error.is_cancelled() => std::process::exit(130),
    ///     _ => {}
    /// }
    /// ```
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Error::Cancelled(_))
    }

    fn call(&self) -> Option<&CallInfo> {
        match self {
            Error::User(_) => None,
            Error::Connection(error) => Some(&error.call),
            Error::Timeout(error) => Some(&error.call),
            Error::Api(error) => Some(&error.call),
            Error::RateLimited(error) => Some(&error.call),
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
            Error::RateLimited(error) => Some(&mut error.call),
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

    /// A limit on several calls was exceeded, after something was sent. `what` says what became of it.
    pub(crate) fn timed_out(operation: String, what: String, limit: Duration) -> Error {
        let mut call = CallInfo::new(operation, CallTraits::READ);
        call.sent = true;
        let limit = Some(limit);
        Error::Timeout(Box::new(TimeoutError { call, what, limit }))
    }

    /// A request that may not be sent for `wait`, which is too long.
    pub(crate) fn rate_limited(call: CallInfo, wait: Duration, limit: WaitLimit) -> Error {
        Error::RateLimited(Box::new(RateLimitedError { call, wait, limit }))
    }

    pub(crate) fn cancelled(call: CallInfo) -> Error {
        Error::Cancelled(Box::new(CancelledError { call }))
    }

    /// Adds what the server said on the stream before, in an `error` event.
    pub(crate) fn after_error_event(mut self, text: &str) -> Error {
        let said = match text {
            "" => "; the stream had an error event without a text".to_owned(),
            text => format!("; an error event of the stream said: {text}"),
        };
        match &mut self {
            Error::Connection(error) => error.what.push_str(&said),
            Error::Timeout(error) => error.what.push_str(&said),
            Error::Decode(error) => error.what.push_str(&said),
            Error::Api(error) => error.reported = Some(said),
            Error::User(_)
            | Error::RateLimited(_)
            | Error::SkippedMessage(_)
            | Error::Cancelled(_) => {}
        }
        self
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
            Error::RateLimited(error) => error.fmt(f),
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
            | Error::RateLimited(_)
            | Error::Decode(_)
            | Error::SkippedMessage(_)
            | Error::Cancelled(_) => None,
        }
    }
}

/// Returns whether a status is retried.
pub(crate) fn is_retryable_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599) && status != 501
}

/// The call that an error belongs to.
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
    /// Describes a call of which nothing was sent yet.
    pub(crate) fn new(operation: String, traits: CallTraits) -> Self {
        CallInfo {
            operation,
            attempts: 0,
            request_id: None,
            sent: false,
            traits,
            page: None,
        }
    }

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
                .map(|id| format!("request {}", Excerpt(id, 255))),
            (call.attempts > 1).then(|| format!("{} attempts", call.attempts)),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", parts.join(", "))
    }
}

/// A text from outside, on one line, up to a number of characters.
pub(crate) struct Excerpt<'a>(pub(crate) &'a str, pub(crate) usize);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every call writes its path this way: in most cases there is nothing to replace.
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

/// Returns whether a character ends a line, moves the cursor, or changes the text direction.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Implements `Debug` as `Display`: nothing else of an error may be printed.
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
impl std::error::Error for DecodeError {}
impl std::error::Error for TimeoutError {}
impl std::error::Error for CancelledError {}
impl std::error::Error for ApiError {}
impl std::error::Error for SkippedMessageError {}
