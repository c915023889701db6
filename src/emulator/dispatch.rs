//! The way of a request from its head to its response: key, route, rate limit, idempotency, handler.

use std::time::Duration;

use serde_json::Value;

use super::clock::{Millis, http_date};
use super::context::Context;
use super::http::{PREFIX, Request};
use super::idempotency::Lookup;
use super::ids::uuid;
use super::rate_limit::Count;
use super::response::{ErrorResponse, HandlerResult, Response};
use super::routes::{self, Access, Action};
use super::shared::Shared;
use super::state::State;
use super::stream::{self, Opening};

/// Maximum length of an `Idempotency-Key`.
const MAX_KEY: usize = 255;

/// What a request leads to.
pub(super) enum Reply {
    Response(Response),
    Stream(Opening),
}

/// A request, and what is known of it before it is routed.
pub(super) struct RequestContext<'a> {
    request: &'a Request,
    key: Option<&'a str>,
    pub(super) request_id: String,
    /// `None` without a rate limit.
    count: Option<Count>,
    now: Millis,
}

/// Counts a request towards its key's rate limit.
pub(super) fn receive<'a>(shared: &Shared, request: &'a Request) -> RequestContext<'a> {
    let key = presented_key(request);
    let mut state = shared.state();
    let now = state.now;
    // All unknown keys share one count: a map of them would grow with every typo.
    let counted = key.filter(|key| shared.options.knows(key));
    let count = shared.options.rate_limit.map(|limit| {
        let usage = state.usage.entry(counted.unwrap_or_default().to_owned());
        limit.count(usage.or_default(), now)
    });
    let request_id = request
        .header("x-request-id")
        .map_or_else(uuid, str::to_owned);
    RequestContext {
        request,
        key,
        request_id,
        count,
        now,
    }
}

/// Performs what a request asks for.
///
/// `pause` follows the operation. With [conflicts](super::idempotency::Rules::conflicts) the
/// request's idempotency key is in progress until it is over.
pub(super) fn reply(shared: &Shared, context: &RequestContext<'_>, pause: Duration) -> Reply {
    let mut pause = Some(pause);
    let reply = route(shared, context, &mut pause).unwrap_or_else(|error| {
        Reply::Response(error_response(shared, error, &context.request_id))
    });
    if let Some(pause) = pause {
        shared.stop.sleep(pause);
    }
    reply
}

/// Reads what `GET path` would return, all pages in one. Nothing is recorded, counted or changed.
pub(super) fn peek(shared: &Shared, path: &str) -> Result<Value, ErrorResponse> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let request = Request {
        method: "GET".to_owned(),
        path: format!("{PREFIX}{path}"),
        query: query.to_owned(),
        ..Request::default()
    };
    let unknown = || {
        let message = format!("{path:?} is not the path of a read, such as \"/agents\"");
        ErrorResponse::new(500, "not_implemented", message)
    };
    let (route, ids) = routes::find(&request, shared.options.generation).ok_or_else(unknown)?;
    let Action::Handler(handler) = route.action else {
        return Err(unknown());
    };
    let (mut query, body) = route.parse(&request, shared.options.generation)?;
    query
        .entry("limit")
        .or_insert_with(|| Value::from(i64::MAX));
    let response = handler(&mut Context {
        state: &mut shared.state(),
        options: &shared.options,
        ids,
        query,
        body,
        is_peek: true,
    })?;
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    Ok(body.get("data").cloned().unwrap_or_default())
}

/// Stores a response under the request's idempotency key, if it has one that is new.
pub(super) fn store(shared: &Shared, context: &RequestContext<'_>, response: &Response) {
    if let Ok(Some(key)) = idempotency_key(context.request) {
        let looked_up = shared
            .idempotency
            .look_up(key, context.request, context.now);
        if let Ok(Lookup::New(in_flight)) = looked_up {
            in_flight.finish(response);
        }
    }
}

/// An error in the form that the options select.
pub(super) fn error_response(shared: &Shared, error: ErrorResponse, request_id: &str) -> Response {
    error.into_response(request_id, shared.options.guide_errors)
}

