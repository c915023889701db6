//! Each operation sends what the wire declares, for all values.

use std::collections::BTreeSet;

use bimpeai::agents::{Agent, AgentDetail};
use serde_json::{Value, json};

use crate::cases::{
    Case, GENERATIONS, Key, STREAM, Variant, cases, entries, escaped, in_query, key, on_the_wire,
    query_of,
};
use crate::recording::{Recorder, TEAM, TICKET};
use crate::support::{KEY, Request};
use crate::table::{ROWS, SUPERSEDED, perform, with_options};
use crate::wire::{equal, list, text};

/// Returns the expected path of a case: each id is one segment.
fn path(case: &Case) -> String {
    let superseded = SUPERSEDED.contains(&(&*case.python, &*case.path));
    let mut path = case.path.clone();
    if superseded {
        path = path.replace("/messages/stream", "/stream");
    }
    for (name, id) in &case.ids {
        path = path.replace(&format!("{{{name}}}"), &escaped(id));
    }
    path
}

/// The parameters that a case has to send: its own, and the defaults that are always sent.
fn query(case: &Case) -> Vec<(String, String)> {
    let own = case.query.iter();
    let mut pairs: Vec<(String, String)> = own
        .map(|(name, value)| (name.clone(), in_query(value)))
        .collect();
    if case.response.get("meta").is_some() && !case.query.contains_key("page") {
        pairs.push(("page".to_owned(), "1".to_owned()));
    }
    if case.python == STREAM {
        pairs.push(("ticket".to_owned(), TICKET.to_owned()));
    }
    pairs.sort();
    pairs
}

#[track_caller]
fn is_uuid(text: Option<&str>) {
    let text = text.expect("a random id");
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "{text}");
}

fn check_headers(case: &Case, request: &Request) {
    let name = case.name();
    let is_stream = case.python == STREAM && request.method == "GET";
    let header = |name: &str| request.header(name);
    assert_eq!(header("x-team"), Some(TEAM), "{name}");
    if is_stream {
        assert_eq!(header("accept"), Some("text/event-stream"), "{name}");
        for absent in [
            "authorization",
            "idempotency-key",
            "x-request-id",
            "content-type",
        ] {
            assert_eq!(header(absent), None, "{name}: {absent}");
        }
        return;
    }
    let bearer = format!("Bearer {KEY}");
    assert_eq!(header("authorization"), Some(&*bearer), "{name}");
    assert_eq!(header("accept"), Some("application/json"), "{name}");
    let has_body = case.body.is_some() && case.python != STREAM;
    let content_type = has_body.then_some("application/json");
    assert_eq!(header("content-type"), content_type, "{name}");
    match case.own_header("x-request-id") {
        Some(own) => assert_eq!(header("x-request-id"), Some(own), "{name}"),
        None => is_uuid(header("x-request-id")),
    }
    match case.options.get("idempotency_key") {
        Some(own) => assert_eq!(header("idempotency-key"), own.as_str(), "{name}"),
        None if request.method == "GET" => assert_eq!(header("idempotency-key"), None, "{name}"),
        None => is_uuid(header("idempotency-key")),
    }
    for (own, value) in case
        .options
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        assert_eq!(header(own), value.as_str(), "{name}: {own}");
    }
}

fn check_body(case: &Case, request: &Request) {
    let name = case.name();
    let Some(body) = &case.body else {
        assert!(request.body.is_empty(), "{name}: {}", request.text());
        return;
    };
    let expected = on_the_wire(&Value::Object(body.clone()));
    let sent: Value = serde_json::from_slice(&request.body).expect("JSON");
    let expected = expected.as_object().expect("an object");
    let sent = sent.as_object().expect("an object");
    for (field, value) in expected {
        let got = sent
            .get(field)
            .unwrap_or_else(|| panic!("{name} does not send {field}"));
        assert!(equal(value, got), "{name}: {field} is {got}, not {value}");
    }
    for field in sent.keys() {
        assert!(expected.contains_key(field), "{name} sends {field} unasked");
    }
}

