//! Opening a stream.

use super::*;

#[test]
fn the_ticket_call_has_the_api_key_and_the_stream_only_the_ticket() {
    let server = staying("");
    let builder = server.builder().default_header("X-Api-Key", "sk_canary");
    let _stream = request_of(builder).open().unwrap();
    let [ticket, stream] = &server.requests()[..] else {
        panic!("{:?}", server.requests());
    };
    let conversation = "/api/v1/console/agents/agt_1/conversations/cnv_1";
    assert_eq!(
        (ticket.method.as_str(), ticket.target.as_str()),
        ("POST", format!("{conversation}/stream-ticket").as_str())
    );
    assert_eq!(
        ticket.header("authorization"),
        Some(format!("Bearer {KEY}").as_str())
    );
    assert_eq!(ticket.text(), "");
    assert!(ticket.header("idempotency-key").is_some());
    assert_eq!(
        (stream.method.as_str(), stream.target.as_str()),
        (
            "GET",
            format!("{conversation}/stream?ticket=ticket-0").as_str()
        )
    );
    assert_eq!(stream.header("accept"), Some("text/event-stream"));
    assert_eq!(stream.header("accept-encoding"), Some("identity"));
    assert_eq!(stream.header("cache-control"), Some("no-cache"));
    for name in [
        "authorization",
        "x-api-key",
        "x-request-id",
        "idempotency-key",
        "last-event-id",
        "content-length",
        "content-type",
    ] {
        assert_eq!(stream.header(name), None, "{name}");
    }
    assert_eq!(server.connections(), 1, "the ticket's connection is used");
}

#[test]
fn tickets_and_positions_are_percent_encoded() {
    let server = Server::start(|mut connection| {
        connection.request();
        connection.ticket("a&b=c/d e+f");
        connection.request();
        stays(&mut connection, "");
    });
    let _stream = request(&server).after("1&2 ü").open().unwrap();
    let stream = &server.streams()[0];
    assert_eq!(stream.query("ticket"), Some("a%26b%3Dc%2Fd%20e%2Bf"));
    assert_eq!(stream.query("after"), Some("1%262%20%C3%BC"));
}

#[test]
fn long_tickets_ids_and_headers_fit() {
    let after = "m".repeat(5000);
    let header = "h".repeat(8_000);
    let server = Server::start(|mut connection| {
        connection.request();
        connection.ticket(&"t".repeat(4000));
        connection.request();
        stays(&mut connection, "");
    });
    let _stream = request(&server)
        .after(&after)
        .header("X-Long", &header)
        .open()
        .unwrap();
    let stream = &server.streams()[0];
    assert_eq!(stream.query("ticket").map(str::len), Some(4000));
    assert_eq!(stream.query("after"), Some(after.as_str()));
    assert_eq!(stream.header("x-long"), Some(header.as_str()));
}

