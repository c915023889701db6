//! What a stream survives, and what the error says that it ends with.

mod support;

use std::time::{Duration, Instant};

use bimpeai::Error;
use bimpeai::stream::{MessageStream, Received, StreamEvent, StreamRequest};
use support::{Connection, KEY, PATIENCE, Server, message};

const HEAD: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/// Makes the next connection follow at once.
const AT_ONCE: &str = "retry: 1\n\n";

/// The ticket of every stream.
const TICKET: &str = "ticket-0";

fn request(server: &Server) -> StreamRequest {
    let client = server.client();
    client.conversations().messages().stream("agt_1", "cnv_1")
}

/// Serves an event stream of this text, and then ends the connection.
fn brings(connection: &mut Connection, text: impl AsRef<str>) {
    connection.streaming = true;
    connection.raw(format!("{HEAD}{}", text.as_ref()));
}

/// The same, and then nothing until the client closes.
fn stays(connection: &mut Connection, text: impl AsRef<str>) {
    brings(connection, text);
    connection.closed_by_client();
}

#[track_caller]
fn next(stream: &mut MessageStream) -> Result<String, Error> {
    match stream.recv_timeout(PATIENCE)? {
        Received::Message(message) => Ok(message.id),
        other => panic!("no message: {other:?}"),
    }
}

/// The error that the stream ends with.
#[track_caller]
fn end(stream: &mut MessageStream) -> Error {
    let error = next(stream).unwrap_err();
    assert_eq!(stream.recv_timeout(PATIENCE).unwrap(), Received::Ended);
    error
}

// The budget.

#[test]
fn a_stream_that_was_connected_once_survives_more_failures_than_an_opening_does() {
    let server = Server::streaming(|connection, _, number| match number {
        0 => brings(connection, format!("{AT_ONCE}{}", message("m1", "x"))),
        1..8 => assert!(connection.respond(503, &[], "{}")),
        _ => stays(connection, message("m2", "x")),
    });
    let mut stream = request(&server).open().unwrap();
    assert_eq!(next(&mut stream).unwrap(), "m1");
    assert_eq!(next(&mut stream).unwrap(), "m2");
    assert_eq!(server.streams().len(), 9);
}

#[test]
fn an_outage_that_is_longer_than_its_limit_ends_the_stream() {
    let limit = Duration::from_millis(300);
    let server = Server::streaming(|connection, _, number| match number {
        0 => brings(connection, format!("{AT_ONCE}{}", message("m1", "x"))),
        _ => assert!(connection.respond(503, &[], "{}")),
    });
    let mut stream = request(&server).max_outage(limit).open().unwrap();
    assert_eq!(next(&mut stream).unwrap(), "m1");
    let started = Instant::now();
    assert_eq!(end(&mut stream).status(), Some(503));
    assert!(started.elapsed() >= limit, "{:?}", started.elapsed());
    assert!(server.streams().len() > 3, "{}", server.streams().len());

    // While it opens, too; the count is not reached.
    let request = request(&server).max_outage(Duration::ZERO).max_retries(9);
    let error = request.open().unwrap_err();
    assert_eq!((error.status(), error.attempts()), (Some(503), 1));
}

#[test]
fn a_delay_that_the_server_asks_for_is_not_a_failure() {
    // The ticket calls and the streams are counted together.
    for status in [429, 503] {
        let server = Server::responding(move |connection, request, number| match number {
            0 | 1 | 3 => assert!(connection.respond(status, &["Retry-After: 0.01"], "{}")),
            _ if request.path().ends_with("/stream-ticket") => assert!(connection.ticket("t")),
            _ => stays(connection, message("m1", "x")),
        });
        let mut stream = request(&server).max_retries(0).open().unwrap();
        assert_eq!(next(&mut stream).unwrap(), "m1", "{status}");
        assert_eq!((server.tickets().len(), server.streams().len()), (4, 2));
    }
}

/// As long as a connection has to live, and a moment.
const A_WHILE: Duration = Duration::from_millis(8_100);

