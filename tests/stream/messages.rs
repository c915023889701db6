//! Messages and other events.

use super::*;

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
fn an_undecodable_message_is_one_error_and_the_stream_continues() {
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
fn a_stream_is_parsed_by_the_whatwg_rules() {
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
fn an_event_that_is_too_large_is_one_error_and_the_stream_continues() {
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
        _ => assert!(connection.respond(200, &["Content-Type: text/html"], "<html>log in")),
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
