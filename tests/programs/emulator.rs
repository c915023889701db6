//! `emulator`: the Console API alone.

use std::net::TcpListener;

use bimpeai::agents::CreateAgent;
use bimpeai::conversations::{ChannelType, CreateConversationMessage, MessageRole};
use bimpeai::{Client, Error};

use super::child::{Running, closed, example, run};

fn emulator() -> std::process::Command {
    let mut command = example("emulator");
    command.args(["--port", "0", "--api-key", "sk_alone"]);
    command
}

/// Reads where it listens.
fn base_url(child: &mut Running) -> String {
    let line = child.line_with("export BIMPEAI_BASE_URL=");
    line.split_once('=').unwrap().1.trim().to_owned()
}

#[test]
fn it_serves_until_a_signal_ends_it() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let mut child = Running::start(&mut emulator());
        let url = base_url(&mut child);
        child.line_with("Ctrl-C ends it");
        let client = Client::builder("sk_alone").base_url(url).build().unwrap();
        assert!(!client.workflows().list().send().unwrap().data.is_empty());
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
fn a_signal_ends_it_though_nobody_reads_its_output() {
    let mut child = Running::start(&mut emulator());
    child.line_with("Ctrl-C ends it");
    child.close_output();
    child.close_errors();
    child.signal("-INT");
    assert_eq!(child.end().code, Some(130));
}

#[test]
fn an_address_that_nobody_reads_ends_it() {
    let ended = run(emulator().stdout(closed()));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = run(example("emulator").args(["--port", &port]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let says = format!("emulator: cannot listen on port {port}: ");
    assert!(ended.stderr.starts_with(&says), "{ended:?}");
}

/// Starts the emulator with these options, and returns it with a client that does not retry.
fn with(options: &[&str]) -> (Running, Client) {
    let mut child = Running::start(emulator().args(options));
    let url = base_url(&mut child);
    let client = Client::builder("sk_alone").base_url(url).max_retries(0);
    (child, client.build().unwrap())
}

/// The status of an error.
#[track_caller]
fn status<T: std::fmt::Debug>(result: Result<T, Error>) -> u16 {
    match result {
        Err(Error::Api(error)) => error.status(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_kind_of_rate_limit_refuses() {
    for (limit, expected) in [
        ("2/3600", 3600),
        ("2/3600:sliding", 3600),
        ("2/3600:bucket=2", 1800),
    ] {
        let (_child, client) = with(&["--rate-limit", limit]);
        let agents = client.agents();
        let accepted = [agents.list().send().is_ok(), agents.list().send().is_ok()];
        assert_eq!(accepted, [true, true], "{limit}");
        let refused = agents.list().send().unwrap_err();
        let wait = refused.retry_after().unwrap().as_secs();
        assert!(
            (expected - 60..=expected).contains(&wait),
            "{limit}: {wait}"
        );
    }
}

#[test]
fn limits_and_delays_are_those_of_the_command_line() {
    let options = [
        "--agent-limit",
        "1",
        "--no-first-conversation",
        "--late-replies",
    ];
    let (_child, client) = with(&[&options[..], &["--reply-delay", "3600"]].concat());
    let agents = client.agents();
    let agent = agents.create(CreateAgent::new("A")).send().unwrap();
    let refused = agents.create(CreateAgent::new("B")).send();
    assert_eq!(status(refused), 400);
    let conversations = client.conversations();
    assert_eq!(conversations.list(&agent.id).send().unwrap().data.len(), 0);

    let question = CreateConversationMessage::new("Hello")
        .channel_type(ChannelType::Whatsapp)
        .channel_user_id("+2348012345678");
    let own = conversations.send(&agent.id, question).send().unwrap();
    assert_eq!(own.role, MessageRole::User);
    let conversation = conversations.list(&agent.id).send().unwrap().data.remove(0);
    let messages = conversations.messages().list(&agent.id, conversation.id);
    assert_eq!(messages.send().unwrap().data.len(), 1);
}

#[test]
fn faults_are_those_of_the_command_line() {
    let faults = ["--fault", "503:GET:/agents:2", "--fault", "html=502"];
    let (_child, client) = with(&faults);
    let agents = client.agents();
    assert_eq!(status(agents.list().send()), 503);
    assert_eq!(status(client.workflows().list().send()), 502);
    assert_eq!(status(agents.list().send()), 503);
    assert!(agents.list().send().is_ok());
}

#[test]
fn the_generation_is_that_of_the_command_line() {
    let (_child, client) = with(&["--generation", "current"]);
    assert_eq!(
        status(client.agents().create(CreateAgent::new("A")).send()),
        400
    );
    let (_child, client) = with(&["--generation", "first"]);
    assert_eq!(status(client.phone_numbers().list().send()), 404);
}

#[test]
fn a_value_that_is_not_valid_is_a_usage_error() {
    for (arguments, says) in [
        (
            &["--port", "80000"][..],
            "--port: expected a number, got \"80000\"",
        ),
        (&["--port"], "--port needs a value"),
        (&["--heartbeat", "0"], "--heartbeat must not be zero"),
        (
            &["--rate-limit", "120"],
            "--rate-limit: expected REQUESTS/SECONDS, and then",
        ),
        (&["--rate-limit", "0/60"], "got \"0/60\""),
        (&["--rate-limit", "1/0"], "got \"1/0\""),
        (&["--rate-limit", "1/60:bucket=0"], "got \"1/60:bucket=0\""),
        (&["--rate-limit", "1/60:log"], "got \"1/60:log\""),
        (
            &["--agent-limit", "-1"],
            "--agent-limit: expected a number, got \"-1\"",
        ),
        (
            &["--reply-delay", "soon"],
            "--reply-delay: expected a number of seconds, got \"soon\"",
        ),
        (
            &["--fault", "503:POST:agents"],
            "--fault \"503:POST:agents\": path \"agents\" can never match: it does not start with \"/\"; write \"/agents\"",
        ),
        (&["--fault", "boom"], "--fault \"boom\": expected a status"),
        (
            &["--generation", "second"],
            "--generation: expected both, first or current, got \"second\"",
        ),
        (
            &["--api-key", "two words"],
            "--api-key: expected ASCII characters without spaces",
        ),
        (
            &["--api-key", "clé"],
            "--api-key: expected ASCII characters without spaces",
        ),
    ] {
        let ended = run(example("emulator").args(arguments));
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(says), "{ended:?}");
    }
}
