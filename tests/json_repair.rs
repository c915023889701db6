//! JSON that is not quite JSON, wherever it is decoded: half surrogate pairs and byte order marks.

mod support;

use std::time::Duration;

use bimpeai::Error;
use bimpeai::conversations::SendMessage;
use bimpeai::stream::StreamEvent;
use serde_json::Value;
use support::{Server, message_data};

/// The content of a JSON string, and the decoded text.
const TEXTS: &[(&str, &str)] = &[
    (r"cut \ud83d", "cut \u{fffd}"),
    (r"\uD83D", "\u{fffd}"),
    (r"\ude00", "\u{fffd}"),
    (r"\uDE00 low", "\u{fffd} low"),
    (r"\ud83d\ud83d", "\u{fffd}\u{fffd}"),
    (r"\uD83D\ude00", "😀"),
    (r"\ud83d\uDE00\ud83d", "😀\u{fffd}"),
    (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
    (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
    (r"\ude00\ud83d\ude00", "\u{fffd}😀"),
    (r"\ud83dx\ude00", "\u{fffd}x\u{fffd}"),
    (r"\ud83d\n\ud83d", "\u{fffd}\n\u{fffd}"),
    (r"\ud83dA\u0041", "\u{fffd}AA"),
    (r"\ud83d\u00e9", "\u{fffd}é"),
    (r"\ud83dé\udbff\udfff", "\u{fffd}é\u{10ffff}"),
    (r"\\ud83d", r"\ud83d"),
    (r"\\\ud83d", "\\\u{fffd}"),
    (r"\\\\ud83d\ud83d", "\\\\ud83d\u{fffd}"),
    (r"\ud83d\\ude00", "\u{fffd}\\ude00"),
    (r#"\ud83d\"\ud83d"#, "\u{fffd}\"\u{fffd}"),
    ("\\ud83d\u{1}\n", "\u{fffd}\u{1}\n"),
];

const BOM: &str = "\u{feff}";

fn giving(status: u16, body: impl Into<Vec<u8>>) -> Server {
    let body = body.into();
    Server::responding(move |connection, _, _| {
        connection.respond(status, &[], &body);
    })
}

#[test]
fn half_a_surrogate_pair_is_replaced_in_every_field_of_a_success() {
    for (json, text) in TEXTS {
        let body = format!(
            r#"{{"message":"{json}","data":{{"id":"{json}","name":"{json}","status":"{json}",
                "unknown":["{json}"],"{json}":1}}}}"#
        );
        let agent = giving(200, body).client().agents().retrieve("a").send();
        let agent = agent.unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!((&*agent.id, &*agent.name), (*text, *text), "{json}");
        assert_eq!(agent.status.unwrap().as_str(), *text, "{json}");
        assert_eq!(agent.extra["unknown"][0], *text, "{json}");
        assert_eq!(agent.extra[*text], 1, "{json}");
    }
}

#[test]
fn half_a_surrogate_pair_does_not_spoil_a_page() {
    for (json, text) in TEXTS {
        let body = format!(
            r#"{{"data":[{{"id":"c1","last_message_preview":"{json}"}},{{"id":"c2"}}],
                "meta":{{"total_count":2,"x":"{json}"}}}}"#
        );
        let server = giving(200, body);
        let page = server.client().conversations().list("a1").send();
        let page = page.unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(page.data.len(), 2);
        assert_eq!(page.data[0].last_message_preview.as_deref(), Some(*text));
    }
}

#[test]
fn half_a_surrogate_pair_is_replaced_in_an_error() {
    for (json, text) in TEXTS {
        let body = format!(
            r#"{{"message":"{json}","code":"validation_error","request_id":"{json}",
                "errors":[{{"path":"{json}","message":"{json}"}}]}}"#
        );
        let error = giving(400, body).client().agents().retrieve("a").send();
        let Err(Error::Api(error)) = error else {
            panic!("{json}: {error:?}");
        };
        assert_eq!(error.message(), *text, "{json}");
        assert_eq!(error.request_id(), Some(*text), "{json}");
        let field = &error.field_errors()[0];
        assert_eq!((&*field.path, &*field.message), (*text, *text), "{json}");
    }
}

