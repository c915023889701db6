//! The ways to read a stream.

use super::*;

#[test]
fn recv_timeout_and_try_recv_return_what_has_arrived() {
    let gate = Gate::new();
    let gated = gate.clone();
    let server = Server::streaming(move |connection, _, _| {
        connection.event_stream();
        gated.wait();
        connection.raw(message("m1", "x"));
    });
    let mut stream = request(&server).reconnect(false).into_iter();
    // The first look opens it.
    assert_eq!(stream.try_recv().unwrap(), Received::Nothing);
    let wait = Duration::from_millis(30);
    let started = Instant::now();
    assert_eq!(stream.recv_timeout(wait).unwrap(), Received::Nothing);
    assert!(started.elapsed() >= wait);
    gate.open();
    assert!(
        matches!(stream.recv_timeout(PATIENCE).unwrap(), Received::Message(message) if message.id == "m1")
    );
    assert_ended(&mut stream);
}

#[test]
fn the_iterator_yields_each_event_of_a_burst_once_and_in_order() {
    let burst = [
        message("m1", "x"),
        message("m2", "x"),
        "id: m3\ndata: {\n\n".to_owned(),
        message("m4", "x"),
        heartbeat(1, 1),
        format!("id: m5\ndata: {}\n\n", "x".repeat(2 << 20)),
        message("m6", "x"),
        message("m7", "x"),
    ];
    let server = Server::streaming(move |connection, _, _| brings(connection, burst.concat()));
    let stream = request(&server).reconnect(false).into_iter();
    let items = stream.map(|item| match item {
        Ok(message) => message.id,
        Err(Error::SkippedMessage(skipped)) => format!("not {}", skipped.id().unwrap()),
        Err(error) => panic!("{error}"),
    });
    assert_eq!(
        items.collect::<Vec<_>>(),
        ["m1", "m2", "not m3", "m4", "not m5", "m6", "m7"]
    );
}

#[test]
fn the_iterator_ends_at_a_cancel_whatever_it_has_at_hand() {
    let burst = ["m1", "m2", "m3"].map(|id| message(id, "x")).concat();
    let server = Server::streaming(move |connection, _, _| brings(connection, &burst));
    let mut stream = request(&server).reconnect(false).into_iter();
    for id in ["m1", "m2"] {
        assert_eq!(stream.next().unwrap().unwrap().id, id);
    }
    stream.handle().cancel();
    assert_ended(&mut stream);
}

#[test]
fn a_timeout_of_any_length_does_not_panic() {
    let server = staying("data: {\"id\":\"m1\"}\n\n");
    let mut stream = open(&server);
    assert!(matches!(
        stream.recv_timeout(Duration::MAX).unwrap(),
        Received::Message(_)
    ));
    assert_eq!(
        stream.recv_timeout(Duration::ZERO).unwrap(),
        Received::Nothing
    );
}

#[test]
fn the_last_event_id_is_that_of_the_last_taken_message() {
    let server = staying(
        "id: m1\ndata: {\"id\":\"m1\"}\n\nid: m2\ndata: {\n\ndata: {\"id\":\"m3\"}\n\n\
         data: {\"id\":\"m4\",\"message\":{}}\n\nid: 4\nevent: heartbeat\ndata: {}\n\nid: m5\ndata: {\"id\":\"m5\"}\n\n\
         data: {\"id\":6,\"message\":{}}\n\n",
    );
    let mut stream = open(&server);
    assert_eq!(stream.last_event_id(), None);
    for id in ["m1", "m2", "m3", "m4", "m5", "6"] {
        let undecodable = ["m2", "m4", "6"].contains(&id);
        assert_eq!(next(&mut stream).unwrap().is_err(), undecodable);
        assert_eq!(stream.last_event_id(), Some(id));
    }
}

#[test]
fn an_id_that_is_not_utf8_is_decoded_with_replacements() {
    let server = Server::streaming(|connection, _, number| match number {
        0 => brings(
            connection,
            b"retry: 1\nid: \xFFm1\ndata: {\"id\":\"m1\"}\n\n",
        ),
        _ => stays(connection, message("m2", "two")),
    });
    let mut stream = open(&server);
    assert_eq!(next_message(&mut stream).id, "m1");
    assert_eq!(stream.last_event_id(), Some("\u{FFFD}m1"));
    assert_eq!(next_message(&mut stream).id, "m2");
    assert_eq!(server.streams()[1].query("after"), Some("%EF%BF%BDm1"));
}

#[test]
fn an_overlong_id_leaves_the_previous_resume_point() {
    // Both within what one read asks for.
    let long = format!("id: {}\ndata: {{\"id\":\"m2\"}}\n\n", "x".repeat(1025));
    let text = [AT_ONCE, &message("m1", "one"), &long].concat();
    let server = Server::streaming(move |connection, _, number| match number {
        0 => brings(connection, &text),
        _ => stays(connection, message("m3", "three")),
    });
    assert_eq!(ids(&mut open(&server)), ["m1", "m2", "m3"]);
    assert_eq!(server.streams()[1].query("after"), Some("m1"));
}

