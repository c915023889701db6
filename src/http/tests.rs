//! The retry loop by a clock of its own: no wait here takes any time.

#[path = "../../tests/support/mod.rs"]
pub(crate) mod support;

use std::sync::Mutex;

use support::{Connection, Server};

use std::time::Instant;

use ureq::http::Method;

use super::path::Path;
use super::*;
use crate::client::{Client, ClientBuilder};

/// Time passes when the loop waits, and when a server says so.
struct FakeClock {
    start: Instant,
    passed: Mutex<Duration>,
    waits: Mutex<Vec<Duration>>,
}

impl FakeClock {
    fn pass(&self, time: Duration) {
        *self.passed.lock().unwrap() += time;
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Instant {
        self.start + *self.passed.lock().unwrap()
    }

    fn wait(&self, wait: Duration, cancel: &Cancel) -> bool {
        self.waits.lock().unwrap().push(wait);
        self.pass(wait);
        !cancel.is_cancelled()
    }
}

/// The options of a call.
#[derive(Clone, Default)]
struct Options {
    deadline: Option<Duration>,
    max_retries: Option<u32>,
    max_retry_wait: Option<Duration>,
}

impl Options {
    fn apply(&self, operation: &mut Operation) {
        operation.deadline = self.deadline;
        operation.max_retries = self.max_retries;
        operation.max_retry_wait = self.max_retry_wait;
    }
}

/// What one call did.
struct Outcome {
    result: Result<Response, Error>,
    waits: Vec<Duration>,
    requests: Vec<support::Request>,
}

impl Outcome {
    #[track_caller]
    fn error(&self) -> &Error {
        self.result.as_ref().err().expect("a failure")
    }

    #[track_caller]
    fn response(&self) -> &Response {
        self.result.as_ref().expect("a success")
    }
}

fn clock() -> Arc<FakeClock> {
    Arc::new(FakeClock {
        start: Instant::now(),
        passed: Mutex::default(),
        waits: Mutex::default(),
    })
}

/// Sends a call to a server that responses with each of these in turn, and with the last for ever.
fn call(
    method: Method,
    responses: &'static [&'static str],
    options: Options,
    cancel: Option<&Cancel>,
) -> Outcome {
    let clock = clock();
    let server = Server::responding(move |connection, _, number| {
        respond_with(connection, responses[number.min(responses.len() - 1)]);
    });
    run(&server, clock, method, options, cancel)
}

fn run(
    server: &Server,
    clock: Arc<FakeClock>,
    method: Method,
    options: Options,
    cancel: Option<&Cancel>,
) -> Outcome {
    let client = Client::builder("sk_canary").base_url(server.url());
    run_on(client, server, clock, method, options, cancel)
}

/// A client's way to its server, by this clock.
fn http(client: ClientBuilder, clock: Arc<FakeClock>) -> Http {
    let http = client.build().unwrap().http().clone();
    let mut http = Arc::into_inner(http).expect("the only owner");
    http.clock = clock;
    http
}

fn run_on(
    client: ClientBuilder,
    server: &Server,
    clock: Arc<FakeClock>,
    method: Method,
    options: Options,
    cancel: Option<&Cancel>,
) -> Outcome {
    let http = http(client, clock.clone());
    let mut call = Operation::new(method, Path::new("agents"));
    options.apply(&mut call);
    if call.is_write() {
        call.body = Some(b"{}".to_vec());
    }
    let result = match cancel {
        Some(cancel) => http.execute_on(&http.agent, &call, cancel),
        None => http.execute(&call),
    };
    let waits = clock.waits.lock().unwrap().clone();
    Outcome {
        result,
        waits,
        requests: server.requests(),
    }
}

/// `503`, `503 Retry-After: 3|Date: …`, `ok`, or `cut`.
fn respond_with(connection: &mut Connection, response: &str) {
    match response.split_once(' ').unwrap_or((response, "")) {
        ("ok", _) => connection.data("1"),
        ("cut", _) => {
            let head =
                "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{\"data\":";
            let done = connection.raw(head);
            connection.shut();
            done
        }
        (status, headers) => {
            let headers: Vec<&str> = headers.split('|').filter(|line| !line.is_empty()).collect();
            connection.respond(status.parse().unwrap(), &headers, "{}")
        }
    };
}

