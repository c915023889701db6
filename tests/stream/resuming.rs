//! Resuming after a break.

use super::*;

#[test]
fn a_stream_resumes_after_the_last_message_and_never_after_a_heartbeat() {
    let server = Server::streaming(|connection, _, number| match number {
        0 => brings(
            connection,
            format!("{AT_ONCE}{}{}", message("m1", "one"), heartbeat(1, 1)),
        ),
        1 => brings(
            connection,
            format!("{}{}", heartbeat(2, 1), message("m2", "two")),
        ),
        _ => stays(connection, message("m3", "three")),
    });
    let mut stream = open(&server);
    assert_eq!(ids(&mut stream), ["m1", "m2", "m3"]);
    let streams = server.streams();
    assert_eq!((streams[0].query("after")), None);
    for (number, id) in [(1, "m1"), (2, "m2")] {
        assert_eq!(streams[number].query("after"), Some(id));
        assert_eq!(streams[number].header("last-event-id"), Some(id));
        assert_eq!(
            streams[number].query("ticket"),
            Some(format!("ticket-{number}").as_str()),
            "each connection has a ticket of its own"
        );
    }
    let keys: std::collections::HashSet<_> = server
        .tickets()
        .iter()
        .map(|ticket| ticket.header("idempotency-key").unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), 3, "a ticket that is replayed would be used up");
}

#[test]
fn an_id_that_is_invalid_in_a_header_is_sent_in_the_query_only() {
    for (id, after, header) in [
        ("mü", "m%C3%BC", Some("mü")),
        ("m\u{1}", "m%01", None),
        (" m", "%20m", None),
    ] {
        let server = Server::streaming(move |connection, _, number| match number {
            0 => brings(
                connection,
                format!("{AT_ONCE}id: {id}\ndata: {{\"id\":\"m1\"}}\n\n"),
            ),
            _ => stays(connection, message("m2", "two")),
        });
        assert_eq!(ids(&mut open(&server)), ["m1", "m2"]);
        let stream = &server.streams()[1];
        assert_eq!(stream.query("after"), Some(after));
        assert_eq!(stream.header("last-event-id"), header);
    }
}

#[test]
fn an_id_of_any_length_does_not_end_the_stream() {
    let long = "m".repeat(100_000);
    let frame = format!("id: {long}\ndata: {{\"id\":\"m2\"}}\n\n");
    let server = Server::streaming(move |connection, _, number| match number {
        0 => brings(
            connection,
            format!("{AT_ONCE}{}{frame}", message("m1", "one")),
        ),
        _ => stays(connection, format!("{frame}{}", message("m3", "three"))),
    });
    assert_eq!(ids(&mut open(&server)), ["m1", "m2", "m3"]);
    assert_eq!(server.streams()[1].query("after"), Some("m1"));
}

#[test]
fn duplicates_are_dropped_however_far_back_the_server_replays() {
    let frames = |range: std::ops::Range<usize>| -> String {
        range.map(|n| message(&format!("m{n}"), "x")).collect()
    };
    let server = Server::streaming(move |connection, _, number| match number {
        0 => brings(connection, format!("{AT_ONCE}{}", frames(0..3000))),
        1 => brings(connection, frames(0..3500)),
        _ => stays(connection, frames(2500..4000)),
    });
    let mut stream = open(&server);
    for n in 0..4000 {
        assert_eq!(next_message(&mut stream).id, format!("m{n}"));
    }
    assert_eq!(stream.try_recv().unwrap(), Received::Nothing);
}

#[test]
fn a_message_without_an_id_line_is_tracked_by_its_data() {
    let server = Server::streaming(|connection, _, number| match number {
        0 => brings(
            connection,
            format!(
                "{AT_ONCE}event: message\ndata: {}\n\n",
                message_data("m1", "one")
            ),
        ),
        // The same one, once with the line and once without; a tab is no JSON, and is mended.
        _ => stays(
            connection,
            format!(
                "{}data: {}\n\ndata: {{\"id\":\"m2\",\"message\":\"a\tb\"}}\n\n\
                 data: {{\"id\":\"m2\",\"message\":\"a\tb\"}}\n\n\
                 data: {{\"id\":7}}\n\ndata: {{\"id\":7}}\n\n{}",
                message("m1", "one"),
                message_data("m1", "one"),
                message("m3", "three")
            ),
        ),
    });
    assert_eq!(ids(&mut open(&server)), ["m1", "m2", "7", "m3"]);
    assert_eq!(server.streams()[1].query("after"), Some("m1"));
    assert_eq!(server.streams()[1].header("last-event-id"), Some("m1"));
}

/// An event stream with a `Date`, and a `retry:` that makes it quick.
fn dated(connection: &mut Connection, date: &str, text: &str) {
    connection.streaming = true;
    connection.raw(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{date}Connection: close\r\n\r\n{AT_ONCE}{text}"
    ));
}

