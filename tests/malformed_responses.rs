//! Responses that violate HTTP: the error names the violation, and the call is not retried.

mod support;

use std::time::Duration;

use bimpeai::agents::CreateAgent;
use bimpeai::{Client, Error};
use support::Server;

/// A value in a response that no message may show.
const CANARY: &str = "canary-value";

fn create(client: &Client) -> Result<(), Error> {
    let create = client.agents().create(CreateAgent::new("n"));
    create.send().map(|_| ())
}

/// Writes the bytes to every request, and keeps the connection open.
fn writing(bytes: impl Into<Vec<u8>>) -> Server {
    let bytes = bytes.into();
    Server::responding(move |connection, _, _| {
        connection.raw(&bytes);
    })
}

#[track_caller]
fn is_malformed(bytes: impl Into<Vec<u8>>, says: &str) {
    let bytes = bytes.into();
    let shown = String::from_utf8_lossy(&bytes).into_owned();
    let server = writing(bytes);
    let error = create(&server.client()).unwrap_err();
    let line = error.to_string();
    assert!(matches!(error, Error::Connection(_)), "{shown:?}: {line}");
    assert!(line.contains(says), "{shown:?}: {line}");
    assert!(!line.contains("is not HTTP"), "{shown:?}: {line}");
    assert!(!line.contains(CANARY), "{shown:?}: {line}");
    assert!(!line.contains(char::is_control), "{shown:?}: {line:?}");
    assert!(error.may_have_been_sent(), "{line}");
    assert!(!error.is_retryable(), "{line}");
    assert_eq!(error.attempts(), 1, "{line}");
    assert_eq!(server.requests().len(), 1, "{line}");
}

#[test]
fn a_malformed_header_is_named_and_its_value_is_not() {
    for (header, says) in [
        (
            format!("X-Odd : {CANARY}"),
            "the response is malformed: its header 2 \"X-Odd \" has a space before its colon",
        ),
        (
            format!("X-Odd\t: {CANARY}"),
            "its header 2 \"X-Odd \" has a space before its colon",
        ),
        (
            format!(" {CANARY}: folded"),
            "its header 2 continues the line before it",
        ),
        (
            format!("\t{CANARY}"),
            "its header 2 continues the line before it",
        ),
        (CANARY.to_owned(), "its header 2 has no colon"),
        (format!(": {CANARY}"), "its header 2 has no name"),
        (
            format!("X(Odd): {CANARY}"),
            "its header 2 \"X(Odd)\" has a character in its name that is not allowed",
        ),
        (
            format!("X\u{1b}[31m: {CANARY}"),
            "its header 2 \"X [31m\" has a character in its name that is not allowed",
        ),
        (
            format!("{}é: {CANARY}", "x".repeat(100)),
            "xxx…\" has a character in its name that is not allowed",
        ),
        (
            format!("X-Odd: \u{1}{CANARY}"),
            "its header 2 \"X-Odd\" has a control character in its value",
        ),
        (
            format!("X-Odd: a\rb{CANARY}"),
            "its header 2 \"X-Odd\" has a control character in its value",
        ),
        (
            format!("X-Odd: a\0b{CANARY}"),
            "its header 2 \"X-Odd\" has a control character in its value",
        ),
    ] {
        is_malformed(
            format!("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n{header}\r\n\r\n{{}}"),
            says,
        );
    }
}

#[test]
fn a_malformed_status_line_is_shown() {
    for (line, says) in [
        (
            "HTTP/1.1 20 OK",
            "its status line \"HTTP/1.1 20 OK\" is invalid",
        ),
        (
            "HTTP/1.1 2000 OK",
            "its status line \"HTTP/1.1 2000 OK\" is invalid",
        ),
        (
            "HTTP/1.1 abc OK",
            "its status line \"HTTP/1.1 abc OK\" is invalid",
        ),
        (
            "HTTP/1.1 099 Low",
            "its status line \"HTTP/1.1 099 Low\" is invalid",
        ),
        (
            "HTTP/1.1200 OK",
            "its status line \"HTTP/1.1200 OK\" is invalid",
        ),
        (
            "HTTP/1.2 200 OK",
            "its status line \"HTTP/1.2 200 OK\" is invalid",
        ),
        (
            "HTTP/1.1 \u{1b}[31m",
            "its status line \"HTTP/1.1  [31m\" is invalid",
        ),
    ] {
        is_malformed(format!("{line}\r\nContent-Length: 0\r\n\r\n"), says);
    }
}

#[test]
fn a_body_whose_length_is_not_known_is_malformed() {
    for (headers, says) in [
        ("Content-Length: -1", "its Content-Length is not a number"),
        ("Content-Length: two", "its Content-Length is not a number"),
        (
            "Content-Length: 99999999999999999999",
            "its Content-Length is not a number",
        ),
        (
            "Content-Length: 2\r\nContent-Length: 3",
            "it has more than one Content-Length",
        ),
        (
            "Transfer-Encoding: gzip, chunked",
            "transfer encoding \"gzip, chunked\" was not asked for",
        ),
        (
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
            "transfer encoding \"gzip, chunked\" was not asked for",
        ),
        (
            "Transfer-Encoding: br",
            "transfer encoding \"br\" was not asked for",
        ),
    ] {
        is_malformed(
            format!("HTTP/1.1 201 Created\r\n{headers}\r\n\r\n{{}}"),
            says,
        );
    }
}

