//! `Client::shutdown` ends calls, waits and iterations, from any thread.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bimpeai::agents::CreateAgent;
use bimpeai::{Client, Error};
use support::{PATIENCE, Server};

/// A server that accepts requests and responds to none.
fn silent() -> Server {
    Server::start(|mut connection| while connection.request().is_some() {})
}

/// Runs `work` on a thread, shuts the client down once `ready` holds, and returns its result.
#[track_caller]
fn shut_down<T: Send + 'static>(
    client: &Client,
    work: impl FnOnce(Client) -> T + Send + 'static,
    ready: impl Fn() -> bool,
) -> T {
    let (sender, receiver) = mpsc::channel();
    let (working, done) = (client.clone(), sender);
    thread::spawn(move || done.send(work(working)));
    support::eventually("the thread is at work", ready);
    let started = Instant::now();
    client.shutdown();
    let result = receiver.recv_timeout(PATIENCE).expect("it ends");
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    result
}

fn is_cancelled<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Cancelled(_)))
}

#[test]
fn a_call_that_waits_for_its_response_is_cancelled() {
    let server = silent();
    let client = server.client();
    let call = |client: Client| client.agents().create(CreateAgent::new("n")).send();
    let result = shut_down(&client, call, || server.requests().len() == 1);
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Cancelled(_)), "{error}");
    assert!(error.may_have_been_sent());
    assert_eq!(error.attempts(), 1);
    assert!(!error.is_retryable());
    assert!(
        error.to_string().starts_with("POST /agents: cancelled"),
        "{error}"
    );
    support::eventually("no socket remains", || server.open_connections() == 0);
}