#[test]
fn before_the_first_message_a_stream_resumes_from_its_opening_time() {
    let server = Server::streaming(|connection, _, number| {
        // The server's clock, which no clock of ours agrees with.
        let date = format!("Date: Sun, 06 Nov 1994 08:49:{:02} GMT\r\n", 37 + number);
        match number {
            0..2 => dated(connection, &date, &heartbeat(1, 784_111_777_000)),
            2 => dated(connection, &date, &message("m1", "one")),
            _ => {
                dated(connection, &date, &message("m2", "two"));
                connection.closed_by_client();
            }
        }
    });
    assert_eq!(ids(&mut open(&server)), ["m1", "m2"]);
    let sent: Vec<_> = server
        .streams()
        .iter()
        .map(|stream| {
            (
                stream.query("after").map(|after| after.replace("%3A", ":")),
                stream.header("last-event-id").map(str::to_owned),
            )
        })
        .collect();
    // Of the first response and 10 s earlier, until there is a message; a time is not an event's id.
    let opened = Some("1994-11-06T08:49:27.000Z".to_owned());
    let message = Some("m1".to_owned());
    assert_eq!(
        sent,
        [
            (None, None),
            (opened.clone(), None),
            (opened, None),
            (message.clone(), message)
        ]
    );
}

#[test]
fn the_date_of_the_ticket_counts_if_it_arrived_first() {
    let server = Server::start(|mut connection| {
        let number = connection.number;
        connection.request();
        let body = r#"{"message":"","data":{"ticket":"t","expires_in":60}}"#;
        let date = format!("Date: Sun, 06 Nov 1994 08:00:{number:02} GMT");
        connection.respond(201, &[&date], body);
        connection.request();
        let date = "Date: Sun, 06 Nov 1994 09:00:00 GMT\r\n";
        match number {
            0 => dated(&mut connection, date, ""),
            _ => {
                dated(&mut connection, date, &message("m1", "one"));
                connection.closed_by_client();
            }
        }
    });
    assert_eq!(ids(&mut open(&server)), ["m1"]);
    // What was sent before it was opened is no part of it.
    assert_eq!(server.streams()[0].query("after"), None);
    let after = server.streams()[1].query("after").map(str::to_owned);
    assert_eq!(
        after.unwrap().replace("%3A", ":"),
        "1994-11-06T07:59:50.000Z"
    );
}

#[test]
fn without_a_date_the_first_heartbeat_tells_the_time() {
    let server = Server::streaming(|connection, _, number| match number {
        0 => brings(
            connection,
            format!(
                "{AT_ONCE}{}{}",
                heartbeat(1, 1_717_564_800_500),
                heartbeat(2, 1_717_564_820_500)
            ),
        ),
        _ => stays(connection, message("m1", "one")),
    });
    assert_eq!(ids(&mut open(&server)), ["m1"]);
    let stream = &server.streams()[1];
    let after = stream.query("after").unwrap().replace("%3A", ":");
    assert_eq!(after, "2024-06-05T05:19:40.500Z");
    assert_eq!(stream.header("last-event-id"), None);
}

#[test]
fn without_a_server_clock_there_is_no_opening_time() {
    let server = Server::streaming(|connection, _, number| match number {
        0 => brings(connection, AT_ONCE),
        _ => stays(connection, message("m1", "one")),
    });
    assert_eq!(ids(&mut open(&server)), ["m1"]);
    assert_eq!(server.streams()[1].query("after"), None);
}

#[test]
fn the_given_position_is_kept_until_the_first_message() {
    let server = Server::streaming(|connection, _, number| {
        let date = "Date: Sun, 06 Nov 1994 09:00:00 GMT\r\n";
        match number {
            0 => dated(connection, date, &heartbeat(9, 1)),
            _ => {
                dated(connection, date, &message("m8", "eight"));
                connection.closed_by_client();
            }
        }
    });
    let mut stream = request(&server).after("m7").open().unwrap();
    assert_eq!(ids(&mut stream), ["m8"]);
    for stream in server.streams() {
        assert_eq!(stream.query("after"), Some("m7"));
    }
}

#[test]
fn an_abrupt_end_is_resumed_like_a_clean_one() {
    let server = Server::start(|mut connection| {
        let number = connection.number;
        connection.request();
        connection.ticket("t");
        connection.request_unread();
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        let text = format!("{AT_ONCE}{}", message(&format!("m{number}"), "x"));
        match number {
            // A reset, after an event and in the middle of one.
            0 => brings(&mut connection, text),
            1 => brings(&mut connection, format!("{text}id: m2\ndata: {{\"id\":")),
            // A chunked body that ends as it should, and one that breaks off.
            2 | 3 => {
                connection.raw(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
                     Transfer-Encoding: chunked\r\n\r\n",
                );
                connection.raw(chunk(&text));
                connection.raw(if number == 2 {
                    "0\r\n\r\n"
                } else {
                    "ff\r\nid:"
                });
                connection.close();
            }
            _ => stays(&mut connection, text),
        }
    });
    assert_eq!(ids(&mut open(&server)), ["m0", "m1", "m2", "m3", "m4"]);
}
