//! What a stream brings, from where it goes on, and what ends it.

mod support;

use std::time::{Duration, Instant};

use bimpeai::Error;
use bimpeai::conversations::{MessageRole, StreamMessageEvent};
use bimpeai::stream::{LifecycleStream, MessageStream, Received, StreamEvent, StreamRequest};
use support::{Connection, Gate, KEY, PATIENCE, Server, heartbeat, message, message_data};

/// The first wait before another connection, where the server asks for nothing.
const FIRST_WAIT: std::ops::Range<Duration> =
    Duration::from_millis(249)..Duration::from_millis(501);

const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/// Makes the next connection come at once.
const AT_ONCE: &str = "retry: 1\n\n";

fn request(server: &Server) -> StreamRequest {
    request_of(server.builder())
}

fn request_of(client: bimpeai::ClientBuilder) -> StreamRequest {
    let client = client.build().unwrap();
    client.conversations().messages().stream("agt_1", "cnv_1")
}

fn open(server: &Server) -> MessageStream {
    request(server).open().unwrap()
}

/// What comes next, in bounded time; `None` at the end.
#[track_caller]
fn next(stream: &mut MessageStream) -> Option<Result<StreamMessageEvent, Error>> {
    match stream.recv_timeout(PATIENCE) {
        Ok(Received::Message(message)) => Some(Ok(message)),
        Ok(Received::Ended) => None,
        Ok(other) => panic!("nothing came: {other:?}"),
        Err(error) => Some(Err(error)),
    }
}

#[track_caller]
fn next_message(stream: &mut MessageStream) -> StreamMessageEvent {
    match next(stream) {
        Some(Ok(message)) => message,
        Some(Err(error)) => panic!("an error came: {error}"),
        None => panic!("the stream has ended"),
    }
}

#[track_caller]
fn next_error(stream: &mut MessageStream) -> Error {
    match next(stream) {
        Some(Err(error)) => error,
        other => panic!("no error, but {other:?}"),
    }
}

#[track_caller]
fn ids<const N: usize>(stream: &mut MessageStream) -> [String; N] {
    std::array::from_fn(|_| next_message(stream).id)
}

/// Returns the error that ends the stream. Nothing follows it.
#[track_caller]
fn end(stream: &mut MessageStream) -> Error {
    let error = next_error(stream);
    assert_ended(stream);
    error
}

#[track_caller]
fn assert_ended(stream: &mut MessageStream) {
    for _ in 0..3 {
        assert!(stream.next().is_none());
        assert_eq!(stream.recv_timeout(PATIENCE).unwrap(), Received::Ended);
        assert_eq!(stream.try_recv().unwrap(), Received::Ended);
    }
}

/// Serves an event stream of this text, and then ends the connection.
fn brings(connection: &mut Connection, text: impl AsRef<[u8]>) {
    connection.streaming = true;
    // In one piece: with short idle times, the gap between two could count.
    let mut bytes = HEAD.to_vec();
    bytes.extend_from_slice(text.as_ref());
    connection.raw(bytes);
}

/// Serves an event stream of this text, and then says nothing until the client closes.
fn stays(connection: &mut Connection, text: impl AsRef<[u8]>) {
    brings(connection, text);
    connection.closed_by_client();
}

/// A server whose every stream is of this text, and then silent.
fn staying(text: &'static str) -> Server {
    Server::streaming(move |connection, _, _| stays(connection, text))
}

/// A server whose every stream is of this text, and then ends.
fn ending(text: &'static str) -> Server {
    Server::streaming(move |connection, _, _| brings(connection, text))
}

fn api_error(code: &str) -> String {
    format!(r#"{{"message":"said so","error":"Error","code":"{code}","statusCode":0}}"#)
}

/// A server that refuses the stream this way each time.
fn refusing(status: u16, code: &'static str) -> Server {
    Server::streaming(move |connection, _, _| {
        connection.answer(status, &[], api_error(code));
    })
}

/// Ends a stream that a test has forgotten to be bounded in.
struct Watchdog(#[allow(dead_code)] std::sync::mpsc::Sender<()>);

fn watched(mut request: StreamRequest) -> (LifecycleStream, Watchdog) {
    request = request.timeout(PATIENCE);
    let handle = request.handle();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        if receiver.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            handle.cancel();
        }
    });
    (request.lifecycle(), Watchdog(sender))
}

/// The waits that a stream announces, until as many have been seen.
fn waits(request: StreamRequest, count: usize) -> Vec<Duration> {
    let (stream, _watchdog) = watched(request);
    let waits: Vec<_> = stream
        .filter_map(|event| match event {
            Ok(StreamEvent::Disconnected { wait, .. }) => Some(wait),
            _ => None,
        })
        .take(count)
        .collect();
    assert_eq!(waits.len(), count);
    waits
}

