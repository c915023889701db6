//! `bimpe` as its users run it: with pipes, signals and a terminal, on the emulator.
//!
//! Needs Unix, and python3 for the terminal.
#![cfg(unix)]

#[allow(dead_code)] // Shared with the tests of the other examples.
#[path = "../../../../tests/programs/child.rs"]
mod child;
mod files;
mod interrupts;
mod terminal;

use std::io::Write as _;
use std::os::unix::ffi::OsStringExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use bimpeai::emulator::{Emulator, Fault};
use child::{Ended, Running, Talk, closed, example, example_with_key, run};
use serde_json::Value;

/// `bimpe` with a key for the emulator.
fn bimpe(emulator: &Emulator, arguments: &[&str]) -> Command {
    let mut command = example_with_key("bimpe", emulator);
    command.args(arguments);
    command
}

/// Runs `bimpe` to its end and expects an exit code.
#[track_caller]
fn ends(emulator: &Emulator, arguments: &[&str], code: i32) -> Ended {
    let ended = run(&mut bimpe(emulator, arguments));
    assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
    ended
}

/// Runs `bimpe` with a text as its standard input.
#[track_caller]
fn ends_with_input(emulator: &Emulator, arguments: &[&str], input: &str, code: i32) -> Ended {
    let mut running = Running::start(&mut bimpe(emulator, arguments));
    let mut stdin = running.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let ended = running.end();
    assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
    ended
}

/// Runs `bimpe --json` and reads its output.
#[track_caller]
fn json(emulator: &Emulator, arguments: &[&str]) -> Value {
    let ended = ends(emulator, &[arguments, &["--json"]].concat(), 0);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

fn agent(emulator: &Emulator) -> String {
    Talk::new(emulator).agent
}

#[test]
fn workflows_are_listed_searched_and_shown() {
    let emulator = Emulator::start().unwrap();
    let all = json(&emulator, &["workflows", "list"]);
    let all = all.as_array().unwrap();
    let table = ends(&emulator, &["workflows", "list"], 0).stdout;
    assert_eq!(table.lines().count(), all.len() + 1, "{table}");
    let header: Vec<_> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header, ["ID", "NAME", "CATEGORY", "VISIBILITY"]);
    let found = ends(&emulator, &["workflows", "search", "feedback"], 0).stdout;
    assert!(found.contains("Restaurant feedback"), "{found}");
    assert!(found.lines().count() < all.len(), "{found}");

    let id = all[0]["id"].as_str().unwrap();
    let shown = ends(&emulator, &["workflows", "show", id], 0).stdout;
    assert!(
        shown.contains(id) && shown.contains("\nprompt\n  "),
        "{shown}"
    );
    assert_eq!(json(&emulator, &["workflows", "show", id])["id"], id);

    let none = ends(&emulator, &["workflows", "list", "--scope", "owned"], 0);
    assert_eq!(
        (none.stdout.as_str(), none.stderr.as_str()),
        ("", "nothing found\n")
    );
    let none = json(&emulator, &["workflows", "list", "--scope", "owned"]);
    assert_eq!(none, serde_json::json!([]));
}

#[test]
fn agents_are_created_listed_shown_and_deleted() {
    let emulator = Emulator::start().unwrap();
    let workflow = json(&emulator, &["workflows", "list"])[0]["id"].clone();
    let created = json(
        &emulator,
        &[
            "agents",
            "create",
            "Ada",
            "--description",
            "Helps.",
            "--workflow",
            workflow.as_str().unwrap(),
            "--language",
            "en",
            "--timezone",
            "Africa/Lagos",
        ],
    );
    let id = created["id"].as_str().unwrap();
    assert_eq!(
        json(&emulator, &["agents", "list", "--search", "ada"])[0]["id"],
        id
    );
    let shown = ends(&emulator, &["agents", "show", id], 0).stdout;
    assert!(shown.contains("timezone     Africa/Lagos\n"), "{shown}");

    // Nobody can be asked.
    let refused = ends(&emulator, &["agents", "delete", id], 2);
    assert!(refused.stderr.contains("--yes"), "{refused:?}");
    assert_eq!(child::agents(&emulator), 1);
    let deleted = ends(&emulator, &["agents", "delete", id, "--yes"], 0);
    assert_eq!(deleted.stdout, "");
    assert_eq!(deleted.stderr, format!("deleted agent \"Ada\" ({id})\n"));
    assert_eq!(child::agents(&emulator), 0);
}

