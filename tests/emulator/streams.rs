//! Live streams.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Api, Next, PREFIX, api, eventually, parse, quiet, start};

fn push(api: &Api, agent: &str, conversation: &str, texts: &[&str]) -> Vec<String> {
    texts
        .iter()
        .map(|text| api.push_message(agent, conversation, "user", text))
        .collect()
}

/// The status and code of a refused stream request.
fn refused(api: &Api, path: &str) -> (u16, String) {
    let text =
        format!("GET {PREFIX}{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    parse(&api.raw(text.as_bytes()).unwrap()).code()
}

#[test]
fn a_stream_sends_new_messages() {
    let api = api();
    let (agent, conversation) = api.conversation();
    push(&api, &agent, &conversation, &["before"]);
    let mut stream = api.stream(&agent, &conversation, "");
    assert_eq!(stream.status, 200);
    for header in ["Content-Type: text/event-stream", "Cache-Control: no-cache"] {
        assert!(stream.headers.iter().any(|line| line == header), "{header}");
    }
    assert!(stream.headers.iter().any(|line| line.starts_with("Date: ")));
    let ids = push(&api, &agent, &conversation, &["Hello\n\"you\""]);
    let Next::Event { id, event, data } = stream.next() else {
        panic!()
    };
    assert_eq!((&id, event.as_str()), (&ids[0], "message"));
    let data: Value = serde_json::from_str(&data).unwrap();
    assert_eq!(data["id"], id);
    assert_eq!(data["conversation_id"], conversation);
    assert_eq!(data["message"], "Hello\n\"you\"");
    assert_eq!(data["role"], "user");
}

#[test]
fn the_older_path_is_the_same_stream() {
    let api = api();
    let (agent, conversation) = api.conversation();
    let path = format!("/agents/{agent}/conversations/{conversation}/messages/stream");
    assert_eq!(refused(&api, &path), (401, "unauthorized".to_owned()));
}

#[test]
fn streams_can_end_with_the_connection() {
    let api = start(quiet().chunked_streams(false));
    let (agent, conversation) = api.conversation();
    let mut stream = api.stream(&agent, &conversation, "");
    push(&api, &agent, &conversation, &["one"]);
    assert_eq!(stream.messages(1), ["one"]);
    api.end_streams();
    assert_eq!(stream.next(), Next::End);
}

#[test]
fn a_ticket_opens_one_stream_on_its_conversation() {
    let api = start(quiet().ticket_lifetime(Duration::from_secs(60)));
    let (agent, conversation) = api.conversation();
    let other = api.add_conversation(&agent, "test_webchat");
    let path = |id: &str, ticket: &str| {
        format!("/agents/{agent}/conversations/{id}/stream?ticket={ticket}")
    };
    let ticket = api.ticket(&agent, &conversation);
    assert_eq!(
        refused(&api, &path(&other, &ticket)),
        (403, "forbidden".to_owned())
    );
    assert_eq!(
        refused(&api, &path(&conversation, "no")),
        (401, "unauthorized".to_owned())
    );
    let expired = api.ticket(&agent, &conversation);
    api.advance_clock(Duration::from_secs(61));
    assert_eq!(
        refused(&api, &path(&conversation, &expired)),
        (401, "unauthorized".to_owned())
    );

    let _open = api.stream(&agent, &conversation, "");
    let used = api
        .requests()
        .last()
        .unwrap()
        .query_value("ticket")
        .unwrap();
    assert_eq!(
        refused(&api, &path(&conversation, &used)),
        (401, "unauthorized".to_owned())
    );
    let tickets = format!("/agents/{agent}/conversations/{conversation}/stream-ticket");
    assert_eq!(api.send("POST", &tickets, &[], "").data()["expires_in"], 60);
}

#[test]
fn a_stream_resumes_after_a_message_or_a_time() {
    let api = api();
    let (agent, conversation) = api.conversation();
    let ids = push(&api, &agent, &conversation, &["one", "two", "three"]);
    let path = format!("/agents/{agent}/conversations/{conversation}/messages");
    let second = api.get(&path).data()[1]["created_at"]
        .as_str()
        .unwrap()
        .to_owned();
    let whole_second = format!("{}Z", &second[..19]);
    let messages = |query: &str, headers: &str, count: usize| {
        api.stream_with(&agent, &conversation, query, headers)
            .messages(count)
    };
    assert_eq!(
        messages(&format!("&after={}", ids[0]), "", 2),
        ["two", "three"]
    );
    assert_eq!(
        messages("", &format!("Last-Event-ID: {}\r\n", ids[1]), 1),
        ["three"]
    );
    let both = messages(
        &format!("&after={}", ids[0]),
        &format!("Last-Event-ID: {}\r\n", ids[2]),
        1,
    );
    assert_eq!(both, ["two"]);
    assert!(messages(&format!("&after={whole_second}"), "", 2).contains(&"two".to_owned()));
    assert_eq!(messages("&after=2020-01-01T00:00:00Z", "", 3).len(), 3);

    let ticket = api.ticket(&agent, &conversation);
    let bad =
        format!("/agents/{agent}/conversations/{conversation}/stream?ticket={ticket}&after=1");
    assert_eq!(refused(&api, &bad), (400, "validation_error".to_owned()));
}

#[test]
fn heartbeats_are_counted() {
    let builder = quiet()
        .heartbeat(Duration::from_millis(5))
        .retry_line(Duration::from_millis(7));
    let api = start(builder);
    let (agent, conversation) = api.conversation();
    let mut stream = api.stream(&agent, &conversation, "");
    let retry = Next::Event {
        id: String::new(),
        event: String::new(),
        data: String::new(),
    };
    assert_eq!(stream.next(), retry);
    for expected in ["1", "2"] {
        let Next::Event { id, event, data } = stream.next() else {
            panic!()
        };
        assert_eq!((id.as_str(), event.as_str()), (expected, "heartbeat"));
        assert!(
            serde_json::from_str::<Value>(&data).unwrap()["ts"].as_i64() > Some(1_700_000_000_000)
        );
    }
}

#[test]
fn a_disconnected_client_is_detected() {
    let api = api();
    let (agent, conversation) = api.conversation();
    let stream = api.stream(&agent, &conversation, "");
    assert_eq!((api.open_streams(), api.opened_streams()), (1, 1));
    drop(stream);
    eventually("the stream is closed", || api.open_streams() == 0);
}

#[test]
fn streams_have_a_limit() {
    for (builder, code) in [
        (quiet(), "too_many_streams"),
        (
            quiet().too_many_requests_for_streams(true),
            "too_many_requests",
        ),
    ] {
        let api = start(builder.max_streams(1));
        let (agent, conversation) = api.conversation();
        let _open = api.stream(&agent, &conversation, "");
        let ticket = api.ticket(&agent, &conversation);
        let path = format!("/agents/{agent}/conversations/{conversation}/stream?ticket={ticket}");
        assert_eq!(refused(&api, &path), (429, code.to_owned()));
    }
}

#[test]
fn a_stream_ends_with_its_agent() {
    let api = api();
    let (agent, conversation) = api.conversation();
    let mut stream = api.stream(&agent, &conversation, "");
    api.delete(&format!("/agents/{agent}"));
    assert_eq!(stream.next(), Next::End);
}

#[test]
fn a_cut_in_mid_event_affects_the_next_stream() {
    for chunked in [true, false] {
        let api = start(quiet().chunked_streams(chunked));
        let (agent, conversation) = api.conversation();
        api.cut_stream_in_mid_event(2);
        let mut stream = api.stream(&agent, &conversation, "");
        let ids = push(&api, &agent, &conversation, &["one", "two", "three"]);
        assert_eq!(stream.messages(2), ["one", "two"]);
        let Next::Cut(half) = stream.next() else {
            panic!()
        };
        assert!(
            half.starts_with(&format!("id: {}\nevent: message\ndata: {{", ids[2])),
            "{half}"
        );
        let resumed = api
            .stream(&agent, &conversation, &format!("&after={}", ids[1]))
            .messages(1);
        assert_eq!(resumed, ["three"]);
    }
}

#[test]
fn a_cut_in_mid_event_affects_open_streams() {
    let api = api();
    let (agent, conversation) = api.conversation();
    let mut stream = api.stream(&agent, &conversation, "");
    push(&api, &agent, &conversation, &["one"]);
    assert_eq!(stream.messages(1), ["one"]);
    api.cut_stream_in_mid_event(1);
    push(&api, &agent, &conversation, &["two", "three"]);
    assert_eq!(stream.messages(1), ["two"]);
    assert!(matches!(stream.next(), Next::Cut(_)));
}

#[test]
fn many_streams_receive_the_same_messages() {
    let api = api();
    let (agent, conversation) = api.conversation();
    let mut streams: Vec<_> = (0..8)
        .map(|_| api.stream(&agent, &conversation, ""))
        .collect();
    push(&api, &agent, &conversation, &["one", "two"]);
    for stream in &mut streams {
        assert_eq!(stream.messages(2), ["one", "two"]);
    }
}

#[test]
fn the_log_shows_whether_a_stream_request_had_an_api_key() {
    let api = api();
    let (agent, conversation) = api.conversation();
    let _clean = api.stream(&agent, &conversation, "");
    assert_eq!(api.requests().last().unwrap().header("Authorization"), None);
    let _leaky = api.stream_with(&agent, &conversation, "", "Authorization: Bearer x\r\n");
    assert_eq!(
        api.requests().last().unwrap().header("authorization"),
        Some("Bearer x")
    );
}

#[test]
fn a_sent_message_reaches_the_stream_with_its_reply() {
    let api = api();
    let (agent, conversation) = api.conversation();
    let mut stream = api.stream(&agent, &conversation, "");
    let path = format!("/agents/{agent}/conversations/{conversation}/messages");
    api.post(&path, json!({ "message": "Do you deliver?" }));
    let (question, answer) = (stream.message(), stream.message());
    assert_eq!(question["role"], "user");
    assert_eq!(answer["role"], "assistant");
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("five kilometres")
    );
}
