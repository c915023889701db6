//! From an operation to its response: the retry loop, and one attempt within it.
//!
//! Nothing here knows a resource.

pub(crate) mod body;
pub(crate) mod cancel;
mod connector;
pub(crate) mod envelope;
pub(crate) mod error_body;
pub(crate) mod failure;
mod head;
pub(crate) mod headers;
pub(crate) mod json;
pub(crate) mod open;
pub(crate) mod operation;
pub(crate) mod path;
pub(crate) mod proxy;
pub(crate) mod rate_limit;
mod resolver;
pub(crate) mod retry;
pub(crate) mod tls;
pub(crate) mod trace;
pub(crate) mod transport;

#[cfg(test)]
pub(crate) mod tests;

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ureq::http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, USER_AGENT};
use ureq::http::response::Parts;
use ureq::http::{HeaderValue, Request};

use crate::attempt::Attempt;
use crate::error::{CallInfo, Error, WaitLimit};
use crate::headers::{Headers, REQUEST_ID};
use crate::types::Secret;
use cancel::Cancel;
use failure::{Limits, Phase, TransportError};
pub(crate) use operation::Operation;
use path::BaseUrl;
use rate_limit::{Admission, Observation, RateGate, Turn};
use retry::{Asked, Backoff, Budget, Clock, Deadline, Decision, RetryPolicy};
use transport::{Network, Timeouts};

/// How a client reaches its server.
pub(crate) struct Http {
    pub(crate) base: BaseUrl,
    pub(crate) network: Network,
    pub(crate) agent: ureq::Agent,
    /// The headers of every request: the API key, the user agent, the default headers.
    pub(crate) headers: HeaderMap,
    pub(crate) key: Secret,
    pub(crate) timeout: Option<Duration>,
    /// Whether the caller chose `timeout`: some operations have a longer one of their own.
    pub(crate) timeout_chosen: bool,
    pub(crate) retry: RetryPolicy,
    /// `None` if the client does not share what the server says about rate limits.
    pub(crate) gate: Option<RateGate>,
    pub(crate) largest_body: usize,
    pub(crate) clock: Arc<dyn Clock>,
    /// The default limit of a whole call.
    pub(crate) deadline: Option<Duration>,
    pub(crate) on_attempt: Option<OnAttempt>,
    /// Ends everything that this client and its clones do.
    pub(crate) shutdown: Cancel,
}

/// What a caller does with every attempt.
pub(crate) type OnAttempt = Box<dyn Fn(&Attempt<'_>) + Send + Sync>;

// The compiler cannot see it through the trait objects of ureq and rustls. What changes in them, such
// as the pool of connections, is behind locks, and a panic leaves it whole.
impl UnwindSafe for Http {}
impl RefUnwindSafe for Http {}

/// A whole response.
pub(crate) struct Response {
    /// The call, with the request id of the server if it sent one.
    pub(crate) call: CallInfo,
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
}

/// An execution in progress.
struct Execution<'a> {
    operation: &'a Operation,
    /// Its place at the rate gate.
    turn: Option<Turn<'a>>,
    budget: Budget,
    /// What every attempt sends.
    request: Request<()>,
    /// The maximum duration of one attempt, and whether it differs from the agent's.
    timeout: Option<Duration>,
    differs: bool,
    deadline: Deadline,
    info: CallInfo,
}

impl Execution<'_> {
    /// The attempt is no longer in flight. Without this, a call that waits before a retry would hold
    /// back the others.
    fn end_attempt(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.release();
        }
    }
}

/// Returns the wait that the server asks for, and whether it is that of a rate limit.
fn asked_wait(error: &Error) -> Option<Asked> {
    let Error::Api(api) = error else { return None };
    match api.status() {
        429 => Observation::of(429, api.headers())
            .named_wait(SystemTime::now)
            .map(Asked::RateLimit),
        _ => error.retry_after().map(Asked::Other),
    }
}

/// Watches the attempts of one execution.
pub(crate) trait Watch {
    /// Called directly before each attempt goes out, after every wait. If it returns `false`, the
    /// execution ends with [`Error::Cancelled`] and sends nothing more.
    fn before(&self) -> bool;

    /// Called after an attempt failed. Without an error a connection of the pool died, and the
    /// attempt goes on with a new one.
    fn failed(&self, error: Option<&Error>);
}

/// Watches nothing.
impl Watch for () {
    fn before(&self) -> bool {
        true
    }

    fn failed(&self, _: Option<&Error>) {}
}

impl Http {
    /// Executes an operation: up to `1 + max_retries` attempts under one idempotency key and request
    /// id.
    pub(crate) fn execute(&self, operation: &Operation) -> Result<Response, Error> {
        self.execute_on(&self.agent, operation, &self.shutdown)
    }