// Opening.

#[test]
fn a_ticket_is_taken_with_the_key_and_the_stream_opened_with_the_ticket_alone() {
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
fn a_ticket_is_data_and_so_is_what_to_go_on_after() {
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
fn an_after_that_no_url_can_hold_is_refused_at_once() {
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
fn it_starts_after_what_the_caller_gives() {
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
fn an_open_stream_sees_what_is_sent_after_it_was_opened() {
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
fn what_cannot_be_sent_is_refused_before_anything_is() {
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
fn a_server_that_never_answers_the_stream_is_given_up_in_time() {
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

// Messages.

#[test]
fn a_message_has_all_its_fields() {
    let server = staying(
        "id: m1\nevent: message\ndata: {\"id\":\"m1\",\"conversation_id\":\"cnv_1\",\
         \"role\":\"user\",\"message\":\"Hello \\\"you\\\" 🍕\",\"message_type\":\"text\",\
         \"created_at\":\"2026-06-05T08:00:00.000Z\",\"new\":1}\n\n",
    );
    let message = next_message(&mut open(&server));
    assert_eq!(message.id, "m1");
    assert_eq!(message.conversation_id, "cnv_1");
    assert_eq!(message.role, MessageRole::User);
    assert_eq!(message.message.as_deref(), Some("Hello \"you\" 🍕"));
    assert_eq!(message.message_type.as_deref(), Some("text"));
    assert_eq!(message.created_at, "2026-06-05T08:00:00.000Z");
    assert_eq!(message.extra["new"], 1);
}

#[test]
fn heartbeats_comments_and_unknown_events_are_not_for_the_caller() {
    let server = staying(
        ": hello\n\nid: 1\nevent: heartbeat\ndata: {\"ts\":1}\n\nevent: typing\ndata: {}\n\n\
         data: {\"id\":\"m1\"}\n\nid: 2\nevent: heartbeat\ndata: no json\n\ndata: {\"id\":\"m2\"}\n\n",
    );
    assert_eq!(ids(&mut open(&server)), ["m1", "m2"]);
}

#[test]
fn what_cannot_be_decoded_is_one_error_and_the_stream_goes_on_after_it() {
    let server = Server::streaming(|connection, _, number| {
        let broken = "id: m2\nevent: message\ndata: {\"id\":\"m2\",\n\n";
        let number_only = "id: m3\nevent: message\ndata: 5\n\n";
        match number {
            0 => brings(
                connection,
                format!("{AT_ONCE}{}{broken}{number_only}", message("m1", "one")),
            ),
            // All of it again.
            _ => stays(
                connection,
                format!(
                    "{}{broken}{number_only}{}",
                    message("m1", "one"),
                    "id: m4\nevent: message\ndata: {\"id\":\"m4\",\"role\":\"system\"}\n\n"
                ),
            ),
        }
    });
    let mut stream = open(&server);
    assert_eq!(ids(&mut stream), ["m1"]);
    for id in ["m2", "m3"] {
        let error = next_error(&mut stream);
        let Error::SkippedMessage(skipped) = &error else {
            panic!("{error}");
        };
        assert_eq!(skipped.id(), Some(id));
        assert!(!skipped.is_too_large());
        assert!(
            error.to_string().contains("the stream continues"),
            "{error}"
        );
        assert_eq!(stream.last_event_id(), Some(id));
    }
    // A role that is new is no reason to lose a message.
    let message = next_message(&mut stream);
    assert_eq!(message.role, MessageRole::Other("system".to_owned()));
    assert_eq!(server.streams()[1].query("after"), Some("m3"));
}

#[test]
fn the_stream_is_read_by_the_letter_of_the_standard() {
    // CR alone, a byte order mark, invalid UTF-8, no event line, an id with NUL, CRLF.
    let server = Server::streaming(|connection, _, number| match number {
        0 => {
            let mut bytes = b"\xEF\xBB\xBFretry: 1\rid: m1\rdata: {\"id\":\"m1\",\r".to_vec();
            bytes.extend_from_slice(b"data: \"message\":\"a\xFFb\"}\r\r");
            bytes.extend_from_slice(b"id: m2\r\ndata: {\"id\":\"m2\"}\r\n\r\n");
            bytes.extend_from_slice(b"id: a\0b\ndata: {\"id\":\"m3\"}\n\n");
            // Cut off by the end: no message, by the standard.
            bytes.extend_from_slice(b"id: m4\ndata: {\"id\":\"m4\"}\n");
            brings(connection, bytes);
        }
        _ => stays(connection, message("m4", "four")),
    });
    let mut stream = open(&server);
    let first = next(&mut stream).unwrap();
    // Invalid UTF-8 costs at most the message it is in, and never the stream.
    match first {
        Ok(first) => assert_eq!(first.message.as_deref(), Some("a\u{FFFD}b")),
        Err(error) => panic!("{error}"),
    }
    assert_eq!(ids(&mut stream), ["m2", "m3", "m4"]);
    assert_eq!(server.streams()[1].query("after"), Some("m3"));
}

#[test]
fn an_event_that_is_too_large_is_one_error_and_the_stream_goes_on_after_it() {
    let server = Server::streaming(|connection, _, number| {
        let large = format!("id: m2\ndata: {}\n\n", "x".repeat(2 << 20));
        if number == 0 {
            brings(
                connection,
                format!("{AT_ONCE}{}{large}", message("m1", "one")),
            );
        } else {
            stays(connection, format!("{large}{}", message("m3", "three")));
        }
    });
    let mut stream = open(&server);
    assert_eq!(ids(&mut stream), ["m1"]);
    let error = next_error(&mut stream);
    let Error::SkippedMessage(skipped) = &error else {
        panic!("{error}");
    };
    assert_eq!(skipped.id(), Some("m2"));
    assert!(skipped.is_too_large());
    assert!(
        error.to_string().contains("larger than 1048576 bytes"),
        "{error}"
    );
    assert_eq!(stream.last_event_id(), Some("m2"));
    assert_eq!(ids(&mut stream), ["m3"]);
    assert_eq!(server.streams()[1].query("after"), Some("m2"));
}

#[test]
fn an_event_that_is_too_large_and_has_no_id_is_reported_without_another_event() {
    let server = Server::streaming(|connection, _, _| {
        stays(connection, format!("data: {}\n\n", "x".repeat(2 << 20)));
    });
    let error = next_error(&mut open(&server));
    let Error::SkippedMessage(skipped) = &error else {
        panic!("{error}");
    };
    assert!(skipped.is_too_large());
    assert_eq!(skipped.id(), None);
}

#[test]
fn a_large_event_that_is_cut_off_is_not_reported_twice() {
    let server = Server::streaming(|connection, _, number| {
        let large = format!("id: m2\ndata: {}\n\n", "x".repeat(2 << 20));
        if number == 0 {
            brings(
                connection,
                format!(
                    "{AT_ONCE}{}{}",
                    message("m1", "one"),
                    &large[..large.len() - 1]
                ),
            );
        } else {
            stays(connection, format!("{large}{}", message("m3", "three")));
        }
    });
    let mut stream = open(&server);
    assert_eq!(ids(&mut stream), ["m1"]);
    assert!(matches!(next_error(&mut stream), Error::SkippedMessage(_)));
    assert_eq!(ids(&mut stream), ["m3"]);
}

#[test]
fn a_decode_error_is_always_the_end_and_a_skipped_message_never_is() {
    let server = Server::streaming(|connection, _, number| match number {
        0 => brings(connection, format!("{AT_ONCE}id: m1\ndata: {{\n\n")),
        _ => assert!(connection.answer(200, &["Content-Type: text/html"], "<html>log in")),
    });
    let mut stream = open(&server);
    let error = next_error(&mut stream);
    let Error::SkippedMessage(skipped) = &error else {
        panic!("{error}");
    };
    assert_eq!(skipped.data(), b"{");
    assert_eq!(skipped.clone().to_string(), error.to_string());
    assert_eq!(format!("{error:?}"), error.to_string());
    assert!(!error.is_retryable() && error.may_have_been_sent());
    assert_eq!((error.status(), error.retry_after()), (None, None));
    assert!(error.operation().unwrap().ends_with("/stream"));
    assert!(matches!(end(&mut stream), Error::Decode(_)));
}

// Going on after a break.

#[test]
fn it_goes_on_after_the_last_message_and_never_after_a_heartbeat() {
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
fn an_id_that_no_header_can_hold_goes_out_in_the_query_alone() {
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
fn repeats_are_dropped_however_far_the_server_reaches_back() {
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
fn before_the_first_message_it_goes_on_from_when_the_server_opened_it() {
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
fn the_date_of_the_ticket_counts_when_it_came_first() {
    let server = Server::start(|mut connection| {
        let number = connection.number;
        connection.request();
        let body = r#"{"message":"","data":{"ticket":"t","expires_in":60}}"#;
        let date = format!("Date: Sun, 06 Nov 1994 08:00:{number:02} GMT");
        connection.answer(201, &[&date], body);
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
fn without_any_clock_of_the_servers_none_is_made_up() {
    let server = Server::streaming(|connection, _, number| match number {
        0 => brings(connection, AT_ONCE),
        _ => stays(connection, message("m1", "one")),
    });
    assert_eq!(ids(&mut open(&server)), ["m1"]);
    assert_eq!(server.streams()[1].query("after"), None);
}

#[test]
fn what_the_caller_gave_stands_until_the_first_message() {
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
fn an_abrupt_end_is_mended_as_a_clean_one_is() {
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

// What ends it.

#[test]
fn the_end_is_never_silent() {
    let server = ending(AT_ONCE);
    let mut stream = request(&server).max_retries(2).open().unwrap();
    let error = end(&mut stream);
    assert!(matches!(error, Error::Connection(_)), "{error}");
    assert!(error.to_string().contains("the server ended the stream"));
    assert_eq!(error.attempts(), 3);
    assert_eq!(server.streams().len(), 3);
}

#[test]
fn a_heartbeat_or_a_message_makes_the_count_start_anew() {
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
fn a_repeat_or_an_unknown_event_is_no_sign_of_life() {
    let server = ending("retry: 1\nid: m1\ndata: {\"id\":\"m1\"}\n\nevent: x\ndata: x\n\n: x\n\n");
    let mut stream = request(&server).max_retries(2).open().unwrap();
    assert_eq!(ids(&mut stream), ["m1"]);
    assert!(matches!(end(&mut stream), Error::Connection(_)));
    assert_eq!(server.streams().len(), 4, "the first brought a message");
}

#[test]
fn a_message_without_any_id_cannot_keep_a_broken_server_alive() {
    let server = ending("retry: 1\ndata: hello\n\n");
    let mut stream = request(&server).max_retries(2).open().unwrap();
    for _ in 0..3 {
        assert!(matches!(next_error(&mut stream), Error::SkippedMessage(_)));
    }
    assert!(matches!(end(&mut stream), Error::Connection(_)));
}

#[test]
fn a_dead_peer_is_noticed_and_left() {
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
fn a_peer_that_stays_dead_ends_the_stream_with_a_timeout() {
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
fn any_byte_is_a_sign_of_life_to_the_idle_timeout() {
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
fn a_dead_server_costs_one_ticket_call_more_than_there_are_retries() {
    let server = Server::start(|mut connection| {
        connection.request();
    });
    let error = request(&server).max_retries(2).open().unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
    assert_eq!(server.tickets().len(), 3);
    assert_eq!(error.attempts(), 3);

    let server = Server::answering(|connection, _, _| {
        connection.answer(503, &[], api_error("internal_error"));
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
    let server = Server::answering(|connection, request, number| match number {
        0 => assert!(connection.answer(500, &[], "")),
        1 | 3 => assert!(connection.ticket("t")),
        2 => assert!(connection.answer(502, &[], "<html>")),
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
fn a_ticket_call_that_is_refused_for_good_is_made_once() {
    for (status, code) in [
        (401, "api_key_invalid"),
        (403, "insufficient_scope"),
        (404, "not_found"),
        (400, "bad_request"),
        (501, "not_implemented"),
    ] {
        let server = Server::answering(move |connection, _, _| {
            connection.answer(status, &[], api_error(code));
        });
        let mut stream = request(&server).into_iter();
        let error = end(&mut stream);
        assert_eq!(error.status(), Some(status));
        assert!(error.operation().unwrap().ends_with("/stream-ticket"));
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_ticket_answer_without_a_ticket_ends_the_stream() {
    for data in ["{}", "null", r#"{"ticket":""}"#, r#"{"ticket":null}"#] {
        let server = Server::answering(move |connection, _, _| {
            connection.answer(201, &[], format!(r#"{{"message":"","data":{data}}}"#));
        });
        let error = request(&server).open().unwrap_err();
        assert!(matches!(error, Error::Decode(_)), "{error}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_stream_that_is_refused_for_good_is_asked_for_once() {
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
        connection.answer(302, &["Location: /elsewhere?ticket=ticket-0"], "");
    });
    let error = request(&server).open().unwrap_err();
    assert_eq!(error.status(), Some(302));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_ticket_that_has_expired_is_replaced() {
    let server = Server::streaming(|connection, _, number| match number {
        0 => assert!(connection.answer(401, &[], api_error("unauthorized"))),
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
fn too_many_streams_is_said_at_once_wherever_it_comes() {
    // At the ticket, whatever its status.
    for status in [429, 409, 503] {
        let server = Server::answering(move |connection, _, _| {
            connection.answer(status, &["Retry-After: 1"], api_error("too_many_streams"));
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
                connection.answer(status, &[], api_error("too_many_streams"));
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
fn a_429_of_the_stream_is_final_until_it_has_stood() {
    let server = refusing(429, "too_many_requests");
    let error = request(&server).open().unwrap_err();
    assert_eq!(error.status(), Some(429));
    assert_eq!(server.streams().len(), 1);

    // Afterwards the server may still hold the dead connection before it.
    let server = Server::streaming(|connection, _, number| match number {
        0 => brings(connection, format!("{AT_ONCE}{}", message("m1", "x"))),
        1 => assert!(connection.answer(429, &[], api_error("too_many_requests"))),
        _ => stays(connection, message("m2", "x")),
    });
    assert_eq!(ids(&mut open(&server)), ["m1", "m2"]);
}

#[test]
fn a_success_that_is_no_event_stream_is_an_error() {
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
            connection.answer(status, &[content_type], body);
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
        connection.answer(503, &["Content-Type: text/html"], b"\xFF\xFE<html>\xFF");
    });
    let error = request(&server).max_retries(0).open().unwrap_err();
    let Error::Api(api) = &error else {
        panic!("{error}");
    };
    assert_eq!(api.kind(), &bimpeai::error::ApiErrorKind::InternalServer);
    assert_eq!(api.body(), b"\xFF\xFE<html>\xFF");
}

#[test]
fn an_error_body_that_never_ends_is_left_in_time() {
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

// Waits.

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
fn retry_is_believed_between_a_millisecond_and_a_minute() {
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
fn retry_after_is_honoured_whole() {
    for (status, header, least) in [
        (429, "Retry-After: 1", 1000),
        (503, "Retry-After: 0.7", 700),
    ] {
        let server = Server::answering(move |connection, request, number| {
            if number == 0 {
                assert!(request.path().ends_with("/stream-ticket"));
                connection.answer(status, &[header], api_error("rate_limited"));
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
fn a_retry_after_that_is_too_long_ends_the_stream_with_that_answer() {
    let server = Server::answering(|connection, _, _| {
        connection.answer(429, &["Retry-After: 121"], api_error("rate_limited"));
    });
    let error = request(&server).open().unwrap_err();
    assert_eq!(error.status(), Some(429));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(121)));
    assert_eq!(server.requests().len(), 1);

    let server = Server::streaming(|connection, _, _| {
        connection.answer(503, &["Retry-After: 2"], "");
    });
    let client = server.builder().max_retry_wait(Duration::from_secs(1));
    let error = request_of(client).open().unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
    assert_eq!(server.streams().len(), 1);
}

// Without reconnecting.

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

// Views.

#[test]
fn a_timeout_and_a_look_find_what_there_is() {
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
fn the_last_event_id_is_of_what_was_taken_and_not_of_what_has_come() {
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
fn an_id_that_is_no_utf8_is_the_text_that_it_can_be() {
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
fn an_id_that_no_request_can_carry_leaves_the_one_before_it() {
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
fn the_next_run_goes_on_after_the_last_event_id() {
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
fn the_lifecycle_shows_all_that_happens() {
    let server = Server::streaming(|connection, _, number| match number {
        0 => brings(
            connection,
            format!("{AT_ONCE}{}{}", heartbeat(1, 17), message("m1", "x")),
        ),
        1 => assert!(connection.answer(503, &[], api_error("internal_error"))),
        2 => brings(connection, "id: m2\ndata: {\n\n"),
        _ => assert!(connection.answer(404, &[], api_error("not_found"))),
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
fn what_is_printed_of_a_stream_shows_no_secret_and_no_message() {
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
fn an_error_says_what_happened_to_which_call_and_never_the_ticket() {
    let server = Server::streaming(|connection, request, _| {
        let ticket = request.query("ticket").unwrap();
        let body = format!(r#"{{"message":"bad {ticket}","statusCode":403,"code":"forbidden"}}"#);
        connection.answer(403, &["X-Request-Id: req_7"], body);
    });
    let error = request(&server).open().unwrap_err();
    let line = error.to_string();
    assert!(line.starts_with("GET /agents/agt_1/conversations/cnv_1/stream"));
    assert!(line.contains("403") && line.contains("req_7"), "{line}");
    assert!(!line.contains("ticket-0"), "{line}");
    assert_eq!(format!("{error:?}"), line);
}
