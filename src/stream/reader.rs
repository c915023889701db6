//! The background thread: opens the stream, reconnects when it breaks, and keeps its position.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ureq::Body;
use ureq::http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, HeaderMap};
use ureq::http::{HeaderName, HeaderValue, Method, Request, StatusCode};

use super::cursor::Cursor;
use super::dedup::Deduplicator;
use super::event::StreamTicket;
use super::policy::{Decision, Ended, Policy, Stage};
use super::queue::{Item, Queue};
use super::request::StreamOptions;
use crate::error::{CallInfo, ConnectionError, ConnectionKind, Error, OneLine};
use crate::headers::Headers;
use crate::http::body;
use crate::http::failure::{self, ConnectionFailure, Failure, FailureKind};
use crate::http::headers::set_all;
use crate::http::path::{Path, push_query};
use crate::http::trace::ExchangeTrace;
use crate::http::transport::{self, Timeouts};
use crate::http::{Http, Operation, Response, envelope, error_body};
use crate::types::Secret;

pub(super) struct Reader {
    pub(super) http: Arc<Http>,
    pub(super) agent: ureq::Agent,
    pub(super) queue: Arc<Queue>,
    pub(super) options: StreamOptions,
    pub(super) ticket_path: Path,
    pub(super) stream_path: Path,
    /// For the errors of this stream; `attempts` counts its connections.
    pub(super) info: CallInfo,
    pub(super) lifecycle: bool,
    pub(super) cursor: Cursor,
    pub(super) seen: Deduplicator,
    /// When the `Date` arrived that the cursor has.
    dated: Option<Instant>,
    /// On a connection that resumes from the time of the opening: messages that are older are not
    /// part of the stream, though a server that ignores the position sends them.
    pub(super) earliest: Option<SystemTime>,
    /// The ticket of this connection.
    pub(super) ticket: Secret,
    /// Whether this connection has received a new message or a heartbeat.
    pub(super) progress: bool,
    /// The last `error` event: the number of its connection, and its text.
    pub(super) reported: Option<(u32, String)>,
    /// Whether a connection was established once.
    was_established: bool,
    /// The last `retry:` of the server.
    pub(super) retry: Option<Duration>,
}

/// How an attempt ended.
pub(super) struct Ending {
    pub(super) error: Error,
    pub(super) stage: Stage,
}

impl Reader {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn new(
        http: Arc<Http>,
        agent: ureq::Agent,
        queue: Arc<Queue>,
        options: StreamOptions,
        ticket_path: Path,
        stream_path: Path,
        info: CallInfo,
        lifecycle: bool,
    ) -> Self {
        let mut seen = Deduplicator::default();
        let cursor = match &options.after {
            Some(after) => {
                seen.is_new(after.as_bytes());
                Cursor::given(after)
            }
            None => Cursor::Unknown,
        };
        Reader {
            http,
            agent,
            queue,
            options,
            ticket_path,
            stream_path,
            info,
            lifecycle,
            cursor,
            seen,
            dated: None,
            earliest: None,
            ticket: Secret::default(),
            progress: false,
            reported: None,
            was_established: false,
            retry: None,
        }
    }

    /// Runs until the stream ends, as the only task of its thread.
    pub(super) fn run(mut self) {
        struct Gone(Arc<Queue>, CallInfo);
        impl Drop for Gone {
            fn drop(&mut self) {
                // A panic is a bug. Even then the stream does not end without an error.
                if std::thread::panicking() {
                    self.0.end(Some(Error::Connection(Box::new(ConnectionError {
                        call: self.1.clone(),
                        kind: ConnectionKind::Lost,
                        what: "the stream's thread panicked, which is a bug of this crate"
                            .to_owned(),
                        source: None,
                    }))));
                }
                self.0.gone();
            }
        }
        let gone = Gone(self.queue.clone(), self.info.clone());
        let failure = self.work();
        self.queue.end(failure);
        // A stream that has ended keeps no socket, even if its handles live on. The socket is closed
        // before the thread counts as gone.
        self.agent.clone().shutdown();
        drop(self);
        drop(gone);
    }

