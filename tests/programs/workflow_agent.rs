//! `workflow_agent`: the five steps, and that no agent is left on the API.

use std::collections::HashSet;
use std::process::Command;
use std::time::{Duration, Instant};

use bimpeai::emulator::{Emulator, Fault};
use serde_json::json;

use super::child::{
    Ended, Running, agents, client, closed, example, example_with_key, received, run,
};

const STEPS: [&str; 5] = [
    "1. Find a workflow",
    "2. Create an agent on it",
    "3. Give it knowledge",
    "4. Inspect what is connected",
    "5. Converse",
];

fn with_key(emulator: &Emulator) -> Command {
    example_with_key("workflow_agent", emulator)
}

fn create_keys(emulator: &Emulator) -> Vec<String> {
    let requests = emulator.requests();
    let creates = requests
        .iter()
        .filter(|it| it.method == "POST" && it.path.ends_with("/agents"));
    creates
        .map(|it| it.header("idempotency-key").unwrap().to_owned())
        .collect()
}

#[test]
fn both_generations_end_with_a_summary() {
    for arguments in [&[][..], &["--current"]] {
        let ended = run(example("workflow_agent").args(arguments));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        for step in STEPS {
            assert!(ended.stdout.contains(step), "{step}: {ended:?}");
        }
        assert!(ended.stdout.contains("reconnected"), "{ended:?}");
        let summary = ended.stdout.lines().last().unwrap();
        let says = "messages received while the stream was open: 0 missed, 0 duplicates.";
        assert!(summary.ends_with(says), "{summary}");
    }
}

#[test]
fn the_agent_is_deleted_after_a_success_unless_it_is_kept() {
    for (arguments, left) in [(&[][..], 0), (&["--keep"], 1)] {
        let emulator = Emulator::start().unwrap();
        let ended = run(with_key(&emulator).args(arguments));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(agents(&emulator), left);
        assert_eq!(
            ended.stderr.contains("deleted agent"),
            left == 0,
            "{ended:?}"
        );
    }
}

#[test]
fn the_agent_is_deleted_when_the_output_is_closed() {
    for step in STEPS {
        let emulator = Emulator::start().unwrap();
        let mut child = Running::start(&mut with_key(&emulator));
        child.line_with(step);
        child.close_output();
        let ended = child.end();
        assert_eq!(ended.code, Some(0), "{step}: {ended:?}");
        assert_eq!(agents(&emulator), 0, "{step}");
    }
    let emulator = Emulator::start().unwrap();
    let ended = run(with_key(&emulator).stdout(closed()).stderr(closed()));
    assert_eq!(ended.code, Some(0));
    assert_eq!(agents(&emulator), 0);
}

#[test]
fn the_agent_is_deleted_when_a_signal_arrives() {
    for (signal, line) in [
        ("-INT", "2. Create an agent on it"),
        ("-INT", "3. Give it knowledge"),
        ("-INT", "the stream is open"),
        ("-TERM", "4. Inspect what is connected"),
        ("-TERM", "the stream is open"),
        ("-HUP", "5. Converse"),
    ] {
        let emulator = Emulator::start().unwrap();
        let mut child = Running::start(&mut with_key(&emulator));
        child.line_with(line);
        child.signal(signal);
        let ended = child.end();
        assert_eq!(ended.code, Some(130), "{signal} {line}: {ended:?}");
        assert_eq!(agents(&emulator), 0, "{signal} {line}: {ended:?}");
    }
}

#[test]
fn the_agent_is_deleted_when_a_signal_arrives_while_it_is_created() {
    // Twice in a row: it is one press to the user.
    for (signal, times) in [("-TERM", 1), ("-INT", 2)] {
        let emulator = Emulator::start().unwrap();
        emulator.fault(Fault::delay(Duration::from_millis(1500)).on("POST", "/agents"));
        let child = Running::start(&mut with_key(&emulator));
        received(&emulator, "POST", "/agents");
        child.signals(signal, times);
        let ended = child.end();
        assert_eq!(
            (ended.code, agents(&emulator)),
            (Some(130), 0),
            "{signal} {ended:?}"
        );
    }
}

