//! Waiting for the end of a call, on the emulator.

use std::time::Duration;

use bimpeai::calls::{Call, CallDetail, CallStatus, MakeCall};
use bimpeai::emulator::{Emulator, Fault};
use bimpeai::{Client, Error};
use serde_json::json;

const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(20);

fn start() -> (Emulator, Client, String) {
    let emulator = Emulator::start().unwrap();
    let client = emulator.client_builder().max_retries(0).build().unwrap();
    let agent = bimpeai::agents::CreateAgent::new("Caller");
    let agent = client.agents().create(agent).send().unwrap().id;
    (emulator, client, agent)
}

fn make(client: &Client, agent: &str, number: &str) -> String {
    let made = client.calls().make(agent, MakeCall::new(number, true));
    made.send().unwrap().call_id.unwrap()
}

#[test]
fn wait_returns_the_finished_call_with_its_transcript() {
    let (_emulator, client, agent) = start();
    let call_id = make(&client, &agent, "+2348012345678");
    let call = client
        .calls()
        .wait(&agent, &call_id)
        .every(SHORT)
        .deadline(LONG)
        .send()
        .unwrap();
    assert_eq!(
        (call.id.as_str(), &call.status),
        (&*call_id, &CallStatus::Ended)
    );
    assert!(call.is_over() && !call.conversation_logs.is_empty());
    assert_eq!(
        call.transcript().lines().count(),
        call.conversation_logs.len()
    );
}

#[test]
fn transient_failures_do_not_end_the_wait() {
    let (emulator, client, agent) = start();
    let call_id = make(&client, &agent, "+2348012345678");
    for fault in [
        Fault::status(503),
        Fault::reset(),
        Fault::close(),
        Fault::status(429),
    ] {
        emulator.fault(fault.on("GET", "/agents/*/calls/*"));
    }
    let call = client
        .calls()
        .wait(&agent, &call_id)
        .every(SHORT)
        .deadline(LONG)
        .send()
        .unwrap();
    assert!(call.is_over());
    assert!(emulator.unmet_faults().is_empty());
}

#[test]
fn a_permanent_failure_ends_the_wait() {
    let (emulator, client, agent) = start();
    let error = client
        .calls()
        .wait(&agent, "call_none")
        .deadline(LONG)
        .send()
        .unwrap_err();
    assert_eq!(error.status(), Some(404));
    assert_eq!(emulator.requests_to("GET", "/agents/*/calls/*").len(), 1);
}

#[test]
fn the_wait_ends_at_its_deadline_and_never_sleeps_past_it() {
    let (emulator, client, agent) = start();
    let call_id = make(&client, &agent, "+2348012345678");
    let started = std::time::Instant::now();
    let wait = client
        .calls()
        .wait(&agent, &call_id)
        .every(LONG)
        .deadline(Duration::from_secs(5));
    let error = wait.send().unwrap_err();
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "it does not sleep in vain"
    );
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert!(
        error.to_string().contains("was not over within 5s"),
        "{error}"
    );
    assert_eq!(emulator.requests_to("GET", "/agents/*/calls/*").len(), 1);

    emulator.fault(Fault::status(503).on("GET", "/agents/*/calls/*"));
    let error = client
        .calls()
        .wait(&agent, &call_id)
        .every(LONG)
        .deadline(LONG)
        .send();
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("last error") && error.contains("503"),
        "{error}"
    );
}

#[test]
fn an_unresponsive_server_does_not_delay_the_end_of_the_wait() {
    let (emulator, client, agent) = start();
    let call_id = make(&client, &agent, "+2348012345678");
    emulator.fault(Fault::stall().on("GET", "/agents/*/calls/*"));
    let deadline = Duration::from_millis(300);
    let started = std::time::Instant::now();
    let error = client
        .calls()
        .wait(&agent, &call_id)
        .deadline(deadline)
        .send()
        .unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert!(started.elapsed() < LONG);
}

#[test]
fn a_call_is_finished_by_status_or_end_time() {
    for (status, ended_at, over) in [
        ("queued", None, false),
        ("ringing", None, false),
        ("answered", None, false),
        ("ended", None, true),
        ("busy", None, true),
        ("failed", None, true),
        ("cancelled", None, true),
        ("no_answer", None, false),
        ("no_answer", Some("2026-06-05T08:00:00.000Z"), true),
        ("answered", Some("2026-06-05T08:00:00.000Z"), true),
    ] {
        let json = json!({"id": "c", "status": status, "ended_at": ended_at});
        let call: Call = serde_json::from_value(json.clone()).unwrap();
        let detail: CallDetail = serde_json::from_value(json).unwrap();
        assert_eq!(
            (call.is_over(), detail.is_over()),
            (over, over),
            "{status} {ended_at:?}"
        );
    }
}

#[test]
fn a_call_that_nobody_picks_up_is_over_without_a_transcript() {
    let (_emulator, client, agent) = start();
    let call_id = make(&client, &agent, "+2348012348888");
    let wait = client.calls().wait(&agent, &call_id).every(SHORT);
    let call = wait.deadline(LONG).send().unwrap();
    assert_eq!((&call.status, call.answered_at), (&CallStatus::Ended, None));
    assert_eq!(call.end_reason.as_deref(), Some("no_answer"));
    assert!(call.ended_at.unwrap().to_system_time().is_some());
    assert_eq!(client.calls().list(&agent).all().unwrap().len(), 1);
}

#[test]
fn an_unknown_status_is_the_end_only_with_the_time_of_the_end() {
    let (emulator, client, agent) = start();
    // Ends with a status that this version does not know.
    let call_id = make(&client, &agent, "+2348012347777");
    let wait = client.calls().wait(&agent, &call_id).every(SHORT);
    let call = wait.deadline(LONG).send().unwrap();
    assert_eq!(call.status, CallStatus::Other("voicemail".to_owned()));
    // Has one in between.
    let call_id = make(&client, &agent, "+2348012346666");
    emulator.clear_requests();
    let wait = client.calls().wait(&agent, &call_id).every(SHORT);
    let call = wait.deadline(LONG).send().unwrap();
    assert_eq!(call.status, CallStatus::Ended);
    assert!(emulator.requests_to("GET", "/agents/*/calls/*").len() >= 4);
}