    /// Like [`Http::execute`], watched.
    #[cfg(feature = "batch")]
    pub(crate) fn execute_watched(
        &self,
        operation: &Operation,
        watch: &dyn Watch,
    ) -> Result<Response, Error> {
        self.run(&self.agent, operation, &self.shutdown, watch)
    }

    /// Like [`Http::execute`], on the connections of another agent, and until `cancel` is cancelled.
    pub(crate) fn execute_on(
        &self,
        agent: &ureq::Agent,
        operation: &Operation,
        cancel: &Cancel,
    ) -> Result<Response, Error> {
        self.run(agent, operation, cancel, &())
    }

    fn run(
        &self,
        agent: &ureq::Agent,
        operation: &Operation,
        cancel: &Cancel,
        watch: &dyn Watch,
    ) -> Result<Response, Error> {
        let mut run = self.start(operation)?;
        let mut backoff = Backoff::new();
        let mut refused = None;
        loop {
            self.pass_gate(&mut run, refused, cancel)?;
            let started = self.clock.now();
            let error = match self.attempt(agent, &mut run, watch) {
                Ok(response) => {
                    self.report(&response.call, Some(response.status), None, started, None);
                    return Ok(response);
                }
                Err(error) => error,
            };
            run.end_attempt();
            watch.failed(Some(&error));
            if cancel.is_cancelled() {
                return Err(Error::cancelled(run.info));
            }
            let left = run.deadline.left(&*self.clock);
            let decision = match error.is_retryable() {
                true => run.budget.decide(asked_wait(&error), &mut backoff, left),
                false => Decision::GiveUp,
            };
            self.report(
                &run.info,
                error.status(),
                Some(&error),
                started,
                decision.wait(),
            );
            match decision {
                Decision::GiveUp => return Err(error),
                // The gate knows of this wait.
                Decision::AskGate(wait) if run.turn.is_some() => {
                    log::debug!(target: "bimpeai", "{error}; waiting about {wait:?}");
                }
                Decision::AskGate(wait) | Decision::Wait(wait) => {
                    log::debug!(target: "bimpeai", "{error}; retrying in {wait:?}");
                    if !self.clock.wait(wait, cancel) {
                        return Err(Error::cancelled(run.info));
                    }
                }
            }
            refused = Some(error);
        }
    }

    /// Waits until the rate gate admits the next attempt.
    ///
    /// If that would take longer than the call may wait, it fails with the error of the attempt
    /// before, or with [`Error::RateLimited`].
    fn pass_gate(
        &self,
        run: &mut Execution<'_>,
        refused: Option<Error>,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        loop {
            if cancel.is_cancelled() {
                return Err(Error::cancelled(run.info.clone()));
            }
            let now = self.clock.now();
            let Some(turn) = &mut run.turn else {
                return Ok(());
            };
            let (check, expected) = match turn.admit(now) {
                Admission::Proceed => return Ok(()),
                Admission::Wait { check, expected } => (check, expected),
            };
            let left = run.deadline.left(&*self.clock);
            let wait = expected.saturating_duration_since(now);
            // A shorter wait is for the responses of other calls, not for a limit.
            let counts = |limit: &WaitLimit| {
                wait > rate_limit::HOLD || matches!(limit, WaitLimit::Deadline(_))
            };
            if let Some(limit) = run.budget.too_long(wait, left).filter(counts) {
                return Err(match refused {
                    Some(error) => error,
                    None => Error::rate_limited(run.info.clone(), wait, limit),
                });
            }
            let pause = check.saturating_duration_since(now);
            let is_over = self.clock.wait(pause, cancel);
            run.budget.spend(pause);
            if !is_over {
                return Err(Error::cancelled(run.info.clone()));
            }
        }
    }

    fn report(
        &self,
        call: &CallInfo,
        status: Option<u16>,
        error: Option<&Error>,
        started: Instant,
        next_wait: Option<Duration>,
    ) {
        if let Some(on_attempt) = &self.on_attempt {
            on_attempt(&Attempt {
                operation: &call.operation,
                number: call.attempts,
                status,
                error,
                request_id: error.map_or(call.request_id.as_deref(), Error::request_id),
                elapsed: self.clock.now().saturating_duration_since(started),
                next_wait,
            });
        }
    }

    fn start<'a>(&'a self, operation: &'a Operation) -> Result<Execution<'a>, Error> {
        let name = operation.name();
        let request = match operation.request(self) {
            Ok(request) => request,
            Err(error) => return Err(error.in_operation(name)),
        };
        let own = operation.default_timeout.filter(|_| !self.timeout_chosen);
        let chosen = operation.timeout.or(own);
        let mut info = CallInfo::new(name, operation.traits());
        let request_id = request.headers().get(&REQUEST_ID);
        info.request_id = request_id
            .and_then(|id| id.to_str().ok())
            .map(str::to_owned);
        let policy = RetryPolicy {
            max_retries: operation.max_retries.unwrap_or(self.retry.max_retries),
            max_retry_wait: operation
                .max_retry_wait
                .unwrap_or(self.retry.max_retry_wait),
        };
        Ok(Execution {
            operation,
            turn: self.gate.as_ref().map(RateGate::turn),
            budget: Budget::new(policy),
            request,
            timeout: chosen.or(self.timeout),
            differs: chosen.is_some(),
            deadline: Deadline::start(operation.deadline.or(self.deadline), &*self.clock),
            info,
        })
    }

