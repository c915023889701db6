//! Lists, streams and threads that wait for a rate limit, on real sockets.

mod support;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bimpeai::agents::CreateAgent;
use bimpeai::emulator::{Emulator, EmulatorBuilder};
use bimpeai::{Client, Error};
use support::{Connection, PATIENCE, Server};

const SECOND: Duration = Duration::from_secs(1);

/// The headers of a response that nothing remains, for this many seconds.
fn used_up(seconds: u64) -> [String; 2] {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    [
        "X-RateLimit-Remaining: 0".to_owned(),
        format!("X-RateLimit-Reset: {}", now.as_secs() + 1 + seconds),
    ]
}

fn respond(connection: &mut Connection, status: u16, headers: &[String], body: &str) -> bool {
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    connection.respond(status, &headers, body)
}

/// Five creates on each of eight threads. Returns how many succeeded, and how many were refused.
fn create_on_eight_threads(limited: EmulatorBuilder) -> (usize, u64) {
    let quiet = limited.customer_writes(false).first_conversation(false);
    let emulator = quiet.start().unwrap();
    let client = emulator.client_builder().build().unwrap();
    let created = Mutex::new(0);
    thread::scope(|scope| {
        for thread in 0..8 {
            let (client, created) = (client.clone(), &created);
            scope.spawn(move || {
                for row in 0..5 {
                    let agent = CreateAgent::new(format!("{thread}-{row}"));
                    match client.agents().create(agent).send() {
                        Ok(_) => *created.lock().unwrap() += 1,
                        Err(error) => println!("{error}"),
                    }
                }
            });
        }
    });
    let refused = emulator.rate_limited_requests();
    (created.into_inner().unwrap(), refused)
}

#[test]
fn eight_threads_on_five_requests_a_second_all_succeed() {
    let limiters = [
        ("fixed", Emulator::builder().rate_limit(5, SECOND)),
        ("bucket", Emulator::builder().token_bucket(5, SECOND, 5)),
        ("sliding", Emulator::builder().sliding_log(5, SECOND)),
    ];
    thread::scope(|scope| {
        for (name, limiter) in limiters {
            scope.spawn(move || {
                let (created, refused) = create_on_eight_threads(limiter);
                println!("{name}: {created} of 40 created, {refused} refused");
                assert_eq!(created, 40, "{name}");
                assert!(refused <= 40, "{name}: {refused}");
            });
        }
    });
}

/// A server with pages of one item, the first of which says that nothing remains.
fn two_pages(times: Arc<Mutex<Vec<Instant>>>, seconds: u64) -> Server {
    Server::responding(move |connection, request, _| {
        times.lock().unwrap().push(Instant::now());
        let is_first = request.query("page") == Some("1");
        let meta = format!(r#"{{"current_page":1,"has_next_page":{is_first}}}"#);
        let body = format!(r#"{{"data":[{{"id":"{is_first}"}}],"meta":{meta}}}"#);
        let headers = if is_first { &used_up(seconds)[..] } else { &[] };
        respond(connection, 200, headers, &body);
    })
}

#[test]
fn a_page_that_is_fetched_ahead_waits_for_the_reset() {
    let times = Arc::default();
    let server = two_pages(Arc::clone(&times), 0);
    let client = server.client();
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let items: Result<Vec<_>, Error> = client.agents().list().prefetch().into_iter().collect();
    assert_eq!(items.unwrap().len(), 2);
    let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(after.as_secs() > before.as_secs(), "{before:?} {after:?}");
    assert_eq!(times.lock().unwrap().len(), 2);
}

#[test]
fn a_wait_at_the_gate_is_cancelled_with_and_without_prefetch() {
    for is_ahead in [false, true] {
        let server = two_pages(Arc::default(), 50);
        let client = server.client();
        let iterating = client.clone();
        let thread = thread::spawn(move || {
            let list = iterating.agents().list();
            let list = if is_ahead { list.prefetch() } else { list };
            list.into_iter().collect::<Vec<_>>()
        });
        support::eventually("the first page", || client.rate_limit().is_some());
        let started = Instant::now();
        client.shutdown();
        let items = thread.join().unwrap();
        assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
        assert!(items[0].is_ok(), "{items:?}");
        assert!(matches!(items[1], Err(Error::Cancelled(_))), "{items:?}");
        assert_eq!(server.requests().len(), 1);
    }
}

/// The first call is refused for a second. Streams have one message, and say that nothing remains.
fn refusing_first() -> Server {
    Server::start(|mut connection| {
        while let Some(request) = connection.request() {
            if request.path().ends_with("/agents/first") {
                connection.respond(429, &["Retry-After: 1"], "{}");
            } else if request.path().ends_with("/stream-ticket") {
                connection.ticket("ticket");
            } else if request.path().ends_with("/stream") {
                let [remaining, reset] = used_up(50);
                connection.raw(format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{remaining}\r\n{reset}\r\n\r\n"
                ));
                connection.raw(support::message("m1", "Hello"));
                connection.closed_by_client();
                return;
            } else {
                connection.data(r#"{"id":"a"}"#);
            }
        }
    })
}

fn refuse_first(client: &Client) -> Instant {
    let first = client.agents().retrieve("first");
    let error = first.max_retry_wait(Duration::ZERO).send().unwrap_err();
    assert_eq!(error.status(), Some(429));
    Instant::now()
}

#[test]
fn the_ticket_of_a_stream_waits_for_the_gate() {
    for is_shared in [true, false] {
        let server = refusing_first();
        let client = server.builder().share_rate_limit(is_shared);
        let client = client.build().unwrap();
        let refused = refuse_first(&client);
        let messages = client.conversations().messages();
        let mut stream = messages.stream("a", "c").into_iter();
        assert_eq!(stream.next().unwrap().unwrap().id, "m1");
        let waited = refused.elapsed();
        // The refusal was a moment before.
        let has_waited = waited > SECOND - Duration::from_millis(100);
        assert_eq!(has_waited, is_shared, "{waited:?}");
    }
}

#[test]
fn the_response_of_a_stream_does_not_close_the_gate() {
    let server = refusing_first();
    let client = server.client();
    let messages = client.conversations().messages();
    let mut stream = messages.stream("a", "c").into_iter();
    assert_eq!(stream.next().unwrap().unwrap().id, "m1");
    let call = client.agents().retrieve("b").deadline(10 * SECOND);
    call.send().unwrap();
    assert_eq!(client.rate_limit(), None);
}
