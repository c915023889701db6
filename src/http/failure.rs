//! Why an exchange failed: every message about a connection is made here.
//!
//! The texts of ureq's errors may hold a URL with a ticket in it, so only texts that are known to
//! come from the system, from TLS or from the HTTP parser are passed on.

use std::fmt;
use std::io;
use std::time::Duration;

use ureq::Timeout;
use ureq::http::response::Parts;

use super::head;
use super::retry::Deadline;
use super::trace::{self, ExchangeTrace};
use super::{Http, envelope};
use crate::error::{
    CallInfo, ConnectionError, ConnectionKind, Error, Excerpt, SystemError, TimeoutError,
};

mod connecting;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod tls;

#[cfg(feature = "socks")]
pub(crate) use connecting::socks;
pub(crate) use connecting::{
    Peer, lookup, not_connected, proxy_closed, proxy_head_too_large, proxy_malformed, proxy_refused,
};
#[cfg(any(feature = "rustls", feature = "native-tls"))]
pub(crate) use tls::handshake;
#[cfg(all(feature = "native-tls", not(feature = "rustls")))]
pub(crate) use tls::of_system as tls_of_system;

/// Why there is no response, and how far the exchange got.
#[derive(Debug)]
pub(crate) struct TransportError {
    pub(crate) kind: TransportErrorKind,
    pub(crate) trace: ExchangeTrace,
}

#[derive(Debug)]
pub(crate) enum TransportErrorKind {
    /// Which of ureq's timeouts it was does not matter; the trace tells the phase.
    Timeout {
        connecting: bool,
    },
    Connection(ConnectionFailure),
    /// The body is larger than allowed; the head of its response.
    TooLarge(Box<Parts>),
}

/// Why a connection was not established, or was lost.
#[derive(Debug)]
pub(crate) struct ConnectionFailure {
    pub(crate) kind: ConnectionKind,
    /// In words, for the error's line.
    pub(crate) what: String,
    /// The system's error; its words end the error's line.
    pub(crate) source: Option<SystemError>,
}

/// The limits of an attempt; the smallest of them is the one that was exceeded.
pub(crate) struct Limits<'a> {
    /// Of the attempt.
    pub(crate) timeout: Option<Duration>,
    /// What the deadline left when the attempt began.
    pub(crate) left: Option<Duration>,
    pub(crate) deadline: &'a Deadline,
}

/// What failed, which gives the error its words.
pub(crate) enum Phase<'a> {
    /// An attempt of a call.
    Call(Limits<'a>),
    /// The opening of a response that is read later.
    Opening { timeout: Option<Duration> },
    /// The reading of such a response.
    Reading { idle_timeout: Duration },
}

impl TransportError {
    /// Returns whether a connection from the pool turned out to be dead: nothing was received on it.
    pub(crate) fn is_dead_on_reuse(&self) -> bool {
        matches!(self.kind, TransportErrorKind::Connection(..)) && self.trace.is_silent_on_reuse()
    }

    /// Turns the failure into the error that the caller gets.
    pub(crate) fn into_error(self, http: &Http, mut call: CallInfo, phase: Phase<'_>) -> Error {
        call.sent |= self.trace.sent;
        match self.kind {
            TransportErrorKind::Timeout { connecting } => {
                let (timeout, left) = match &phase {
                    Phase::Call(limits) => (limits.timeout, limits.left),
                    Phase::Opening { timeout } => (*timeout, None),
                    Phase::Reading { idle_timeout } => return silent(call, *idle_timeout),
                };
                let least = |a: Option<Duration>, b| a.into_iter().chain(b).min();
                let connect = Some(http.network.connect_timeout).filter(|_| connecting);
                if let Phase::Call(limits) = phase {
                    if left.is_some() && left == least(left, least(timeout, connect)) {
                        return limits.deadline.expired(call);
                    }
                }
                let is_of_connect = connecting && connect == least(connect, timeout);
                let limit = if is_of_connect { connect } else { timeout };
                timed_out(call, connecting, is_of_connect, self.trace.received, limit)
            }
            TransportErrorKind::Connection(failure) => {
                let what = failure.what;
                let what = match phase {
                    Phase::Call(_) => {
                        let base = http.base.as_str();
                        match http.network.proxy_address() {
                            Some(proxy) => format!("{what} ({base}, by the proxy {proxy})"),
                            None => format!("{what} ({base})"),
                        }
                    }
                    Phase::Opening { .. } => format!("the stream could not be opened: {what}"),
                    Phase::Reading { .. } => format!("the stream broke: {what}"),
                };
                Error::Connection(Box::new(ConnectionError {
                    call,
                    kind: failure.kind,
                    what,
                    source: failure.source,
                }))
            }
            TransportErrorKind::TooLarge(head) => {
                let what = format!(
                    "the response body is larger than {} bytes; if that is expected, raise the \
                     limit with ClientBuilder::max_response_size",
                    http.largest_body
                );
                envelope::decode_error(&http.response(&call, *head, Vec::new()), what, None)
            }
        }
    }
}

