//! Faults on demand.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use bimpeai::emulator::Fault;
use serde_json::json;

use crate::support::{Api, Next, api, eventually, parse, quiet, start};

fn agents(api: &Api) -> u64 {
    api.get("/agents").json()["meta"]["total_count"]
        .as_u64()
        .unwrap()
}

/// Creates an agent and returns the bytes received, or how the connection broke.
fn create(api: &Api) -> std::io::Result<Vec<u8>> {
    api.raw(
        api.request("POST", "/agents", &[], r#"{"name":"A"}"#)
            .as_bytes(),
    )
}

#[test]
fn a_status_has_its_code_message_and_headers() {
    let api = api();
    api.fault(Fault::status(503).retry_after(3));
    let refused = api.get("/agents");
    assert_eq!(refused.code(), (503, "internal_error".to_owned()));
    assert_eq!(refused.header("Retry-After"), Some("3"));
    assert_eq!(api.get("/agents").status, 200);

    let odd = Fault::status(409)
        .code("conflict")
        .message("No.")
        .header("Date", "never")
        .header("X-A", "b");
    api.fault(odd);
    let refused = api.get("/agents");
    assert_eq!(
        (refused.json()["message"].as_str(), refused.header("X-A")),
        (Some("No."), Some("b"))
    );
    assert_eq!(
        refused
            .headers
            .iter()
            .filter(|(name, _)| name == "Date")
            .count(),
        1
    );
    assert_eq!(refused.header("Date"), Some("never"));
}

#[test]
fn faults_apply_to_selected_requests_in_order() {
    let api = api();
    api.fault(Fault::status(500).on("POST", "/agents"));
    api.fault(Fault::status(502).on("*", "/agents/**").times(2));
    api.fault(Fault::status(504));
    assert_eq!(api.get("/agents/x").status, 502);
    assert_eq!(api.get("/agents").status, 504);
    assert_eq!(api.get("/agents").status, 200);
    assert_eq!(api.get("/agents/x").status, 502);
    assert_eq!(api.get("/agents/x").status, 404);
    assert_eq!(api.post("/agents", json!({})).status, 500);
    api.fault(Fault::status(500).times(9));
    api.clear_faults();
    assert_eq!(api.get("/agents").status, 200);
}

#[test]
fn a_fault_that_can_never_match_panics_where_it_is_written() {
    for (method, path, instead) in [
        ("POST", "agents", "/agents"),
        ("POST", "/api/v1/console/agents", "/agents"),
        ("POST", "/agents?page=1", "/agents"),
        ("POST", "/agents/", "/agents"),
        ("*", "*", "/**"),
        ("GET", "/agents/agt_*", "/agents/*"),
        ("GET", "/**/calls", "/*/calls"),
        ("GET", "/agents/{agent_id}", "/agents/*"),
    ] {
        let line = line!() + 1;
        let (message, place) = panicked(|| drop(Fault::status(500).on(method, path)));
        assert!(message.contains(&format!("write {instead:?}")), "{message}");
        assert_eq!(place, format!("{}:{line}", file!()), "{message}");
        let (same, place) = panicked(|| drop(api().requests_to(method, path)));
        assert_eq!(same, message);
        assert_eq!(place, format!("{}:{}", file!(), line + 3));
    }
    let (message, _) = panicked(|| drop(Fault::close().on("SEND", "/agents")));
    assert!(message.contains("expected one of *, GET"), "{message}");
}

#[test]
fn a_stream_fault_that_selects_no_stream_panics() {
    for (method, path) in [
        ("GET", "/agents"),
        ("POST", "/agents/*/conversations/*/stream"),
        ("GET", "/agents/*/conversations/*/stream-ticket"),
        ("GET", "/workflows/**"),
    ] {
        let line = line!() + 1;
        let (message, place) = panicked(|| drop(Fault::cut(0).on(method, path)));
        assert!(message.contains("never opens a stream"), "{message}");
        assert_eq!(place, format!("{}:{line}", file!()), "{message}");
    }
    for path in [
        "/agents/a/conversations/*/stream",
        "/agents/*/conversations/*/messages/stream",
        "/agents/**",
        "/*/*/*/*/*",
        "/**",
    ] {
        drop(Fault::cut(0).on("get", path));
    }
}

/// The message and place of a panic.
fn panicked(act: impl FnOnce() + std::panic::UnwindSafe) -> (String, String) {
    use std::cell::RefCell;
    thread_local!(static PLACE: RefCell<String> = const { RefCell::new(String::new()) });
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic
                .location()
                .map(|at| format!("{}:{}", at.file(), at.line()));
            PLACE.set(place.unwrap_or_default());
            report(panic);
        }));
    });
    let message = *std::panic::catch_unwind(act)
        .expect_err("a panic")
        .downcast::<String>()
        .expect("a message");
    (message, PLACE.take())
}