const SECOND: Duration = Duration::from_secs(1);

fn seconds(waits: &[Duration]) -> Vec<f64> {
    waits.iter().map(Duration::as_secs_f64).collect()
}

#[test]
fn a_failure_that_may_pass_is_tried_again_twice() {
    for status in ["408", "429", "500", "502", "503", "504", "599"] {
        let responses: &'static [&'static str] = Vec::leak(vec![status]);
        let outcome = call(Method::GET, responses, Options::default(), None);
        assert_eq!(outcome.error().attempts(), 3, "{status}");
        assert_eq!(outcome.requests.len(), 3, "{status}");
        let waits = seconds(&outcome.waits);
        assert!((0.249..=0.501).contains(&waits[0]), "{waits:?}");
        assert!((0.499..=1.001).contains(&waits[1]), "{waits:?}");
    }
}

#[test]
fn a_permanent_failure_is_not_retried() {
    for status in [
        "301", "307", "400", "401", "403", "404", "409", "410", "422", "425", "501",
    ] {
        let responses: &'static [&'static str] = Vec::leak(vec![status]);
        let outcome = call(Method::GET, responses, Options::default(), None);
        assert_eq!(outcome.error().attempts(), 1, "{status}");
        assert_eq!(outcome.requests.len(), 1, "{status}");
    }
}

#[test]
fn a_success_after_failures_says_how_many_attempts_it_took() {
    let outcome = call(Method::GET, &["503", "cut", "ok"], Options::default(), None);
    assert_eq!(outcome.response().call.attempts, 3);
}

#[test]
fn a_409_to_a_retried_write_means_still_in_progress_and_is_retried() {
    for method in [Method::POST, Method::PATCH, Method::PUT, Method::DELETE] {
        for first in ["503", "408", "429", "cut"] {
            let responses: &'static [&'static str] = Vec::leak(vec![first, "409", "ok"]);
            let outcome = call(method.clone(), responses, Options::default(), None);
            assert_eq!(outcome.response().call.attempts, 3, "{method} {first}");
            let waits = seconds(&outcome.waits);
            assert!((0.499..=1.001).contains(&waits[1]), "{waits:?}");
            let keys = outcome.requests.iter();
            let keys: Vec<_> = keys
                .map(|request| request.header("idempotency-key"))
                .collect();
            assert!(keys[0].is_some() && keys.iter().all(|key| *key == keys[0]));
        }
    }
    // It has the budget that other failures have, and the delay that the server asks for.
    let outcome = call(Method::POST, &["503", "409"], Options::default(), None);
    let error = outcome.error();
    assert_eq!((error.status(), error.attempts()), (Some(409), 3));
    assert!(error.is_retryable(), "{error}");
    let responses = &["503", "409 Retry-After: 7", "ok"];
    let outcome = call(Method::POST, responses, Options::default(), None);
    assert_eq!(seconds(&outcome.waits)[1], 7.0);
}