#[test]
fn the_next_run_resumes_after_the_last_event_id() {
    let all = ["m1", "m2", "m3", "m4"];
    let server = Server::streaming(move |connection, request, _| {
        let after = all.iter().position(|id| request.query("after") == Some(id));
        let rest = &all[after.map_or(0, |at| at + 1)..];
        stays(
            connection,
            rest.iter().map(|id| message(id, "x")).collect::<String>(),
        );
    });
    let mut stream = open(&server);
    assert_eq!(ids(&mut stream), ["m1", "m2"]);
    let last = stream.last_event_id().unwrap().to_owned();
    drop(stream);
    let mut stream = request(&server).after(last).open().unwrap();
    assert_eq!(ids(&mut stream), ["m3", "m4"]);
}

#[test]
fn the_lifecycle_reports_every_event() {
    let server = Server::streaming(|connection, _, number| match number {
        0 => brings(
            connection,
            format!("{AT_ONCE}{}{}", heartbeat(1, 17), message("m1", "x")),
        ),
        1 => assert!(connection.respond(503, &[], api_error("internal_error"))),
        2 => brings(connection, "id: m2\ndata: {\n\n"),
        _ => assert!(connection.respond(404, &[], api_error("not_found"))),
    });
    let (mut stream, _watchdog) = watched(request(&server));
    let mut seen = Vec::new();
    for event in stream.by_ref() {
        seen.push(match event {
            Ok(StreamEvent::Connected) => "connected".to_owned(),
            Ok(StreamEvent::Message(message)) => message.id,
            Ok(StreamEvent::Heartbeat(heartbeat)) => format!("heartbeat {}", heartbeat.ts),
            Ok(StreamEvent::Disconnected { error, wait, .. }) => {
                assert!(wait < Duration::from_secs(1));
                format!("disconnected {:?}", error.status())
            }
            Ok(other) => format!("{other:?}"),
            Err(Error::SkippedMessage(_)) => "skipped".to_owned(),
            Err(error) => format!("error {:?}", error.status()),
        });
    }
    assert_eq!(
        seen,
        [
            "connected",
            "heartbeat 17",
            "m1",
            "disconnected None",
            "disconnected Some(503)",
            "connected",
            "skipped",
            "disconnected None",
            "error Some(404)"
        ]
    );
    assert_eq!(stream.last_event_id(), Some("m2"));
    assert!(stream.next().is_none());
}

#[test]
fn a_stream_outlives_its_client_and_goes_to_other_threads() {
    fn send<T: Send + 'static>(value: T) -> T {
        value
    }
    fn share<T: Send + Sync + Clone + 'static>(value: T) -> T {
        value
    }
    let server = Server::streaming(|connection, _, number| match number {
        0 => brings(connection, format!("{AT_ONCE}{}", message("m1", "x"))),
        _ => stays(connection, message("m2", "x")),
    });
    let request = send(request(&server));
    let _handle = share(request.handle());
    let mut stream = send(request.open().unwrap());
    let thread = std::thread::spawn(move || ids(&mut stream));
    assert_eq!(thread.join().unwrap(), ["m1", "m2"]);
}

#[test]
fn debug_of_a_stream_shows_no_secret_and_no_message() {
    let server = staying("id: secret\ndata: {\"id\":\"secret\",\"message\":\"secret\"}\n\n");
    let request = request(&server)
        .after("secret")
        .header("X-Secret", "secret");
    let printed = format!("{request:?}");
    assert!(printed.contains("/conversations/cnv_1/stream"), "{printed}");
    let stream = request.open().unwrap();
    for printed in [
        printed,
        format!("{stream:?}"),
        format!("{:?}", stream.handle()),
    ] {
        for secret in ["secret", "ticket-0", KEY] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }
}

#[test]
fn an_error_names_the_call_and_never_the_ticket() {
    let server = Server::streaming(|connection, request, _| {
        let ticket = request.query("ticket").unwrap();
        let body = format!(r#"{{"message":"bad {ticket}","statusCode":403,"code":"forbidden"}}"#);
        connection.respond(403, &["X-Request-Id: req_7"], body);
    });
    let error = request(&server).open().unwrap_err();
    let line = error.to_string();
    assert!(line.starts_with("GET /agents/agt_1/conversations/cnv_1/stream"));
    assert!(line.contains("403") && line.contains("req_7"), "{line}");
    assert!(!line.contains("ticket-0"), "{line}");
    assert_eq!(format!("{error:?}"), line);
}
