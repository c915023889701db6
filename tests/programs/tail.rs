//! `tail`: a conversation is followed over restarts, and its position is safe.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use bimpeai::emulator::{Emulator, Fault};

use super::child::{Folder, Running, Talk, closed, example, example_with_key, run};

struct Setup {
    emulator: Emulator,
    talk: Talk,
    folder: Folder,
}

impl Setup {
    fn new(test: &str) -> Setup {
        let emulator = Emulator::builder().customer_writes(false).start().unwrap();
        Setup {
            talk: Talk::new(&emulator),
            folder: Folder::new(test),
            emulator,
        }
    }

    fn command(&self) -> Command {
        let mut command = example_with_key("tail", &self.emulator);
        command.current_dir(&self.folder.0).args(self.talk.ids());
        command
    }

    fn start(&self) -> Running {
        let mut child = Running::start(&mut self.command());
        child.error_line_with("connected");
        child
    }

    fn say(&self, text: &str) -> String {
        let Talk {
            agent,
            conversation,
        } = &self.talk;
        self.emulator
            .push_message(agent, conversation, "user", text)
    }

    fn state(&self) -> PathBuf {
        self.folder
            .file(&format!("tail-{}.last", self.talk.conversation))
    }

    fn stored(&self) -> String {
        fs::read_to_string(self.state()).unwrap()
    }
}

#[test]
fn nothing_is_missed_or_printed_twice_over_restarts() {
    let setup = Setup::new("restarts");
    let mut child = setup.start();
    setup.say("one");
    let last = setup.say("two");
    child.line_with("two");
    child.signal("-INT");
    let first = child.end();
    assert_eq!(first.code, Some(130), "{first:?}");
    assert_eq!(setup.stored(), last);
    setup.say("three");
    let mut child = setup.start();
    setup.say("four");
    child.line_with("four");
    child.signal("-TERM");
    let second = child.end();
    assert_eq!(second.code, Some(130), "{second:?}");
    let printed = first.stdout + &second.stdout;
    let words: Vec<_> = printed
        .lines()
        .map(|line| line.rsplit(' ').next().unwrap())
        .collect();
    assert_eq!(words, ["one", "two", "three", "four"]);
    assert_eq!(setup.folder.names().len(), 1, "{:?}", setup.folder.names());
}

#[test]
fn a_restart_before_the_first_message_misses_nothing() {
    let setup = Setup::new("before-the-first");
    let child = setup.start();
    let opened = setup.stored();
    assert!(
        opened.starts_with("20") && opened.contains('T'),
        "a time, not {opened:?}"
    );
    child.signal("-KILL");
    child.end();
    setup.say("sent while nothing ran");
    let mut child = setup.start();
    child.line_with("sent while nothing ran");
}

#[test]
fn a_message_that_was_not_printed_is_not_stored() {
    let setup = Setup::new("unprinted");
    let mut child = Running::start(setup.command().stdout(closed()));
    child.error_line_with("connected");
    let before = setup.stored();
    let unprinted = setup.say("one");
    let ended = child.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(setup.stored(), before);
    assert_ne!(setup.stored(), unprinted);
}

#[test]
fn a_state_file_that_cannot_be_written_is_found_before_anything_is_sent() {
    let setup = Setup::new("unwritable");
    let requests = setup.emulator.requests().len();
    fs::write(setup.folder.file("file"), "").unwrap();
    fs::create_dir(setup.folder.file("folder")).unwrap();
    // By a link: a program that gets it wrong replaces the link, not the device.
    std::os::unix::fs::symlink("/dev/null", setup.folder.file("device")).unwrap();
    for state in ["missing/state", "file/state", "folder", "device"] {
        let ended = run(setup.command().args(["--state", state]));
        assert_eq!(ended.code, Some(1), "{state}: {ended:?}");
        assert!(ended.stderr.contains(&format!("{state:?}: ")), "{ended:?}");
        assert_eq!(ended.stdout, "");
    }
    assert_eq!(setup.emulator.requests().len(), requests);
    assert!(
        fs::symlink_metadata(setup.folder.file("device"))
            .unwrap()
            .is_symlink()
    );
}

#[test]
fn a_state_file_that_is_not_text_is_named() {
    let setup = Setup::new("not-text");
    fs::write(setup.state(), b"\xff\xfe").unwrap();
    let ended = run(&mut setup.command());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains(&format!(
            "cannot read {:?}: ",
            setup.state().file_name().unwrap()
        )),
        "{ended:?}"
    );
}

