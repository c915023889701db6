//! Where a stream continues after a break and in the next run, and what it takes for a duplicate.

mod support;

use std::time::Duration;

use bimpeai::Error;
use bimpeai::stream::{
    LifecycleStream, MessageStream, Received, ReceivedEvent, StreamEvent, StreamRequest,
};
use support::{Connection, PATIENCE, Request, Server, heartbeat, message};

/// Makes the next connection follow at once.
const AT_ONCE: &str = "retry: 1\n\n";

/// 1994-11-06T08:49:37Z, in milliseconds. No clock of this machine agrees with it.
const OPENED: u64 = 784_111_777_000;

const DATE: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

fn request(server: &Server) -> StreamRequest {
    let client = server.client();
    client.conversations().messages().stream("agt_1", "cnv_1")
}

/// Cancels the stream after a while, so that a test which it would hold up fails.
fn bounded(request: StreamRequest) -> StreamRequest {
    let handle = request.handle();
    std::thread::spawn(move || {
        std::thread::sleep(PATIENCE);
        handle.cancel();
    });
    request
}

/// Writes an event stream whose head has these lines.
fn stream(connection: &mut Connection, lines: &str, text: impl AsRef<str>) {
    connection.streaming = true;
    connection.raw(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n{lines}\r\n{}",
        text.as_ref()
    ));
}

/// The same, and then nothing until the client closes.
fn silent(connection: &mut Connection, lines: &str, text: impl AsRef<str>) {
    stream(connection, lines, text);
    connection.closed_by_client();
}

/// A message that says when it was written.
fn written_at(id: &str, created_at: &str) -> String {
    format!("id: {id}\ndata: {{\"id\":\"{id}\",\"created_at\":\"{created_at}\"}}\n\n")
}

fn after(request: &Request) -> Option<String> {
    Some(request.query("after")?.replace("%3A", ":"))
}

#[track_caller]
fn next(stream: &mut MessageStream) -> Result<String, Error> {
    match stream.recv_timeout(PATIENCE)? {
        Received::Message(message) => Ok(message.id),
        other => panic!("no message: {other:?}"),
    }
}

#[track_caller]
fn ids<const N: usize>(stream: &mut MessageStream) -> [String; N] {
    std::array::from_fn(|_| next(stream).unwrap())
}

#[track_caller]
fn next_event(stream: &mut LifecycleStream) -> StreamEvent {
    match stream.recv_timeout(PATIENCE).unwrap() {
        ReceivedEvent::Event(event) => event,
        other => panic!("no event: {other:?}"),
    }
}

// The position for the next run.

#[test]
fn a_restart_before_the_first_message_misses_nothing() {
    // The time comes with the ticket, or with the stream.
    for with_ticket in [true, false] {
        let server = Server::start(move |mut connection| {
            let ticket = r#"{"message":"","data":{"ticket":"t","expires_in":60}}"#;
            let date: &[&str] = match with_ticket {
                true => &[DATE.trim_end()],
                false => &[],
            };
            connection.request();
            connection.respond(201, date, ticket);
            let Some(request) = connection.request() else {
                return;
            };
            let text = match request.query("after") {
                Some(_) => message("meanwhile", "x"),
                None => String::new(),
            };
            silent(&mut connection, if with_ticket { "" } else { DATE }, text);
        });
        let first = request(&server).open().unwrap();
        let stored = first.resume_point().map(str::to_owned);
        assert_eq!(stored.as_deref(), Some("1994-11-06T08:49:27.000Z"));
        assert_eq!(first.last_event_id(), stored.as_deref());
        drop(first);
        let mut second = request(&server).after(stored.unwrap()).open().unwrap();
        assert_eq!(ids(&mut second), ["meanwhile"]);
        let streams = server.streams();
        assert_eq!(
            after(&streams[0]),
            None,
            "what was sent before is not part of it"
        );
        assert_eq!(
            after(&streams[1]).as_deref(),
            Some("1994-11-06T08:49:27.000Z")
        );
    }
}