    /// Returns `None` if the stream ended as requested.
    fn work(&mut self) -> Option<Error> {
        let max_retry_wait = self.http.retry.max_retry_wait;
        let mut policy = Policy::new(&self.options, max_retry_wait, Instant::now());
        loop {
            if self.queue.is_cancelled() {
                return None;
            }
            self.info.attempts += 1;
            self.progress = false;
            let began = Instant::now();
            let Ending { error, stage } = match self.connect() {
                Ok(body) => self.follow(body),
                Err(ending) => ending,
            };
            if self.queue.is_cancelled() {
                return None;
            }
            // A connection that works has outlived what an earlier one reported.
            if self.progress {
                self.reported
                    .take_if(|(attempt, _)| *attempt != self.info.attempts);
            }
            let error = match &self.reported {
                Some((_, text)) => error.after_error_event(text),
                None => error,
            };
            if !self.options.reconnect {
                let is_silent = matches!(stage, Stage::Established { .. });
                return (!is_silent || self.reported.is_some()).then_some(error);
            }
            let decision = policy.decide(&Ended {
                stage,
                error: &error,
                began,
                now: Instant::now(),
                retry: self.retry,
            });
            let Decision::Retry(wait) = decision else {
                return Some(error);
            };
            log::debug!(target: "bimpeai", "{error}; reconnecting in {wait:?}");
            if self.lifecycle && !self.queue.put(Item::Disconnected { error, wait }) {
                return None;
            }
            if !self.queue.sleep(wait) {
                return None;
            }
        }
    }

    /// Gets a ticket and opens a connection with it.
    fn connect(&mut self) -> Result<Body, Ending> {
        let StreamTicket { ticket, .. } = self.ticket().map_err(|error| Ending {
            error,
            stage: Stage::Ticket,
        })?;
        let (head, body) = self.open(&ticket).map_err(|failure| Ending {
            error: self.not_opened(failure),
            stage: Stage::Opening,
        })?;
        let headers = Headers::new(head.headers, ticket.expose());
        self.response_dated(&headers);
        // The request refuses compression, so a compressed response is not an event stream.
        let plain = headers
            .get("content-encoding")
            .is_none_or(|it| it == "identity");
        let event_stream = plain && headers.media_type().as_deref() == Some("text/event-stream");
        if head.status == StatusCode::OK && event_stream {
            self.was_established = true;
            self.ticket = ticket;
            self.queue.opened();
            if self.lifecycle {
                self.queue.put(Item::Connected);
            }
            return Ok(body);
        }
        Err(Ending {
            error: self.refused(head.status, headers, body, ticket.expose()),
            stage: Stage::Opening,
        })
    }

    fn ticket(&mut self) -> Result<StreamTicket, Error> {
        let mut operation = Operation::new(Method::POST, self.ticket_path.clone());
        // The stream has one budget, not one within the other.
        operation.max_retries = Some(0);
        operation.timeout = self.options.timeout;
        operation.headers = self.options.headers.clone();
        let answer = self
            .http
            .execute_on(&self.agent, &operation, &self.http.shutdown);
        let ticket = answer.and_then(|answer| {
            self.response_dated(&answer.headers);
            let ticket = envelope::data::<StreamTicket>(&answer)?;
            if ticket.ticket.expose().is_empty() {
                let what = "expected a ticket in `data`".to_owned();
                return Err(envelope::decode_error(&answer, what, None));
            }
            Ok(ticket)
        });
        ticket.map_err(|mut error| {
            if let Error::Api(error) = &error {
                self.response_dated(&error.headers);
            }
            if let Some(call) = error.call_mut() {
                call.attempts = self.info.attempts;
                // A lost ticket changes nothing.
                call.traits.is_write = false;
            }
            error
        })
    }

    /// Learns when the stream was opened, and tells the caller.
    fn response_dated(&mut self, headers: &Headers) {
        if self.cursor == Cursor::Unknown {
            self.cursor.response_dated(headers.date());
            self.dated = Some(Instant::now());
            self.publish_opening();
        }
    }

    pub(super) fn heartbeat_at(&mut self, milliseconds: u64) {
        let since_date = self.dated.map(|dated| dated.elapsed()).unwrap_or_default();
        self.cursor.heartbeat_at(milliseconds, since_date);
        self.publish_opening();
    }

    fn publish_opening(&self) {
        if let (Some(_), Some(after)) = (self.cursor.opening(), self.cursor.after()) {
            self.queue.set_opened_at(after);
        }
    }