#[test]
fn a_state_file_that_becomes_unwritable_is_named() {
    let setup = Setup::new("lost");
    let child = setup.start();
    fs::remove_dir_all(&setup.folder.0).unwrap();
    setup.say("one");
    let ended = child.end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("one"), "{ended:?}");
    assert!(
        ended.stderr.contains("tail: cannot write \"tail-"),
        "{ended:?}"
    );
}

#[test]
fn state_files_with_different_extensions_do_not_share_a_temporary_file() {
    let setup = Setup::new("extensions");
    fs::write(setup.folder.file("a.new"), "mine").unwrap();
    let mut child = Running::start(setup.command().args(["--state", "a.last"]));
    child.error_line_with("connected");
    let last = setup.say("one");
    child.line_with("one");
    child.signal("-INT");
    child.end();
    assert_eq!(setup.folder.names(), ["a.last", "a.new"]);
    assert_eq!(
        fs::read_to_string(setup.folder.file("a.last")).unwrap(),
        last
    );
    assert_eq!(
        fs::read_to_string(setup.folder.file("a.new")).unwrap(),
        "mine"
    );
}

#[test]
fn a_position_that_the_server_refuses_names_the_file() {
    let stream = "/agents/*/conversations/*/stream";
    for status in [400, 404, 410, 422] {
        let setup = Setup::new(&format!("refused-{status}"));
        fs::write(setup.state(), "msg_gone").unwrap();
        setup
            .emulator
            .fault(Fault::status(status).on("GET", stream));
        let ended = run(&mut setup.command());
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let name = setup.state().file_name().unwrap().to_owned();
        assert!(ended.stderr.contains(&format!("{name:?}")), "{ended:?}");
        assert!(ended.stderr.contains("delete the file"), "{ended:?}");
        assert_eq!(
            setup.stored(),
            "msg_gone",
            "the file is the user's to delete"
        );
    }
}

#[test]
fn a_conversation_that_does_not_exist_does_not_blame_the_position() {
    let setup = Setup::new("unknown");
    fs::write(setup.folder.file("state"), "msg_1").unwrap();
    let mut command = example_with_key("tail", &setup.emulator);
    command.current_dir(&setup.folder.0);
    let ended = run(command.args([&setup.talk.agent, "cnv_none", "--state", "state"]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(!ended.stderr.contains("delete the file"), "{ended:?}");
}

#[test]
fn a_stream_that_ends_is_reported() {
    let setup = Setup::new("ends");
    let child = setup.start();
    let ticket = "/agents/*/conversations/*/stream-ticket";
    setup.emulator.fault(Fault::status(401).on("POST", ticket));
    setup.emulator.end_streams();
    let ended = child.end();
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stderr.contains("reconnecting in"), "{ended:?}");
}

#[test]
fn a_message_that_cannot_be_decoded_does_not_end_it() {
    let setup = Setup::new("skipped");
    setup.emulator.fault(Fault::malformed_message(0));
    let mut child = setup.start();
    setup.say("one");
    child.error_line_with("stream");
    setup.say("two");
    child.line_with("two");
}

#[test]
fn ctrl_c_ends_it_though_nobody_reads_its_output() {
    let setup = Setup::new("unread");
    let mut child = setup.start();
    child.close_output();
    child.close_errors();
    child.signal("-INT");
    assert_eq!(child.end().code, Some(130));
}

#[test]
fn ctrl_c_ends_it_though_its_output_is_full() {
    let setup = Setup::new("full");
    let mut child = setup.start();
    for _ in 0..64 {
        setup.say(&"x".repeat(4000));
    }
    child.line_with("x");
    child.signal("-INT");
    assert_eq!(child.wait(), Some(130));
}

#[test]
fn messages_cannot_forge_a_line() {
    let setup = Setup::new("forged");
    let mut child = setup.start();
    setup.say("hi\n2026-11-25T10:00:00Z  assistant  \x1b[31mforged\u{2066}");
    let line = child.line_with("hi");
    let shown = r"     user  hi\n2026-11-25T10:00:00Z  assistant  \u{1b}[31mforged\u{2066}";
    assert!(line.trim_end().ends_with(shown), "{line}");
}

#[test]
fn the_built_in_emulator_leaves_no_file() {
    let folder = Folder::new("emulated");
    let mut child = Running::start(
        example("tail")
            .current_dir(&folder.0)
            .env("TMPDIR", &folder.0),
    );
    child.line_with("assistant");
    child.signal("-INT");
    assert_eq!(child.end().code, Some(130));
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}