/// Returns the error of a body that sent nothing for too long.
fn silent(call: CallInfo, limit: Duration) -> Error {
    let what = format!(
        "the server sent nothing for {limit:?}, not even a heartbeat, so the connection counts as \
         dead (see `idle_timeout`)"
    );
    let limit = Some(limit);
    Error::Timeout(Box::new(TimeoutError { call, what, limit }))
}

/// Returns the error of an exchange that took too long.
fn timed_out(
    call: CallInfo,
    connecting: bool,
    is_of_connect: bool,
    received: bool,
    limit: Option<Duration>,
) -> Error {
    let what = match (connecting, received) {
        (true, _) => "no connection was established in time",
        (false, false) => "no response was received in time",
        (false, true) => "the response was not complete in time",
    };
    let raise = match is_of_connect {
        true => "ClientBuilder::connect_timeout",
        false => "`timeout`",
    };
    let what = match limit {
        Some(limit) => format!("{what}; the limit is {limit:?}, raise it with {raise}"),
        None => format!("{what}; raise the limit with {raise}"),
    };
    Error::Timeout(Box::new(TimeoutError { call, what, limit }))
}

/// Returns the transport error for an error of ureq.
pub(crate) fn of_exchange(error: ureq::Error) -> TransportError {
    use ConnectionKind::*;
    let trace = ExchangeTrace::get();
    let head = match trace.head {
        true => Vec::new(),
        false => trace::take_head(),
    };
    let described = |kind, what: &str| ConnectionFailure::new(kind, what, None);
    let failure = match error {
        ureq::Error::Timeout(timeout) => {
            let connecting = matches!(timeout, Timeout::Resolve | Timeout::Connect)
                || (!trace.sent && trace.connects > 0);
            let kind = TransportErrorKind::Timeout { connecting };
            return TransportError { kind, trace };
        }
        ureq::Error::Other(error) => match error.downcast::<ConnectionFailure>() {
            Ok(failure) => *failure,
            Err(_) => described(Lost, "the exchange failed"),
        },
        ureq::Error::Io(error) => lost(error, trace),
        ureq::Error::LargeResponseHeader(_, most) => described(
            MalformedResponse,
            &format!("the response's headers are larger than {most} bytes"),
        ),
        // Its text names no part of the request; the type cannot be named from here.
        ureq::Error::Protocol(error) => match error.to_string().as_str() {
            "output too small to write output" => described(
                RequestTooLong,
                "the request's URL or one of its headers is too long to be sent",
            ),
            "http parse resulted in too many headers" => {
                described(MalformedResponse, "the response has too many headers")
            }
            verdict if trace.head => described(
                MalformedResponse,
                &match verdict.starts_with("chunk ") {
                    true => format!("the response's body is damaged: {verdict}"),
                    false => "the response's body is damaged".to_owned(),
                },
            ),
            verdict => described(MalformedResponse, &malformed(&head, verdict)),
        },
        // ureq's last resort where a chunk has no end of its line.
        ureq::Error::BodyStalled => described(MalformedResponse, "the response's body is damaged"),
        ureq::Error::TlsRequired => {
            described(TlsRefused, "the connection is not encrypted, and must be")
        }
        ureq::Error::ConnectionFailed => described(NotConnected, NOT_CONNECTED),
        _ => described(Lost, "the exchange failed"),
    };
    let kind = TransportErrorKind::Connection(failure);
    TransportError { kind, trace }
}

