//! `chat`: lines go to the conversation, replies come back.

use std::process::Command;
use std::time::{Duration, Instant};

use bimpeai::emulator::{Emulator, Fault};

use super::child::{Running, Talk, example, example_with_key};

fn start() -> (Emulator, Talk, Running) {
    let emulator = Emulator::builder().customer_writes(false).start().unwrap();
    let talk = Talk::new(&emulator);
    let child = Running::start(&mut chat(&emulator, &talk));
    wait_until_open(&emulator);
    (emulator, talk, child)
}

fn chat(emulator: &Emulator, talk: &Talk) -> Command {
    let mut command = example_with_key("chat", emulator);
    command.args(talk.ids());
    command
}

fn wait_until_open(emulator: &Emulator) {
    let until = Instant::now() + Duration::from_secs(20);
    while emulator.open_streams() == 0 {
        assert!(Instant::now() < until, "the stream was not opened");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn replies_are_printed_and_the_end_of_the_input_ends_it() {
    let (_emulator, _, mut child) = start();
    child.type_line("How much is a Margherita pizza?");
    child.type_line("");
    child.line_with("assistant: Margherita pizza £12.");
    child.stdin = None;
    let ended = child.end();
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), ""),
        "{ended:?}"
    );
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
}

#[test]
fn the_built_in_emulator_replies_too() {
    let mut child = Running::start(&mut example("chat"));
    child.type_line("How much is a Margherita pizza?");
    child.line_with("assistant: Margherita pizza is £12.");
    child.stdin = None;
    assert_eq!(child.end().code, Some(0));
}

#[test]
fn the_last_line_before_the_end_of_the_input_is_replied_to() {
    let (_emulator, _, mut child) = start();
    child.type_line("How much is a Margherita pizza?");
    child.stdin = None;
    let ended = child.end();
    assert!(ended.stdout.contains("£12"), "{ended:?}");
}

#[test]
fn signals_end_it_while_it_waits_for_input() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let (_emulator, _, child) = start();
        child.signal(signal);
        let ended = child.end();
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(130), ""),
            "{signal}"
        );
    }
}

#[test]
fn ctrl_c_ends_it_though_nobody_reads_its_output() {
    let (_emulator, _, mut child) = start();
    child.close_output();
    child.close_errors();
    child.signal("-INT");
    assert_eq!(child.end().code, Some(130));
}

#[test]
fn ctrl_c_ends_it_though_its_output_is_full() {
    let (emulator, talk, mut child) = start();
    let text = "x".repeat(4000);
    for _ in 0..64 {
        emulator.push_message(&talk.agent, &talk.conversation, "assistant", &text);
    }
    child.line_with("x");
    child.signal("-INT");
    assert_eq!(child.wait(), Some(130));
}

#[test]
fn a_stream_that_ends_is_reported_while_it_waits_for_input() {
    let (emulator, _, child) = start();
    emulator.fault(Fault::status(404).on("POST", "/agents/*/conversations/*/stream-ticket"));
    emulator.end_streams();
    let ended = child.end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let error = ended.stderr.lines().last().unwrap();
    assert!(error.starts_with("chat: POST /agents/"), "{error}");
    assert!(error.contains("404"), "{error}");
}

#[test]
fn a_key_that_is_revoked_is_reported_while_it_waits_for_input() {
    let (emulator, _, child) = start();
    emulator.fault(Fault::status(401).on("POST", "/agents/*/conversations/*/stream-ticket"));
    emulator.end_streams();
    assert_eq!(child.end().code, Some(4));
}

#[test]
fn a_lost_connection_is_reported_while_it_waits_for_input() {
    let (emulator, talk, mut child) = start();
    emulator.end_streams();
    child.error_line_with("reconnecting in");
    child.error_line_with("reconnected");
    emulator.push_message(&talk.agent, &talk.conversation, "assistant", "Still here.");
    child.line_with("assistant: Still here.");
}

#[test]
fn a_line_that_is_refused_does_not_end_it() {
    let (emulator, _, mut child) = start();
    let messages = "/agents/*/conversations/*/messages";
    for fault in [Fault::status(400), Fault::status(401), Fault::html(200)] {
        emulator.fault(fault.on("POST", messages));
        child.type_line("Hello?");
        child.error_line_with("not sent: POST /agents/");
    }
    child.type_line(b"caf\xe9");
    child.error_line_with("not sent: the line is not valid UTF-8");
    child.type_line("x".repeat(10_000));
    child.error_line_with("not sent: POST /agents/");
    child.type_line("How much is a Margherita pizza?");
    child.line_with("assistant: Margherita pizza £12.");
    child.stdin = None;
    assert_eq!(child.end().code, Some(0));
}

#[test]
fn replies_cannot_control_the_terminal() {
    let (emulator, talk, mut child) = start();
    let text = "\x1b[2J\u{9b}1A\u{202e}hi\r\n  assistant: forged";
    emulator.push_message(&talk.agent, &talk.conversation, "assistant", text);
    let line = child.line_with("hi");
    let shown = r"  assistant: \u{1b}[2J\u{9b}1A\u{202e}hi\r\n  assistant: forged";
    assert_eq!(line.trim_end(), shown);
}