#[test]
fn a_quiet_connection_that_is_closed_after_a_while_is_not_a_failure() {
    let server = Server::streaming(|connection, _, number| {
        if number > 0 {
            return stays(connection, message("m1", "x"));
        }
        brings(connection, AT_ONCE);
        std::thread::sleep(A_WHILE);
    });
    let mut stream = request(&server).max_retries(0).open().unwrap();
    assert_eq!(next(&mut stream).unwrap(), "m1");
}

#[test]
fn a_connection_on_which_nothing_is_received_is_a_failure_however_long_it_stays() {
    let server = Server::streaming(|connection, _, _| stays(connection, AT_ONCE));
    let request = request(&server).idle_timeout(A_WHILE);
    let mut stream = request.max_retries(0).open().unwrap();
    assert!(matches!(end(&mut stream), Error::Timeout(_)));
    assert_eq!(server.streams().len(), 1);
}

// What the server reports in an event.

/// The line of the error that a stream ends with after this event.
fn line_after(event: impl Into<String>) -> String {
    let event = event.into();
    let server = Server::start(move |mut connection| {
        connection.request();
        connection.ticket(TICKET);
        connection.request();
        brings(&mut connection, format!("{AT_ONCE}{event}\n\n"));
        // In order, so that it is not the end that says why.
        connection.close();
    });
    let stream = request(&server).max_retries(0).into_iter();
    let errors: Vec<_> = stream.filter_map(Result::err).collect();
    let [error] = &errors[..] else {
        panic!("{errors:?}");
    };
    assert!(matches!(error, Error::Connection(_)), "{error}");
    error.to_string()
}

