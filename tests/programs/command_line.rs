//! What all examples have in common: usage errors, exit codes, outputs that are closed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::time::{Duration, Instant};

use bimpeai::emulator::{Emulator, Fault};

use super::child::{Running, Talk, closed, example, example_with_key, received, run};

const ALL: [&str; 15] = [
    "booking",
    "bridge",
    "call_campaign",
    "chat",
    "clinic",
    "doctor",
    "emulator",
    "lead_capture",
    "quickstart",
    "restaurant",
    "returns",
    "support_triage",
    "tail",
    "test_your_script",
    "workflow_agent",
];

/// Those that use the API of the environment, with what they need.
const CLIENTS: [(&str, &[&str]); 11] = [
    ("booking", &[]),
    ("bridge", &["agt_1", "cat"]),
    ("chat", &["agt_1", "cnv_1"]),
    ("clinic", &[]),
    ("doctor", &[]),
    ("lead_capture", &[]),
    ("quickstart", &[]),
    ("restaurant", &[]),
    ("tail", &["agt_1", "cnv_1"]),
    ("test_your_script", &["12 to 22"]),
    ("workflow_agent", &[]),
];

#[test]
fn help_is_printed_with_exit_code_0() {
    for name in ALL {
        for option in ["--help", "-h"] {
            let ended = run(example(name).arg(option));
            assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
            let usage = format!("Usage: {name}");
            assert!(ended.stdout.starts_with(&usage), "{ended:?}");
            assert_eq!(ended.stderr, "");
        }
    }
}

