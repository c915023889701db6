//! What ends a stream.

use super::*;

#[test]
fn the_end_of_a_stream_is_always_an_error() {
    let server = ending(AT_ONCE);
    let mut stream = request(&server).max_retries(2).open().unwrap();
    let error = end(&mut stream);
    assert!(matches!(error, Error::Connection(_)), "{error}");
    assert!(error.to_string().contains("the server ended the stream"));
    assert_eq!(error.attempts(), 3);
    assert_eq!(server.streams().len(), 3);
}

#[test]
fn a_heartbeat_or_a_message_resets_the_count_of_failures() {
    for sign in [heartbeat(1, 1), "data: {\"id\":\"m#\"}\n\n".to_owned()] {
        let server = Server::streaming(move |connection, _, number| match number {
            // Nothing, and a sign of life, by turns.
            0..20 if number % 2 == 0 => brings(connection, AT_ONCE),
            0..20 => brings(connection, sign.replace('#', &number.to_string())),
            _ => stays(connection, message("last", "x")),
        });
        let mut stream = request(&server).max_retries(1).open().unwrap();
        while next_message(&mut stream).id != "last" {}
        assert_eq!(server.streams().len(), 21);
    }
}

#[test]
fn a_duplicate_or_an_unknown_event_does_not_reset_the_count() {
    let server = ending("retry: 1\nid: m1\ndata: {\"id\":\"m1\"}\n\nevent: x\ndata: x\n\n: x\n\n");
    let mut stream = request(&server).max_retries(2).open().unwrap();
    assert_eq!(ids(&mut stream), ["m1"]);
    assert!(matches!(end(&mut stream), Error::Connection(_)));
    assert_eq!(server.streams().len(), 4, "the first brought a message");
}

#[test]
fn a_message_without_an_id_does_not_reset_the_count() {
    let server = ending("retry: 1\ndata: hello\n\n");
    let mut stream = request(&server).max_retries(2).open().unwrap();
    for _ in 0..3 {
        assert!(matches!(next_error(&mut stream), Error::SkippedMessage(_)));
    }
    assert!(matches!(end(&mut stream), Error::Connection(_)));
}

#[test]
fn a_silent_connection_is_replaced() {
    let server = Server::streaming(|connection, _, number| {
        stays(
            connection,
            format!("{AT_ONCE}{}", message(&format!("m{number}"), "x")),
        );
    });
    let request = request(&server).idle_timeout(Duration::from_millis(40));
    let mut stream = request.open().unwrap();
    assert_eq!(ids(&mut stream), ["m0", "m1", "m2"]);
}

#[test]
fn a_server_that_stays_silent_ends_the_stream_with_a_timeout() {
    let server = staying(AT_ONCE);
    let request = request(&server).idle_timeout(Duration::from_millis(40));
    let mut stream = request.max_retries(1).open().unwrap();
    let error = end(&mut stream);
    let Error::Timeout(timeout) = &error else {
        panic!("{error}");
    };
    assert_eq!(timeout.limit(), Some(Duration::from_millis(40)));
    assert!(
        error
            .to_string()
            .contains("the server sent nothing for 40ms"),
        "{error}"
    );
    assert_eq!(server.streams().len(), 2);
}

#[test]
fn any_byte_resets_the_idle_timeout() {
    let server = Server::streaming(|connection, _, _| {
        connection.event_stream();
        for _ in 0..50 {
            std::thread::sleep(Duration::from_millis(25));
            connection.raw(":");
        }
        connection.raw(format!("\n\n{}", message("m1", "x")));
        connection.closed_by_client();
    });
    let request = request(&server).idle_timeout(Duration::from_secs(1));
    let mut stream = request.max_retries(0).open().unwrap();
    assert_eq!(ids(&mut stream), ["m1"]);
}

#[test]
fn a_dead_server_gets_one_ticket_call_more_than_there_are_retries() {
    let server = Server::start(|mut connection| {
        connection.request();
    });
    let error = request(&server).max_retries(2).open().unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
    assert_eq!(server.tickets().len(), 3);
    assert_eq!(error.attempts(), 3);

    let server = Server::responding(|connection, _, _| {
        connection.respond(503, &[], api_error("internal_error"));
    });
    let error = request(&server).max_retries(1).open().unwrap_err();
    assert_eq!(error.status(), Some(503));
    assert_eq!(server.tickets().len(), 2);
    let error = request(&server).max_retries(0).open().unwrap_err();
    assert_eq!((error.status(), error.attempts()), (Some(503), 1));
}