#[test]
fn a_chat_continues_in_the_conversation_of_the_first_reply() {
    let emulator = Emulator::start().unwrap();
    let agent = agent(&emulator);
    let asked = ends(&emulator, &["ask", &agent, "What is", "a margherita?"], 0);
    assert!(asked.stdout.contains("£12"), "{asked:?}");
    let conversation = asked.stderr.trim().strip_prefix("conversation ").unwrap();
    let reply = json(
        &emulator,
        &["ask", &agent, "Hello", "--conversation", conversation],
    );
    assert_eq!(reply["role"], "assistant");
    let asked = ends_with_input(&emulator, &["ask", &agent, "-"], "A margherita?\n", 0);
    assert!(asked.stdout.contains("£12"), "{asked:?}");

    let chat = ends_with_input(&emulator, &["chat", &agent], "Hello\n\nA margherita?", 0);
    assert_eq!(chat.stdout.lines().count(), 2, "{chat:?}");
    assert!(
        chat.stdout.lines().all(|line| line.starts_with("  ")),
        "{chat:?}"
    );
    let client = child::client(&emulator);
    // The test conversation that every agent starts with, and this one.
    assert_eq!(client.conversations().list(&agent).all().unwrap().len(), 2);

    ends_with_input(&emulator, &["ask", &agent], " \n", 2);
    ends_with_input(&emulator, &["chat", "agt_typo"], "Hello\n", 1);
}

#[test]
fn a_reply_that_does_not_arrive_ends_with_the_timeout() {
    let emulator = Emulator::builder().replies("", "").start().unwrap();
    let agent = agent(&emulator);
    let ended = ends(
        &emulator,
        &["ask", &agent, "Hello", "--timeout", "300ms"],
        1,
    );
    assert_eq!(ended.stdout, "");
    let wrong = ends(&emulator, &["ask", &agent, "Hello", "--timeout", "soon"], 2);
    assert!(wrong.stderr.contains("--timeout"), "{wrong:?}");
}

#[test]
fn calls_are_made_waited_for_and_listed() {
    let step = Duration::from_millis(1);
    let emulator = Emulator::builder().call_step(step).start().unwrap();
    let agent = agent(&emulator);
    let made = json(
        &emulator,
        &["calls", "make", &agent, "+2348012345678", "--test"],
    );
    let id = made["call_id"].as_str().unwrap();
    let over = ends(&emulator, &["calls", "wait", &agent, id], 0).stdout;
    assert!(over.contains("status       ended\n"), "{over}");
    assert!(over.contains("\nassistant: "), "{over}");
    assert_eq!(json(&emulator, &["calls", "wait", &agent, id])["id"], id);
    let both = [
        "calls",
        "make",
        &agent,
        "+2348012345679",
        "--test",
        "--wait",
    ];
    assert!(ends(&emulator, &both, 0).stdout.contains("\nassistant: "));
    let list = ends(&emulator, &["calls", "list", &agent], 0).stdout;
    assert_eq!(list.lines().count(), 3, "{list}");
}