    /// Makes one attempt. Anything but a success is an error.
    fn attempt(
        &self,
        agent: &ureq::Agent,
        run: &mut Execution<'_>,
        watch: &dyn Watch,
    ) -> Result<Response, Error> {
        let left = run.deadline.left(&*self.clock);
        if left.is_some_and(|left| left.is_zero()) {
            return Err(run.deadline.expired(run.info.clone()));
        }
        if !watch.before() {
            return Err(Error::cancelled(run.info.clone()));
        }
        run.info.attempts += 1;
        let mut sent_before = run.info.sent;
        let (head, body) = match self.exchange(agent, run, left, &mut sent_before, watch) {
            Ok(exchanged) => exchanged,
            Err(failure) => {
                run.info.sent |= failure.trace.sent;
                let limits = Limits {
                    timeout: run.timeout,
                    left,
                    deadline: &run.deadline,
                };
                return Err(failure.into_error(self, run.info.clone(), Phase::Call(limits)));
            }
        };
        run.info.sent = true;
        let truncated = body.truncated;
        let response = self.response(&run.info, head, body.bytes);
        if let Some(turn) = &mut run.turn {
            let observation = Observation::of(response.status, &response.headers);
            turn.observe(self.clock.now(), SystemTime::now, &observation);
        }
        if !(200..300).contains(&response.status) {
            let error = error_body::api_error(response, self.key.expose());
            return Err(match sent_before && run.operation.is_write() {
                true => error.of_repeated_write(),
                false => error,
            });
        }
        match truncated {
            true => Err(envelope::truncated_error(&response)),
            false => Ok(response),
        }
    }

    /// Sends the request and reads the whole response. If a connection from the pool dies before
    /// anything was received, the request is sent again on a new one, and `sent_before` is set: the
    /// server may have the request.
    fn exchange(
        &self,
        agent: &ureq::Agent,
        run: &Execution<'_>,
        left: Option<Duration>,
        sent_before: &mut bool,
        watch: &dyn Watch,
    ) -> Result<(Parts, body::ResponseBody), TransportError> {
        let started = self.clock.now();
        let timeouts = match (left, run.timeout) {
            (Some(left), Some(timeout)) => Timeouts::Whole(Some(left.min(timeout))),
            (Some(left), None) => Timeouts::Whole(Some(left)),
            (None, timeout) if run.differs => Timeouts::Whole(timeout),
            (None, _) => Timeouts::Agent,
        };
        let send = |timeouts, force_new| {
            let body = run.operation.body.as_deref();
            let response =
                transport::exchange(agent, run.request.clone(), body, timeouts, force_new)?;
            body::read(response, self.largest_body)
        };
        transport::resend_if_dead(timeouts, send, || {
            let passed = self.clock.now().saturating_duration_since(started);
            let limit = match timeouts {
                Timeouts::Whole(limit) => limit,
                _ => run.timeout,
            };
            let limit = limit.map(|limit| limit.saturating_sub(passed));
            if limit.is_some_and(|limit| limit.is_zero()) {
                return None;
            }
            watch.failed(None);
            if !watch.before() {
                return None;
            }
            *sent_before = true;
            Some(Timeouts::Whole(limit))
        })
    }

    fn response(&self, call: &CallInfo, head: Parts, body: Vec<u8>) -> Response {
        let headers = Headers::new(head.headers, self.key.expose());
        let mut call = call.clone();
        if let Some(id) = headers.request_id() {
            call.request_id = Some(id.to_owned());
        }
        Response {
            call,
            status: head.status.as_u16(),
            headers,
            body,
        }
    }
}

/// Builds the headers of every request of a client.
pub(crate) fn client_headers(
    key: &Secret,
    user_agent: HeaderValue,
    defaults: &HeaderMap,
) -> Result<HeaderMap, Error> {
    let bearer = format!("Bearer {}", key.expose());
    let Ok(mut authorization) = HeaderValue::from_str(&bearer) else {
        return Err(Error::user("the API key is not a valid header value"));
    };
    authorization.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, user_agent);
    let encoding = match cfg!(feature = "gzip") {
        true => "gzip",
        false => "identity",
    };
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers::set_all(&mut headers, defaults);
    headers.insert(AUTHORIZATION, authorization);
    Ok(headers)
}
