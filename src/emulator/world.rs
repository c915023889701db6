//! What all threads of one emulator share, and the way of a request from its head to its answer.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::clock::{Clock, Millis, http_date};
use super::context::Context;
use super::fault::Faults;
use super::http::Request;
use super::idempotency::{IdempotencyStore, Lookup};
use super::ids::uuid;
use super::options::Options;
use super::rate_limit::{self, Figures};
use super::request_log::RequestLog;
use super::response::{ErrorResponse, HandlerResult, Response};
use super::routes::{self, Access, Action};
use super::state::State;
use super::stream::{self, Opening};
use super::sync::{Stop, lock};

/// Longest `Idempotency-Key`.
const MAX_KEY: usize = 255;

pub(super) struct World {
    pub(super) options: Options,
    pub(super) clock: Clock,
    pub(super) faults: Mutex<Faults>,
    pub(super) requests: Mutex<RequestLog>,
    state: Mutex<State>,
    /// There are new messages, or a stream is to end.
    pub(super) news: Condvar,
    /// The schedule has changed.
    pub(super) schedule: Condvar,
    idempotency: IdempotencyStore,
    stop: Stop,
}

/// What a request leads to.
pub(super) enum Reply {
    Response(Response),
    Stream(Opening),
}

impl World {
    pub(super) fn new(options: Options, state: State) -> Self {
        World {
            requests: Mutex::new(RequestLog::new(options.request_log_limit)),
            options,
            clock: Clock::default(),
            faults: Mutex::default(),
            state: Mutex::new(state),
            news: Condvar::new(),
            schedule: Condvar::new(),
            idempotency: IdempotencyStore::default(),
            stop: Stop::default(),
        }
    }

    /// The state, with its clock set.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        state.now = state.now.max(self.clock.now());
        state
    }

    /// Changes the state and lets everybody know who waits for that.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.news.notify_all();
        self.schedule.notify_all();
        changed
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_set()
    }

    /// Ends every wait.
    pub(super) fn stop(&self) {
        self.stop.set();
        // Taken and given back, so that nobody is between looking at the flag and waiting.
        drop(lock(&self.state));
        self.news.notify_all();
        self.schedule.notify_all();
        self.idempotency.close();
    }

    /// Sleeps, unless the emulator stops.
    pub(super) fn sleep(&self, time: Duration) {
        self.stop.sleep(time);
    }

    /// Counts a request that came.
    pub(super) fn visit<'a>(&self, request: &'a Request) -> Visit<'a> {
        let key = presented_key(request);
        let mut state = self.state();
        let now = state.now;
        // All unknown keys share one count: a map of them would grow with every typo.
        let counted = key.filter(|key| self.options.knows(key));
        let usage = state
            .usage
            .entry(counted.unwrap_or_default().to_owned())
            .or_default();
        let figures = rate_limit::count(usage, now, self.options.rate_limit);
        let request_id = request
            .header("x-request-id")
            .map_or_else(uuid, str::to_owned);
        Visit {
            request,
            key,
            request_id,
            figures,
            now,
        }
    }

    /// Does what a request asks for.
    pub(super) fn reply(&self, visit: &Visit<'_>) -> Reply {
        self.route(visit)
            .unwrap_or_else(|error| Reply::Response(self.refuse(error, &visit.request_id)))
    }

    /// An error in the shape that the builder chose.
    pub(super) fn refuse(&self, error: ErrorResponse, request_id: &str) -> Response {
        error.into_response(request_id, self.options.guide_errors)
    }

    fn route(&self, visit: &Visit<'_>) -> Result<Reply, ErrorResponse> {
        let request = visit.request;
        let (route, ids) = routes::find(request).ok_or_else(|| {
            let message = format!("Cannot {} {}", request.method, request.path);
            ErrorResponse::new(404, "not_found", message)
        })?;
        if let Access::Key(scope) = route.access {
            self.options.authorize(visit.key, scope)?;
        }
        if visit.figures.exceeded {
            return Err(visit.too_fast());
        }
        match route.action {
            Action::Stream => stream::open(self, request, &ids).map(Reply::Stream),
            Action::Handler(handler) => {
                let (query, body) = route.parse(request)?;
                let run = |state: &mut State| {
                    handler(&mut Context {
                        state,
                        options: &self.options,
                        ids,
                        query,
                        body,
                    })
                };
                // Nobody waits for a read.
                if request.is_read() {
                    return run(&mut self.state()).map(Reply::Response);
                }
                let perform = || self.change(run);
                self.once(visit, perform).map(Reply::Response)
            }
        }
    }

    /// Performs a write with an `Idempotency-Key` once; whoever repeats it gets the first result.
    fn once(&self, visit: &Visit<'_>, perform: impl FnOnce() -> HandlerResult) -> HandlerResult {
        let request = visit.request;
        let key = request
            .header("idempotency-key")
            .filter(|key| !key.is_empty());
        let Some(key) = key else {
            return perform();
        };
        if key.chars().count() > MAX_KEY {
            let message = format!("Idempotency-Key must be at most {MAX_KEY} characters.");
            return Err(ErrorResponse::bad_request(message));
        }
        match self.idempotency.look_up(key, request)? {
            Lookup::Replay(response) => Ok(response),
            Lookup::New(in_flight) => {
                let response = match perform() {
                    // A body that was refused has done nothing; mended, it may use the key again.
                    Err(error) if error.is_validation() => return Err(error),
                    Err(error) => self.refuse(error, &visit.request_id),
                    Ok(response) => response,
                };
                in_flight.finish(&response);
                Ok(response)
            }
        }
    }
}

/// A request, and what is known of it before it is routed.
pub(super) struct Visit<'a> {
    request: &'a Request,
    key: Option<&'a str>,
    pub(super) request_id: String,
    figures: Figures,
    now: Millis,
}

impl Visit<'_> {
    /// The headers of every answer.
    pub(super) fn headers(&self) -> Vec<(String, String)> {
        let reset = self.figures.reset.div_euclid(1000);
        [
            ("Date", http_date(self.now)),
            ("X-Request-Id", self.request_id.clone()),
            ("X-RateLimit-Limit", self.figures.limit.to_string()),
            ("X-RateLimit-Remaining", self.figures.remaining.to_string()),
            ("X-RateLimit-Reset", reset.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    fn too_fast(&self) -> ErrorResponse {
        let wait = u64::try_from(self.figures.reset - self.now)
            .unwrap_or_default()
            .div_ceil(1000);
        let error = ErrorResponse::new(
            429,
            "rate_limited",
            "Rate limit exceeded. Please slow down.",
        );
        ErrorResponse {
            retry_after: Some(wait.max(1)),
            ..error
        }
    }
}

fn presented_key(request: &Request) -> Option<&str> {
    let bearer = request.header("authorization").and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    bearer
        .or_else(|| request.header("x-api-key"))
        .filter(|key| !key.is_empty())
}