#[test]
fn the_resume_point_is_the_last_message_that_was_taken() {
    let broken = "id: m2\ndata: {\n\n";
    let text = [message("m1", "x"), broken.to_owned(), message("m3", "x")].concat();
    let server = Server::streaming(move |connection, _, _| silent(connection, DATE, &text));
    let mut stream = request(&server).open().unwrap();
    assert_eq!(stream.resume_point(), Some("1994-11-06T08:49:27.000Z"));
    assert_eq!(ids(&mut stream), ["m1"]);
    assert_eq!(stream.resume_point(), Some("m1"));
    assert!(matches!(next(&mut stream), Err(Error::SkippedMessage(_))));
    assert_eq!(stream.resume_point(), Some("m2"));
    assert_eq!(ids(&mut stream), ["m3"]);
    assert_eq!(stream.resume_point(), Some("m3"));
    assert_eq!(stream.try_recv().unwrap(), Received::Nothing);
    assert_eq!(stream.resume_point(), Some("m3"));
    stream.handle().cancel();
    assert_eq!(stream.resume_point(), Some("m3"));
}

#[test]
fn the_resume_point_is_the_given_position_until_the_first_message() {
    let server =
        Server::streaming(|connection, _, _| silent(connection, DATE, heartbeat(1, OPENED)));
    for given in ["m7", "2026-06-05T08:00:00Z"] {
        let unopened = request(&server).after(given).into_iter();
        assert_eq!(unopened.resume_point(), Some(given));
        let stream = request(&server).after(given).open().unwrap();
        assert_eq!(stream.resume_point(), Some(given));
        assert_eq!(stream.last_event_id(), Some(given));
    }
    assert_eq!(request(&server).into_iter().resume_point(), None);
}

#[test]
fn an_id_that_no_request_can_carry_is_the_last_one_and_not_the_resume_point() {
    let long = "x".repeat(1025);
    let long_message = format!("id: {long}\ndata: {{\"id\":\"m2\"}}\n\n");
    let text = [message("m1", "x"), long_message, message("m3", "x")];
    // In one batch, and in a batch each.
    for at_once in [true, false] {
        let text = text.clone();
        let server = Server::streaming(move |connection, _, _| {
            stream(
                connection,
                "",
                if at_once {
                    text.concat()
                } else {
                    String::new()
                },
            );
            for event in text.iter().filter(|_| !at_once) {
                std::thread::sleep(Duration::from_millis(20));
                connection.raw(event);
            }
            connection.closed_by_client();
        });
        let mut stream = request(&server).open().unwrap();
        for (last, position) in [("m1", "m1"), (&long, "m1"), ("m3", "m3")] {
            next(&mut stream).unwrap();
            assert_eq!(stream.last_event_id(), Some(last));
            assert_eq!(stream.resume_point(), Some(position));
        }
    }
}

#[test]
fn without_a_date_the_resume_point_is_known_from_the_first_heartbeat() {
    let text = [heartbeat(1, OPENED), heartbeat(2, OPENED + 20_000)].concat();
    let server = Server::streaming(move |connection, _, _| silent(connection, "", &text));
    let mut stream = request(&server).lifecycle();
    assert_eq!(stream.resume_point(), None);
    while !matches!(next_event(&mut stream), StreamEvent::Heartbeat(_)) {}
    assert_eq!(stream.resume_point(), Some("1994-11-06T08:49:17.000Z"));
    assert_eq!(stream.last_event_id(), stream.resume_point());
}

// Clocks that disagree.

/// A server that knows these messages and sends what `after` asks for, once it has broken off the
/// first connection.
fn obedient(date: &'static str, text: String, messages: &'static [(&str, &str)]) -> Server {
    Server::streaming(move |connection, request, number| {
        if number == 0 {
            return stream(connection, date, format!("{AT_ONCE}{text}"));
        }
        let after = after(request).unwrap_or_default();
        let later = messages.iter().filter(|message| *message.1 > *after);
        let text: String = later.map(|(id, at)| written_at(id, at)).collect();
        silent(connection, date, text);
    })
}

