//! Delays between connections, and streams that do not reconnect.

use super::*;

#[test]
fn waits_start_at_250_ms_and_double_until_a_connection_lives_for_a_while() {
    let server = Server::streaming(|connection, _, number| match number {
        1 => brings(connection, heartbeat(1, 1)),
        2 => brings(connection, message("m1", "x")),
        _ => brings(connection, ""),
    });
    let waits = waits(request(&server), 3);
    for (wait, times) in waits.iter().zip([1, 2, 4]) {
        let range = times * FIRST_WAIT.start..times * FIRST_WAIT.end;
        assert!(range.contains(wait), "{waits:?}");
    }
}

#[test]
fn retry_replaces_the_base_of_the_waits_at_once() {
    let server = Server::streaming(|connection, _, number| match number {
        0 => brings(connection, "retry: 1\n\n"),
        1 => brings(connection, ""),
        2 => brings(connection, "retry: 20\n\n"),
        _ => brings(connection, "retry: 4000\n\n"),
    });
    let waits = waits(request(&server), 4);
    let milliseconds = |range: std::ops::Range<u64>| {
        Duration::from_millis(range.start)..Duration::from_millis(range.end)
    };
    assert!(milliseconds(1..3).contains(&waits[0]), "{waits:?}");
    assert!(milliseconds(2..5).contains(&waits[1]), "{waits:?}");
    assert!(milliseconds(20..41).contains(&waits[2]), "{waits:?}");
    assert!(milliseconds(4000..8001).contains(&waits[3]), "{waits:?}");
}

#[test]
fn the_retry_field_is_limited_to_a_millisecond_up_to_a_minute() {
    for (retry, range) in [("0", 1..3), ("99999999999999999999", 60_000..120_001)] {
        let server = Server::streaming(move |connection, _, _| {
            brings(connection, format!("retry: {retry}\n\n"));
        });
        let wait = waits(request(&server), 1)[0];
        let range = Duration::from_millis(range.start)..Duration::from_millis(range.end);
        assert!(range.contains(&wait), "{retry}: {wait:?}");
    }
}

#[test]
fn retry_after_is_honoured_in_full() {
    for (status, header, least) in [
        (429, "Retry-After: 1", 1000),
        (503, "Retry-After: 0.7", 700),
    ] {
        let server = Server::responding(move |connection, request, number| {
            if number == 0 {
                assert!(request.path().ends_with("/stream-ticket"));
                connection.respond(status, &[header], api_error("rate_limited"));
            } else if request.path().ends_with("/stream-ticket") {
                connection.ticket("t");
            } else {
                stays(connection, message("m1", "x"));
            }
        });
        let started = Instant::now();
        assert_eq!(ids(&mut open(&server)), ["m1"]);
        assert!(
            started.elapsed() >= Duration::from_millis(least),
            "{:?}",
            started.elapsed()
        );
        assert_eq!(server.tickets().len(), 2);
    }
}

#[test]
fn a_retry_after_that_is_too_long_ends_the_stream_with_its_error() {
    let server = Server::responding(|connection, _, _| {
        connection.respond(429, &["Retry-After: 121"], api_error("rate_limited"));
    });
    let error = request(&server).open().unwrap_err();
    assert_eq!(error.status(), Some(429));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(121)));
    assert_eq!(server.requests().len(), 1);

    let server = Server::streaming(|connection, _, _| {
        connection.respond(503, &["Retry-After: 2"], "");
    });
    let client = server.builder().max_retry_wait(Duration::from_secs(1));
    let error = request_of(client).open().unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
    assert_eq!(server.streams().len(), 1);
}

#[test]
fn without_reconnect_any_end_of_the_body_is_the_end() {
    let server = Server::start(|mut connection| {
        let number = connection.number;
        connection.request();
        connection.ticket("t");
        connection.request_unread();
        brings(&mut connection, message("m1", "x"));
        match number {
            0 => connection.close(),
            1 => connection.reset(),
            // Says nothing any more.
            _ => {
                connection.closed_by_client();
            }
        }
    });
    for _ in 0..3 {
        let request = request(&server)
            .reconnect(false)
            .idle_timeout(Duration::from_millis(200));
        let mut stream = request.open().unwrap();
        assert_eq!(ids(&mut stream), ["m1"]);
        assert_ended(&mut stream);
    }
    assert_eq!(server.streams().len(), 3);
}

#[test]
fn without_reconnect_a_failed_opening_is_not_repeated() {
    let server = refusing(503, "internal_error");
    let mut stream = request(&server).reconnect(false).into_iter();
    assert_eq!(end(&mut stream).status(), Some(503));
    assert_eq!(server.requests().len(), 2);
    let server = Server::start(|mut connection| {
        connection.request();
    });
    let error = request(&server).reconnect(false).open().unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
    assert_eq!(server.requests().len(), 1);
}