#[test]
fn the_agent_is_deleted_when_a_signal_arrives_while_a_call_hangs() {
    let emulator = Emulator::start().unwrap();
    emulator.fault(Fault::stall().on("POST", "/agents/*/knowledge_bases"));
    let child = Running::start(&mut with_key(&emulator));
    received(&emulator, "POST", "/knowledge_bases");
    let pressed = Instant::now();
    child.signal("-INT");
    let ended = child.end();
    assert_eq!((ended.code, agents(&emulator)), (Some(130), 0), "{ended:?}");
    assert!(pressed.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_second_ctrl_c_ends_a_clean_up_that_hangs() {
    let emulator = Emulator::start().unwrap();
    emulator.fault(Fault::stall().on("DELETE", "/agents/*").times(10));
    let mut child = Running::start(&mut with_key(&emulator));
    child.line_with("5. Converse");
    child.signal("-INT");
    received(&emulator, "DELETE", "");
    std::thread::sleep(Duration::from_millis(1100));
    let pressed = Instant::now();
    child.signal("-INT");
    assert_eq!(child.end().code, Some(130));
    assert!(pressed.elapsed() < Duration::from_secs(5));
}

fn run_with(fault: Fault) -> (Ended, usize) {
    let emulator = Emulator::start().unwrap();
    emulator.fault(fault);
    (run(&mut with_key(&emulator)), agents(&emulator))
}

#[test]
fn the_agent_is_deleted_when_a_call_fails() {
    for (method, path) in [
        ("POST", "/agents/*/knowledge_bases"),
        ("GET", "/agents/*/knowledge_bases"),
        ("GET", "/agents/*/channels"),
        ("GET", "/agents/*/actions"),
        ("GET", "/agents/*/conversations"),
        ("POST", "/agents/*/conversations/*/stream-ticket"),
        ("GET", "/agents/*/conversations/*/messages"),
        ("POST", "/agents/*/conversations/*/messages"),
    ] {
        let (ended, left) = run_with(Fault::status(404).on(method, path));
        assert_eq!(
            (ended.code, left),
            (Some(1), 0),
            "{method} {path}: {ended:?}"
        );
        let error = ended.stderr.lines().last().unwrap();
        assert!(error.starts_with("workflow_agent: "), "{error}");
        assert!(error.contains("404"), "{error}");
    }
}

#[test]
fn the_agent_is_deleted_when_the_repeated_create_fails() {
    let emulator = Emulator::start().unwrap();
    emulator.fault(Fault::delay(Duration::ZERO).on("POST", "/agents"));
    emulator.fault(Fault::status(400).on("POST", "/agents"));
    let ended = run(&mut with_key(&emulator));
    assert_eq!((ended.code, agents(&emulator)), (Some(1), 0), "{ended:?}");
}

#[test]
fn the_agent_is_deleted_when_the_response_of_its_create_is_lost() {
    // As often as the client sends it; a reused connection that breaks does not count as an attempt.
    for (lost, times) in [
        (Fault::reset().after_performing(), 4),
        (Fault::html(201).after_performing(), 1),
        (Fault::empty_body(201).after_performing(), 1),
    ] {
        let emulator = Emulator::start().unwrap();
        emulator.fault(lost.on("POST", "/agents").times(times));
        let ended = run(&mut with_key(&emulator));
        assert_eq!((ended.code, agents(&emulator)), (Some(1), 0), "{ended:?}");
        assert!(ended.stderr.contains("deleted agent"), "{ended:?}");
    }
}

#[test]
fn an_agent_that_cannot_be_found_again_is_reported() {
    let lost = Fault::reset().after_performing().on("POST", "/agents");
    let (ended, left) = run_with(lost.times(100));
    assert_eq!((ended.code, left), (Some(1), 1), "{ended:?}");
    assert!(
        ended.stderr.contains("an agent may have been created"),
        "{ended:?}"
    );
}

#[test]
fn a_create_that_is_refused_is_not_sent_again() {
    let emulator = Emulator::start().unwrap();
    emulator.fault(Fault::status(400).on("POST", "/agents"));
    let ended = run(&mut with_key(&emulator));
    assert_eq!((ended.code, agents(&emulator)), (Some(1), 0), "{ended:?}");
    assert_eq!(create_keys(&emulator).len(), 1);
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
}

#[test]
fn a_failed_clean_up_is_reported() {
    let (ended, left) = run_with(Fault::status(400).on("DELETE", "/agents/*"));
    assert_eq!((ended.code, left), (Some(1), 1), "{ended:?}");
    assert!(
        ended.stderr.contains("was not deleted: DELETE /agents/"),
        "{ended:?}"
    );
}

#[test]
fn a_failed_clean_up_is_reported_when_the_output_is_closed() {
    let emulator = Emulator::start().unwrap();
    emulator.fault(Fault::status(400).on("DELETE", "/agents/*"));
    let mut child = Running::start(&mut with_key(&emulator));
    child.line_with("2. Create an agent on it");
    child.close_output();
    assert_eq!(child.end().code, Some(1));
}

#[test]
fn an_id_from_the_server_cannot_control_the_terminal() {
    let emulator = Emulator::start().unwrap();
    let agent =
        json!({ "message": "Success", "data": { "id": "agt_\x1b[2J\n", "name": "\x1b[2J" } });
    emulator.fault(Fault::json(201, &agent).on("POST", "/agents").times(2));
    emulator.fault(Fault::status(400).on("DELETE", "/agents/*"));
    let ended = run(&mut with_key(&emulator));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains(r"agent agt_\u{1b}[2J\n was not deleted"),
        "{ended:?}"
    );
    assert!(!(ended.stdout + &ended.stderr).contains('\x1b'));
}

#[test]
fn a_failed_clean_up_does_not_hide_the_first_error() {
    let emulator = Emulator::start().unwrap();
    emulator.fault(Fault::status(401).on("POST", "/agents/*/knowledge_bases"));
    emulator.fault(Fault::status(400).on("DELETE", "/agents/*"));
    let ended = run(&mut with_key(&emulator));
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(
        ended.stderr.contains("was not deleted: DELETE /agents/"),
        "{ended:?}"
    );
    assert!(
        ended.stderr.contains("workflow_agent: POST /agents/"),
        "{ended:?}"
    );
}

#[test]
fn deleting_an_agent_that_is_gone_is_not_a_failure() {
    let emulator = Emulator::start().unwrap();
    emulator.fault(Fault::status(404).on("DELETE", "/agents/*"));
    let ended = run(&mut with_key(&emulator));
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn each_run_creates_with_a_key_of_its_own() {
    let emulator = Emulator::start().unwrap();
    for _ in 0..2 {
        assert_eq!(run(&mut with_key(&emulator)).code, Some(0));
    }
    let keys = create_keys(&emulator);
    assert_eq!(keys.len(), 4, "each run sends its create twice");
    assert_eq!((&keys[0], &keys[2]), (&keys[1], &keys[3]));
    let different: HashSet<_> = keys.iter().collect();
    assert_eq!(different.len(), 2, "{keys:?}");
    for key in keys {
        assert_eq!(key.len(), 36, "a UUID, not {key}");
    }
}

#[test]
fn text_from_the_conversation_cannot_control_the_terminal() {
    let emulator = Emulator::start().unwrap();
    let mut child = Running::start(&mut with_key(&emulator));
    child.line_with("the stream is open");
    let client = client(&emulator);
    let agent = client.agents().list().send().unwrap().data[0].id.clone();
    let conversation = client.conversations().list(&agent).send().unwrap().data[0]
        .id
        .clone();
    let text = "\x1b[2J\u{202e}hi\n0 messages received";
    emulator.push_message(&agent, &conversation, "human", text);
    let ended = child.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let shown = r"human  \u{1b}[2J\u{202e}hi\n0 messages received";
    assert!(ended.stdout.contains(shown), "{ended:?}");
    assert!(!ended.stdout.contains(['\x1b', '\u{202e}']), "{ended:?}");
}