#[test]
fn a_position_that_no_url_can_hold_is_refused() {
    let server = staying("");
    let error = request(&server)
        .after("é".repeat(20_000))
        .open()
        .unwrap_err();
    assert!(matches!(error, Error::User(_)), "{error}");
    assert!(
        error.to_string().contains("is the most that can be sent"),
        "{error}"
    );
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_message_whose_id_is_null_has_that_of_its_block() {
    let server = staying("id: m1\ndata: {\"id\":null,\"role\":\"user\"}\n\n");
    let mut stream = request(&server).open().unwrap();
    assert_eq!(stream.next().unwrap().unwrap().id, "m1");
}

#[test]
fn a_stream_starts_after_the_given_position() {
    for (after, header) in [
        ("msg_7", Some("msg_7")),
        // A time is no event's id.
        ("2026-06-05T08:00:00.000Z", None),
    ] {
        let server = staying("");
        let stream = request(&server).after(after).open().unwrap();
        assert_eq!(stream.last_event_id(), Some(after));
        let sent = &server.streams()[0];
        assert_eq!(sent.query("after").unwrap().replace("%3A", ":"), after);
        assert_eq!(sent.header("last-event-id"), header);
    }
}

#[test]
fn an_open_stream_receives_messages_that_are_sent_afterwards() {
    let gate = Gate::new();
    let gated = gate.clone();
    let server = Server::streaming(move |connection, _, _| {
        connection.event_stream();
        gated.wait();
        connection.raw(message("m1", "one"));
        connection.closed_by_client();
    });
    let mut stream = open(&server);
    gate.open();
    assert_eq!(ids(&mut stream), ["m1"]);
}

#[test]
fn a_request_that_is_iterated_opens_at_the_first_next() {
    let server = staying("id: m1\ndata: {\"id\":\"m1\"}\n\n");
    let mut stream = request(&server).into_iter();
    assert!(server.requests().is_empty());
    assert_eq!(ids(&mut stream), ["m1"]);
}

#[test]
fn a_failed_opening_is_the_error_of_open_or_the_first_item() {
    let server = refusing(403, "forbidden");
    let error = request(&server).open().unwrap_err();
    assert_eq!(error.status(), Some(403));
    let mut stream = request(&server).into_iter();
    assert_eq!(end(&mut stream).status(), Some(403));
}

#[test]
fn invalid_options_are_refused_before_anything_is_sent() {
    let server = staying("");
    for request in [
        request(&server).header("Authorization", "x"),
        request(&server).header("X-Request-Id", "x"),
        request(&server).header("a b", "x"),
        request(&server).timeout(Duration::ZERO),
        request(&server).idle_timeout(Duration::ZERO),
    ] {
        let error = request.open().unwrap_err();
        assert!(matches!(error, Error::User(_)), "{error}");
    }
    let client = server.client();
    for conversation in ["", ".", ".."] {
        let messages = client.conversations().messages();
        let error = messages.stream("agt_1", conversation).open().unwrap_err();
        assert!(matches!(error, Error::User(_)), "{error}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn headers_and_the_timeout_reach_the_ticket_call() {
    let server = staying("");
    let _stream = request(&server).header("X-Team", "blue").open().unwrap();
    for request in server.requests() {
        assert_eq!(request.header("x-team"), Some("blue"), "{}", request.method);
    }

    let silent = Server::start(|mut connection| {
        connection.request();
        connection.closed_by_client();
    });
    let request = request(&silent)
        .timeout(Duration::from_millis(30))
        .max_retries(0);
    let error = request.open().unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert!(error.operation().unwrap().ends_with("/stream-ticket"));
}

#[test]
fn a_stream_without_a_response_times_out() {
    let server = Server::streaming(|connection, _, _| {
        connection.closed_by_client();
    });
    let request = request(&server)
        .timeout(Duration::from_millis(30))
        .max_retries(0);
    let error = request.open().unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains("no response was received in time")
    );
    assert!(error.may_have_been_sent());
    assert_eq!(server.streams().len(), 1);
}

#[test]
fn the_wait_for_the_headers_is_not_idle_time() {
    let server = Server::streaming(|connection, _, _| {
        std::thread::sleep(Duration::from_millis(200));
        stays(connection, message("m1", "one"));
    });
    let request = request(&server).idle_timeout(Duration::from_millis(50));
    let mut stream = request.max_retries(0).open().unwrap();
    assert_eq!(ids(&mut stream), ["m1"]);
}

#[test]
fn a_conversation_id_of_any_length_is_sent_whole() {
    let id = "c".repeat(20_000);
    let server = staying("data: {\"id\":\"m1\"}\n\n");
    let messages = server.client().conversations().messages();
    let mut stream = messages.stream("agt_1", &id).open().unwrap();
    assert_eq!(ids(&mut stream), ["m1"]);
    let sent = server.streams();
    assert!(sent[0].path().contains(&id));
}
