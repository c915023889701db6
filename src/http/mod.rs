//! From a call to its answer: one attempt, the retry loop around it, and what an answer says.
//!
//! Nothing here knows a resource.

mod connector;
pub(crate) mod envelope;
pub(crate) mod failure;
mod head;
pub(crate) mod headers;
pub(crate) mod path;
pub(crate) mod proxy;
mod resolver;
pub(crate) mod retry;
pub(crate) mod tls;
pub(crate) mod trace;
pub(crate) mod transport;

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, USER_AGENT,
};
use ureq::http::{HeaderName, HeaderValue, Method};

use crate::error::{CallInfo, CallTraits, CancelledError, ConnectionError, Error, TimeoutError};
use crate::headers::Headers;
use crate::random;
use crate::types::Secret;
use failure::{ConnectionFailure, Failure, FailureKind};
use headers::CallerHeader;
use path::{BaseUrl, Path};
use retry::{Backoff, Cancel, Clock, Decision, RetryPolicy};
use transport::{Bound, Limits, Network, Outgoing, Read};

pub(crate) static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The input buffer of a stream's connection. A quarter less costs a burst 1% of the processor, and
/// a quarter more costs each of a thousand streams 8 KiB.
pub(crate) const STREAM_INPUT: usize = 28 * 1024;

/// A client's way to its server.
pub(crate) struct Http {
    pub(crate) base: BaseUrl,
    pub(crate) network: Network,
    pub(crate) agent: ureq::Agent,
    /// What every request carries: the key, the user agent, the default headers.
    pub(crate) headers: HeaderMap,
    pub(crate) key: Secret,
    pub(crate) timeout: Option<Duration>,
    /// Whether the caller chose `timeout`: some calls have a longer one of their own.
    pub(crate) timeout_chosen: bool,
    pub(crate) retry: RetryPolicy,
    pub(crate) largest_body: usize,
    pub(crate) clock: Arc<dyn Clock>,
}

// The compiler cannot see it through the trait objects of ureq and rustls. What changes in them, such
// as the pool of connections, is behind locks, and a panic leaves it whole.
impl UnwindSafe for Http {}
impl RefUnwindSafe for Http {}

/// What is asked of the API, once, however many attempts it takes.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: Path,
    pub(crate) query: String,
    pub(crate) body: Option<Vec<u8>>,
    /// A bound of one attempt that this operation needs where nobody chose one.
    pub(crate) default_timeout: Option<Duration>,
}

impl Call {
    pub(crate) fn new(method: Method, path: Path) -> Self {
        Call {
            method,
            path,
            query: String::new(),
            body: None,
            default_timeout: None,
        }
    }

    fn is_write(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }

    pub(crate) fn traits(&self) -> CallTraits {
        CallTraits {
            is_write: self.is_write(),
            has_id: self.path.has_id(),
            has_key: true,
        }
    }

    /// `POST /agents`, for errors and records.
    pub(crate) fn operation(&self) -> String {
        const SHOWN: usize = 200;
        let path = crate::error::OneLine(self.path.as_str(), SHOWN);
        format!("{} {path}", self.method)
    }
}

/// What a caller sets for one call.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) idempotency_key: Option<HeaderValue>,
    pub(crate) request_id: Option<HeaderValue>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) max_retries: Option<u32>,
    pub(crate) max_retry_wait: Option<Duration>,
    pub(crate) headers: HeaderMap,
    /// The first option that was not acceptable, kept until the call is sent.
    pub(crate) refused: Option<String>,
}

impl Options {
    /// A write has its key from the start: sent again, it is the same write.
    pub(crate) fn of(call: &Call) -> Self {
        let mut options = Options::default();
        if call.is_write() {
            match random_id() {
                Ok(key) => options.idempotency_key = Some(key),
                Err(error) => options.refuse(error),
            }
        }
        options
    }

    pub(crate) fn set_idempotency_key(&mut self, key: &str) {
        match headers::visible("idempotency key", key) {
            Ok(value) => self.idempotency_key = Some(value),
            Err(error) => self.refuse(error),
        }
    }

    pub(crate) fn set_request_id(&mut self, id: &str) {
        match headers::visible("request id", id) {
            Ok(value) => self.request_id = Some(value),
            Err(error) => self.refuse(error),
        }
    }

    pub(crate) fn set_header(&mut self, name: &str, value: &str) {
        match headers::caller_header(name, value) {
            Ok(CallerHeader::IdempotencyKey(key)) => self.set_idempotency_key(&key),
            Ok(CallerHeader::RequestId(id)) => self.set_request_id(&id),
            Ok(CallerHeader::Plain(name, value)) => {
                self.headers.insert(name, value);
            }
            Err(error) => self.refuse(error),
        }
    }

