//! The background thread: opens the stream, reconnects when it breaks, and keeps its position.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ureq::http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL};
use ureq::http::{HeaderName, HeaderValue, Method};

use super::batch::Batch;
use super::cursor::Cursor;
use super::dedup::Deduplicator;
use super::event::{Disconnection, Kind, StreamTicket};
use super::options::StreamOptions;
use super::policy::{Decision, Ended, Policy, Stage};
use super::queue::Queue;
use crate::error::{CallInfo, ConnectionError, ConnectionKind, Error, Excerpt};
use crate::headers::Headers;
use crate::http::open::{Opening, StreamingBody};
use crate::http::path::{Path, push_query};
use crate::http::{Http, Operation, Response, envelope};
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
    pub(super) made_progress: bool,
    /// The last `error` event: the number of its connection, and its text.
    pub(super) reported: Option<(u32, String)>,
    /// Whether a connection was established once.
    was_connected: bool,
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
            made_progress: false,
            reported: None,
            was_connected: false,
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
            self.made_progress = false;
            let began = Instant::now();
            let Ending { error, stage } = match self.connect() {
                Ok(body) => self.read_events(body),
                Err(ending) => ending,
            };
            if self.queue.is_cancelled() {
                return None;
            }
            // A connection that works has outlived what an earlier one reported.
            if self.made_progress {
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
            if self.lifecycle {
                let event = Kind::Disconnected(Box::new(Disconnection { error, wait }));
                self.queue.put(Batch::of(event));
            }
            if !self.queue.sleep(wait) {
                return None;
            }
        }
    }

    /// Gets a ticket and opens a connection with it.
    fn connect(&mut self) -> Result<StreamingBody, Ending> {
        let StreamTicket { ticket, .. } = self.ticket().map_err(|error| Ending {
            error,
            stage: Stage::Ticket,
        })?;
        let body = self.open(&ticket).map_err(|error| Ending {
            error,
            stage: Stage::Opening,
        })?;
        self.was_connected = true;
        self.ticket = ticket;
        self.queue.opened();
        if self.lifecycle {
            self.queue.put(Batch::of(Kind::Connected));
        }
        Ok(body)
    }

    fn ticket(&mut self) -> Result<StreamTicket, Error> {
        let mut operation = Operation::new(Method::POST, self.ticket_path.clone());
        // The stream has one budget, not one within the other.
        operation.max_retries = Some(0);
        // The policy of the stream waits for rate limits too.
        operation.max_retry_wait = Some(Duration::ZERO);
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

    /// Opens a connection. Anything but an event stream is an error.
    fn open(&mut self, ticket: &Secret) -> Result<StreamingBody, Error> {
        let opening = self.cursor.opening().filter(|_| self.after().is_some());
        self.earliest = opening.map(|opening| opening.earliest);
        let mut call = self.info.clone();
        call.traits.resumes = self.after().is_some();
        let opening = Opening {
            agent: &self.agent,
            call,
            credentials: ticket,
            idle_timeout: self.options.idle_timeout,
        };
        let response = match self.http.open(&self.operation(ticket), opening) {
            Ok(response) => response,
            Err(error) => {
                if let Error::Api(error) = &error {
                    self.response_dated(&error.headers);
                }
                return Err(error);
            }
        };
        self.response_dated(&response.head.headers);
        match reject(&response.head) {
            Some(error) => Err(error),
            None => Ok(response.body),
        }
    }

    /// Returns the operation that opens a connection with this ticket.
    fn operation(&self, ticket: &Secret) -> Operation {
        let mut operation = Operation::new(Method::GET, self.stream_path.clone());
        operation.timeout = self.options.timeout;
        push_query(&mut operation.query, "ticket", ticket.expose());
        if let Some(after) = self.after() {
            push_query(&mut operation.query, "after", after);
        }
        let headers = &mut operation.headers;
        *headers = self.options.headers.clone();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // A header loses the whitespace around its value.
        if let Some(id) = self.cursor.last_event_id().filter(|id| id.trim() == *id) {
            if let Ok(id) = HeaderValue::from_str(id) {
                headers.insert(HeaderName::from_static("last-event-id"), id);
            }
        }
        operation
    }

    /// The position to resume from. What was sent before the first connection is not part of the
    /// stream, unless the caller asks for it.
    fn after(&self) -> Option<&str> {
        let is_first = self.options.after.is_none() && !self.was_connected;
        self.cursor.after().filter(|_| !is_first)
    }
}

/// Returns the error for a success that is not an event stream.
fn reject(head: &Response) -> Option<Error> {
    const OK: u16 = 200;
    const NO_CONTENT: u16 = 204;
    let media_type = head.headers.media_type();
    // The request refuses compression, so a compressed response is not an event stream.
    let encoding = head.headers.get("content-encoding").unwrap_or("");
    let is_plain = matches!(encoding, "" | "identity");
    let what = match (head.status, media_type.as_deref()) {
        (OK, Some("text/event-stream")) if is_plain => return None,
        (NO_CONTENT, _) => "the server ended this stream permanently".to_owned(),
        (OK, Some(media_type)) if is_plain => {
            format!(
                "expected text/event-stream, got {}",
                Excerpt(media_type, 80)
            )
        }
        (OK, Some(_)) => format!("unexpected content encoding \"{}\"", Excerpt(encoding, 80)),
        _ => "expected an event stream".to_owned(),
    };
    Some(envelope::decode_error(head, what, None))
}