#[test]
fn table_rows_match_the_entries_of_the_wire() {
    let declared: BTreeSet<Key> = entries().iter().map(key).collect();
    assert_eq!(declared.len(), entries().len(), "keys are unique");
    let owned = |(python, path): (&str, &str)| (python.to_owned(), path.to_owned());
    let ours: BTreeSet<Key> = ROWS
        .iter()
        .map(|row| (row.python, row.path))
        .chain(SUPERSEDED.iter().copied())
        .map(owned)
        .collect();
    let no_row: Vec<_> = declared.difference(&ours).collect();
    assert!(
        no_row.is_empty(),
        "not in tests/surface/table.rs: {no_row:?}"
    );
    let no_entry: Vec<_> = ours.difference(&declared).collect();
    assert!(
        no_entry.is_empty(),
        "not in tests/data/wire.json: {no_entry:?}"
    );
    assert_eq!(
        ROWS.len() + SUPERSEDED.len(),
        ours.len(),
        "each has one row"
    );

    let called: BTreeSet<Key> = GENERATIONS
        .into_iter()
        .flat_map(cases)
        .map(|case| case.key())
        .collect();
    assert_eq!(declared, called);
}

/// So that "every field set" is what the wire declares, and not what the generator thinks of.
#[test]
fn each_field_of_the_wire_is_in_a_case() {
    let all: Vec<Case> = GENERATIONS.into_iter().flat_map(cases).collect();
    for entry in entries() {
        let own: Vec<&Case> = all
            .iter()
            .filter(|case| case.variant == Variant::Full && case.key() == key(entry))
            .collect();
        for part in ["query", "body", "body_0_1"] {
            for field in list(&entry[part]) {
                let name = text(field, "name");
                let set = |case: &&&Case| match part {
                    "query" => case.query.contains_key(name),
                    _ => case
                        .body
                        .as_ref()
                        .is_some_and(|body| body.contains_key(name)),
                };
                let found = own.iter().filter(set).count();
                assert!(
                    found > 0 || name == "ticket",
                    "{} {name}",
                    text(entry, "python")
                );
            }
        }
    }
}

#[test]
fn each_operation_sends_what_the_wire_declares() {
    let recorder = Recorder::new(GENERATIONS.into_iter().flat_map(cases).collect());
    for (number, case) in recorder.cases.iter().enumerate() {
        let name = case.name();
        let client = recorder.client("ours", number);
        let result = perform(&client, case).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            equal(&case.response["data"], &result),
            "{name}\n got {}\ngave {result}",
            case.response["data"]
        );

        let requests = recorder.requests("ours", number);
        let request = if case.python == STREAM {
            let [ticket, stream] = &requests[..] else {
                panic!("{name}: {requests:?}");
            };
            let of_ticket = path(case).replace("/stream", "/stream-ticket");
            assert_eq!(
                (&*ticket.method, &*ticket.target),
                ("POST", &*of_ticket),
                "{name}"
            );
            check_headers(case, ticket);
            assert!(ticket.body.is_empty(), "{name}");
            stream
        } else {
            let [request] = &requests[..] else {
                panic!("{name}: {requests:?}");
            };
            request
        };
        assert_eq!(request.method, case.method, "{name}");
        assert_eq!(request.path(), path(case), "{name}");
        assert_eq!(query_of(&request.target), query(case), "{name}");
        check_headers(case, request);
        check_body(case, request);
    }
}

/// What tomorrow's API will have is called by hand: today's is, here, and it is the same call.
#[test]
fn the_escape_hatch_sends_the_same_requests() {
    let calls: Vec<Case> = GENERATIONS.into_iter().flat_map(cases).collect();
    let recorder = Recorder::new(calls);
    for (number, case) in recorder.cases.iter().enumerate() {
        // A stream is not a call. This entry is for callers that open it themselves.
        if case.python == STREAM {
            continue;
        }
        let name = case.name();
        perform(&recorder.client("ours", number), case)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let client = recorder.client("hatch", number);
        let mut request = client.request(case.method.to_lowercase(), path(case));
        for (name, value) in query(case) {
            request = request.query(name, value);
        }
        if let Some(body) = &case.body {
            request = request.json(&on_the_wire(&Value::Object(body.clone())));
        }
        let data = with_options(request, case).send();
        let data = data.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(equal(&case.response["data"], &data), "{name}: {data}");

        let (ours, hatch) = (
            recorder.requests("ours", number),
            recorder.requests("hatch", number),
        );
        let ([ours], [hatch]) = (&ours[..], &hatch[..]) else {
            panic!("{name}: {ours:?} {hatch:?}");
        };
        assert_eq!(ours.method, hatch.method, "{name}");
        assert_eq!(ours.path(), hatch.path(), "{name}");
        assert_eq!(query_of(&ours.target), query_of(&hatch.target), "{name}");
        check_headers(case, hatch);
        check_body(case, hatch);
    }
}