#[test]
fn any_other_409_is_not_retried() {
    // The first attempt.
    let outcome = call(Method::POST, &["409"], Options::default(), None);
    assert_eq!(outcome.error().attempts(), 1);
    assert!(!outcome.error().is_retryable());
    // A read writes nothing that could be in progress.
    let outcome = call(Method::GET, &["503", "409"], Options::default(), None);
    assert_eq!(outcome.error().attempts(), 2);
    assert!(!outcome.error().is_retryable());
    // Its code says what it is.
    let server = Server::responding(|connection, _, number| {
        let status = if number == 0 { 503 } else { 409 };
        connection.respond(status, &[], r#"{"code":"integration_limit_reached"}"#);
    });
    let outcome = run(&server, clock(), Method::POST, Options::default(), None);
    assert_eq!(outcome.error().attempts(), 2);
    assert!(!outcome.error().is_retryable());
}

#[test]
fn a_409_after_an_attempt_that_was_not_sent_is_not_retried() {
    // A proxy that closes the first connection: the request proves not to be sent.
    let server = Server::start(|mut connection| {
        let _ = connection.request();
        if connection.number > 0 {
            connection.raw("HTTP/1.1 200 OK\r\n\r\n");
            let _ = connection.request();
            connection.respond(409, &[], "{}");
        }
    });
    let client = Client::builder("sk_canary")
        .base_url("http://api.test")
        .allow_http("api.test")
        .proxy(server.url());
    let outcome = run_on(
        client,
        &server,
        clock(),
        Method::POST,
        Options::default(),
        None,
    );
    let error = outcome.error();
    assert_eq!(
        (error.status(), error.attempts()),
        (Some(409), 2),
        "{error}"
    );
    assert!(!error.is_retryable());
}

#[test]
fn a_409_after_a_dead_pooled_connection_is_retried() {
    let server = Server::start(|mut connection| {
        let _ = connection.request();
        if connection.number == 0 {
            connection.data("1");
            let _ = connection.request();
            connection.reset();
        } else {
            // The first exchange of the attempt may be in progress on the lost connection.
            connection.respond(409, &[], "{}");
            let _ = connection.request();
            connection.data("2");
        }
    });
    let http = http(Client::builder("sk_canary").base_url(server.url()), clock());
    let post = || Operation::new(Method::POST, Path::new("agents"));
    http.execute(&post()).unwrap();
    let response = http.execute(&post()).unwrap();
    assert_eq!(response.call.attempts, 2);
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn one_key_and_one_request_id_for_all_attempts_of_a_write() {
    for method in [Method::POST, Method::PATCH, Method::PUT, Method::DELETE] {
        let outcome = call(method, &["503", "cut", "ok"], Options::default(), None);
        assert_eq!(outcome.response().call.attempts, 3);
        for header in ["idempotency-key", "x-request-id"] {
            let first = outcome.requests[0].header(header).unwrap();
            assert_eq!(first.len(), 36);
            for request in &outcome.requests {
                assert_eq!(request.header(header), Some(first));
            }
        }
        let key = outcome.requests[0].header("idempotency-key");
        assert_ne!(key, outcome.requests[0].header("x-request-id"));
    }
}

#[test]
fn retry_after_is_honoured_in_all_its_forms_on_every_retryable_status() {
    const DATES: &str = "|Date: Mon, 23 Nov 2026 10:00:00 GMT";
    for status in ["408", "429", "500", "503"] {
        for (header, wait) in [
            ("12".to_owned(), 12.0),
            ("3.5".to_owned(), 3.5),
            ("60".to_owned(), 60.0),
            (" 2 ".to_owned(), 2.0),
            (format!("Mon, 23 Nov 2026 10:00:06 GMT{DATES}"), 6.0),
            (format!("Monday, 23-Nov-26 10:00:09 GMT{DATES}"), 9.0),
            (format!("Mon Nov 23 10:00:20 2026{DATES}"), 20.0),
        ] {
            let first: &'static str = format!("{status} Retry-After: {header}").leak();
            let responses: &'static [&'static str] = Vec::leak(vec![first, "ok"]);
            let outcome = call(Method::POST, responses, Options::default(), None);
            assert_eq!(outcome.response().call.attempts, 2, "{first}");
            if status == "429" {
                // The rate gate adds up to a twentieth, so that processes come apart.
                let waited: f64 = seconds(&outcome.waits).iter().sum();
                assert!((wait..=wait * 1.05).contains(&waited), "{first}: {waited}");
            } else {
                assert_eq!(seconds(&outcome.waits), [wait], "{first}");
            }
        }
    }
}

#[test]
fn a_retry_date_without_a_date_header_is_read_against_the_local_clock() {
    let until = httpdate::fmt_http_date(std::time::SystemTime::now() + 30 * SECOND);
    let first: &'static str = format!("503 Retry-After: {until}").leak();
    let responses: &'static [&'static str] = Vec::leak(vec![first, "ok"]);
    let outcome = call(Method::GET, responses, Options::default(), None);
    let waits = seconds(&outcome.waits);
    assert!((25.0..=30.0).contains(&waits[0]), "{waits:?}");
}