#[test]
fn a_malformed_chunk_is_not_retried() {
    for (body, says) in [
        (
            "zz\r\n{}\r\n0\r\n\r\n",
            "is damaged: chunk length cannot be read as a number",
        ),
        (
            "-2\r\n{}\r\n0\r\n\r\n",
            "is damaged: chunk length cannot be read as a number",
        ),
        (
            "2\r\n{}xx\r\n0\r\n\r\n",
            "is damaged: chunk expected crlf as next character",
        ),
        (
            "ffffffffffffffffffff\r\n",
            "is damaged: chunk length cannot be read as a number",
        ),
    ] {
        is_malformed(
            format!("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n{body}"),
            says,
        );
    }
}

#[test]
fn too_many_or_too_large_headers_are_not_retried() {
    let head = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n";
    let many = "X-Y: z\r\n".repeat(200);
    is_malformed(
        format!("{head}{many}\r\n{{}}"),
        "the response has too many headers",
    );
    let large = "x".repeat(70_000);
    is_malformed(
        format!("{head}X: {large}\r\n\r\n{{}}"),
        "the response's headers are larger than 65536 bytes",
    );
}

#[test]
fn headers_that_fill_the_buffer_of_a_stream_are_named() {
    let server = Server::streaming(|connection, _, _| {
        let large = "x".repeat(64_000);
        connection.raw(format!("HTTP/1.1 200 OK\r\nX: {large}\r\n\r\n"));
    });
    let stream = server.client().conversations().messages().stream("a", "c");
    let error = stream.open().unwrap_err();
    assert!(
        error.to_string().contains("headers are larger than"),
        "{error}"
    );
    assert!(!error.is_retryable(), "{error}");
    assert_eq!(server.streams().len(), 1);
}

#[test]
fn a_head_truncated_by_a_lost_connection_is_retried() {
    const WHOLE: &str =
        "HTTP/1.1 201 Created\r\nX-Odd: a\r\nContent-Length: 21\r\n\r\n{\"data\":{\"id\":\"abc\"}}";
    for end in [1, 7, 9, 12, 20, 22, 27, 33, 52, 54] {
        let server = Server::start(move |mut connection| {
            while connection.request().is_some() {
                if connection.number == 0 {
                    connection.raw(&WHOLE[..end]);
                    connection.shut();
                    return;
                }
                connection.raw(WHOLE);
            }
        });
        create(&server.client()).unwrap_or_else(|error| panic!("{end}: {error}"));
        assert_eq!(server.requests().len(), 2, "{end}");
    }
}

#[test]
fn unusual_but_valid_responses_are_read() {
    let data = r#"{"data":{"id":"abc"}}"#;
    let length = format!("Content-Length: {}\r\n", data.len());
    for head in [
        format!("HTTP/1.1 201\r\n{length}\r\n"),
        format!("HTTP/1.1 201 \r\n{length}\r\n"),
        format!("HTTP/1.0 201 Created\r\n{length}\r\n"),
        format!("HTTP/1.1 201 Created\n{}\n\n", length.trim_end()),
        format!("\r\nHTTP/1.1 201 Created\r\n{length}\r\n"),
        format!("HTTP/1.1 201 Créé\r\n{length}X-Name: José\r\nX-Empty:\r\n\r\n"),
        format!("HTTP/1.1 201 Created\r\n{length}{length}\r\n"),
        format!("HTTP/1.1 299 Odd\r\n{length}\r\n"),
    ] {
        let server = writing(format!("{head}{data}"));
        create(&server.client()).unwrap_or_else(|error| panic!("{head:?}: {error}"));
        assert_eq!(server.requests().len(), 1, "{head:?}");
    }
    let server = writing("HTTP/1.1 999 Blocked\r\nContent-Length: 0\r\n\r\n");
    let error = create(&server.client()).unwrap_err();
    assert_eq!(
        (error.status(), error.attempts()),
        (Some(999), 1),
        "{error}"
    );
}

#[test]
fn interim_responses_may_have_headers_and_arrive_in_pieces() {
    let data = r#"{"data":{"id":"abc"}}"#;
    let last = format!(
        "HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n{data}",
        data.len()
    );
    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nServer: x\r\nDate: now\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\nHTTP/1.1 100 Continue\r\nX: y\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n",
    ] {
        for pieces in [1, 7, 1_000] {
            let bytes = format!("{interim}{last}");
            let server = Server::responding(move |connection, _, _| {
                for piece in bytes.as_bytes().chunks(pieces) {
                    connection.raw(piece);
                    if pieces < 1_000 {
                        std::thread::sleep(Duration::from_micros(200));
                    }
                }
            });
            let client = server.client();
            for _ in 0..2 {
                create(&client).unwrap_or_else(|error| panic!("{interim:?}: {error}"));
            }
            assert_eq!(server.connections(), 1, "{interim:?}");
        }
    }
}

#[test]
fn a_response_that_is_not_http_is_not_retried() {
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.2\r\n\r\n"[..],
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP\r\n\r\n",
        b"<html></html>",
    ] {
        let server = writing(bytes);
        let error = create(&server.client()).unwrap_err();
        let line = error.to_string();
        assert!(
            line.contains("is not HTTP/1.1; is this the API's port"),
            "{line}"
        );
        assert!(
            !error.is_retryable() && error.may_have_been_sent(),
            "{line}"
        );
        assert_eq!(server.requests().len(), 1, "{line}");
    }
}

#[test]
fn a_stream_names_a_malformed_head_too() {
    let server = Server::streaming(|connection, _, _| {
        connection.raw("HTTP/1.1 200 OK\r\nContent-Type : text/event-stream\r\n\r\n");
    });
    let stream = server.client().conversations().messages().stream("a", "c");
    let error = stream.open().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("its header 1 \"Content-Type \" has a space before its colon"),
        "{error}"
    );
    assert_eq!(server.streams().len(), 1);
}