#[test]
fn a_wait_before_a_retry_is_cancelled() {
    let server = Server::responding(|connection, _, _| {
        connection.respond(503, &["Retry-After: 50"], "{}");
    });
    let client = server.client();
    let call = |client: Client| client.agents().retrieve("a").send();
    let result = shut_down(&client, call, || server.requests().len() == 1);
    assert!(is_cancelled(&result), "{result:?}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_body_that_trickles_is_cancelled() {
    let started = Arc::new(AtomicBool::new(false));
    let trickling = started.clone();
    let server = Server::start(move |mut connection| {
        if connection.request().is_some() {
            connection.raw("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{");
            trickling.store(true, Ordering::SeqCst);
            while connection.raw(" ") {
                thread::sleep(Duration::from_millis(5));
            }
        }
    });
    let client = server.client();
    let call = |client: Client| client.agents().retrieve("a").send();
    let result = shut_down(&client, call, || started.load(Ordering::SeqCst));
    assert!(is_cancelled(&result), "{result:?}");
}

#[test]
fn an_iteration_is_cancelled_with_and_without_prefetch() {
    for prefetch in [false, true] {
        let server = Server::start(|mut connection| {
            while let Some(request) = connection.request() {
                if request.query("page") != Some("1") {
                    let _ = connection.request();
                    return;
                }
                let meta = r#"{"current_page":1,"has_next_page":true}"#;
                connection.respond(
                    200,
                    &[],
                    format!(r#"{{"data":[{{"id":"a"}}],"meta":{meta}}}"#),
                );
            }
        });
        let client = server.client();
        let iterate = move |client: Client| {
            let list = client.agents().list();
            let list = if prefetch { list.prefetch() } else { list };
            list.into_iter().collect::<Vec<_>>()
        };
        let items = shut_down(&client, iterate, || server.requests().len() == 2);
        assert_eq!(items.len(), 2);
        assert!(items[0].is_ok() && is_cancelled(&items[1]), "{items:?}");
        support::eventually("no socket remains", || server.open_connections() == 0);
    }
}

#[test]
fn later_calls_fail_at_once_and_send_nothing() {
    let server = silent();
    let client = server.client();
    let request = client.agents().retrieve("a");
    let other = client.clone();
    assert!(!client.is_shut_down());
    other.shutdown();
    other.shutdown();
    assert!(client.is_shut_down());
    assert!(is_cancelled(&request.send()));
    assert!(is_cancelled(&client.agents().list().send()));
    assert!(is_cancelled(
        &client.agents().list().into_iter().next().unwrap()
    ));
    let ahead = client.agents().list().prefetch();
    assert!(is_cancelled(&ahead.into_iter().next().unwrap()));
    assert!(server.requests().is_empty() && server.connections() == 0);
    // Another client is not affected.
    let server = Server::responding(|connection, _, _| {
        connection.data(r#"{"id":"a"}"#);
    });
    server.client().agents().retrieve("a").send().unwrap();
}

#[test]
fn a_stream_yields_one_error_and_ends() {
    let server = Server::streaming(|connection, _, _| {
        connection.event_stream();
        connection.raw(support::message("m1", "Hello"));
        let _ = connection.request();
    });
    let client = server.client();
    let messages = client.conversations().messages();
    let mut stream = messages.stream("a", "c").open().unwrap();
    assert_eq!(stream.next().unwrap().unwrap().id, "m1");
    let follow = move |_: Client| {
        let rest = [stream.next(), stream.next(), stream.next()];
        (rest, stream.recv_timeout(PATIENCE))
    };
    let (rest, later) = shut_down(&client, follow, || true);
    let [error, None, None] = rest else {
        panic!("{rest:?}")
    };
    assert!(is_cancelled(&error.unwrap()));
    assert!(matches!(later, Ok(bimpeai::stream::Received::Ended)));
    support::eventually("no socket remains", || server.open_connections() == 0);
    // A stream that is opened later, in each way.
    assert!(is_cancelled(&messages.stream("a", "c").open()));
    let mut late = messages.stream("a", "c").into_iter();
    assert!(is_cancelled(&late.next().unwrap()));
    assert!(late.next().is_none());
    let mut lifecycle = messages.stream("a", "c").lifecycle();
    assert!(is_cancelled(&lifecycle.next().unwrap()));
    assert!(lifecycle.next().is_none());
}

#[test]
fn a_stream_that_waits_to_reconnect_is_ended() {
    let server = Server::responding(|connection, _, _| {
        connection.respond(503, &["Retry-After: 50"], "{}");
    });
    let client = server.client();
    let follow = |client: Client| {
        let stream = client.conversations().messages().stream("a", "c");
        stream.into_iter().collect::<Vec<_>>()
    };
    let items = shut_down(&client, follow, || server.requests().len() == 1);
    assert!(items.len() == 1 && is_cancelled(&items[0]), "{items:?}");
}

#[test]
fn shutdown_cancels_64_threads_in_all_states() {
    let server = Server::responding(|connection, request, _| {
        if request.path().ends_with("/wait") {
            connection.respond(503, &["Retry-After: 50"], "{}");
        } else {
            let _ = connection.request();
        }
    });
    let client = server.client();
    let ended = Arc::new(Mutex::new(Vec::new()));
    let threads: Vec<_> = (0..64)
        .map(|n| {
            let (client, ended) = (client.clone(), ended.clone());
            thread::spawn(move || {
                let id = if n % 2 == 0 { "wait" } else { "hang" };
                let result = client.agents().retrieve(id).send();
                ended.lock().unwrap().push(Instant::now());
                result
            })
        })
        .collect();
    support::eventually("all are at work", || server.requests().len() == 64);
    let started = Instant::now();
    client.shutdown();
    for thread in threads {
        let result = thread.join().unwrap();
        assert!(is_cancelled(&result), "{result:?}");
    }
    let last = ended.lock().unwrap().iter().max().copied().unwrap();
    println!("64 threads ended within {:?}", last - started);
    support::eventually("no socket remains", || server.open_connections() == 0);
}

#[test]
fn a_shutdown_during_a_call_never_hangs() {
    // Whatever the moment: the call succeeds or is cancelled, and does not hang.
    let server = Server::responding(|connection, _, _| {
        connection.data(r#"{"id":"a"}"#);
    });
    for round in 0..200_u32 {
        let client = server.client();
        let calling = client.clone();
        let thread = thread::spawn(move || calling.agents().retrieve("a").send());
        for _ in 0..round * 20 {
            std::hint::spin_loop();
        }
        client.shutdown();
        match thread.join().unwrap() {
            Ok(_) | Err(Error::Cancelled(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn every_attempt_is_reported_with_its_wait() {
    let server = Server::responding(|connection, _, number| {
        match number {
            0 => connection.respond(429, &["Retry-After: 0", "Connection: close"], "{}"),
            1 => {
                connection.shut();
                false
            }
            _ => connection.data(r#"{"id":"a"}"#),
        };
    });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let client = server.builder().on_attempt(move |attempt| {
        log.lock().unwrap().push((
            attempt.number(),
            attempt.status(),
            attempt.error().is_some(),
            attempt.next_wait(),
            attempt.operation().to_owned(),
        ));
    });
    client
        .build()
        .unwrap()
        .agents()
        .retrieve("a")
        .send()
        .unwrap();
    let operation = || "GET /agents/a".to_owned();
    let seen = seen.lock().unwrap();
    let waits = [seen[0].3, seen[1].3];
    assert_eq!(
        *seen,
        [
            (1, Some(429), true, waits[0], operation()),
            (2, None, true, waits[1], operation()),
            (3, Some(200), false, None, operation()),
        ]
    );
    for (wait, most) in waits.into_iter().zip([500, 1000]) {
        let wait = wait.unwrap().as_millis();
        assert!((most / 2..=most).contains(&wait), "{wait} ms of {most}");
    }
}

#[test]
fn the_clients_deadline_is_the_default_of_every_call() {
    let server = silent();
    let short = Duration::from_millis(150);
    let client = server.builder().deadline(short).build().unwrap();
    let error = client.agents().retrieve("a").send().unwrap_err();
    assert!(error.to_string().contains("deadline of 150ms"), "{error}");
    let error = client.agents().list().send().unwrap_err();
    assert!(error.to_string().contains("deadline of 150ms"), "{error}");
    let own = client
        .agents()
        .retrieve("a")
        .deadline(Duration::from_millis(50));
    assert!(
        own.send()
            .unwrap_err()
            .to_string()
            .contains("deadline of 50ms")
    );
}