#[test]
fn a_retry_after_that_asks_for_nothing_means_our_own_wait() {
    for header in [
        "0",
        "0.0",
        "-1",
        "soon",
        "NaN",
        "inf",
        "1e3",
        "1.2.3",
        ".",
        "",
        "Mon, 23 Nov 2026 09:59:59 GMT|Date: Mon, 23 Nov 2026 10:00:00 GMT",
        "Mon, 23 Nov 2026 10:00:00 GMT|Date: Mon, 23 Nov 2026 10:00:00 GMT",
        "Mon, 99 Nov 2026 10:00:00 GMT",
    ] {
        let first: &'static str = format!("503 Retry-After: {header}").leak();
        let responses: &'static [&'static str] = Vec::leak(vec![first, "ok"]);
        let outcome = call(Method::GET, responses, Options::default(), None);
        let waits = seconds(&outcome.waits);
        assert!((0.249..=0.501).contains(&waits[0]), "{header}: {waits:?}");
    }
}

#[test]
fn a_wait_longer_than_allowed_fails_at_once_and_says_when_to_come_back() {
    let outcome = call(
        Method::GET,
        &["503 Retry-After: 121"],
        Options::default(),
        None,
    );
    assert_eq!(outcome.error().attempts(), 1);
    assert_eq!(outcome.error().retry_after(), Some(121 * SECOND));
    let line = outcome.error().to_string();
    assert!(line.contains("retry in 121s"), "{line}");
    assert!(outcome.waits.is_empty());

    let mut options = Options {
        max_retry_wait: Some(150 * SECOND),
        ..Options::default()
    };
    let outcome = call(
        Method::GET,
        &["503 Retry-After: 121", "ok"],
        options.clone(),
        None,
    );
    assert_eq!(seconds(&outcome.waits), [121.0]);

    // And what is longer than any wait can still be added to an `Instant`.
    options.max_retry_wait = None;
    let forever = "503 Retry-After: 99999999999999999999999999999";
    let responses: &'static [&'static str] = Vec::leak(vec![forever]);
    let outcome = call(Method::GET, responses, options, None);
    let wait = outcome.error().retry_after().unwrap();
    assert!(wait > 1_000_000_000 * SECOND && Instant::now().checked_add(wait).is_some());
}

#[test]
fn waits_for_a_rate_limit_are_not_retries() {
    let options = Options {
        max_retries: Some(0),
        ..Options::default()
    };
    let refused = "429 Retry-After: 20";
    let responses: &'static [&'static str] = Vec::leak(vec![refused, refused, refused, "ok"]);
    let outcome = call(Method::POST, responses, options.clone(), None);
    assert_eq!(outcome.response().call.attempts, 4);
    assert!(outcome.waits.iter().sum::<Duration>() >= 60 * SECOND);
    let keys: Vec<_> = outcome
        .requests
        .iter()
        .map(|it| it.header("idempotency-key"))
        .collect();
    assert!(keys.iter().all(|key| *key == keys[0]));

    // The reset counts where there is no `Retry-After`, by the server's clock.
    let reset = "429 X-RateLimit-Reset: 1000000030|Date: Sun, 09 Sep 2001 01:46:40 GMT";
    let responses: &'static [&'static str] = Vec::leak(vec![reset, "ok"]);
    let outcome = call(Method::POST, responses, options.clone(), None);
    assert_eq!(outcome.response().call.attempts, 2);
    assert!(outcome.waits.iter().sum::<Duration>() >= 30 * SECOND);

    // Without a wait that the server names, a 429 is a failure like others.
    for unnamed in [
        "429",
        "429 X-RateLimit-Reset: 5|Date: Sun, 09 Sep 2001 01:46:40 GMT",
    ] {
        let responses: &'static [&'static str] = Vec::leak(vec![unnamed]);
        let outcome = call(Method::POST, responses, options.clone(), None);
        assert_eq!(outcome.error().attempts(), 1, "{unnamed}");
    }
}

#[test]
fn the_sum_of_the_waits_that_the_server_asks_for_is_limited() {
    let outcome = call(
        Method::GET,
        &["429 Retry-After: 50"],
        Options::default(),
        None,
    );
    assert_eq!(outcome.error().status(), Some(429));
    assert_eq!(outcome.error().attempts(), 3, "0 s, 50 s, 100 s");
    let sum: Duration = outcome.waits.iter().sum();
    assert!((100 * SECOND..=105 * SECOND).contains(&sum), "{sum:?}");
}