    fn open(&mut self, ticket: &Secret) -> Result<(ureq::http::response::Parts, Body), Failure> {
        let mut query = String::new();
        push_query(&mut query, "ticket", ticket.expose());
        if let Some(after) = self.after() {
            push_query(&mut query, "after", after);
        }
        let opening = self.cursor.opening().filter(|_| self.after().is_some());
        self.earliest = opening.map(|opening| opening.earliest);
        let uri = self
            .http
            .base
            .join(&self.stream_path, &query)
            .map_err(|error| Failure {
                kind: FailureKind::Connection(ConnectionFailure {
                    kind: ConnectionKind::RequestTooLong,
                    what: error.to_string(),
                    source: None,
                }),
                trace: ExchangeTrace::default(),
            })?;
        let timeouts = Timeouts::Stream {
            head: self.timeout(),
            idle: self.options.idle_timeout,
        };
        let mut request = Request::new(());
        *request.uri_mut() = uri;
        *request.headers_mut() = self.stream_headers();
        let exchange = |force_new| {
            transport::exchange(&self.agent, request.clone(), None, timeouts, force_new)
        };
        // On the connection of the ticket call, or on a new one if that has died since.
        let response = match exchange(false) {
            Err(failure) if failure.is_dead_on_reuse() => exchange(true)?,
            other => other?,
        };
        Ok(response.into_parts())
    }

    /// The position to resume from. What was sent before the first connection is not part of the
    /// stream, unless the caller asks for it.
    fn after(&self) -> Option<&str> {
        let is_first = self.options.after.is_none() && !self.was_established;
        self.cursor.after().filter(|_| !is_first)
    }

    /// Returns all headers of a request except the credentials, which the ticket replaces.
    fn stream_headers(&self) -> HeaderMap {
        let mut headers = self.http.headers.clone();
        set_all(&mut headers, &self.options.headers);
        headers.remove(AUTHORIZATION);
        headers.remove(HeaderName::from_static("x-api-key"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // A header loses the whitespace around its value.
        if let Some(id) = self.cursor.last_event_id().filter(|id| id.trim() == *id) {
            if let Ok(id) = HeaderValue::from_str(id) {
                headers.insert(HeaderName::from_static("last-event-id"), id);
            }
        }
        headers
    }

    /// Returns the error for a response that is not an event stream.
    fn refused(&self, status: StatusCode, headers: Headers, body: Body, ticket: &str) -> Error {
        let mut response = Response {
            call: CallInfo {
                request_id: headers.request_id().map(str::to_owned),
                ..self.call(true)
            },
            status: status.as_u16(),
            headers,
            body: Vec::new(),
        };
        response.call.traits.resumes = self.after().is_some();
        if status.is_success() {
            let what = match (status, response.headers.media_type()) {
                (StatusCode::NO_CONTENT, _) => {
                    "the server ended this stream permanently".to_owned()
                }
                (StatusCode::OK, Some(other)) => {
                    let encoding = response.headers.get("content-encoding").unwrap_or("");
                    let (other, encoding) = (OneLine(&other, 80), OneLine(encoding, 80));
                    match encoding.0 {
                        "" => format!("expected text/event-stream, got {other}"),
                        _ => format!("unexpected content encoding \"{encoding}\""),
                    }
                }
                _ => "expected an event stream".to_owned(),
            };
            return envelope::decode_error(&response, what, None);
        }
        let until = self
            .timeout()
            .and_then(|timeout| Instant::now().checked_add(timeout));
        response.body = body::read_error(body.into_reader(), until);
        error_body::api_error(response, ticket)
    }

    /// Returns the limit of the ticket call, and of the wait for the response headers of the stream.
    fn timeout(&self) -> Option<Duration> {
        self.options.timeout.or(self.http.timeout)
    }

    /// Returns the error for a stream that received no response.
    fn not_opened(&self, failure: Failure) -> Error {
        let call = self.call(failure.trace.sent);
        match failure.kind {
            FailureKind::Timeout { connecting } => {
                let received = failure.trace.received;
                // It is not known here which limit was exceeded.
                let limit = self.timeout().filter(|_| !connecting);
                failure::timed_out(call, connecting, connecting, received, limit)
            }
            FailureKind::Connection(failure) => failure.into_error(call, |what| {
                format!("the stream could not be opened: {what}")
            }),
            FailureKind::TooLarge(_) => self.closed(),
        }
    }

    pub(super) fn call(&self, sent: bool) -> CallInfo {
        CallInfo {
            sent,
            ..self.info.clone()
        }
    }
}