#[test]
fn an_unknown_option_is_a_usage_error() {
    for name in ALL {
        let ended = run(example(name).arg("--frobnicate\x1b[2J"));
        assert_eq!(ended.code, Some(2), "{name}: {ended:?}");
        assert!(
            ended
                .stderr
                .starts_with(&format!("{name}: unknown option \"--frobnicate"))
        );
        assert!(ended.stderr.contains(&format!("\n\nUsage: {name}")));
        assert!(!ended.stderr.contains('\x1b'), "{ended:?}");
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn an_argument_that_is_not_utf8_is_a_usage_error() {
    let bad = OsStr::from_bytes(b"agt_\xff");
    for name in ALL {
        for arguments in [&[bad][..], &["a".as_ref(), bad], &["--port".as_ref(), bad]] {
            let ended = run(example(name).args(arguments));
            assert_eq!(ended.code, Some(2), "{name}: {ended:?}");
            let says = "the argument \"agt_\\xFF\" is not valid UTF-8";
            assert!(ended.stderr.contains(says), "{ended:?}");
        }
    }
}

#[test]
fn an_environment_variable_that_is_not_utf8_is_a_usage_error() {
    let emulator = Emulator::start().unwrap();
    for (name, arguments) in CLIENTS {
        for variable in ["BIMPEAI_API_KEY", "BIMPEAI_BASE_URL", "BIMPEAI_ALLOW_HTTP"] {
            for mut command in [example(name), example_with_key(name, &emulator)] {
                command.env(variable, OsStr::from_bytes(b"sk_canary\xff"));
                let ended = run(command.args(arguments));
                assert_eq!(ended.code, Some(2), "{name} {variable}: {ended:?}");
                assert!(ended.stderr.contains(variable), "{ended:?}");
                assert!(ended.stderr.contains("UTF-8"), "{ended:?}");
                assert!(!ended.stderr.contains("canary"), "{ended:?}");
            }
        }
    }
    assert!(emulator.requests().is_empty());
}

#[test]
fn an_environment_variable_that_is_not_valid_is_a_usage_error() {
    for (name, arguments) in CLIENTS {
        for (variable, value) in [
            ("BIMPEAI_API_KEY", "sk_with space"),
            ("BIMPEAI_BASE_URL", "ftp://example.com"),
        ] {
            let mut command = example(name);
            command.env("BIMPEAI_API_KEY", "sk_1").env(variable, value);
            let ended = run(command.args(arguments));
            // Checking the key is what `doctor` does.
            let is_finding = name == "doctor" && variable == "BIMPEAI_API_KEY";
            let code = if is_finding { 4 } else { 2 };
            assert_eq!(ended.code, Some(code), "{name} {variable}: {ended:?}");
        }
    }
}

#[test]
fn a_key_without_ids_is_a_usage_error() {
    let emulator = Emulator::start().unwrap();
    for name in ["chat", "tail"] {
        for ids in [&[][..], &["agt_1"], &["agt_1", "cnv_1", "cnv_2"]] {
            let ended = run(example_with_key(name, &emulator).args(ids));
            assert_eq!(ended.code, Some(2), "{name}: {ended:?}");
            let says = "expected an agent id and a conversation id";
            assert!(ended.stderr.contains(says), "{ended:?}");
        }
    }
}

#[test]
fn an_id_that_is_none_is_a_usage_error() {
    let emulator = Emulator::start().unwrap();
    for name in ["chat", "tail"] {
        let ended = run(example_with_key(name, &emulator).args(["..", "cnv_1"]));
        assert_eq!(ended.code, Some(2), "{name}: {ended:?}");
        assert!(ended.stderr.contains("\"..\""), "{ended:?}");
    }
}

#[test]
fn a_key_that_is_refused_has_exit_code_4() {
    let emulator = Emulator::builder()
        .scoped_key("sk_nothing", ["billing:read"])
        .start()
        .unwrap();
    for (name, arguments) in CLIENTS {
        for key in ["sk_wrong", "sk_nothing"] {
            let mut command = example_with_key(name, &emulator);
            let ended = run(command.env("BIMPEAI_API_KEY", key).args(arguments));
            assert_eq!(ended.code, Some(4), "{name}: {ended:?}");
            let output = ended.stdout + &ended.stderr;
            assert!(output.contains("api_key_invalid") || output.contains("insufficient_scope"));
            assert!(!output.contains(key), "{output}");
        }
    }
}

#[test]
fn an_output_that_is_closed_ends_an_example_quietly() {
    let emulator = Emulator::start().unwrap();
    let talk = Talk::new(&emulator);
    for (name, arguments) in CLIENTS {
        let mut command = example_with_key(name, &emulator);
        match arguments {
            [_, _] => command.args(talk.ids()),
            _ => command.args(arguments),
        };
        let mut child = Running::start(command.stdout(closed()));
        if name == "chat" {
            child.type_line("How much is a Margherita pizza?");
        }
        if name == "tail" {
            emulator.push_message(&talk.agent, &talk.conversation, "user", "Hello?");
        }
        let ended = child.end();
        assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
    }
    for name in ALL {
        let ended = run(example(name).arg("--help").stdout(closed()));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{name}");
    }
}

#[test]
fn ctrl_c_ends_an_example_during_a_call_that_hangs() {
    for (name, arguments) in CLIENTS {
        let emulator = Emulator::start().unwrap();
        emulator.fault(Fault::stall().times(100));
        let child = Running::start(example_with_key(name, &emulator).args(arguments));
        received(&emulator, "", "");
        let pressed = Instant::now();
        child.signal("-INT");
        let ended = child.end();
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(130), ""),
            "{name}"
        );
        assert!(pressed.elapsed() < Duration::from_secs(5), "{name}");
    }
}

#[test]
fn errors_that_nobody_reads_change_nothing() {
    for name in ALL {
        for output in [closed, std::process::Stdio::piped] {
            let mut command = example(name);
            let ended = run(command
                .arg("--frobnicate")
                .stdout(output())
                .stderr(closed()));
            assert_eq!(ended.code, Some(2), "{name}");
        }
    }
    let ended = run(example("workflow_agent").stderr(closed()));
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn an_output_that_cannot_be_written_is_an_error() {
    let full = || {
        std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    for name in ALL {
        let ended = run(example(name).arg("--help").stdout(full()));
        assert_eq!(ended.code, Some(1), "{name}: {ended:?}");
        assert!(
            ended.stderr.contains("cannot write the output: "),
            "{ended:?}"
        );
    }
}