    pub(crate) fn refuse(&mut self, why: impl fmt::Display) {
        self.refused.get_or_insert_with(|| why.to_string());
    }
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) operation: String,
    pub(crate) traits: CallTraits,
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    pub(crate) request_id: Option<String>,
    pub(crate) attempts: u32,
}

impl Answer {
    pub(crate) fn call_info(&self) -> CallInfo {
        CallInfo {
            operation: self.operation.clone(),
            attempts: self.attempts,
            request_id: self.request_id.clone(),
            sent: true,
            traits: self.traits,
            page: None,
        }
    }
}

impl Http {
    /// Performs a call: up to `1 + max_retries` attempts under one idempotency key and request id.
    pub(crate) fn execute(
        &self,
        call: &Call,
        options: &Options,
        cancel: Option<&Cancel>,
    ) -> Result<Answer, Error> {
        self.execute_on(&self.agent, call, options, cancel)
    }

    /// Like [`Http::execute`], on the connections of another agent.
    pub(crate) fn execute_on(
        &self,
        agent: &ureq::Agent,
        call: &Call,
        options: &Options,
        cancel: Option<&Cancel>,
    ) -> Result<Answer, Error> {
        let operation = call.operation();
        let policy = RetryPolicy {
            max_retries: options.max_retries.unwrap_or(self.retry.max_retries),
            max_retry_wait: options.max_retry_wait.unwrap_or(self.retry.max_retry_wait),
        };
        let prepared = self
            .prepare(call, options)
            .map_err(|error| error.in_operation(&operation))?;
        let deadline = Deadline::start(options.deadline, &*self.clock);
        let mut backoff = Backoff::new();
        let mut info = CallInfo {
            operation,
            attempts: 0,
            request_id: prepared.request_id(),
            sent: false,
            traits: call.traits(),
            page: None,
        };
        loop {
            let left = deadline.left(&*self.clock);
            if left.is_some_and(|left| left.is_zero()) {
                return Err(deadline.expired(info));
            }
            info.attempts += 1;
            let mut sent_before = info.sent;
            let error = match self.attempt(agent, call, &prepared, left, &mut sent_before) {
                Ok((head, body)) => {
                    info.sent = true;
                    let answer = self.answer(&info, head, body.bytes);
                    if !(200..300).contains(&answer.status) {
                        let error = envelope::api_error(answer, self.key.expose());
                        match sent_before && call.is_write() {
                            true => error.of_repeated_write(),
                            false => error,
                        }
                    } else if body.cut {
                        envelope::cut_error(&answer)
                    } else {
                        return Ok(answer);
                    }
                }
                Err(failure) => {
                    info.sent |= failure.wire.sent;
                    self.failed(&info, failure, prepared.timeout, left, &deadline)
                }
            };
            if cancel.is_some_and(Cancel::is_cancelled) {
                return Err(Error::Cancelled(Box::new(CancelledError { call: info })));
            }
            if !error.is_retryable() {
                return Err(error);
            }
            let left = deadline.left(&*self.clock);
            match policy.decide(info.attempts, error.retry_after(), &mut backoff, left) {
                Decision::GiveUp => return Err(error),
                Decision::Wait(wait) => {
                    log::debug!(target: "bimpeai", "{error}; trying again in {wait:?}");
                    if !self.clock.wait(wait, cancel) {
                        return Err(Error::Cancelled(Box::new(CancelledError { call: info })));
                    }
                }
            }
        }
    }

    /// Makes one attempt. If it dies on a connection from the pool before anything was received, it
    /// is made again on a new one, and `sent_before` is set: the server may have the request.
    fn attempt(
        &self,
        agent: &ureq::Agent,
        call: &Call,
        prepared: &Prepared<'_>,
        left: Option<Duration>,
        sent_before: &mut bool,
    ) -> Result<(ureq::http::response::Parts, Read), Failure> {
        let started = self.clock.now();
        let bound = prepared.bound(left);
        let limits = Limits {
            bound,
            fresh: false,
        };
        let failure = match self.exchange(agent, call, prepared, limits) {
            Err(failure) if failure.is_stale() => failure,
            other => return other,
        };
        let passed = self.clock.now().saturating_duration_since(started);
        let limit = match bound {
            Bound::Whole(limit) => limit,
            _ => prepared.timeout,
        };
        let limit = limit.map(|limit| limit.saturating_sub(passed));
        if limit.is_some_and(|limit| limit.is_zero()) {
            return Err(failure);
        }
        let limits = Limits {
            bound: Bound::Whole(limit),
            fresh: true,
        };
        *sent_before = true;
        self.exchange(agent, call, prepared, limits)
            .map_err(|mut failure| {
                failure.wire.sent = true;
                failure
            })
    }