/// Marks the errors of decompression among those of reading a body.
#[derive(Debug, thiserror::Error)]
#[error("the compressed body cannot be read")]
#[cfg_attr(not(feature = "gzip"), allow(dead_code))]
pub(super) struct NotDecompressed;

/// Returns the transport error for an error of reading a body.
pub(crate) fn of_body(error: io::Error) -> TransportError {
    let is_of_gzip = error
        .get_ref()
        .is_some_and(|inner| inner.is::<NotDecompressed>());
    let (kind, what) = match error.kind() {
        // What flate2 makes of a stream that ends early, and of one that is none.
        io::ErrorKind::UnexpectedEof if is_of_gzip => {
            (ConnectionKind::Lost, "the compressed response is truncated")
        }
        io::ErrorKind::InvalidInput if is_of_gzip => (
            ConnectionKind::MalformedResponse,
            "the compressed response is damaged",
        ),
        _ => return of_exchange(ureq::Error::from(error)),
    };
    TransportError {
        kind: TransportErrorKind::Connection(ConnectionFailure::new(kind, what, None)),
        trace: ExchangeTrace::get(),
    }
}

/// Says why the parser refuses the start of a response.
fn malformed(head: &[u8], verdict: &str) -> String {
    if is_http(head) {
        return format!("the response is malformed: {}", head::defect(head, verdict));
    }
    "the response is not HTTP/1.1; is this the API's port, and does it speak plain http?".to_owned()
}

fn is_http(bytes: &[u8]) -> bool {
    bytes.len() >= "HTTP/1.".len() && head::may_be_http(bytes)
}

const NOT_CONNECTED: &str = "no connection could be established";

/// Returns the error for a transfer encoding that the request did not ask for.
pub(crate) fn unknown_transfer_encoding(encoding: &str) -> TransportError {
    let encoding = Excerpt(encoding, 60);
    let what =
        format!("the response is malformed: transfer encoding \"{encoding}\" was not asked for");
    TransportError {
        kind: TransportErrorKind::Connection(ConnectionFailure::new(
            ConnectionKind::MalformedResponse,
            &what,
            None,
        )),
        trace: ExchangeTrace::get(),
    }
}

impl ConnectionFailure {
    fn new(kind: ConnectionKind, what: &str, source: Option<io::Error>) -> Self {
        // Texts that libraries put into an I/O error are not the system's: theirs is in `what`.
        let source = source.filter(|error| error.raw_os_error().is_some());
        ConnectionFailure {
            kind,
            what: what.to_owned(),
            source: source.map(SystemError::from),
        }
    }
}

impl From<ConnectionFailure> for ureq::Error {
    fn from(failure: ConnectionFailure) -> Self {
        ureq::Error::Other(Box::new(failure))
    }
}

impl fmt::Display for ConnectionFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for ConnectionFailure {}

/// Returns the failure for an I/O error of a connection.
fn lost(error: io::Error, trace: ExchangeTrace) -> ConnectionFailure {
    use io::ErrorKind;
    #[cfg(feature = "rustls")]
    if let Some(failure) = tls::of_rustls(&error, Peer::Server) {
        return failure;
    }
    let what = match error.kind() {
        ErrorKind::UnexpectedEof if trace.received => {
            "the connection ended in the middle of the response"
        }
        ErrorKind::UnexpectedEof if trace.sent => {
            "the server closed the connection without a response"
        }
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            "the server broke the connection"
        }
        _ if !trace.sent => NOT_CONNECTED,
        _ => "the connection failed",
    };
    ConnectionFailure::new(ConnectionKind::Lost, what, Some(error))
}