#[test]
fn a_date_that_is_some_seconds_ahead_loses_no_message() {
    let server = obedient(
        DATE,
        String::new(),
        &[
            ("m1", "1994-11-06T08:49:29.100Z"),
            ("m2", "1994-11-06T08:49:40.000Z"),
        ],
    );
    let mut stream = request(&server).open().unwrap();
    assert_eq!(ids(&mut stream), ["m1", "m2"]);
}

#[test]
fn a_date_that_is_an_hour_ahead_is_corrected_by_the_first_heartbeat() {
    let server = obedient(
        "Date: Sun, 06 Nov 1994 09:49:37 GMT\r\n",
        heartbeat(1, OPENED),
        &[("m1", "1994-11-06T08:49:37.500Z")],
    );
    let mut stream = request(&server).open().unwrap();
    assert_eq!(ids(&mut stream), ["m1"]);
    let corrected = after(&server.streams()[1]).unwrap();
    assert!(corrected.starts_with("1994-11-06T08:49:2"), "{corrected}");
}

#[test]
fn messages_older_than_the_opening_are_not_delivered_on_a_resumed_connection() {
    let server = Server::streaming(|connection, _, number| match number {
        0 => stream(connection, DATE, AT_ONCE),
        // It ignores the position.
        _ => {
            let text = [
                written_at("years", "1991-11-06T08:49:37.000Z"),
                written_at("just_too_old", "1994-11-06T08:49:26.999Z"),
                written_at("within_the_margin", "1994-11-06T08:49:27.000Z"),
                written_at("other_zone_too_old", "1994-11-06T09:49:20+01:00"),
                written_at("later", "1994-11-06T08:50:00Z"),
                written_at("unreadable", "yesterday"),
                message("without_a_time", "x").replace("created_at", "other"),
                "id: broken\ndata: {\n\n".to_owned(),
                written_at("too_old_again", "1994-11-06T08:00:00Z"),
            ];
            // And again, as it stands.
            if number == 1 {
                stream(connection, DATE, text.concat());
            } else {
                silent(connection, DATE, text.concat() + &message("end", "x"));
            }
        }
    });
    let mut stream = request(&server).open().unwrap();
    let expected = ["within_the_margin", "later", "unreadable", "without_a_time"];
    assert_eq!(ids(&mut stream), expected);
    assert!(matches!(next(&mut stream), Err(Error::SkippedMessage(_))));
    assert_eq!(ids(&mut stream), ["end"]);
}

#[test]
fn age_does_not_matter_on_the_first_connection_nor_where_the_caller_chose_the_start() {
    let old = || written_at("old", "1991-11-06T08:49:37.000Z");
    let server = Server::streaming(move |connection, _, _| silent(connection, DATE, old()));
    assert_eq!(ids(&mut request(&server).open().unwrap()), ["old"]);
    for given in ["m1", "1991-01-01T00:00:00Z"] {
        let server = Server::streaming(move |connection, _, number| match number {
            0 => stream(connection, DATE, AT_ONCE),
            _ => silent(connection, DATE, old()),
        });
        let mut stream = request(&server).after(given).open().unwrap();
        assert_eq!(ids(&mut stream), ["old"], "after {given}");
    }
}

#[test]
fn a_date_that_cannot_be_right_is_not_a_position() {
    for date in [
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Thu, 01 Jan 1970 00:10:00 GMT",
        "soon",
    ] {
        let lines = format!("Date: {date}\r\n");
        let server = Server::streaming(move |connection, _, number| match number {
            0 => stream(connection, &lines, AT_ONCE),
            _ => silent(connection, &lines, message("m1", "x")),
        });
        let mut stream = request(&server).open().unwrap();
        assert_eq!(stream.resume_point(), None, "{date}");
        assert_eq!(ids(&mut stream), ["m1"]);
        assert_eq!(after(&server.streams()[1]), None, "{date}");
    }
}

// Duplicates.

