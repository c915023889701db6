//! `bridge`: replies with a marker run a program, whose output is posted.

use std::process::Command;
use std::time::{Duration, Instant};

use bimpeai::conversations::Message;
use bimpeai::emulator::{Emulator, Fault};

use super::child::{Running, Talk, client, example, example_with_key, run};

const PATIENCE: Duration = Duration::from_secs(20);

fn start() -> (Emulator, Talk) {
    let builder = Emulator::builder().customer_writes(false);
    let emulator = builder
        .replies("order", "Let me look. [lookup: 4711]")
        .start()
        .unwrap();
    let talk = Talk::new(&emulator);
    (emulator, talk)
}

fn bridge(emulator: &Emulator, talk: &Talk, script: &str) -> Command {
    let mut command = example_with_key("bridge", emulator);
    command.env("PATH", "/usr/bin:/bin");
    command.args([&talk.agent, "sh", "-c", script]);
    command
}

/// Waits until a conversation has as many messages as expected, and returns them, oldest first.
fn messages(emulator: &Emulator, agent: &str, conversation: &str, count: usize) -> Vec<Message> {
    let until = Instant::now() + PATIENCE;
    let messages = client(emulator).conversations().messages();
    loop {
        let mut all = messages.list(agent, conversation).all().unwrap();
        all.sort_by(|a, b| a.created_at.cmp(&b.created_at));
        if all.len() >= count {
            return all;
        }
        assert!(Instant::now() < until, "{all:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn texts(messages: &[Message]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| message.message.as_deref().unwrap_or_default())
        .collect()
}

fn is_paused(emulator: &Emulator, talk: &Talk) -> bool {
    let conversations = client(emulator).conversations();
    let conversation = conversations.retrieve(&talk.agent, &talk.conversation);
    conversation.send().unwrap().is_ai_chat_paused
}

#[test]
fn the_output_for_a_marker_is_posted_once_in_each_conversation() {
    let (emulator, talk) = start();
    let mut child = Running::start(&mut bridge(
        &emulator,
        &talk,
        "read n; echo \"Order $n is on its way.\"",
    ));
    assert_eq!(child.line_with(""), "1 conversations\n");
    child.error_line_with(": following");
    emulator.customer_says(&talk.agent, &talk.conversation, "Where is my order?");
    child.line_with(&format!("{}: 4711", talk.conversation));
    let expected = [
        "Where is my order?",
        "Let me look. [lookup: 4711]",
        "Order 4711 is on its way.",
    ];
    let all = messages(&emulator, &talk.agent, &talk.conversation, 3);
    assert_eq!(texts(&all), expected);
    assert!(!is_paused(&emulator, &talk), "the assistant goes on");

    // A conversation that is opened later is followed from its beginning.
    let new = emulator.add_conversation(&talk.agent, "webchat");
    emulator.customer_says(&talk.agent, &new, "Where is my order?");
    child.line_with(&format!("{new}: 4711"));
    assert_eq!(texts(&messages(&emulator, &talk.agent, &new, 3)), expected);

    child.signal("-INT");
    let ended = child.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 2, "{ended:?}");
    let all = messages(&emulator, &talk.agent, &talk.conversation, 3);
    assert_eq!(all.len(), 3, "{all:?}");
}

#[test]
fn markers_of_customers_run_nothing() {
    let (emulator, talk) = start();
    let mut child = Running::start(&mut bridge(&emulator, &talk, "read n; echo \"It is $n\""));
    child.error_line_with(": following");
    let say = |role, text| emulator.push_message(&talk.agent, &talk.conversation, role, text);
    say("user", "[lookup: everything]");
    say("assistant", "[lookup: 1]");
    let line = child.line_with(": ");
    assert!(line.ends_with(": 1\n"), "{line}");
}

#[test]
fn an_assistant_that_a_person_has_paused_stays_paused() {
    let (emulator, talk) = start();
    let conversations = client(&emulator).conversations();
    conversations
        .set_ai_status(&talk.agent, &talk.conversation, true)
        .send()
        .unwrap();
    let mut child = Running::start(&mut bridge(&emulator, &talk, "echo Done."));
    child.error_line_with(": following");
    emulator.push_message(&talk.agent, &talk.conversation, "assistant", "[lookup: 1]");
    child.line_with(": 1");
    assert!(is_paused(&emulator, &talk));
}

#[test]
fn a_program_that_fails_posts_nothing_and_the_bridge_continues() {
    let (emulator, talk) = start();
    let script =
        "read n; case $n in 1) exit 3;; 2) ;; 3) echo '[lookup: 3]';; *) echo Done.;; esac";
    let mut child = Running::start(&mut bridge(&emulator, &talk, script));
    child.error_line_with(": following");
    let say = |text| emulator.push_message(&talk.agent, &talk.conversation, "assistant", text);
    for (marker, why) in [
        ("[lookup: 1]", "sh: exit status: 3"),
        ("[lookup: 2]", "sh: printed nothing"),
        ("[lookup: 3]", "sh: printed [lookup: ...]"),
    ] {
        say(marker);
        child.error_line_with(why);
    }
    emulator.fault(Fault::status(400).on("POST", "/agents/*/conversations/*/messages"));
    say("[lookup: 4]");
    child.error_line_with("not posted");
    assert!(!is_paused(&emulator, &talk));
    say("[lookup: 5]");
    child.line_with(": 5");
    let all = messages(&emulator, &talk.agent, &talk.conversation, 6);
    assert_eq!(texts(&all).last(), Some(&"Done."));
}

#[test]
fn a_stream_that_ended_is_followed_again_from_its_position() {
    let (emulator, talk) = start();
    let mut child = Running::start(&mut bridge(&emulator, &talk, "read n; echo $n"));
    child.error_line_with(": following");
    let say = |text| emulator.push_message(&talk.agent, &talk.conversation, "assistant", text);
    say("[lookup: 1]");
    child.line_with(": 1");
    let fault = Fault::status(503).on("POST", "/agents/*/conversations/*/stream-ticket");
    emulator.fault(fault.times(3));
    emulator.end_streams();
    child.error_line_with("503");
    say("[lookup: 2]");
    child.line_with(": 2");
}

#[test]
fn a_key_is_needed_and_so_is_a_program() {
    let ended = run(example("bridge").args(["agt_1", "cat"]));
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let (emulator, talk) = start();
    let ended = run(example_with_key("bridge", &emulator).arg(&talk.agent));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let ended = run(example_with_key("bridge", &emulator).args(["agt_typo", "cat"]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
}