#[test]
fn the_text_of_an_error_event_is_in_the_error() {
    for (data, says) in [
        (
            r#"{"message":"Conversation was closed"}"#,
            "Conversation was closed",
        ),
        (
            r#"{"code":"internal_error","message":"Database is down","statusCode":500}"#,
            "internal_error: Database is down",
        ),
        (r#"{"error":"Bad Gateway"}"#, "Bad Gateway"),
        (r#"{"message":["one","two"]}"#, "one; two"),
        (r#"{"code":"gone"}"#, "gone"),
        (r#""in quotes""#, "in quotes"),
        ("plain text", "plain text"),
        (r#"{"detail":"other shape"}"#, r#"{"detail":"other shape"}"#),
        ("first\ndata: second", "first second"),
        (r#"{"message":"a\nb\u001b[31mc\u202ed"}"#, "a b [31mc d"),
    ] {
        let line = line_after(format!("event: error\ndata: {data}"));
        let expected =
            format!("the server ended the stream; an error event of the stream said: {says}");
        assert!(line.contains(&expected), "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    // One without a text is told as well, and the last one counts.
    let line = line_after("event: error\ndata:");
    assert!(
        line.contains("ended the stream; the stream had an error event without a text"),
        "{line}"
    );
    let line = line_after("event: error\ndata: first\n\nevent: error\ndata: second");
    assert!(
        line.contains("said: second") && !line.contains("first"),
        "{line}"
    );
}

#[test]
fn the_text_of_an_error_event_is_bounded_and_shows_no_secret() {
    let line = line_after(format!("event: error\ndata: {}", "é".repeat(100_000)));
    assert!(line.chars().count() < 500, "{}", line.len());
    assert!(line.contains("ééé…"), "{line}");
    for secret in [KEY, TICKET] {
        for data in [
            format!("before {secret} after"),
            // Cut in the middle, a part of it would be shown.
            format!("{}{secret}", "x".repeat(295)),
            format!(r#"{{"message":"before {secret} after"}}"#),
            format!(
                r#"{{"message":"\u{:04x}{}"}}"#,
                secret.as_bytes()[0],
                &secret[1..]
            ),
        ] {
            let line = line_after(format!("event: error\ndata: {data}"));
            assert!(!line.contains(&secret[..5]), "{line}");
            assert!(line.contains("stream said: "), "{line}");
        }
    }
}

#[test]
fn an_error_event_is_shown_until_a_connection_works() {
    let event = "event: error\ndata: going down\n\n";
    let server = Server::streaming(move |connection, _, number| match number {
        0 => brings(
            connection,
            format!("{AT_ONCE}{event}{}", message("m1", "x")),
        ),
        1 => brings(connection, ""),
        2 => assert!(connection.respond(503, &[], "{}")),
        3 => brings(connection, message("m2", "x")),
        // The idle timeout ends it.
        4 => stays(connection, event),
        _ => assert!(connection.respond(404, &[], "{}")),
    });
    let request = request(&server).idle_timeout(Duration::from_millis(200));
    let mut lines = Vec::new();
    for event in request.lifecycle() {
        match event {
            Ok(StreamEvent::Disconnected { error, .. }) => lines.push(error.to_string()),
            Ok(_) => {}
            Err(error) => lines.push(error.to_string()),
        }
    }
    let shown: Vec<_> = lines.iter().map(|it| it.contains("going down")).collect();
    assert_eq!(shown, [true, true, true, false, true, true], "{lines:#?}");
    assert!(lines[4].contains("sent nothing for 200ms"), "{}", lines[4]);
    assert!(lines[5].contains("404"), "{}", lines[5]);
}

#[test]
fn without_reconnect_an_error_event_is_the_last_item() {
    let server = Server::streaming(|connection, _, number| match number {
        0 => brings(
            connection,
            message("m1", "x") + "event: error\ndata: closed\n\n",
        ),
        _ => brings(
            connection,
            message("m1", "x") + "event: other\ndata: closed\n\n",
        ),
    });
    for is_reported in [true, false] {
        let stream = request(&server).reconnect(false).into_iter();
        let items: Vec<_> = stream.collect();
        assert_eq!(items.len(), 1 + usize::from(is_reported));
        assert_eq!(items[0].as_ref().unwrap().id, "m1");
        let error = items.get(1).map(|item| item.as_ref().unwrap_err());
        let says = error.is_some_and(|error| error.to_string().contains("stream said: closed"));
        assert_eq!(says, is_reported);
    }
}

// A refused position.

#[test]
fn a_refused_position_says_that_it_was_the_position() {
    for status in [400, 404, 410, 422] {
        let server = Server::streaming(move |connection, request, number| {
            match (number, request.query("after")) {
                (0, None) => brings(connection, format!("{AT_ONCE}{}", message("m1", "x"))),
                _ => assert!(connection.respond(status, &[], r#"{"message":"No such chat"}"#)),
            }
        });
        // The one that the stream has reached, and the one that the caller gave.
        let mut stream = request(&server).open().unwrap();
        assert_eq!(next(&mut stream).unwrap(), "m1");
        let given = request(&server).after("stored-position").open();
        for error in [end(&mut stream), given.unwrap_err()] {
            assert_eq!(error.status(), Some(status));
            let line = error.to_string();
            assert!(line.contains("No such chat"), "{line}");
            assert!(
                line.contains("the position to resume from (`after`) was refused"),
                "{line}"
            );
            assert!(!line.contains("stored-position"), "{line}");
        }
    }
}

#[test]
fn other_refusals_do_not_blame_the_position() {
    let blames = |error: Error| error.to_string().contains("position");
    // Without a position, with another status, and at the ticket call.
    for (status, after) in [(400, None), (404, None), (422, None), (403, Some("m1"))] {
        let server = Server::streaming(move |connection, _, _| {
            connection.respond(status, &[], "{}");
        });
        let mut request = request(&server);
        if let Some(after) = after {
            request = request.after(after);
        }
        assert!(!blames(request.open().unwrap_err()), "{status}");
    }
    let server = Server::responding(|connection, _, _| {
        connection.respond(404, &[], "{}");
    });
    assert!(!blames(request(&server).after("m1").open().unwrap_err()));
}

// A process that was stopped.

/// The child's part: follows a stream, or makes a call. Prints what it received.
#[test]
fn child_that_is_stopped() {
    let Ok(url) = std::env::var("BIMPEAI_TEST_URL") else {
        return;
    };
    let client = bimpeai::Client::builder(KEY).base_url(url).max_retries(0);
    if std::env::var("BIMPEAI_TEST_CALL").is_ok() {
        let client = client.timeout(STOPPED / 2).build().unwrap();
        let agent = client.agents().retrieve("agt_1").send();
        println!("received {:?}", agent.map(|agent| agent.id));
        return;
    }
    let client = client.build().unwrap();
    let request = client.conversations().messages().stream("agt_1", "cnv_1");
    let request = request.idle_timeout(STOPPED / 2).max_retries(0);
    let stream = request.lifecycle();
    let events: Vec<_> = stream
        .filter_map(|event| match event {
            Ok(StreamEvent::Message(message)) => Some(message.id),
            Ok(StreamEvent::Disconnected { error, .. }) => Some(error.to_string()),
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        })
        .take(2)
        .collect();
    println!("received {events:?}");
}

/// How long the process is stopped; twice as long as it waits for anything.
const STOPPED: Duration = Duration::from_secs(1);

/// Stops the child once the server has its request, lets the server respond, and continues the child
/// after a while. Returns what the child printed.
#[cfg(target_os = "linux")]
fn received_by_a_stopped_child(
    is_call: bool,
    respond: impl Fn(&mut Connection) + Send + Sync + 'static,
) -> String {
    use support::Gate;

    let (requested, stopped) = (Gate::new(), Gate::new());
    let (has_request, is_stopped) = (requested.clone(), stopped.clone());
    let server = Server::streaming(move |connection, _, _| {
        if !is_call {
            brings(connection, message("m1", "x"));
        }
        has_request.open();
        is_stopped.wait();
        respond(connection);
        connection.closed_by_client();
    });
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child_that_is_stopped", "--nocapture"])
        .env("BIMPEAI_TEST_URL", server.url())
        .stdout(std::process::Stdio::piped());
    if is_call {
        command.env("BIMPEAI_TEST_CALL", "1");
    }
    let child = command.spawn().unwrap();
    let signal = |name: &str| {
        let pid = child.id().to_string();
        let status = std::process::Command::new("kill")
            .args([name, &pid])
            .status();
        assert!(status.unwrap().success());
    };
    requested.wait();
    // It is in the read by now; if not, it is only the easier for it.
    std::thread::sleep(STOPPED / 10);
    signal("-STOP");
    let status = format!("/proc/{}/stat", child.id());
    support::eventually("the child is stopped", || {
        std::fs::read_to_string(&status).is_ok_and(|stat| stat.contains(") T "))
    });
    stopped.open();
    std::thread::sleep(STOPPED);
    signal("-CONT");
    let output = child.wait_with_output().unwrap();
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let received = output.lines().find(|line| line.contains("received "));
    received.expect(&output).to_owned()
}

#[test]
#[cfg(target_os = "linux")]
fn messages_that_arrived_while_the_process_was_stopped_are_received() {
    let stream = received_by_a_stopped_child(false, |connection| {
        connection.raw(message("m2", "x"));
    });
    assert!(stream.contains(r#"received ["m1", "m2"]"#), "{stream}");
    let call = received_by_a_stopped_child(true, |connection| {
        connection.data(r#"{"id":"agt_1","name":"n"}"#);
    });
    assert!(call.contains(r#"received Ok("agt_1")"#), "{call}");
}

#[test]
#[cfg(target_os = "linux")]
fn silence_while_the_process_was_stopped_is_a_timeout() {
    let stream = received_by_a_stopped_child(false, |_| {});
    assert!(stream.contains("sent nothing for 500ms"), "{stream}");
    let call = received_by_a_stopped_child(true, |_| {});
    assert!(call.contains("no response was received in time"), "{call}");
}
