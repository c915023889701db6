//! What the server says about its rate limit, shared by all that a client does.

use std::time::{Duration, Instant};

use bimpeai::agents::CreateAgent;
use bimpeai::emulator::{Emulator, EmulatorBuilder};
use bimpeai::{Client, Error};

const SECOND: Duration = Duration::from_secs(1);

fn start(limit: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder) -> Emulator {
    limit(Emulator::builder()).start().expect("an emulator")
}

/// Creates `each` agents on each of eight threads. Returns how many creates failed.
fn create(client: &Client, each: usize) -> usize {
    let create = |thread: usize| {
        let names = (0..each).map(move |number| format!("agent {thread}-{number}"));
        let agents = names.map(|name| client.agents().create(CreateAgent::new(name)).send());
        agents.filter(Result::is_err).count()
    };
    let create = &create;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|it| scope.spawn(move || create(it))).collect();
        threads.into_iter().map(|it| it.join().unwrap()).sum()
    })
}

#[test]
fn eight_threads_on_a_limit_of_five_a_second_lose_nothing() {
    let emulator = start(|it| it.rate_limit(5, SECOND));
    let client = emulator.client_builder().build().unwrap();
    assert_eq!(create(&client, 5), 0);
    let list: Vec<_> = client.agents().list().limit(100).all().unwrap();
    assert_eq!(list.len(), 40);
    let refused = emulator.rate_limited_requests();
    assert!(refused <= 20, "{refused} refusals for 40 creates");
}

#[test]
fn clones_know_the_rate_limit_and_another_client_does_not() {
    let emulator = start(|it| it.rate_limit(5, 60 * SECOND));
    let client = emulator.client_builder().build().unwrap();
    assert!(client.rate_limit().is_none(), "no response yet");
    client.agents().list().send().unwrap();
    let limit = client.clone().rate_limit().expect("a rate limit");
    assert_eq!((limit.limit, limit.remaining), (Some(5), Some(4)));
    let resets = limit.resets_in().expect("a reset");
    assert!(resets > 50 * SECOND && resets <= 61 * SECOND, "{resets:?}");
    let other = emulator.client_builder().share_rate_limit(false);
    let other = other.build().unwrap();
    other.agents().list().send().unwrap();
    assert!(other.rate_limit().is_none());
}

#[test]
fn a_server_without_rate_headers_is_not_waited_for() {
    let emulator = start(|it| it);
    let client = emulator.client_builder().build().unwrap();
    assert_eq!(create(&client, 50), 0);
    assert!(client.rate_limit().is_none());
}

/// A client for which nothing remains for a minute.
fn used_up(emulator: &Emulator) -> Client {
    let client = emulator.client_builder().build().unwrap();
    client.agents().list().send().unwrap();
    let limit = client.rate_limit().expect("a rate limit");
    assert_eq!(limit.remaining, Some(0));
    client
}

#[test]
fn a_call_that_cannot_be_sent_in_time_fails_at_once_and_sends_nothing() {
    let emulator = start(|it| it.rate_limit(1, 60 * SECOND));
    let client = used_up(&emulator);
    let before = emulator.requests().len();
    let started = Instant::now();
    for request in [
        client.agents().list().deadline(10 * SECOND),
        client.agents().list().max_retry_wait(10 * SECOND),
    ] {
        let error = request.send().unwrap_err();
        assert!(matches!(error, Error::RateLimited(_)), "{error}");
        assert!(error.is_rate_limited() && error.is_retryable() && !error.is_timeout());
        assert!(!error.may_have_been_sent());
        assert!(error.retry_after().expect("a wait") > 50 * SECOND);
        let line = error.to_string();
        assert!(
            line.starts_with("GET /agents: not sent: the rate limit resets in "),
            "{line}"
        );
    }
    assert_eq!(emulator.requests().len(), before);
    assert!(started.elapsed() < 5 * SECOND);
}

#[test]
fn shutdown_ends_the_wait_for_a_rate_limit() {
    let emulator = start(|it| it.rate_limit(1, 60 * SECOND));
    let client = used_up(&emulator);
    let ended = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| client.agents().list().send().unwrap_err()))
            .collect();
        let prefetch = scope.spawn(|| {
            let mut agents = client.agents().list().prefetch().into_iter();
            agents.next().expect("an error").unwrap_err()
        });
        let stream = scope.spawn(|| {
            let mut stream = client
                .conversations()
                .messages()
                .stream("a", "c")
                .into_iter();
            stream.next().expect("an error").unwrap_err()
        });
        // Whether they wait already or not makes no difference.
        client.shutdown();
        let mut ended: Vec<Error> = calls.into_iter().map(|it| it.join().unwrap()).collect();
        ended.push(prefetch.join().unwrap());
        ended.push(stream.join().unwrap());
        ended
    });
    assert!(ended.iter().all(Error::is_cancelled), "{ended:?}");
    assert_eq!(emulator.requests().len(), 1);
}

#[test]
fn streams_wait_for_the_rate_limit_before_they_open() {
    let emulator = start(|it| it.rate_limit(2, 2 * SECOND));
    let client = emulator.client_builder().build().unwrap();
    let agent = client
        .agents()
        .create(CreateAgent::new("Ada"))
        .send()
        .unwrap();
    let conversation = emulator.add_conversation(&agent.id, "webchat");
    client.agents().list().send().unwrap();
    let messages = client.conversations().messages();
    let stream = messages.stream(&agent.id, &conversation).open().unwrap();
    assert_eq!(emulator.rate_limited_requests(), 0);
    drop(stream);
}

#[test]
fn requests_per_minute_paces_calls_and_is_checked() {
    let emulator = start(|it| it);
    let builder = emulator.client_builder().requests_per_minute(1200);
    let client = builder.build().unwrap();
    let started = Instant::now();
    for _ in 0..12 {
        client.agents().list().send().unwrap();
    }
    // One every 50 ms, after the first.
    assert!(started.elapsed() >= Duration::from_millis(500));
    let refused = |builder: bimpeai::ClientBuilder| builder.build().unwrap_err().to_string();
    let line = refused(emulator.client_builder().requests_per_minute(0));
    assert_eq!(line, "requests_per_minute must not be zero");
    let builder = emulator.client_builder().requests_per_minute(10);
    let line = refused(builder.share_rate_limit(false));
    assert!(
        line.starts_with("requests_per_minute needs share_rate_limit"),
        "{line}"
    );
}