    fn exchange(
        &self,
        agent: &ureq::Agent,
        call: &Call,
        prepared: &Prepared<'_>,
        limits: Limits,
    ) -> Result<(ureq::http::response::Parts, Read), Failure> {
        let outgoing = Outgoing {
            method: &call.method,
            uri: prepared.uri.clone(),
            headers: prepared.headers(&self.headers),
            body: call.body.as_deref(),
        };
        let (head, body) = transport::exchange(agent, outgoing, limits)?.into_parts();
        let body = if head.status.is_success() {
            transport::read_body(&head, body, self.largest_body)?
        } else {
            Read {
                bytes: transport::read_error_body(body),
                cut: false,
            }
        };
        Ok((head, body))
    }

    /// An agent for one stream: closing its connections stops that stream and no other.
    ///
    /// Its buffers are small, for there may be a thousand streams, and each is zeroed and so takes
    /// memory: `benches/scale.rs` has the figures. `line` is how long a line of its requests, a
    /// header among them, may be without the ticket and what it goes on after: each has to fit in
    /// whole.
    pub(crate) fn stream_agent(&self, line: usize) -> ureq::Agent {
        // Servers take no longer request lines.
        const OUTPUT: usize = 8 * 1024;
        self.network.agent(|config| {
            config
                .input_buffer_size(STREAM_INPUT)
                .output_buffer_size(OUTPUT + line)
                .timeout_global(self.timeout)
                .max_idle_connections(1)
        })
    }

    fn prepare<'a>(&self, call: &Call, options: &'a Options) -> Result<Prepared<'a>, Error> {
        if let Some(why) = &options.refused {
            return Err(Error::user(why));
        }
        let own = call.default_timeout.filter(|_| !self.timeout_chosen);
        let chosen = options.timeout.or(own);
        Ok(Prepared {
            uri: self.base.join(&call.path, &call.query)?,
            headers: &options.headers,
            has_body: call.body.is_some(),
            request_id: match &options.request_id {
                Some(id) => id.clone(),
                None => random_id()?,
            },
            idempotency_key: match &options.idempotency_key {
                Some(key) => Some(key.clone()),
                None if call.is_write() => Some(random_id()?),
                None => None,
            },
            timeout: chosen.or(self.timeout),
            differs: chosen.is_some(),
        })
    }

    /// The error that a failed attempt is.
    pub(crate) fn failed(
        &self,
        info: &CallInfo,
        failure: Failure,
        timeout: Option<Duration>,
        left: Option<Duration>,
        deadline: &Deadline,
    ) -> Error {
        let call = CallInfo {
            sent: info.sent || failure.wire.sent,
            ..info.clone()
        };
        match failure.kind {
            FailureKind::Timeout { connecting } => {
                // The least of the limits that were in force is the one that was reached.
                let least = |a: Option<Duration>, b| a.into_iter().chain(b).min();
                let connect = Some(self.network.connect_timeout).filter(|_| connecting);
                if left.is_some() && left == least(left, least(timeout, connect)) {
                    return deadline.expired(call);
                }
                let error = if connecting && connect != least(connect, timeout) {
                    let what = "no connection could be made in time";
                    limit_reached(call, what, timeout, "`timeout`")
                } else if connecting {
                    let what = "no connection could be made in time";
                    limit_reached(call, what, connect, "ClientBuilder::connect_timeout")
                } else {
                    timed_out(call, false, failure.wire.received, timeout)
                };
                Error::Timeout(Box::new(error))
            }
            FailureKind::Connection(ConnectionFailure { kind, what, source }) => {
                let what = match self.network.proxy_address() {
                    Some(proxy) => format!("{what} ({}, by the proxy {proxy})", self.base.as_str()),
                    None => format!("{what} ({})", self.base.as_str()),
                };
                Error::Connection(Box::new(ConnectionError {
                    call,
                    kind,
                    what,
                    source,
                }))
            }
            FailureKind::TooLarge(head) => {
                let what = format!(
                    "the body is larger than {} bytes; if that is expected, raise the limit with \
                     ClientBuilder::max_response_size",
                    self.largest_body
                );
                envelope::decode_error(&self.answer(info, *head, Vec::new()), what, None)
            }
        }
    }

    fn answer(&self, info: &CallInfo, head: ureq::http::response::Parts, body: Vec<u8>) -> Answer {
        let headers = Headers::new(head.headers, self.key.expose());
        Answer {
            operation: info.operation.clone(),
            traits: info.traits,
            status: head.status.as_u16(),
            request_id: headers
                .request_id()
                .map(str::to_owned)
                .or_else(|| info.request_id.clone()),
            headers,
            body,
            attempts: info.attempts,
        }
    }
}

