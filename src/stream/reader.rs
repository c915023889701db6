//! The background thread: it owns the connection, makes it anew when it breaks, and knows where
//! the stream has got to.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ureq::Body;
use ureq::http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, HeaderMap};
use ureq::http::{HeaderName, HeaderValue, Method, Request, StatusCode};

use super::batch::{self, Batch, BatchEvent, Kind};
use super::buffer::ReadBuffer;
use super::cursor::Cursor;
use super::dedup::Deduplicator;
use super::event::StreamTicket;
use super::queue::{Item, Queue};
use super::request::StreamOptions;
use crate::error::{
    CallInfo, ConnectionError, ConnectionKind, Error, ErrorCode, OneLine, TimeoutError,
};
use crate::headers::Headers;
use crate::http::failure::{self, ConnectionFailure, Failure, FailureKind};
use crate::http::headers::set_all;
use crate::http::path::{Path, push_query};
use crate::http::retry::Backoff;
use crate::http::trace::ExchangeTrace;
use crate::http::transport::{self, Timeouts};
use crate::http::{Http, Operation, Response, envelope};
use crate::sse::{Oversized, RawEvent, Span, Splitter};

/// The largest event that is taken; a message of the API has 4,096 characters at most.
const LARGEST_EVENT: usize = 1 << 20;

/// The most events in one batch. Those of an event stream may be smaller than what is kept of each,
/// and what waits for the caller is bounded to a batch.
const MOST_EVENTS: usize = 256;

/// What no wait before a connection goes below, unless the server says so.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);

pub(super) struct Reader {
    pub(super) http: Arc<Http>,
    pub(super) agent: ureq::Agent,
    pub(super) queue: Arc<Queue>,
    pub(super) options: StreamOptions,
    pub(super) ticket_path: Path,
    pub(super) stream_path: Path,
    /// What errors of this stream say of it; `attempts` counts its connections.
    pub(super) info: CallInfo,
    pub(super) lifecycle: bool,
    pub(super) cursor: Cursor,
    pub(super) seen: Deduplicator,
    /// When the `Date` came that the cursor has.
    dated: Option<Instant>,
    /// On a connection that resumes from the time of the opening: messages that are older are not
    /// part of the stream, though a server that ignores the position sends them.
    earliest: Option<SystemTime>,
    /// Whether this connection has brought a new message or a heartbeat.
    alive: bool,
    /// Whether a connection stood once.
    stood: bool,
    /// What the server's `retry:` says.
    retry: Option<Duration>,
}