#[test]
fn the_escape_hatch_returns_the_requested_type() {
    let all = cases("0.4");
    let of = |python: &str| {
        let is = |case: &&Case| case.python == python && case.variant == Variant::Least;
        all.iter().find(is).expect("a case").clone()
    };
    let recorder = Recorder::new(vec![
        of("client.agents.retrieve"),
        of("client.agents.list"),
        of("client.agents.delete"),
    ]);
    let request = |number: usize, method: &str, path: &str| {
        recorder.client("hatch", number).request(method, path)
    };
    let agent: AgentDetail = request(0, "GET", "/agents/agt_1")
        .decode_as()
        .send()
        .unwrap();
    assert_eq!(
        serde_json::to_value(&agent).unwrap(),
        recorder.cases[0].response["data"]
    );
    let response = request(1, "GET", "/agents")
        .decode_as::<Vec<Agent>>()
        .send_with_response();
    let response = response.unwrap();
    assert_eq!(
        (response.data.len(), response.status, response.attempts),
        (2, 200, 1)
    );
    let raw = request(1, "GET", "/agents").raw().send().unwrap();
    let raw: Value = serde_json::from_slice(&raw).unwrap();
    assert_eq!(raw, recorder.cases[1].response);
    assert_eq!(
        request(2, "DELETE", "/agents/agt_1").send().unwrap(),
        Value::Null
    );
    request(2, "DELETE", "/agents/agt_1")
        .discard_body()
        .send()
        .unwrap();
    // Each write carries an idempotency key, each read does not.
    for (method, is_write) in [
        ("PUT", true),
        ("DELETE", true),
        ("patch", true),
        ("HEAD", false),
    ] {
        let before = recorder.requests("hatch", 2).len();
        let _ = request(2, method, "/x").max_retries(0).send();
        let sent = &recorder.requests("hatch", 2)[before];
        assert_eq!(sent.method, method.to_uppercase());
        assert_eq!(
            sent.header("idempotency-key").is_some(),
            is_write,
            "{method}"
        );
    }
    for path in [
        "/../admin",
        "//evil.example.com/x",
        "https://evil.example.com/x",
        "/a/%2E%2e/b",
    ] {
        let refused = request(2, "GET", path).send().unwrap_err();
        assert!(
            matches!(refused, bimpeai::Error::User(_)),
            "{path}: {refused}"
        );
    }
}

/// A field that is unknown here, were the wire to declare it, is what makes the test above fail.
#[test]
#[should_panic = "nothing here sends [\"tomorrow\"] of client.agents.create"]
fn a_field_without_a_setter_fails() {
    let mut all = cases("0.4");
    let create = |case: &Case| case.python == "client.agents.create";
    let at = all.iter().position(create).expect("a case");
    let mut case = all.swap_remove(at);
    let body = case.body.as_mut().expect("a body");
    body.insert("tomorrow".to_owned(), json!(true));
    let recorder = Recorder::new(vec![case]);
    let _ = perform(&recorder.client("ours", 0), &recorder.cases[0]);
}

#[test]
fn ids_that_are_another_route_are_refused() {
    let client = Recorder::new(Vec::new()).client("ours", 0);
    let messages = client.conversations().messages();
    for (error, says) in [
        (
            client.agents().delete("").send().unwrap_err(),
            "agent_id is empty",
        ),
        (
            client
                .agents()
                .knowledge_bases()
                .delete("agt_1", "..")
                .send()
                .unwrap_err(),
            "kb_id is \"..\"",
        ),
        (
            client.workflows().delete(".").send().unwrap_err(),
            "workflow_id is \".\"",
        ),
        (
            client
                .phone_numbers()
                .retrieve("request")
                .send()
                .unwrap_err(),
            "phone_number_id is \"request\"",
        ),
        (
            messages
                .retrieve("agt_1", "cnv_1", "stream")
                .send()
                .unwrap_err(),
            "message_id is \"stream\"",
        ),
        (
            messages.stream("agt_1", "..").open().unwrap_err(),
            "conversation_id is \"..\"",
        ),
    ] {
        assert!(matches!(error, bimpeai::Error::User(_)), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}
