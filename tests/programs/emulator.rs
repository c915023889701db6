//! `emulator`: the Console API alone.

use std::net::TcpListener;

use bimpeai::Client;

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
