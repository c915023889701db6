//! Idempotency keys: replays, conflicts and forgotten keys.

use std::io::Write;
use std::time::Duration;

use bimpeai::emulator::Fault;
use serde_json::json;

use crate::support::{Api, Reply, api, eventually, id, parse, quiet, start};

const KEY: [(&str, &str); 1] = [("Idempotency-Key", "k")];

/// Creates an agent under the key "k".
fn create(api: &Api) -> Reply {
    api.send("POST", "/agents", &KEY, r#"{"name":"A"}"#)
}

/// Creates an agent under the key "other".
fn create_other(api: &Api) -> Reply {
    let key = [("Idempotency-Key", "other")];
    api.send("POST", "/agents", &key, r#"{"name":"A"}"#)
}

fn agents(api: &Api) -> serde_json::Value {
    api.get("/agents").json()["meta"]["total_count"].clone()
}

#[test]
fn the_same_write_with_the_same_key_happens_once() {
    let api = api();
    let key = [("Idempotency-Key", "create-1")];
    let body = json!({ "name": "Once" }).to_string();
    let first = api.send("POST", "/agents", &key, &body);
    let again = api.send("POST", "/agents", &key, &body);
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    assert_eq!(api.get("/agents").json()["meta"]["total_count"], 1);

    let other = api.send("POST", "/agents", &key, r#"{"name":"Other"}"#);
    assert_eq!(other.code(), (409, "conflict".to_owned()));

    let path = format!("/agents/{}", id(&first.data()));
    let deleted = api.send("DELETE", &path, &key, "");
    assert_eq!(api.send("DELETE", &path, &key, "").body, deleted.body);
    assert_eq!(api.delete(&path).status, 404);
}

#[test]
fn concurrent_duplicates_wait_for_the_first_request() {
    let api = api();
    let bodies: Vec<_> = std::thread::scope(|scope| {
        let repeat = || {
            api.send(
                "POST",
                "/agents",
                &[("Idempotency-Key", "k")],
                r#"{"name":"A"}"#,
            )
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(repeat)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap().body)
            .collect()
    });
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    assert_eq!(api.get("/agents").json()["meta"]["total_count"], 1);
}

#[test]
fn a_key_can_be_reused_after_a_validation_error() {
    let api = api();
    let key = [("Idempotency-Key", "k")];
    assert_eq!(api.send("POST", "/agents", &key, "{}").status, 400);
    assert_eq!(
        api.send("POST", "/agents", &key, r#"{"name":"A"}"#).status,
        201
    );
    let long = "k".repeat(256);
    let refused = api.send(
        "POST",
        "/agents",
        &[("Idempotency-Key", &long)],
        r#"{"name":"A"}"#,
    );
    assert_eq!(refused.code(), (400, "bad_request".to_owned()));
}

#[test]
fn uuid_keys_ignore_case() {
    let api = api();
    let create = |key: &str| {
        let body = json!({ "name": "A" }).to_string();
        id(&api
            .send("POST", "/agents", &[("Idempotency-Key", key)], &body)
            .data())
    };
    let lower = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
    assert_eq!(create(lower), create(&lower.to_uppercase()));
    assert_eq!(
        create(lower),
        create("3FA85F64-5717-4562-b3fc-2c963f66afa6")
    );
    // Any other key is a text.
    assert_ne!(create("import-a"), create("import-A"));
}

#[test]
fn a_key_expires_after_its_window() {
    let api = start(quiet().idempotency_window(Duration::from_secs(60)));
    let first = id(&create(&api).data());
    api.advance_clock(Duration::from_secs(30));
    assert_eq!(id(&create(&api).data()), first);
    // A replay does not prolong the window.
    api.advance_clock(Duration::from_secs(30));
    let second = id(&create(&api).data());
    assert_ne!(second, first);
    assert_eq!(id(&create(&api).data()), second);
    assert_eq!(agents(&api), 2);
    // After the window another body is not a conflict.
    api.advance_clock(Duration::from_secs(60));
    let other = api.send("POST", "/agents", &KEY, r#"{"name":"B"}"#);
    assert_eq!(other.status, 201);

    let forgetful = start(quiet().idempotency_window(Duration::ZERO));
    assert_ne!(create(&forgetful).body, create(&forgetful).body);
    assert_eq!(agents(&forgetful), 2);
}

#[test]
fn a_request_whose_key_is_in_progress_is_a_conflict() {
    let api = start(quiet().conflict_while_in_progress(true));
    api.fault(Fault::delay(Duration::from_secs(3600)).on("POST", "/agents"));
    let slow = api.request("POST", "/agents", &KEY, r#"{"name":"A"}"#);
    let mut socket = api.connect();
    socket.write_all(slow.as_bytes()).unwrap();
    eventually("the request is in progress", || agents(&api) == 1);

    let refused = create(&api);
    assert_eq!(refused.code(), (409, "conflict".to_owned()));
    let message = "A request with this Idempotency-Key is still in progress.";
    assert_eq!(refused.json()["message"], message);
    // Another key is not in progress.
    assert_eq!(create_other(&api).status, 201);
    assert_eq!(agents(&api), 2);
}

#[test]
fn a_request_that_is_no_longer_in_progress_is_replayed() {
    let api = start(quiet().conflict_while_in_progress(true));
    api.fault(Fault::delay(Duration::from_millis(200)).on("POST", "/agents"));
    let slow = api.request("POST", "/agents", &KEY, r#"{"name":"A"}"#);
    let first = std::thread::scope(|scope| {
        let first = scope.spawn(|| parse(&api.raw(slow.as_bytes()).unwrap()));
        eventually("the request is in progress", || agents(&api) == 1);
        while create(&api).status == 409 {}
        first.join().unwrap()
    });
    assert_eq!(create(&api).body, first.body);
    assert_eq!(agents(&api), 1);
}

#[test]
fn a_delayed_request_is_replayed_at_once_unless_conflicts_are_on() {
    let api = api();
    api.fault(Fault::delay(Duration::from_secs(3600)).on("POST", "/agents"));
    let slow = api.request("POST", "/agents", &KEY, r#"{"name":"A"}"#);
    let mut socket = api.connect();
    socket.write_all(slow.as_bytes()).unwrap();
    eventually("the operation is performed", || agents(&api) == 1);
    assert_eq!(create(&api).status, 201);
    assert_eq!(agents(&api), 1);
}

#[test]
fn a_stored_refusal_is_replayed_until_the_key_is_forgotten() {
    let builder = quiet().agent_limit(1);
    let api = start(builder.idempotency_window(Duration::from_secs(60)));
    let first = api.agent();
    let refused = create(&api);
    assert_eq!(refused.code().1, "agent_limit_reached");
    // The reason is gone, but the refusal is still stored.
    api.delete(&format!("/agents/{first}"));
    let again = create(&api);
    assert_eq!((again.status, &again.body), (refused.status, &refused.body));
    let other = create_other(&api);
    assert_eq!(other.status, 201);
    api.delete(&format!("/agents/{}", id(&other.data())));
    api.advance_clock(Duration::from_secs(60));
    assert_eq!(create(&api).status, 201);
}

#[test]
fn a_stored_fault_is_replayed_to_its_key() {
    let api = api();
    api.fault(Fault::status(403).header("X-Why", "plan").stored());
    let refused = create(&api);
    assert_eq!(
        (refused.status, refused.header("X-Why")),
        (403, Some("plan"))
    );
    for _ in 0..2 {
        let again = create(&api);
        assert_eq!((again.status, &again.body), (403, &refused.body));
        assert_eq!(again.header("X-Why"), Some("plan"));
    }
    assert_eq!(agents(&api), 0);
    assert_eq!(api.post("/agents", json!({ "name": "A" })).status, 201);

    // A fault that is not stored applies to one request only.
    let api = start(quiet());
    api.fault(Fault::status(403));
    assert_eq!((create(&api).status, create(&api).status), (403, 201));
}

#[test]
fn a_replay_has_a_header_only_on_demand() {
    for on in [false, true] {
        let api = start(quiet().replay_header(on));
        let (first, replay) = (create(&api), create(&api));
        assert_eq!(first.header("Idempotent-Replayed"), None);
        assert_eq!(replay.header("Idempotent-Replayed"), on.then_some("true"));
        assert_eq!(first.body, replay.body);
    }
}

#[test]
fn validation_errors_are_stored_only_on_demand() {
    let api = start(quiet().stored_validation_errors(true));
    let refused = api.send("POST", "/agents", &KEY, "{}");
    assert_eq!(refused.code(), (400, "validation_error".to_owned()));
    assert_eq!(api.send("POST", "/agents", &KEY, "{}").body, refused.body);
    let corrected = create(&api);
    assert_eq!(corrected.code(), (409, "conflict".to_owned()));
}