#[test]
fn a_failure_at_any_step_counts_once() {
    // The ticket fails, the stream fails, the stream ends, and that is three.
    let server = Server::responding(|connection, request, number| match number {
        0 => assert!(connection.respond(500, &[], "")),
        1 | 3 => assert!(connection.ticket("t")),
        2 => assert!(connection.respond(502, &[], "<html>")),
        4 => {
            brings(connection, "");
            let _ = connection.stream().shutdown(std::net::Shutdown::Both);
        }
        _ => panic!("{request:?}"),
    });
    let mut stream = request(&server).max_retries(2).into_iter();
    let error = end(&mut stream);
    assert!(error.to_string().contains("ended the stream"), "{error}");
    assert_eq!(server.requests().len(), 5);
}

#[test]
fn a_permanently_refused_ticket_call_is_made_once() {
    for (status, code) in [
        (401, "api_key_invalid"),
        (403, "insufficient_scope"),
        (404, "not_found"),
        (400, "bad_request"),
        (501, "not_implemented"),
    ] {
        let server = Server::responding(move |connection, _, _| {
            connection.respond(status, &[], api_error(code));
        });
        let mut stream = request(&server).into_iter();
        let error = end(&mut stream);
        assert_eq!(error.status(), Some(status));
        assert!(error.operation().unwrap().ends_with("/stream-ticket"));
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_ticket_response_without_a_ticket_ends_the_stream() {
    for data in ["{}", "null", r#"{"ticket":""}"#, r#"{"ticket":null}"#] {
        let server = Server::responding(move |connection, _, _| {
            connection.respond(201, &[], format!(r#"{{"message":"","data":{data}}}"#));
        });
        let error = request(&server).open().unwrap_err();
        assert!(matches!(error, Error::Decode(_)), "{error}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_permanently_refused_stream_is_requested_once() {
    for status in [400, 403, 404, 501] {
        let server = refusing(status, "forbidden");
        let error = request(&server).open().unwrap_err();
        assert_eq!(error.status(), Some(status));
        assert_eq!(server.streams().len(), 1);
    }
}

#[test]
fn a_redirect_of_the_stream_is_not_followed() {
    let server = Server::streaming(|connection, _, _| {
        connection.respond(302, &["Location: /elsewhere?ticket=ticket-0"], "");
    });
    let error = request(&server).open().unwrap_err();
    assert_eq!(error.status(), Some(302));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_ticket_that_has_expired_is_replaced() {
    let server = Server::streaming(|connection, _, number| match number {
        0 => assert!(connection.respond(401, &[], api_error("unauthorized"))),
        _ => stays(connection, message("m1", "x")),
    });
    assert_eq!(ids(&mut open(&server)), ["m1"]);
    assert_eq!(server.tickets().len(), 2);
    // Not for ever.
    let server = refusing(401, "unauthorized");
    let error = request(&server).max_retries(1).open().unwrap_err();
    assert_eq!((error.status(), server.tickets().len()), (Some(401), 2));
}

#[test]
fn too_many_streams_ends_the_stream_at_once() {
    // At the ticket, whatever its status.
    for status in [429, 409, 503] {
        let server = Server::responding(move |connection, _, _| {
            connection.respond(status, &["Retry-After: 1"], api_error("too_many_streams"));
        });
        let error = request(&server).open().unwrap_err();
        assert_eq!(error.status(), Some(status));
        assert_eq!(server.requests().len(), 1);
    }
    // At the stream, the first time and later.
    for status in [429, 401, 503] {
        for first in [true, false] {
            let server = Server::streaming(move |connection, _, number| {
                if number == 0 && !first {
                    return brings(connection, format!("{AT_ONCE}{}", message("m1", "x")));
                }
                connection.respond(status, &[], api_error("too_many_streams"));
            });
            let mut stream = request(&server).into_iter();
            if !first {
                assert_eq!(ids(&mut stream), ["m1"]);
            }
            let error = end(&mut stream);
            assert_eq!(error.status(), Some(status));
            assert_eq!(server.streams().len(), 1 + usize::from(!first));
        }
    }
}

#[test]
fn a_429_of_the_stream_is_final_until_a_connection_was_established() {
    let server = refusing(429, "too_many_requests");
    let error = request(&server).open().unwrap_err();
    assert_eq!(error.status(), Some(429));
    assert_eq!(server.streams().len(), 1);

    // Afterwards the server may still hold the dead connection before it.
    let server = Server::streaming(|connection, _, number| match number {
        0 => brings(connection, format!("{AT_ONCE}{}", message("m1", "x"))),
        1 => assert!(connection.respond(429, &[], api_error("too_many_requests"))),
        _ => stays(connection, message("m2", "x")),
    });
    assert_eq!(ids(&mut open(&server)), ["m1", "m2"]);
}

#[test]
fn a_success_that_is_not_an_event_stream_is_an_error() {
    for (status, content_type, body, says) in [
        (
            200,
            "Content-Type: text/html",
            "<html>log in",
            "expected text/event-stream, got text/html",
        ),
        (
            200,
            "Content-Type: application/json",
            "{}",
            "expected text/event-stream, got application/json",
        ),
        (
            204,
            "Content-Type: text/event-stream",
            "",
            "ended this stream permanently",
        ),
        (
            200,
            "Content-Encoding: br\r\nContent-Type: text/event-stream",
            "never any event",
            "unexpected content encoding \"br\"",
        ),
        (
            202,
            "Content-Type: text/event-stream",
            "",
            "expected an event stream",
        ),
    ] {
        let server = Server::streaming(move |connection, _, _| {
            connection.respond(status, &[content_type], body);
        });
        let mut stream = request(&server).into_iter();
        let error = end(&mut stream);
        assert!(matches!(error, Error::Decode(_)), "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.to_string().contains("ticket-0"), "{error}");
        assert_eq!(server.streams().len(), 1);
    }
    // Without a content type at all, too; and 204 ends a stream that stood.
    let server = Server::streaming(|connection, _, number| match number {
        0 => brings(connection, format!("{AT_ONCE}{}", message("m1", "x"))),
        _ => assert!(connection.raw("HTTP/1.1 204 No Content\r\n\r\n")),
    });
    let mut stream = open(&server);
    assert_eq!(ids(&mut stream), ["m1"]);
    assert_eq!(end(&mut stream).status(), Some(204));
    let server = Server::streaming(|connection, _, _| {
        connection.raw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ndata: {}\n\n");
    });
    assert!(matches!(
        request(&server).open().unwrap_err(),
        Error::Decode(_)
    ));
}

#[test]
fn content_types_with_parameters_and_in_capitals_are_event_streams() {
    for content_type in [
        "text/event-stream;charset=utf-8",
        "Text/Event-Stream ; charset=windows-1252",
        "text/event-stream;",
    ] {
        let server = Server::streaming(move |connection, _, _| {
            connection.raw(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nConnection: close\r\n\r\n{}",
                message("m1", "x")
            ));
            connection.streaming = true;
            connection.closed_by_client();
        });
        assert_eq!(ids(&mut open(&server)), ["m1"]);
    }
}

#[test]
fn an_error_body_of_any_bytes_is_an_api_error() {
    let server = Server::streaming(|connection, _, _| {
        connection.respond(503, &["Content-Type: text/html"], b"\xFF\xFE<html>\xFF");
    });
    let error = request(&server).max_retries(0).open().unwrap_err();
    let Error::Api(api) = &error else {
        panic!("{error}");
    };
    assert_eq!(api.kind(), &bimpeai::error::ApiErrorKind::InternalServer);
    assert_eq!(api.body(), b"\xFF\xFE<html>\xFF");
}

#[test]
fn an_endless_error_body_times_out() {
    let server = Server::streaming(|connection, _, _| {
        connection.raw("HTTP/1.1 503 X\r\nContent-Length: 1000000\r\n\r\n");
        while connection.raw("x") {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let request = request(&server).timeout(Duration::from_millis(50));
    let error = request.max_retries(0).open().unwrap_err();
    assert_eq!(error.status(), Some(503));
}
