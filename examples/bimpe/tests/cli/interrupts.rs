//! Following a conversation, and Ctrl-C.

use std::time::Instant;

use super::*;
use child::received;

/// An end at once is much sooner than any time limit of the program.
const AT_ONCE: Duration = Duration::from_secs(5);

#[track_caller]
fn is_interrupted(running: Running) -> Ended {
    let start = Instant::now();
    running.signal("-INT");
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    let is_whole = ended.stdout.is_empty() || ended.stdout.ends_with('\n');
    assert!(is_whole, "{ended:?}");
    ended
}

fn quiet() -> Emulator {
    Emulator::builder().customer_writes(false).start().unwrap()
}

#[test]
fn tail_follows_a_conversation_until_ctrl_c() {
    let emulator = quiet();
    let talk = Talk::new(&emulator);
    let arguments = ["tail", &talk.agent, &talk.conversation];
    let mut tail = Running::start(&mut bimpe(&emulator, &arguments));
    tail.error_line_with("following");
    emulator.push_message(
        &talk.agent,
        &talk.conversation,
        "user",
        "\u{1b}[2JHello\nthere",
    );
    let line = tail.line_with("Hello");
    assert!(
        line.ends_with("     user  \\u{1b}[2JHello\\nthere\n"),
        "{line:?}"
    );
    is_interrupted(tail);
}

#[test]
fn tail_starts_where_since_says_in_the_latest_conversation() {
    let emulator = quiet();
    let talk = Talk::new(&emulator);
    let say = |text| emulator.push_message(&talk.agent, &talk.conversation, "user", text);
    let first = say("one");
    say("two");
    for (since, expected) in [
        ("1h", "one"),
        ("2020-01-01", "one"),
        (first.as_str(), "two"),
    ] {
        let arguments = ["tail", &talk.agent, "--since", since, "--json"];
        let mut tail = Running::start(&mut bimpe(&emulator, &arguments));
        let line = tail.line_with("");
        let message: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(message["message"], expected, "{since}");
        is_interrupted(tail);
    }
}

#[test]
fn ctrl_c_ends_a_chat_that_waits_for_a_line_or_for_a_reply() {
    let emulator = quiet();
    let agent = agent(&emulator);
    let mut chat = Running::start(&mut bimpe(&emulator, &["chat", &agent]));
    chat.type_line("A margherita?");
    chat.line_with("£12");
    is_interrupted(chat);

    emulator.clear_requests();
    let mut chat = Running::start(&mut bimpe(&emulator, &["chat", &agent]));
    emulator.fault(Fault::stall().on("POST", "/agents/*/conversations/messages"));
    chat.type_line("Hello?");
    received(&emulator, "POST", "/conversations/messages");
    is_interrupted(chat);
}

#[test]
fn ctrl_c_ends_a_call_to_a_server_that_hangs() {
    let emulator = quiet();
    let agent = agent(&emulator);
    for (arguments, method, path, last) in [
        (&["agents", "list"][..], "GET", "/agents", "/agents"),
        (
            &["ask", &agent, "Hello"],
            "POST",
            "/agents/*/conversations/messages",
            "/messages",
        ),
        (
            &["tail", &agent, "cnv_1"],
            "POST",
            "/agents/*/conversations/*/stream-ticket",
            "/stream-ticket",
        ),
        (
            &["calls", "wait", &agent, "call_1"],
            "GET",
            "/agents/*/calls/*",
            "/calls/call_1",
        ),
        (&["doctor"], "GET", "/agents", "/agents"),
    ] {
        emulator.clear_requests();
        emulator.fault(Fault::stall().on(method, path));
        let running = Running::start(&mut bimpe(&emulator, arguments));
        received(&emulator, method, last);
        is_interrupted(running);
    }
}

#[test]
fn ctrl_c_while_a_phone_call_is_requested_says_that_it_may_ring() {
    let emulator = quiet();
    let agent = agent(&emulator);
    emulator.fault(Fault::stall().on("POST", "/agents/*/calls"));
    let arguments = ["calls", "make", &agent, "+2348012345678", "--test"];
    let running = Running::start(&mut bimpe(&emulator, &arguments));
    received(&emulator, "POST", "/calls");
    let ended = is_interrupted(running);
    assert!(ended.stderr.contains("may have rung"), "{ended:?}");
}

#[test]
fn ctrl_c_ends_the_command_that_prints_the_key() {
    let emulator = quiet();
    let mut command = bimpe(&emulator, &["agents", "list"]);
    command.env_remove("BIMPEAI_API_KEY");
    command.env("BIMPEAI_API_KEY_COMMAND", "echo asking >&2; exec sleep 20");
    let mut running = Running::start(&mut command);
    running.error_line_with("asking");
    running.close_errors();
    is_interrupted(running);
}