#[test]
fn calls_of_one_client_share_what_the_server_says_about_its_rate_limit() {
    const USED_UP: &str = "X-RateLimit-Limit: 5|X-RateLimit-Remaining: 0|X-RateLimit-Reset: \
                           1000000040|Date: Sun, 09 Sep 2001 01:46:40 GMT";
    let headers: Vec<&'static str> = USED_UP.split('|').collect();
    let server = Server::responding(move |connection, _, _| {
        connection.respond(200, &headers, r#"{"data":1}"#);
    });
    for is_shared in [true, false] {
        let clock = clock();
        let client = Client::builder("sk_canary").base_url(server.url());
        let http = http(client.share_rate_limit(is_shared), clock.clone());
        let send = |deadline: Option<u64>| {
            let mut call = Operation::new(Method::POST, Path::new("agents"));
            call.deadline = deadline.map(Duration::from_secs);
            http.execute(&call)
        };
        send(None).unwrap();
        let before = server.requests().len();
        let second = send(Some(10));
        if !is_shared {
            second.unwrap();
            assert!(clock.waits.lock().unwrap().is_empty());
            continue;
        }
        let error = second.err().expect("a refusal");
        assert!(matches!(error, Error::RateLimited(_)) && error.is_rate_limited());
        assert!(!error.may_have_been_sent() && error.is_retryable());
        assert_eq!(error.attempts(), 0);
        let line = error.to_string();
        let expected = "POST /agents: not sent: the rate limit resets in 4";
        assert!(line.starts_with(expected), "{line}");
        assert!(line.contains(" s, and the deadline leaves 10 s"), "{line}");
        let wait = error.retry_after().unwrap();
        assert!((40 * SECOND..=42 * SECOND).contains(&wait), "{wait:?}");
        assert_eq!(server.requests().len(), before, "nothing was sent");
        // Without a deadline it waits.
        send(None).unwrap();
        let waited: Duration = clock.waits.lock().unwrap().iter().sum();
        assert!((40 * SECOND..=42 * SECOND).contains(&waited), "{waited:?}");
    }
}

#[test]
fn a_call_that_was_sent_fails_with_the_servers_error_and_not_with_that_of_the_gate() {
    let options = Options {
        max_retry_wait: Some(30 * SECOND),
        ..Options::default()
    };
    let outcome = call(Method::POST, &["429 Retry-After: 31"], options, None);
    assert_eq!(outcome.error().status(), Some(429));
    assert_eq!(outcome.error().attempts(), 1);
    assert!(outcome.waits.is_empty());
}

#[test]
fn a_wait_that_the_deadline_does_not_leave_fails_at_once_with_the_servers_own_error() {
    let options = Options {
        deadline: Some(5 * SECOND),
        ..Options::default()
    };
    let outcome = call(Method::GET, &["503 Retry-After: 6"], options.clone(), None);
    assert_eq!(outcome.error().status(), Some(503));
    assert_eq!(outcome.error().retry_after(), Some(6 * SECOND));
    assert!(outcome.waits.is_empty());
    // With 2 s a time it fits twice.
    let retries = Options {
        max_retries: Some(10),
        ..options
    };
    let outcome = call(Method::GET, &["503 Retry-After: 2"], retries, None);
    assert_eq!(outcome.waits.len(), 2);
    assert_eq!(outcome.error().attempts(), 3);
}

#[test]
fn the_deadline_ends_a_call_between_its_attempts() {
    let clock = clock();
    let ticking = clock.clone();
    let server = Server::responding(move |connection, _, _| {
        ticking.pass(4 * SECOND);
        connection.respond(500, &[], "{}");
    });
    let options = Options {
        deadline: Some(10 * SECOND),
        max_retries: Some(100),
        ..Options::default()
    };
    let outcome = run(&server, clock, Method::GET, options, None);
    assert!(outcome.requests.len() <= 3);
    assert_eq!(outcome.error().attempts() as usize, outcome.requests.len());
    assert_eq!(
        outcome.error().status(),
        Some(500),
        "the last response says more than the clock"
    );
}

#[test]
fn no_retries_is_one_attempt_and_a_write_has_its_key_all_the_same() {
    let options = Options {
        max_retries: Some(0),
        ..Options::default()
    };
    let outcome = call(Method::POST, &["503"], options, None);
    assert_eq!(outcome.requests.len(), 1);
    assert_eq!(
        outcome.requests[0].header("idempotency-key").unwrap().len(),
        36
    );
    assert!(outcome.waits.is_empty());
}

#[test]
fn a_truncated_body_is_retried() {
    let outcome = call(Method::POST, &["cut", "ok"], Options::default(), None);
    assert_eq!(outcome.response().call.attempts, 2);
    let outcome = call(Method::POST, &["cut"], Options::default(), None);
    assert!(
        matches!(outcome.error(), Error::Connection(_)),
        "{}",
        outcome.error()
    );
    assert_eq!(outcome.error().attempts(), 3);
    assert!(outcome.error().may_have_been_sent());
    let line = outcome.error().to_string();
    assert!(
        line.contains("ended in the middle of the response"),
        "{line}"
    );
}

#[test]
fn a_cancelled_call_is_not_retried() {
    // Cancelled while the first attempt is made.
    let server = Server::responding(|connection, _, _| {
        respond_with(connection, "503");
    });
    let client = Client::builder("sk_canary").base_url(server.url());
    let cancel = Arc::new(Cancel::default());
    let cancelling = cancel.clone();
    let client = client.on_attempt(move |_| cancelling.cancel());
    let outcome = run_on(
        client,
        &server,
        clock(),
        Method::GET,
        Options::default(),
        Some(&cancel),
    );
    assert!(matches!(outcome.error(), Error::Cancelled(_)));
    assert!(!outcome.error().is_retryable());
    assert_eq!(outcome.requests.len(), 1);
    assert_eq!(
        outcome.error().to_string(),
        format!(
            "GET /agents: cancelled (request {})",
            outcome.requests[0].header("x-request-id").unwrap()
        )
    );
    // Cancelled before it.
    let outcome = call(Method::GET, &["503"], Options::default(), Some(&cancel));
    assert!(matches!(outcome.error(), Error::Cancelled(_)));
    assert!(!outcome.error().may_have_been_sent());
    assert!(outcome.requests.is_empty() && outcome.waits.is_empty());
}

#[test]
fn a_dead_pooled_connection_costs_no_attempt_and_no_wait_even_without_retries() {
    // The server ends each connection after one response. A client notices when it writes again.
    let clock = clock();
    let server = Server::start(|mut connection| {
        if connection.number == 0 {
            let _ = connection.request();
            connection.data("1");
            let _ = connection.request();
            connection.reset();
        } else {
            while connection.request().is_some() {
                connection.data("2");
            }
        }
    });
    let client = Client::builder("sk_canary").base_url(server.url());
    let http = http(client.max_retries(0), clock.clone());
    let post = || {
        let mut post = Operation::new(Method::POST, Path::new("agents"));
        post.body = Some(b"{\"n\":1}".to_vec());
        post
    };
    assert_eq!(http.execute(&post()).unwrap().call.attempts, 1);
    let response = http.execute(&post()).unwrap();
    assert_eq!(response.call.attempts, 1);
    let requests = server.requests();
    assert_eq!(requests.len(), 3, "the second call went out twice");
    for header in ["idempotency-key", "x-request-id"] {
        assert_eq!(requests[1].header(header), requests[2].header(header));
        assert_ne!(requests[0].header(header), requests[1].header(header));
    }
    assert_eq!(requests[1].body, requests[2].body);
    assert!(clock.waits.lock().unwrap().is_empty());
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_fresh_connection_that_dies_is_an_attempt_like_any_other() {
    let clock = clock();
    let server = Server::start(|mut connection| {
        let _ = connection.request();
        connection.reset();
    });
    let outcome = run(&server, clock, Method::POST, Options::default(), None);
    assert_eq!(outcome.error().attempts(), 3);
    assert_eq!(outcome.requests.len(), 3);
    assert_eq!(outcome.waits.len(), 2);
}