/// The error of an exchange that took too long.
pub(crate) fn timed_out(
    call: CallInfo,
    connecting: bool,
    received: bool,
    limit: Option<Duration>,
) -> TimeoutError {
    match (connecting, received) {
        (true, _) => limit_reached(
            call,
            "no connection could be made in time",
            None,
            "ClientBuilder::connect_timeout",
        ),
        (false, false) => limit_reached(call, "no answer came in time", limit, "`timeout`"),
        (false, true) => limit_reached(
            call,
            "the answer was not complete in time",
            limit,
            "`timeout`",
        ),
    }
}

fn limit_reached(call: CallInfo, what: &str, limit: Option<Duration>, raise: &str) -> TimeoutError {
    let what = match limit {
        Some(limit) => format!("{what}; the limit is {limit:?}, raise it with {raise}"),
        None => format!("{what}; raise the limit with {raise}"),
    };
    TimeoutError { call, what, limit }
}

/// What stays the same over the attempts of a call.
struct Prepared<'a> {
    uri: ureq::http::Uri,
    /// The caller's.
    headers: &'a HeaderMap,
    has_body: bool,
    request_id: HeaderValue,
    idempotency_key: Option<HeaderValue>,
    timeout: Option<Duration>,
    /// Whether `timeout` is not the one the agent has.
    differs: bool,
}

impl Prepared<'_> {
    /// All that one attempt carries; `client` is what every request of the client does.
    fn headers(&self, client: &HeaderMap) -> HeaderMap {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        let mut headers = client.clone();
        headers::set_all(&mut headers, self.headers);
        if self.has_body && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, JSON);
        }
        headers.insert(REQUEST_ID.clone(), self.request_id.clone());
        if let Some(key) = &self.idempotency_key {
            headers.insert(IDEMPOTENCY_KEY.clone(), key.clone());
        }
        headers
    }

    /// The bound of the next attempt.
    fn bound(&self, left: Option<Duration>) -> Bound {
        match (left, self.timeout) {
            (Some(left), Some(timeout)) => Bound::Whole(Some(left.min(timeout))),
            (Some(left), None) => Bound::Whole(Some(left)),
            (None, timeout) if self.differs => Bound::Whole(timeout),
            (None, _) => Bound::Agent,
        }
    }

    fn request_id(&self) -> Option<String> {
        self.request_id.to_str().ok().map(str::to_owned)
    }
}

/// Until when a call with all its attempts and waits has to be done.
pub(crate) struct Deadline {
    total: Option<Duration>,
    started: Option<Instant>,
}

impl Deadline {
    pub(crate) fn start(total: Option<Duration>, clock: &dyn Clock) -> Self {
        Deadline {
            total,
            started: total.map(|_| clock.now()),
        }
    }

    fn left(&self, clock: &dyn Clock) -> Option<Duration> {
        let passed = clock.now().saturating_duration_since(self.started?);
        Some(self.total?.saturating_sub(passed))
    }

    fn expired(&self, call: CallInfo) -> Error {
        let what = match self.total {
            Some(total) => format!("not done within its deadline of {total:?}"),
            None => "not done within its deadline".to_owned(),
        };
        Error::Timeout(Box::new(TimeoutError {
            call,
            what,
            limit: self.total,
        }))
    }
}

/// Returns a random UUID (version 4) as a header value.
fn random_id() -> Result<HeaderValue, Error> {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = random::uuid()?.hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).map_err(|_| Error::user("a random id is not a header value"))
}

/// The headers that every request of a client carries.
pub(crate) fn client_headers(
    key: &Secret,
    user_agent: HeaderValue,
    defaults: &HeaderMap,
) -> Result<HeaderMap, Error> {
    let bearer = format!("Bearer {}", key.expose());
    let Ok(mut authorization) = HeaderValue::from_str(&bearer) else {
        return Err(Error::user("the API key is no valid header value"));
    };
    authorization.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, user_agent);
    if cfg!(not(feature = "gzip")) {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers::set_all(&mut headers, defaults);
    headers.insert(AUTHORIZATION, authorization);
    Ok(headers)
}