#[test]
fn a_replay_of_more_than_is_remembered_repeats_only_what_was_forgotten() {
    const ALL: usize = 5_000;
    let server = Server::streaming(|connection, _, number| {
        // The second replay is cut off, and the third is whole.
        let to = if number == 1 { 3_000 } else { ALL };
        let messages: String = (0..to).map(|n| message(&format!("m{n}"), "x")).collect();
        match number {
            0..2 => stream(connection, "", format!("{AT_ONCE}{messages}")),
            _ => silent(connection, "", messages + &message("end", "x")),
        }
    });
    let mut stream = request(&server).open().unwrap();
    let expected = (0..ALL).chain(0..ALL - 4096);
    for (place, number) in expected.enumerate() {
        assert_eq!(next(&mut stream).unwrap(), format!("m{number}"), "{place}");
    }
    assert_eq!(next(&mut stream).unwrap(), "end");
}

/// Delivers these blocks over two connections, of which each sends them all; what was delivered.
fn delivered(first: &[&str], second: &[&str]) -> Vec<String> {
    let block = |text: &&str| format!("{text}\n\n");
    let first: String = first.iter().map(block).collect();
    let second: String = second.iter().map(block).collect();
    let server = Server::streaming(move |connection, _, number| match number {
        0 => stream(connection, "", format!("{AT_ONCE}{first}")),
        _ => silent(connection, "", format!("{second}{}", message("end", "x"))),
    });
    let mut stream = request(&server).open().unwrap();
    let next = || match next(&mut stream) {
        Ok(id) => id,
        Err(Error::SkippedMessage(skipped)) => format!("skipped {:?}", skipped.id()),
        Err(error) => panic!("{error}"),
    };
    std::iter::repeat_with(next)
        .take_while(|id| id != "end")
        .collect()
}

#[test]
fn different_messages_with_one_block_id_are_delivered() {
    // A server that numbers the blocks of each connection anew, in whatever form its JSON is.
    let first = [
        "id: 1\ndata: {\"id\":\"a\"}",
        "id: 2\ndata: {\"id\": \"b\"}",
        "id: 3\ndata: {\"message\":\"x\",\"id\":\"c\"}",
        "id: 3\ndata: {\"id\":4}",
        "id: 3\ndata: {\ndata: \"id\":\"e\"}",
    ];
    let second = [
        "id: 1\ndata: {\"id\":\"b\"}",
        "id: 2\ndata: {\"id\":\"f\"}",
        "id: 3\ndata: {\"id\":\"4\"}",
        "id: 4\ndata: {\"id\":\"g\"}",
        "id: 5\ndata: {\"id\":\"e\"}",
        "data: {\"id\":\"c\"}",
        "id: a\ndata: {\"id\":\"h\",\"role\":\"user\"}",
    ];
    let expected = ["a", "b", "c", "4", "e", "f", "g", "h"];
    assert_eq!(delivered(&first, &second), expected);
}

#[test]
fn a_message_without_an_id_of_its_own_is_known_by_its_block() {
    let blocks = [
        "id: 1\ndata: {\"message\":\"x\"}",
        "id: 2\ndata: {\"id\":null}",
        "id: 3\ndata: {\"id\":\"\"}",
        "id: 4\ndata: {",
    ];
    let once = delivered(&blocks, &[]);
    assert_eq!(once, ["1", "2", "", "skipped Some(\"4\")"]);
    assert_eq!(delivered(&blocks, &blocks), once);
}

#[test]
fn ids_that_only_look_alike_are_different() {
    let first = [
        "id: a\ndata: {\"id\":\"a\"}",
        "id: a\ndata: {\"id\":\"aa\"}",
        "id: a\ndata: {\"id\":\"A\"}",
        "id: \u{e9}\ndata: {\"id\":\"\\u00e9\"}",
    ];
    let second = [
        "id: \u{e9}\ndata: {\"id\":\"\u{e9}\"}",
        "id: a\ndata: {\"id\":\"aa\"}",
    ];
    assert_eq!(delivered(&first, &second), ["a", "aa", "A", "\u{e9}"]);
}