#[test]
fn faults_that_never_fired_are_unmet() {
    let api = api();
    assert_eq!(api.unmet_faults(), []);
    let never = Fault::status(500).on("DELETE", "/agents/*");
    api.fault(Fault::status(502).on("GET", "/agents").times(2));
    api.fault(never.clone());
    assert_eq!(api.unmet_faults().len(), 2);
    // One of two times is enough.
    assert_eq!(api.get("/agents").status, 502);
    assert_eq!(api.unmet_faults(), std::slice::from_ref(&never));
    assert_eq!(api.get("/agents").status, 502);
    assert_eq!(api.unmet_faults(), [never]);
    assert_eq!(api.delete("/agents/a").status, 500);
    assert_eq!(api.unmet_faults(), []);
    api.fault(Fault::close());
    api.clear_faults();
    assert_eq!(api.unmet_faults(), []);
}

#[test]
fn a_fault_can_apply_to_every_nth_request() {
    let api = api();
    api.fault(Fault::status(503).on("GET", "/agents").every(3).times(2));
    let statuses: Vec<u16> = (0..8)
        .map(|_| {
            // Requests that are not selected do not count.
            api.get("/workflows");
            api.get("/agents").status
        })
        .collect();
    assert_eq!(statuses, [200, 200, 503, 200, 200, 503, 200, 200]);
    assert_eq!(api.unmet_faults(), []);

    // If one fault lets a request pass, the next fault applies.
    api.fault(Fault::status(500).every(2).times(usize::MAX));
    api.fault(Fault::status(502).times(usize::MAX));
    let statuses: Vec<u16> = (0..4).map(|_| api.get("/agents").status).collect();
    assert_eq!(statuses, [502, 500, 502, 500]);
}

#[test]
fn a_stream_fault_can_apply_to_every_nth_stream() {
    let api = api();
    let (agent, conversation) = api.conversation();
    api.fault(Fault::cut(0).every(2).times(usize::MAX));
    let ends = || {
        let mut stream = api.stream(&agent, &conversation, "");
        api.push_message(&agent, &conversation, "user", "x");
        stream.next() == Next::End
    };
    assert_eq!([ends(), ends(), ends(), ends()], [false, true, false, true]);
}

#[test]
fn a_stream_fault_is_unmet_until_it_takes_effect() {
    for fault in [
        Fault::cut(1),
        Fault::cut_in_mid_event(1),
        Fault::reset_stream(1),
        Fault::malformed_message(1),
        Fault::garbage_lines(1),
        Fault::silence(1),
    ] {
        let api = api();
        let (agent, conversation) = api.conversation();
        api.fault(fault.clone());
        let stream = api.stream(&agent, &conversation, "");
        eventually("the stream is open", || api.open_streams() == 1);
        assert_eq!(api.unmet_faults(), std::slice::from_ref(&fault));
        // This stream ends before the fault takes effect.
        api.end_streams();
        eventually("the stream is closed", || api.open_streams() == 0);
        drop(stream);
        assert_eq!(api.unmet_faults(), std::slice::from_ref(&fault));

        api.clear_faults();
        api.fault(fault);
        let mut stream = api.stream(&agent, &conversation, "");
        for text in ["0", "1"] {
            api.push_message(&agent, &conversation, "user", text);
        }
        assert_eq!(stream.messages(1), ["0"]);
        eventually("the fault fires", || api.unmet_faults().is_empty());
    }
    for fault in [Fault::no_heartbeats(), Fault::replay(1)] {
        let api = api();
        let (agent, conversation) = api.conversation();
        api.fault(fault);
        let _stream = api.stream(&agent, &conversation, "");
        assert_eq!(api.unmet_faults(), []);
    }
}

