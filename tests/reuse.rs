//! Reuse of connections: after a connection died silently, other dead ones are not tried.

mod support;

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use bimpeai::{Client, ClientBuilder};
use support::Server;

const LIMIT: Duration = Duration::from_millis(300);
/// The time that a busy machine may add to a limit.
const SLACK: Duration = Duration::from_millis(1_500);

/// Each of the first connections responds once and then never again; later ones always do.
fn silent_after_one_response(dead: usize) -> Server {
    // All of them are open at once.
    let together = Arc::new(Barrier::new(dead));
    Server::start(move |mut connection| {
        let mut first = true;
        while let Some(request) = connection.request() {
            if connection.number < dead {
                if !first {
                    connection.closed_by_client();
                    return;
                }
                together.wait();
                first = false;
            }
            match request.path().ends_with("/stream-ticket") {
                true => connection.ticket("t"),
                false => connection.data(r#"{"id":"abc"}"#),
            };
        }
    })
}

/// Without the rate gate, which sends the first calls of a client one after another.
fn builder(server: &Server) -> ClientBuilder {
    server.builder().timeout(LIMIT).share_rate_limit(false)
}

/// Fills the pool with this many connections.
fn warm_up(client: &Client, connections: usize) {
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| client.agents().retrieve("a").send().unwrap());
        }
    });
}

#[test]
fn a_retry_after_a_timeout_takes_a_new_connection() {
    let server = silent_after_one_response(4);
    let client = builder(&server).build().unwrap();
    warm_up(&client, 4);
    let started = Instant::now();
    let create = bimpeai::agents::CreateAgent::new("n");
    let response = client.agents().create(create).send_with_response().unwrap();
    assert_eq!((response.attempts, &response.data.id[..]), (2, "abc"));
    assert!(started.elapsed() < LIMIT + SLACK, "{:?}", started.elapsed());
}

#[test]
fn other_calls_do_not_reuse_dead_connections() {
    let server = silent_after_one_response(4);
    let client = builder(&server).max_retries(0).build().unwrap();
    warm_up(&client, 4);
    let get = client.agents().retrieve("a");
    let error = get.send().unwrap_err();
    assert!(error.may_have_been_sent(), "{error}");
    assert_eq!(get.send().unwrap().id, "abc");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| get.send().unwrap());
        }
    });
}

#[test]
fn one_new_connection_replaces_a_silent_one_and_is_used_again() {
    let server = silent_after_one_response(1);
    let client = builder(&server).build().unwrap();
    warm_up(&client, 1);
    for _ in 0..3 {
        client.agents().retrieve("a").send().unwrap();
    }
    assert_eq!(server.connections(), 2);
}

#[test]
fn as_many_threads_as_a_large_job_has_keep_their_connections() {
    const THREADS: usize = 64;
    // No response is sent before all threads wait for one, so each has a connection of its own.
    let together = Arc::new(Barrier::new(THREADS));
    let server = Server::start(move |mut connection| {
        while connection.request().is_some() {
            together.wait();
            connection.data(r#"{"id":"abc"}"#);
        }
    });
    let client = server.client();
    for _ in 0..3 {
        warm_up(&client, THREADS);
    }
    assert_eq!(server.connections(), THREADS);
}

#[test]
fn a_url_longer_than_the_buffer_is_sent_whole_and_leaves_the_pool_as_it_was() {
    let server = Server::responding(|connection, _, _| {
        connection.data(r#"{"id":"abc"}"#);
    });
    let client = server.client();
    let agents = client.agents();
    let id = "a".repeat(60_000);
    agents.retrieve("a").send().unwrap();
    agents.retrieve(&id).send().unwrap();
    agents.retrieve("a").send().unwrap();
    let requests = server.requests();
    assert!(requests[1].path().ends_with(&id));
    assert_eq!(requests.len(), 3);
    // The pool's connection, and one for the long request.
    assert_eq!(server.connections(), 2);
}