#[test]
fn a_call_in_doubt_is_not_to_be_repeated() {
    let emulator = Emulator::start().unwrap();
    let agent = agent(&emulator);
    // A refusal leaves no doubt.
    let refused = ends(&emulator, &["calls", "make", &agent, "+234", "--test"], 1);
    assert!(refused.stderr.contains("destination"), "{refused:?}");
    assert!(!refused.stderr.contains("may have rung"), "{refused:?}");
    emulator.fault(
        Fault::close()
            .after_performing()
            .on("POST", "/agents/*/calls")
            .times(9),
    );
    let made = ends(
        &emulator,
        &["calls", "make", &agent, "+2348012345678", "--test"],
        1,
    );
    assert!(made.stderr.contains("may have rung"), "{made:?}");
}

#[test]
fn a_call_that_reaches_nobody_is_a_failure() {
    let emulator = Emulator::start().unwrap();
    let agent = agent(&emulator);
    for number in ["+2348012340000", "+2348012349999"] {
        let made = ends(&emulator, &["calls", "make", &agent, number, "--test"], 1);
        assert!(made.stdout.contains("status"), "{made:?}");
        ends(
            &emulator,
            &["calls", "make", &agent, number, "--test", "--wait"],
            1,
        );
    }
}

#[test]
fn doctor_checks_with_the_key_of_the_command_line_tool() {
    let emulator = Emulator::start().unwrap();
    let agent = agent(&emulator);
    let checked = ends(&emulator, &["doctor", &agent], 0).stdout;
    assert!(checked.contains("ok    agent"), "{checked}");
    let typo = ends(&emulator, &["doctor", "agt_typo"], 1).stdout;
    assert!(typo.contains("FAIL  agent"), "{typo}");
    ends(&emulator, &["doctor", "--json"], 2);
}

#[test]
fn completions_are_scripts_for_each_shell() {
    for (shell, part) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef bimpe"),
        ("fish", "complete -c bimpe"),
    ] {
        let ended = run(example("bimpe").args(["completions", shell]));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stdout.contains(part), "{shell}");
    }
}

#[test]
fn wrong_commands_are_usage_errors_with_a_hint() {
    let emulator = Emulator::start().unwrap();
    for (arguments, hint) in [
        (&["workflwos"][..], "'workflows'"),
        (&["agents", "lst"], "'list'"),
        (&["agents", "list", "--jsn"], "'--json'"),
        (&["agents", "show"], "<AGENT_ID>"),
        (&[], "Usage: bimpe"),
        (&["tail", "agt_1", "--since", "5x"], "a duration such as 1h"),
        (&["tail", "agt_1", "--since", "99999999y"], "too long"),
        (&["agents", "show", ".."], "agent_id"),
        (&["kb", "add", "agt_1", "-"], "--name"),
    ] {
        let ended = ends(&emulator, arguments, 2);
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert!(ended.stderr.contains(hint), "{arguments:?}: {ended:?}");
    }
    let invalid = std::ffi::OsString::from_vec(vec![0xff]);
    let ended = run(bimpe(&emulator, &["agents", "show"]).arg(invalid));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("not valid UTF-8"), "{ended:?}");
    assert_eq!(emulator.requests().len(), 0);
    assert!(
        ends(&emulator, &["kb", "--help"], 0)
            .stdout
            .contains("Usage: bimpe kb")
    );
}

#[test]
fn a_typo_in_an_id_is_a_failure_with_advice() {
    let emulator = Emulator::start().unwrap();
    for arguments in [
        &["agents", "show", "agt_typo"][..],
        &["agents", "delete", "agt_typo", "--yes"],
        &["agents", "export", "agt_typo"],
        &["workflows", "show", "wf_typo"],
        &["kb", "list", "agt_typo"],
        &["ask", "agt_typo", "Hello"],
        &["tail", "agt_typo"],
        &["tail", "agt_typo", "cnv_typo"],
        &["calls", "list", "agt_typo"],
    ] {
        let ended = ends(&emulator, arguments, 1);
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert!(
            ended.stderr.contains("check the ids"),
            "{arguments:?}: {ended:?}"
        );
    }
}