#[test]
fn untyped_data_is_repaired_and_raw_bytes_are_not() {
    let body = r#"{"data":["\ud83d"]}"#;
    let server = giving(200, format!("{BOM}{body}"));
    let client = server.client();
    let data: Value = client.request("GET", "/x").send().unwrap();
    assert_eq!(data[0], "\u{fffd}");
    let typed = client.request("GET", "/x").decode_as::<Vec<String>>();
    assert_eq!(typed.send().unwrap(), ["\u{fffd}"]);
    let raw = client.request("GET", "/x").raw().send().unwrap();
    assert_eq!(raw, format!("{BOM}{body}").as_bytes());
}

#[test]
fn an_incomplete_escape_stays_invalid() {
    for json in [
        r"\ud83",
        r"\ud83g",
        r"\u+d83",
        r"\ud83d\u",
        r"\ud83d\ude0",
        r"\x",
    ] {
        let body = format!(r#"{{"data":{{"id":"{json}"}}}}"#);
        let error = giving(200, body).client().agents().retrieve("a").send();
        let line = error.unwrap_err().to_string();
        assert!(line.contains("JSON"), "{json}: {line}");
    }
    // Nothing is repaired outside a string.
    for body in [r#"{"data":\ud83d}"#, "{\"data\":\u{1}{}}"] {
        let error = giving(200, body).client().agents().retrieve("a").send();
        assert!(matches!(error, Err(Error::Decode(_))), "{body}");
    }
}

#[test]
fn a_mismatch_in_repaired_json_is_reported_at_its_position() {
    for text in ["line\nline\n", r"\ud83d\ud83d", "\u{1}\u{2}\u{3}\u{4}"] {
        let body = format!(r#"{BOM}{{"data":{{"name":"{text}","rules":[{{}}],"id":{{}}}}}}"#);
        let error = giving(200, body).client().agents().retrieve("a").send();
        let line = error.unwrap_err().to_string();
        assert!(
            line.contains("expected an identifier at data.id "),
            "{line}"
        );
    }
}

#[test]
fn a_stream_delivers_messages_with_half_a_surrogate_pair() {
    let server = Server::streaming(|connection, _, _| {
        connection.event_stream();
        for (number, (json, _)) in TEXTS.iter().enumerate() {
            // In one line: a raw line end would end the line of the event.
            if !json.contains('\n') {
                let data = message_data(&format!("m{number}"), json);
                connection.raw(format!("id: m{number}\nevent: message\ndata: {data}\n\n"));
            }
        }
        connection.closed_by_client();
    });
    let messages = server.client().conversations().messages();
    let mut stream = messages.stream("a", "c").open().unwrap();
    for (json, text) in TEXTS.iter().filter(|(json, _)| !json.contains('\n')) {
        let message = stream.next().unwrap();
        let message = message.unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(message.message.as_deref(), Some(*text), "{json}");
    }
}

#[test]
fn a_stream_drops_duplicates_of_repaired_messages() {
    let server = Server::streaming(|connection, _, _| {
        connection.event_stream();
        for id in ["m1", "m1", "m2"] {
            let data = message_data(id, r"\ud83d");
            connection.raw(format!("event: message\ndata: {data}\n\n"));
            let data = message_data(&format!("{id}-bom"), "x");
            connection.raw(format!("event: message\ndata: {BOM}{data}\n\n"));
        }
        connection.closed_by_client();
    });
    let messages = server.client().conversations().messages();
    let mut stream = messages.stream("a", "c").open().unwrap();
    let ids: Vec<String> = stream.by_ref().take(4).map(|m| m.unwrap().id).collect();
    assert_eq!(ids, ["m1", "m1-bom", "m2", "m2-bom"]);
}

#[test]
fn heartbeats_and_tickets_with_half_a_surrogate_pair_are_read() {
    let server = Server::responding(|connection, request, _| {
        if request.path().ends_with("/stream-ticket") {
            let body =
                format!(r#"{BOM}{{"message":"\ud83d","data":{{"ticket":"t","x":"\ud83d"}}}}"#);
            connection.respond(201, &[], body);
        } else {
            assert_eq!(request.query("ticket"), Some("t"));
            connection.event_stream();
            connection.raw("event: heartbeat\ndata: {\"x\":\"\\ud83d\",\"ts\":1780000000000}\n\n");
            connection.closed_by_client();
        }
    });
    let messages = server.client().conversations().messages();
    let request = messages.stream("a", "c").max_retries(0);
    let heartbeat = request.lifecycle().find_map(|event| match event {
        Ok(StreamEvent::Heartbeat(heartbeat)) => Some(heartbeat),
        Ok(_) => None,
        Err(error) => panic!("{error}"),
    });
    assert_eq!(heartbeat.unwrap().ts, 1_780_000_000_000);
}

#[test]
fn a_byte_order_mark_before_a_body_is_skipped() {
    let agent = giving(200, format!("{BOM}{{\"data\":{{\"id\":\"a1\"}}}}"));
    assert_eq!(
        agent.client().agents().retrieve("a").send().unwrap().id,
        "a1"
    );
    let page = giving(200, format!("{BOM}\r\n{{\"data\":[{{\"id\":\"a1\"}}]}}"));
    assert_eq!(page.client().agents().list().send().unwrap().data.len(), 1);

    let body = format!("{BOM}{{\"message\":\"why\",\"code\":\"not_found\"}}");
    let error = giving(404, &*body).client().agents().retrieve("a").send();
    let Err(Error::Api(error)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.message(), "why");
    assert_eq!(error.body(), body.as_bytes(), "as it arrived");
}

#[test]
fn a_body_of_only_a_byte_order_mark_is_empty() {
    for rest in ["", " \r\n", "null", " null\n", "{}", r#"{"data":null}"#] {
        let server = giving(200, format!("{BOM}{rest}"));
        let client = server.client();
        client.agents().delete("a").send().expect(rest);
        assert_eq!(
            client.request("POST", "/x").send().expect(rest),
            Value::Null
        );
        let error = client.agents().retrieve("a").send().unwrap_err();
        let says = if rest.contains('{') {
            "`data` is missing"
        } else {
            "body"
        };
        assert!(error.to_string().contains(says), "{rest}: {error}");
        assert!(!error.to_string().contains("JSON"), "{rest}: {error}");
    }
}

#[test]
fn html_and_an_array_are_recognized_behind_a_byte_order_mark() {
    for (status, body, says) in [
        (200, "<html></html>", "an HTML page, not JSON"),
        (200, "\n<!doctype html>", "an HTML page, not JSON"),
        (502, "<html></html>", "an HTML page"),
        (200, "[1]", "got an array"),
    ] {
        let server = giving(status, format!("{BOM}{body}"));
        let client = server.builder().max_retries(0).build().unwrap();
        let line = client
            .agents()
            .retrieve("a")
            .send()
            .unwrap_err()
            .to_string();
        assert!(line.contains(says), "{body}: {line}");
    }
}

#[test]
fn a_truncated_body_is_reported_as_truncated_despite_other_damage() {
    // Without a length, the JSON alone says that it ends too early.
    for body in [
        format!("{BOM}{{\"data\":{{\"id\":\"a"),
        "{\"data\":{\"name\":\"a\nb\",\"id\"".to_owned(),
        r#"{"data":{"id":"\ud83d","#.to_owned(),
    ] {
        let served = body.clone();
        let server = Server::start(move |mut connection| {
            let _ = connection.request();
            connection.raw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            connection.raw(&served);
            connection.close();
        });
        let client = server.builder().max_retries(0).build().unwrap();
        let error = client.agents().retrieve("a").send().unwrap_err();
        assert!(error.is_retryable(), "{body:?}: {error}");
    }
}

#[test]
fn a_write_is_not_repeated_when_its_response_has_half_a_surrogate_pair() {
    let server = giving(
        201,
        format!("{{\"data\":{}}}", message_data("m1", r"echo \ud83d")),
    );
    let messages = server.client().conversations().messages();
    let body = SendMessage::new("echo 😀");
    let sent = messages
        .send("a", "c", body)
        .timeout(Duration::from_secs(5));
    assert_eq!(
        sent.send().unwrap().message.as_deref(),
        Some("echo \u{fffd}")
    );
    assert_eq!(server.requests().len(), 1);
}
