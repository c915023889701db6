//! The details of each kind of error, except those of the API's own errors.

use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use super::{After, CallInfo, Excerpt};
use crate::headers::Headers;

/// Details of a call with invalid arguments or settings. Nothing was sent.
#[derive(Clone)]
pub struct UserError {
    pub(super) operation: Option<String>,
    pub(super) what: String,
}

impl UserError {
    /// Returns what is invalid, why, and what to do.
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
    /// The proxy refuses the tunnel; a retry does not help.
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
    pub(super) fn is_permanent(self) -> bool {
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

/// Details of a connection that was not established, or was lost.
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
    /// let result = client.agents().retrieve("agt_1").send();
    /// if let Err(bimpeai::Error::Connection(error)) = result {
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
            Some(error) => write!(f, ": {}", Excerpt(&error.to_string(), SHOWN)),
            None => Ok(()),
        }
    }
}

// `io::Error` may hold any error, so the compiler cannot see it. Nothing in it is changed.
impl UnwindSafe for ConnectionError {}
impl RefUnwindSafe for ConnectionError {}

/// Details of a response that was not received in time.
///
/// ```no_run
/// # let client = bimpeai::Client::from_env().unwrap();
/// let result = client.agents().retrieve("agt_1").send();
/// if let Err(bimpeai::Error::Timeout(error)) = result {
///     println!("not within {:?}", error.limit());
/// }
/// ```
#[derive(Clone)]
pub struct TimeoutError {
    pub(crate) call: CallInfo,
    pub(crate) what: String,
    pub(crate) limit: Option<Duration>,
}

impl TimeoutError {
    /// Returns the limit that was exceeded.
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

/// Details of a request that was not sent because of a rate limit.
#[derive(Clone)]
pub struct RateLimitedError {
    pub(crate) call: CallInfo,
    pub(crate) wait: Duration,
    pub(crate) limit: WaitLimit,
}

/// The limit that a wait would exceed.
#[derive(Clone, Copy)]
pub(crate) enum WaitLimit {
    /// What is left of the deadline.
    Deadline(Duration),
    MaxRetryWait(Duration),
}

impl RateLimitedError {
    /// Returns the time until the request could be sent.
    pub fn retry_after(&self) -> Duration {
        self.wait
    }
}

impl fmt::Display for RateLimitedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = &self.call.operation;
        let wait = Rounded(self.wait);
        write!(
            f,
            "{operation}: not sent: the rate limit resets in {wait}, and "
        )?;
        match self.limit {
            WaitLimit::Deadline(left) => write!(f, "the deadline leaves {}", Rounded(left))?,
            WaitLimit::MaxRetryWait(limit) => write!(f, "max_retry_wait is {}", Rounded(limit))?,
        }
        write!(f, "{}", self.call.trailer())
    }
}

/// A duration to the second, or below ten seconds to the tenth.
struct Rounded(Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.as_millis().div_ceil(100);
        match (tenths / 10, tenths % 10) {
            (seconds, 0) => write!(f, "{seconds} s"),
            (seconds @ 0..10, tenth) => write!(f, "{seconds}.{tenth} s"),
            (seconds, _) => write!(f, "{} s", seconds + 1),
        }
    }
}

/// Details of a call or stream that was cancelled.
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

/// Details of a response that does not have the documented form.
///
/// ```no_run
/// # let client = bimpeai::Client::from_env().unwrap();
/// let result = client.agents().retrieve("agt_1").send();
/// if let Err(bimpeai::Error::Decode(error)) = result {
///     eprintln!("{error}"); // names the field
///     std::fs::write("response.json", error.body()).unwrap();
/// }
/// ```
#[derive(Clone)]
pub struct DecodeError {
    pub(crate) call: CallInfo,
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    pub(crate) what: String,
    /// Whether the connection was closed too early, so that another attempt may succeed.
    pub(crate) truncated: bool,
    pub(crate) source: Option<Mismatch>,
}

impl DecodeError {
    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        self.status
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

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} response: {}",
            self.call.operation, self.status, self.what
        )?;
        if let Some(mismatch) = &self.source {
            write!(f, ": {mismatch}")?;
        }
        write!(f, "{}{}", After(self.advice()), self.call.trailer())
    }
}

/// Details of a message that a stream skipped.
///
/// ```no_run
/// # fn main() -> Result<(), bimpeai::Error> {
/// # let client = bimpeai::Client::from_env()?;
/// let messages = client.conversations().messages();
/// for message in messages.stream("agt_1", "cnv_1") {
///     match message {
///         Err(bimpeai::Error::SkippedMessage(skipped)) => {
///             eprintln!("skipped {:?}", skipped.id());
///         }
///         message => println!("{}", message?.id),
///     }
/// }
/// # Ok(())
/// # }
/// ```
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

/// Where a response differs from the documentation, and what was expected there. Never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{expected} at {path} (line {line}, column {column})")]
pub(crate) struct Mismatch {
    pub(crate) expected: String,
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl std::error::Error for ConnectionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.source.as_ref()?.kind()?)
    }
}