fn route(
    shared: &Shared,
    context: &RequestContext<'_>,
    pause: &mut Option<Duration>,
) -> Result<Reply, ErrorResponse> {
    let request = context.request;
    let (route, ids) = routes::find(request, shared.options.generation).ok_or_else(|| {
        let message = format!("Cannot {} {}", request.method, request.path);
        ErrorResponse::new(404, "not_found", message)
    })?;
    if let Access::Key(scope) = route.access {
        shared.options.authorize(context.key, scope)?;
    }
    if let Some(retry) = context.count.as_ref().and_then(|count| count.retry) {
        shared.state().rate_limited += 1;
        return Err(context.too_fast(retry));
    }
    match route.action {
        Action::Stream => stream::open(shared, request, &ids).map(Reply::Stream),
        Action::Handler(handler) => {
            let perform = || {
                let (query, body) = route.parse(request, shared.options.generation)?;
                let run = |state: &mut State| {
                    handler(&mut Context {
                        state,
                        options: &shared.options,
                        ids,
                        query,
                        body,
                        is_peek: request.method == "HEAD",
                    })
                };
                // A read does not wake threads that wait for a change.
                if request.is_read() {
                    run(&mut shared.state())
                } else {
                    shared.change(run)
                }
            };
            once(shared, context, perform, pause).map(Reply::Response)
        }
    }
}

/// Performs an operation. A write with an `Idempotency-Key` is performed once; a repeat gets the
/// first result.
fn once(
    shared: &Shared,
    context: &RequestContext<'_>,
    perform: impl FnOnce() -> HandlerResult,
    pause: &mut Option<Duration>,
) -> HandlerResult {
    let request = context.request;
    let Some(key) = idempotency_key(request)? else {
        return perform();
    };
    match shared.idempotency.look_up(key, request, context.now)? {
        Lookup::Replay(response) => Ok(response),
        Lookup::New(in_flight) => {
            let result = perform();
            if shared.options.idempotency.conflicts {
                shared.stop.sleep(pause.take().unwrap_or_default());
            }
            let stores_all = shared.options.stored_validation_errors;
            let response = match result {
                // Nothing was done: with a corrected body the key may be used again.
                Err(error) if error.is_validation() && !stores_all => return Err(error),
                Err(error) => error_response(shared, error, &context.request_id),
                Ok(response) => response,
            };
            in_flight.finish(&response);
            Ok(response)
        }
    }
}

/// The key of a write, if it has one.
fn idempotency_key(request: &Request) -> Result<Option<&str>, ErrorResponse> {
    let key = request.header("idempotency-key");
    let key = key.filter(|key| !key.is_empty() && !request.is_read());
    if key.is_some_and(|key| key.chars().count() > MAX_KEY) {
        let message = format!("Idempotency-Key must be at most {MAX_KEY} characters.");
        return Err(ErrorResponse::bad_request(message));
    }
    Ok(key)
}

impl RequestContext<'_> {
    /// The headers of every response.
    pub(super) fn headers(&self) -> Vec<(String, String)> {
        let mut headers = vec![
            ("Date".to_owned(), http_date(self.now)),
            ("X-Request-Id".to_owned(), self.request_id.clone()),
        ];
        // Without a limit these headers would make a careful client wait for nothing.
        if let Some(count) = &self.count {
            // Rounded up, so that the limiter has room at the second that it names.
            let reset = count.reset.saturating_add(999).div_euclid(1000);
            for (name, value) in [
                ("X-RateLimit-Limit", count.limit.to_string()),
                ("X-RateLimit-Remaining", count.remaining.to_string()),
                ("X-RateLimit-Reset", reset.to_string()),
            ] {
                headers.push((name.to_owned(), value));
            }
        }
        headers
    }

    fn too_fast(&self, retry: Millis) -> ErrorResponse {
        let wait = u64::try_from(retry.saturating_sub(self.now))
            .unwrap_or_default()
            .div_ceil(1000);
        let message = "Rate limit exceeded. Please slow down.";
        ErrorResponse {
            retry_after: Some(wait.max(1)),
            ..ErrorResponse::new(429, "rate_limited", message)
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
