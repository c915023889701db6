//! The state of an emulator, read without requests.

use std::time::Duration;

use bimpeai::emulator::Fault;
use serde_json::{Value, json};

use crate::support::{api, id, quiet, start};

#[test]
fn state_is_what_a_request_would_return() {
    let api = api();
    let (agent, conversation) = api.conversation();
    api.push_message(&agent, &conversation, "user", "Hello");
    let agent = format!("/agents/{agent}");
    for path in [
        "/agents".to_owned(),
        agent.clone(),
        format!("{agent}/integrations"),
        format!("{agent}/conversations"),
        format!("{agent}/conversations/{conversation}/messages?search=hello"),
        format!("{agent}/conversations/{conversation}/messages?search=bye"),
        "/workflows?limit=3&sort=-name".to_owned(),
        "/phone-numbers".to_owned(),
    ] {
        assert_eq!(api.state(&path), api.get(&path).data(), "{path}");
    }
}

#[test]
fn state_has_all_items_of_a_list() {
    let api = start(quiet().first_conversation(false));
    for n in 0..120 {
        api.post("/agents", json!({ "name": n.to_string() }));
    }
    let agents = api.state("/agents");
    let names: Vec<String> = agents
        .as_array()
        .unwrap()
        .iter()
        .map(|agent| agent["name"].as_str().unwrap().to_owned())
        .collect();
    let all: Vec<String> = (0..120).map(|n| n.to_string()).collect();
    assert_eq!(names, all);
    assert_eq!(api.state("/agents?limit=7").as_array().unwrap().len(), 7);
}

#[test]
fn reading_state_has_no_side_effects() {
    let api = start(quiet().rate_limit(9, Duration::from_secs(60)));
    let agent = api.agent();
    let path = format!("/agents/{agent}/calls");
    let body = json!({ "destination": "+2348012345678", "is_test_call": true });
    let call = api.post(&path, body).data()["call_id"].clone();
    let call = format!("{path}/{}", call.as_str().unwrap());
    api.clear_requests();
    let left = || {
        api.get("/agents")
            .header("X-RateLimit-Remaining")
            .map(str::to_owned)
    };
    assert_eq!(left().as_deref(), Some("6"));
    api.fault(Fault::status(500).on("GET", &call));
    for _ in 0..5 {
        assert_eq!(api.state(&call)["status"], "queued");
    }
    assert_eq!(api.unmet_faults().len(), 1);
    assert_eq!(api.requests().len(), 1);
    assert_eq!(left().as_deref(), Some("5"));
}

#[test]
fn state_that_does_not_exist_is_null() {
    let api = api();
    let agent = api.agent();
    assert_eq!(api.state("/agents/none"), Value::Null);
    assert_eq!(
        api.state(&format!("/agents/{agent}/calls/none")),
        Value::Null
    );
    assert_eq!(api.state("/agents/none/knowledge_bases"), Value::Null);
    api.delete(&format!("/agents/{agent}"));
    assert_eq!(api.state(&format!("/agents/{agent}")), Value::Null);
}

#[test]
#[should_panic = "\"/agent\" is not the path of a read"]
fn state_of_an_unknown_path_panics() {
    api().state("/agent");
}

#[test]
#[should_panic = "limit: must not be greater than 100"]
fn state_with_an_invalid_query_panics() {
    api().state("/agents?limit=101");
}

#[test]
fn state_can_be_read_after_a_shutdown() {
    let api = api();
    let created = id(&api.post("/agents", json!({ "name": "A" })).data());
    api.shutdown();
    assert_eq!(api.state("/agents")[0]["id"], created);
}