#[test]
fn a_missing_or_refused_key_is_an_authentication_error() {
    let emulator = Emulator::start().unwrap();
    let without = |name: &str, value: &str| {
        let mut command = bimpe(&emulator, &["agents", "list"]);
        command.env_remove("BIMPEAI_API_KEY").env(name, value);
        run(&mut command)
    };
    for (name, value, why) in [
        ("BIMPEAI_API_KEY", "", "BIMPEAI_API_KEY_COMMAND"),
        ("BIMPE_API_KEY", "sk_1", "BIMPE_API_KEY is set"),
        ("BIMPEAI_API_KEY", "sk_wrong", "api_key_invalid"),
        ("BIMPEAI_API_KEY", "'sk_1'", "quotes"),
        (
            "BIMPEAI_API_KEY_COMMAND",
            "exit 3",
            "failed: exit status: 3",
        ),
        ("BIMPEAI_API_KEY_COMMAND", "true", "printed nothing"),
        ("BIMPEAI_API_KEY_COMMAND", r"printf '\377'", "invalid UTF-8"),
        (
            "BIMPEAI_API_KEY_COMMAND",
            "echo sk_wrong",
            "api_key_invalid",
        ),
    ] {
        let ended = without(name, value);
        assert_eq!(ended.code, Some(4), "{name}={value}: {ended:?}");
        assert!(ended.stderr.contains(why), "{name}={value}: {ended:?}");
        assert!(!ended.stderr.contains("sk_wrong"), "{ended:?}");
    }
    let key = format!("echo ' {} '", emulator.api_key());
    let ended = without("BIMPEAI_API_KEY_COMMAND", &key);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ended = without("BIMPEAI_API_KEY_COMMAND", "echo sk_secret; exit 1");
    assert!(!format!("{ended:?}").contains("sk_secret"), "{ended:?}");
}

#[test]
fn a_pipe_into_head_ends_quietly_and_json_is_read_by_other_programs() {
    let emulator = Emulator::start().unwrap();
    let mut command = bimpe(&emulator, &["workflows", "list"]);
    let ended = run(command.stdout(closed()));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));

    let program = bimpe(&emulator, &[]);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(
        "set -e; \"$0\" workflows list | head -n 1; \
         \"$0\" workflows list --json | python3 -m json.tool",
    );
    shell.arg(program.get_program());
    shell.envs(
        program
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let ended = run(shell.stdout(Stdio::piped()).stderr(Stdio::piped()));
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), ""),
        "{ended:?}"
    );
    let (header, list) = ended.stdout.split_once('\n').unwrap();
    assert!(header.starts_with("ID "), "{header}");
    assert!(serde_json::from_str::<Value>(list).unwrap().is_array());
}

#[test]
fn text_from_customers_cannot_control_the_terminal() {
    let emulator = Emulator::start().unwrap();
    let agent = agent(&emulator);
    let nasty = "\u{1b}[2Jred\u{9b}31m\u{202e}\nline";
    let client = child::client(&emulator);
    let named = bimpeai::agents::UpdateAgent::new().name(nasty);
    client.agents().update(&agent, named).send().unwrap();
    for arguments in [&["agents", "list"][..], &["agents", "show", &agent]] {
        let shown = ends(&emulator, arguments, 0).stdout;
        assert!(
            shown.contains(r"\u{1b}[2Jred\u{9b}31m\u{202e}\nline"),
            "{shown}"
        );
        assert!(
            !shown.contains(['\u{1b}', '\u{9b}', '\u{202e}']),
            "{shown:?}"
        );
        let arguments = [arguments, &["--json"]].concat();
        let shown = ends(&emulator, &arguments, 0).stdout;
        assert!(
            !shown.contains(['\u{1b}', '\u{9b}', '\u{202e}']),
            "{shown:?}"
        );
        let value: Value = serde_json::from_str(&shown).unwrap();
        let name = value.get(0).unwrap_or(&value)["name"].clone();
        assert_eq!(name, nasty);
    }
}