/// Why there is no connection, or no longer.
struct Ending {
    error: Error,
    /// Whether another connection cannot help.
    is_final: bool,
    /// Whether it stood, and then ended.
    stood: bool,
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
            alive: false,
            stood: false,
            retry: None,
        }
    }

    /// Runs until the stream ends; the thread's whole work.
    pub(super) fn run(mut self) {
        struct Gone(Arc<Queue>, CallInfo);
        impl Drop for Gone {
            fn drop(&mut self) {
                // A panic is a bug, and no reason to end in silence.
                if std::thread::panicking() {
                    self.0.end(Some(Error::Connection(Box::new(ConnectionError {
                        call: self.1.clone(),
                        kind: ConnectionKind::Lost,
                        what: "the stream's reader failed, which is a bug of this crate".to_owned(),
                        source: None,
                    }))));
                }
                self.0.gone();
            }
        }
        let gone = Gone(self.queue.clone(), self.info.clone());
        let failure = self.work();
        self.queue.end(failure);
        // A stream that has ended keeps no socket, though its handles may live on; and the socket
        // is closed before the thread is said to be gone.
        self.agent.clone().shutdown();
        drop(self);
        drop(gone);
    }

    /// `None` when the stream ended as it was asked to.
    fn work(&mut self) -> Option<Error> {
        let mut failures = 0;
        let mut backoff = self.backoff();
        loop {
            if self.queue.is_cancelled() {
                return None;
            }
            self.info.attempts += 1;
            self.alive = false;
            let retry = self.retry;
            let ending = match self.connect() {
                Ok(body) => self.follow(body),
                Err(ending) => ending,
            };
            if self.queue.is_cancelled() {
                return None;
            }
            let Ending {
                error,
                is_final,
                stood,
            } = ending;
            if !self.options.reconnect {
                return (!stood).then_some(error);
            }
            if self.alive || self.retry != retry {
                backoff = self.backoff();
            }
            failures = if self.alive { 0 } else { failures + 1 };
            let asked = error.retry_after();
            let too_long = asked.is_some_and(|wait| wait > self.http.retry.max_retry_wait);
            if is_final || too_long || failures > self.options.max_retries {
                return Some(error);
            }
            let least = match self.retry {
                Some(_) => Duration::ZERO,
                None => SHORTEST_WAIT,
            };
            let wait = asked.unwrap_or_else(|| backoff.next_wait()).max(least);
            log::debug!(target: "bimpeai", "{error}; connecting again in {wait:?}");
            if self.lifecycle && !self.queue.put(Item::Disconnected { error, wait }) {
                return None;
            }
            if !self.queue.sleep(wait) {
                return None;
            }
        }
    }

    fn backoff(&self) -> Backoff {
        const MOST: Duration = Duration::from_secs(60);
        match self.retry {
            Some(base) => {
                // From once to twice what the server asks for: never earlier.
                let middle = base.clamp(Duration::from_millis(1), MOST) * 3 / 2;
                Backoff::with_base(middle, middle.max(Duration::from_secs(6)))
            }
            None => Backoff::new(),
        }
    }

    /// Gets a ticket and opens a connection with it.
    fn connect(&mut self) -> Result<Body, Ending> {
        let ticket = self.ticket()?;
        let (head, body) = self.open(&ticket).map_err(|failure| {
            let error = self.not_opened(failure);
            Ending {
                is_final: !self.stood && !error.is_retryable(),
                error,
                stood: false,
            }
        })?;
        let headers = Headers::new(head.headers, ticket.ticket.expose());
        self.response_dated(&headers);
        // Nobody asked for compression: what is compressed all the same is no event stream here.
        let plain = headers
            .get("content-encoding")
            .is_none_or(|it| it == "identity");
        let event_stream = plain && headers.media_type().as_deref() == Some("text/event-stream");
        if head.status == StatusCode::OK && event_stream {
            self.stood = true;
            self.queue.opened();
            if self.lifecycle {
                self.queue.put(Item::Connected);
            }
            return Ok(body);
        }
        Err(self.refused(head.status, headers, body, ticket.ticket.expose()))
    }

    fn ticket(&mut self) -> Result<StreamTicket, Ending> {
        let mut operation = Operation::new(Method::POST, self.ticket_path.clone());
        // One budget for the whole stream, not one within the other.
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
                let what = "there is no ticket in it".to_owned();
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
                // A ticket that is lost on the way changes nothing.
                call.traits.is_write = false;
            }
            let is_final = is_too_many_streams(&error)
                || matches!(error.status(), Some(401 | 403 | 404))
                || !self.may_recover(&error);
            Ending {
                error,
                is_final,
                stood: false,
            }
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

    fn heartbeat_at(&mut self, milliseconds: u64) {
        let since_date = self.dated.map(|dated| dated.elapsed()).unwrap_or_default();
        self.cursor.heartbeat_at(milliseconds, since_date);
        self.publish_opening();
    }

    fn publish_opening(&self) {
        if let (Some(_), Some(after)) = (self.cursor.opening(), self.cursor.after()) {
            self.queue.set_opened_at(after);
        }
    }

    fn open(
        &mut self,
        ticket: &StreamTicket,
    ) -> Result<(ureq::http::response::Parts, Body), Failure> {
        let mut query = String::new();
        push_query(&mut query, "ticket", ticket.ticket.expose());
        // What was sent before the first connection is no part of the stream, unless asked for.
        let fresh = self.options.after.is_none() && !self.stood;
        if let Some(after) = self.cursor.after().filter(|_| !fresh) {
            push_query(&mut query, "after", after);
        }
        let opening = self.cursor.opening().filter(|_| !fresh);
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
        // On the ticket's connection, or, where that has died since, on one of its own.
        let response = match exchange(false) {
            Err(failure) if failure.is_dead_on_reuse() => exchange(true)?,
            other => other?,
        };
        Ok(response.into_parts())
    }

    /// Everything that a request carries but what says who asks: the ticket does.
    fn stream_headers(&self) -> HeaderMap {
        let mut headers = self.http.headers.clone();
        set_all(&mut headers, &self.options.headers);
        headers.remove(AUTHORIZATION);
        headers.remove(HeaderName::from_static("x-api-key"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // A header loses the blanks around its value.
        if let Some(id) = self.cursor.last_event_id().filter(|id| id.trim() == *id) {
            if let Ok(id) = HeaderValue::from_str(id) {
                headers.insert(HeaderName::from_static("last-event-id"), id);
            }
        }
        headers
    }

    /// An answer that is no stream.
    fn refused(&self, status: StatusCode, headers: Headers, body: Body, ticket: &str) -> Ending {
        let mut answer = Response {
            call: CallInfo {
                request_id: headers.request_id().map(str::to_owned),
                ..self.call(true)
            },
            status: status.as_u16(),
            headers,
            body: Vec::new(),
        };
        if status.is_success() {
            let what = match (status, answer.headers.media_type()) {
                (StatusCode::NO_CONTENT, _) => "the server ends this stream for good".to_owned(),
                (StatusCode::OK, Some(other)) => {
                    let encoding = answer.headers.get("content-encoding").unwrap_or("");
                    let (other, encoding) = (OneLine(&other, 80), OneLine(encoding, 80));
                    match encoding.0 {
                        "" => format!("\"{other}\" came, and an event stream was due"),
                        _ => format!("compressed (\"{encoding}\") though nobody asked for it"),
                    }
                }
                _ => "an event stream was due".to_owned(),
            };
            return Ending {
                error: envelope::decode_error(&answer, what, None),
                is_final: true,
                stood: false,
            };
        }
        let until = self
            .timeout()
            .and_then(|timeout| Instant::now().checked_add(timeout));
        answer.body = transport::read_error_body(body, until);
        let error = envelope::api_error(answer, ticket);
        let is_final = match status.as_u16() {
            _ if is_too_many_streams(&error) => true,
            // A ticket can expire on the way; the next one is fresh.
            401 => false,
            // Once it stood, the server may still hold its dead predecessor.
            429 => !self.stood,
            _ => !error.is_retryable(),
        };
        Ending {
            error,
            is_final,
            stood: false,
        }
    }

    /// Returns whether another connection may succeed after this error of the ticket call.
    ///
    /// A host that was connected once exists, whatever a resolver says meanwhile.
    fn may_recover(&self, error: &Error) -> bool {
        error.is_retryable() || self.stood && error.is_lookup_failure()
    }

    /// The bound of the ticket call, and of the wait for the stream's headers.
    fn timeout(&self) -> Option<Duration> {
        self.options.timeout.or(self.http.timeout)
    }

    /// Reads a connection to its end.
    fn follow(&mut self, body: Body) -> Ending {
        self.seen.connected();
        let mut body = body.into_reader();
        let mut splitter = Splitter::new(LARGEST_EVENT);
        let mut left_out = None;
        let mut buffer = ReadBuffer::default();
        let mut batch = Batch::default();
        loop {
            let read = match buffer.read(&mut body) {
                Ok(read) => read,
                Err(error) => {
                    let failure = failure::failure(ureq::Error::from(error));
                    return Ending {
                        error: self.broken(failure),
                        is_final: false,
                        stood: true,
                    };
                }
            };
            if read == 0 {
                return Ending {
                    error: self.closed(),
                    is_final: false,
                    stood: true,
                };
            }
            loop {
                let is_whole = self.split(&mut splitter, buffer.bytes(), &mut left_out, &mut batch);
                let done = splitter.consumed(buffer.bytes());
                if batch.len() == 0 {
                    buffer.skip(done);
                    break;
                }
                buffer.take(done, &mut batch.bytes);
                let spare = self.queue.spare(buffer.most());
                let batch = std::mem::replace(&mut batch, spare);
                if !self.queue.put(Item::Batch(batch)) {
                    return Ending {
                        error: self.closed(),
                        is_final: true,
                        stood: true,
                    };
                }
                if is_whole {
                    break;
                }
            }
        }
    }

    /// Finds the events in the buffer that are for the caller. Returns `false` if a batch cannot
    /// hold all of them.
    ///
    /// `left_out` is an event that was too large and has not ended yet: it is reported at its end,
    /// when its id is known, so that a duplicate of it is recognized.
    fn split(
        &mut self,
        splitter: &mut Splitter,
        buffer: &[u8],
        left_out: &mut Option<Oversized>,
        batch: &mut Batch,
    ) -> bool {
        let mut is_whole = true;
        while let Some(next) = splitter.next(buffer) {
            // What an event without data set came before this one.
            let id = splitter.take_bare_id();
            if let Some(event) = left_out.take().and_then(|event| self.report(event, id)) {
                batch.push(event);
            }
            match next {
                Ok(raw) => {
                    if let Some(event) = self.sort(raw, buffer) {
                        batch.push(event);
                    }
                }
                Err(oversized) => *left_out = Some(oversized),
            }
            if batch.len() >= MOST_EVENTS {
                is_whole = false;
                break;
            }
        }
        if let Some(id) = splitter.take_bare_id() {
            if let Some(event) = left_out
                .take()
                .and_then(|event| self.report(event, Some(id)))
            {
                batch.push(event);
            }
        }
        if let Some(retry) = splitter.retry() {
            self.retry = Some(retry);
        }
        // Once for all of them: the stream continues after the last.
        batch.ids(buffer).any(|id| self.cursor.message(id));
        is_whole
    }

    /// Reports an event that was left out for its size, once, and moves past it: else it would come
    /// again for ever.
    fn report(&mut self, event: Oversized, id: Option<Vec<u8>>) -> Option<BatchEvent> {
        let id = id.filter(|id| !id.is_empty());
        if let Some(id) = &id {
            if !self.is_new(id) {
                return None;
            }
        }
        let id = id.map(|id| Span::Owned(id).into_text(&[]));
        Some(BatchEvent::oversized(event, id))
    }

    /// Whether a message is new; if so it is remembered.
    fn is_new(&mut self, id: &[u8]) -> bool {
        let is_new = self.seen.is_new(id);
        self.alive |= is_new;
        is_new
    }

    /// Keeps new messages, and drops repeats and what is no message.
    fn sort(&mut self, raw: RawEvent, buffer: &[u8]) -> Option<BatchEvent> {
        let kind = match raw.name(buffer) {
            b"message" => Kind::Message,
            b"heartbeat" => Kind::Heartbeat,
            _ => return None,
        };
        let data = raw.data.bytes(buffer);
        if let Kind::Heartbeat = kind {
            self.alive = true;
            if self.cursor.wants_heartbeat() {
                self.heartbeat_at(batch::heartbeat(data).ts);
            }
            return self.lifecycle.then_some(BatchEvent {
                kind,
                id: None,
                data: raw.data,
            });
        }
        // The id within the data tells messages apart, because a server may number the blocks of
        // each connection anew.
        let own = raw.id.filter(|id| !id.bytes(buffer).is_empty());
        let in_data = match &own {
            Some(id) if batch::starts_with_id(data, id.bytes(buffer)) => None,
            _ => batch::id_in_data(data),
        };
        let in_block = own.as_ref().map(|id| id.bytes(buffer));
        let key = in_data.as_deref().map(str::as_bytes).or(in_block);
        let is_new = key.is_none_or(|key| self.seen.is_new(key));
        if !is_new || self.is_too_old(data) {
            return None;
        }
        // One without any id cannot be told from its duplicate: it is delivered, and is not a sign
        // of progress.
        self.alive |= key.is_some();
        let id = own.or_else(|| in_data.map(|id| Span::Owned(id.into_bytes())));
        Some(BatchEvent {
            kind,
            id: id.map(|id| id.into_text(buffer)),
            data: raw.data,
        })
    }

    /// Whether a message was written before the stream was opened.
    fn is_too_old(&self, data: &[u8]) -> bool {
        self.earliest.is_some_and(|earliest| {
            batch::created_at(data).is_some_and(|created_at| created_at < earliest)
        })
    }

    /// Why there is no stream.
    fn not_opened(&self, failure: Failure) -> Error {
        let call = self.call(failure.trace.sent);
        match failure.kind {
            FailureKind::Timeout { connecting } => {
                let received = failure.trace.received;
                // Which limit it was is not known here.
                let limit = self.timeout().filter(|_| !connecting);
                failure::timed_out(call, connecting, connecting, received, limit)
            }
            FailureKind::Connection(ConnectionFailure { kind, what, source }) => {
                let what = format!("the stream could not be opened: {what}");
                Error::Connection(Box::new(ConnectionError {
                    call,
                    kind,
                    what,
                    source,
                }))
            }
            FailureKind::TooLarge(_) => self.closed(),
        }
    }

    /// Why a stream that stood has ended.
    fn broken(&self, failure: Failure) -> Error {
        let call = self.call(true);
        match failure.kind {
            FailureKind::Timeout { .. } => {
                let limit = self.options.idle_timeout;
                let what = format!(
                    "nothing came for {limit:?}, not even a heartbeat; the connection counts as \
                     dead, see `idle_timeout`"
                );
                let limit = Some(limit);
                Error::Timeout(Box::new(TimeoutError { call, what, limit }))
            }
            FailureKind::Connection(ConnectionFailure { kind, what, source }) => {
                let what = format!("the stream broke: {what}");
                Error::Connection(Box::new(ConnectionError {
                    call,
                    kind,
                    what,
                    source,
                }))
            }
            FailureKind::TooLarge(_) => self.closed(),
        }
    }

    fn call(&self, sent: bool) -> CallInfo {
        CallInfo {
            sent,
            ..self.info.clone()
        }
    }

    fn closed(&self) -> Error {
        Error::Connection(Box::new(ConnectionError {
            call: self.call(true),
            kind: ConnectionKind::Lost,
            what: "the server ended the stream".to_owned(),
            source: None,
        }))
    }
}

fn is_too_many_streams(error: &Error) -> bool {
    match error {
        Error::Api(error) => error.code() == Some(&ErrorCode::TooManyStreams),
        _ => false,
    }
}