// The lifecycle, in one thread.

#[test]
fn a_lifecycle_stream_reports_the_events_of_its_opening() {
    // A queue that the events of the opening fill does not hold the opening up.
    for buffer in [1, 1024] {
        let server = Server::streaming(|connection, _, number| match number {
            0..3 => assert!(connection.respond(503, &["Retry-After: 0.01"], "{}")),
            _ => silent(connection, DATE, message("m1", "x")),
        });
        let stream = bounded(request(&server).buffer(buffer)).lifecycle();
        assert_eq!(stream.resume_point(), None);
        let mut stream = stream.open().unwrap();
        assert_eq!(stream.resume_point(), Some("1994-11-06T08:49:27.000Z"));
        for _ in 0..3 {
            let event = next_event(&mut stream);
            assert!(
                matches!(event, StreamEvent::Disconnected { .. }),
                "{event:?}"
            );
        }
        assert!(matches!(next_event(&mut stream), StreamEvent::Connected));
        assert!(matches!(next_event(&mut stream), StreamEvent::Message(m) if m.id == "m1"));
        assert_eq!(stream.resume_point(), Some("m1"));
        assert!(matches!(stream.try_recv().unwrap(), ReceivedEvent::Nothing));
        let short = Duration::from_millis(20);
        assert!(matches!(
            stream.recv_timeout(short).unwrap(),
            ReceivedEvent::Nothing
        ));
        stream.handle().cancel();
        assert!(matches!(stream.try_recv().unwrap(), ReceivedEvent::Ended));
        assert!(matches!(
            stream.recv_timeout(PATIENCE).unwrap(),
            ReceivedEvent::Ended
        ));
        assert!(stream.next().is_none());
    }
}

#[test]
fn a_lifecycle_stream_that_cannot_be_opened_says_why() {
    let server = Server::streaming(|connection, _, _| {
        connection.respond(403, &[], "{}");
    });
    let error = request(&server).lifecycle().open().unwrap_err();
    assert_eq!(error.status(), Some(403));
    // The first event opens it as well; after that, its end is an item.
    let mut stream = request(&server).lifecycle();
    let error = stream.recv_timeout(PATIENCE).unwrap_err();
    assert_eq!(error.status(), Some(403));
    assert!(matches!(
        stream.recv_timeout(PATIENCE).unwrap(),
        ReceivedEvent::Ended
    ));
    let error = stream.open().unwrap_err();
    assert!(matches!(error, Error::User(_)), "{error}");

    let cancelled = request(&server).lifecycle();
    cancelled.handle().cancel();
    assert!(matches!(cancelled.open().unwrap_err(), Error::Cancelled(_)));
}

#[test]
fn an_id_that_no_request_can_carry_stays_the_last_one_while_nothing_follows() {
    let long = "x".repeat(1025);
    let text = format!("id: {long}\ndata: {{\"id\":\"m2\"}}\n\n");
    let server = Server::streaming(move |connection, _, _| silent(connection, "", &text));
    let mut stream = request(&server).after("m1").open().unwrap();
    next(&mut stream).unwrap();
    assert_eq!(stream.try_recv().unwrap(), Received::Nothing);
    assert_eq!(stream.last_event_id(), Some(&*long));
    assert_eq!(stream.resume_point(), Some("m1"));
}

#[test]
fn an_event_that_is_too_large_is_progress_when_it_arrives_first() {
    let large = format!("id: m1\ndata: {}\n\n", "x".repeat(2 << 20));
    let server = Server::streaming(move |connection, _, _| {
        stream(connection, "", format!("{AT_ONCE}{large}"));
    });
    let mut stream = request(&server).max_retries(0).open().unwrap();
    assert!(matches!(next(&mut stream), Err(Error::SkippedMessage(_))));
    // It arrives again on the second connection, which brings nothing else.
    let error = next(&mut stream).unwrap_err();
    assert!(matches!(error, Error::Connection(_)) && error.may_have_been_sent());
    assert_eq!(server.streams().len(), 2);
}