#[test]
fn contents_can_be_anything() {
    let api = api();
    api.fault(Fault::json(200, &json!({ "message": "ok", "data": [] })));
    api.fault(Fault::html(200));
    api.fault(Fault::empty_body(200));
    api.fault(Fault::empty_body(204));
    assert_eq!(
        api.get("/agents").json(),
        json!({ "message": "ok", "data": [] })
    );
    let page = api.get("/agents");
    assert_eq!(
        page.header("Content-Type"),
        Some("text/html; charset=utf-8")
    );
    assert!(page.body.starts_with(b"<!doctype html>"));
    assert_eq!(api.get("/agents").body, b"");
    assert_eq!(api.get("/agents").header("Content-Length"), None);
}

#[test]
fn raw_bytes_and_garbage_are_sent_as_they_are() {
    let api = api();
    let canned = b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n";
    api.fault(Fault::raw(*canned));
    api.fault(Fault::garbage());
    assert_eq!(create(&api).unwrap(), canned);
    assert!(!create(&api).unwrap().starts_with(b"HTTP"));
    assert_eq!(agents(&api), 0);
}

#[test]
fn a_reset_resets_the_connection() {
    let api = api();
    api.fault(Fault::reset());
    assert_eq!(create(&api).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(agents(&api), 0);
    api.fault(Fault::reset().after_performing());
    assert_eq!(create(&api).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(agents(&api), 1);
}

#[test]
fn a_reset_after_the_headers_resets_the_connection() {
    let api = api();
    api.fault(Fault::reset_after_headers());
    assert_eq!(create(&api).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(agents(&api), 1);
}

#[test]
fn a_lost_response_is_replayed_to_its_key() {
    let api = api();
    api.fault(Fault::close().after_performing());
    let text = api.request(
        "POST",
        "/agents",
        &[("Idempotency-Key", "k")],
        r#"{"name":"A"}"#,
    );
    assert_eq!(api.raw(text.as_bytes()).unwrap(), b"");
    assert_eq!(parse(&api.raw(text.as_bytes()).unwrap()).status, 201);
    assert_eq!(agents(&api), 1);
}

#[test]
fn a_stall_lasts_until_the_client_or_the_emulator_closes() {
    let api = api();
    api.fault(Fault::stall().times(2));
    let mut socket = api.connect();
    socket
        .write_all(api.request("GET", "/agents", &[], "").as_bytes())
        .unwrap();
    eventually("the request is stalled", || api.requests().len() == 1);
    drop(socket);
    eventually("the connection is closed", || api.open_connections() == 0);

    let mut socket = api.connect();
    socket
        .write_all(api.request("GET", "/agents", &[], "").as_bytes())
        .unwrap();
    eventually("the request is stalled", || api.requests().len() == 2);
    api.shutdown();
    assert!(matches!(socket.read(&mut [0; 1]), Ok(0) | Err(_)));
}

#[test]
fn a_delay_ends_with_a_shutdown() {
    let api = api();
    api.fault(Fault::delay(Duration::from_millis(30)));
    let started = Instant::now();
    assert_eq!(api.get("/agents").status, 200);
    assert!(started.elapsed() >= Duration::from_millis(30));
    api.fault(Fault::delay(Duration::from_secs(3600)));
    let mut socket = api.connect();
    socket
        .write_all(api.request("GET", "/agents", &[], "").as_bytes())
        .unwrap();
    eventually("the request has come", || api.requests().len() == 2);
    drop(api);
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_body_is_truncated_or_trickles() {
    let api = api();
    api.fault(Fault::truncate(5));
    api.fault(Fault::trickle(7, Duration::from_micros(100)));
    let cut = parse(&create(&api).unwrap());
    assert_eq!(cut.body.len(), 5);
    assert!(
        cut.header("Content-Length")
            .unwrap()
            .parse::<usize>()
            .unwrap()
            > 5
    );
    let whole = parse(&create(&api).unwrap());
    assert_eq!(whole.data()["name"], "A");
    assert_eq!(agents(&api), 2);
}

#[test]
fn a_stream_request_can_fail_like_any_other() {
    let api = api();
    let (agent, conversation) = api.conversation();
    api.fault(Fault::status(503).on("GET", "/agents/*/conversations/*/stream"));
    api.fault(Fault::status(500).on("POST", "/agents/*/conversations/*/stream-ticket"));
    let ticket = format!("/agents/{agent}/conversations/{conversation}/stream-ticket");
    assert_eq!(api.send("POST", &ticket, &[], "").status, 500);
    assert_eq!(api.stream(&agent, &conversation, "").status, 503);
    assert_eq!(api.stream(&agent, &conversation, "").status, 200);
}

/// Opens a stream with this fault, and sends the messages "0", "1" and "2".
fn broken(api: &Api, fault: Fault) -> crate::support::Stream {
    let (agent, conversation) = api.conversation();
    api.fault(fault);
    let stream = api.stream(&agent, &conversation, "");
    for n in 0..3 {
        api.push_message(&agent, &conversation, "user", &n.to_string());
    }
    stream
}

#[test]
fn a_stream_ends_cleanly_after_its_messages() {
    let api = api();
    let mut stream = broken(&api, Fault::cut(2));
    assert_eq!(stream.messages(2), ["0", "1"]);
    assert_eq!(stream.next(), Next::End);
}

#[test]
fn a_stream_is_reset_after_its_messages() {
    let api = api();
    let mut stream = broken(&api, Fault::reset_stream(2));
    assert_eq!(stream.messages(2), ["0", "1"]);
    assert_eq!(stream.next(), Next::Reset);
    assert_eq!(api.open_streams(), 0);
}

#[test]
fn a_stream_falls_silent() {
    let api = start(quiet().heartbeat(Duration::from_millis(2)));
    let mut stream = broken(&api, Fault::silence(1));
    while let Next::Event { event, .. } = stream.next() {
        if event == "message" {
            break;
        }
    }
    let silent = stream.waits_for(Duration::from_millis(50));
    assert!(silent, "something arrived");
    assert_eq!(api.open_streams(), 1);
    drop(stream);
    eventually("the stream is closed", || api.open_streams() == 0);
}

#[test]
fn a_stream_sends_meaningless_lines_and_continues() {
    let api = api();
    let mut stream = broken(&api, Fault::garbage_lines(1));
    assert_eq!(stream.messages(1), ["0"]);
    let nonsense = std::iter::from_fn(|| match stream.next() {
        Next::Event { event, .. } if event.is_empty() => Some(()),
        _ => None,
    });
    assert!(nonsense.count() >= 1);
    assert_eq!(stream.messages(1), ["2"]);
}

#[test]
fn a_malformed_message_is_sent_between_good_ones() {
    let api = api();
    let mut stream = broken(&api, Fault::malformed_message(1));
    assert_eq!(stream.messages(1), ["0"]);
    let Next::Event { event, data, .. } = stream.next() else {
        panic!()
    };
    assert_eq!(event, "message");
    assert!(serde_json::from_str::<serde_json::Value>(&data).is_err());
    assert_eq!(stream.messages(2), ["1", "2"]);
}

#[test]
fn a_stream_repeats_messages_from_before_its_cursor() {
    let api = api();
    let (agent, conversation) = api.conversation();
    let ids: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|t| api.push_message(&agent, &conversation, "user", t))
        .collect();
    api.fault(Fault::replay(2));
    let after = format!("&after={}", ids[1]);
    assert_eq!(
        api.stream(&agent, &conversation, &after).messages(3),
        ["a", "b", "c"]
    );
    assert_eq!(api.stream(&agent, &conversation, &after).messages(1), ["c"]);
}

#[test]
fn heartbeats_can_be_disabled() {
    let api = start(quiet().heartbeat(Duration::from_millis(2)));
    let mut stream = broken(&api, Fault::no_heartbeats());
    assert_eq!(stream.messages(3), ["0", "1", "2"]);
    assert!(
        stream.waits_for(Duration::from_millis(50)),
        "a heartbeat arrived"
    );
}

#[test]
fn stream_faults_select_their_stream() {
    let api = api();
    let (one, first) = api.conversation();
    let (two, second) = api.conversation();
    api.fault(Fault::cut(0).on("GET", &format!("/agents/{two}/conversations/*/stream")));
    let mut unhurt = api.stream(&one, &first, "");
    assert_eq!(api.stream(&two, &second, "").next(), Next::End);
    api.push_message(&one, &first, "user", "x");
    assert_eq!(unhurt.messages(1), ["x"]);
}
