//! What a person sees: colors and questions, through a pseudo-terminal.

use super::*;

/// Runs a program with a terminal as its three standard streams, and copies that to its own.
const IN_A_TERMINAL: &str = "\
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

/// Starts `bimpe` in a terminal.
fn terminal(emulator: &Emulator, arguments: &[&str]) -> Command {
    let program = bimpe(emulator, arguments);
    let mut command = Command::new("python3");
    command.args(["-c", IN_A_TERMINAL]);
    command.arg(program.get_program()).args(arguments);
    command.envs(
        program
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    command.env_remove("NO_COLOR").env("TERM", "xterm");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[track_caller]
fn types(mut command: Command, line: &str, code: i32) -> String {
    let mut running = Running::start(&mut command);
    running.type_line(line);
    let ended = running.end();
    assert_eq!(ended.code, Some(code), "{ended:?}");
    ended.stdout
}

#[test]
fn a_terminal_has_colors_unless_no_color_is_set() {
    let emulator = Emulator::start().unwrap();
    let list = ["workflows", "list"];
    let shown = types(terminal(&emulator, &list), "", 0);
    assert!(shown.contains("\x1b[1mID "), "{shown:?}");
    let mut plain = terminal(&emulator, &list);
    plain.env("NO_COLOR", "1");
    let shown = types(plain, "", 0);
    assert!(
        shown.contains("ID ") && !shown.contains('\x1b'),
        "{shown:?}"
    );
    let json = types(terminal(&emulator, &["workflows", "list", "--json"]), "", 0);
    assert!(!json.contains('\x1b'), "{json:?}");
    let piped = ends(&emulator, &list, 0).stdout;
    assert!(!piped.contains('\x1b'), "{piped:?}");
}

#[test]
fn a_terminal_shows_long_cells_shortened() {
    let emulator = Emulator::start().unwrap();
    let agent = agent(&emulator);
    let name = "Ｗide ".repeat(30);
    let named = bimpeai::agents::UpdateAgent::new().name(name.trim());
    child::client(&emulator)
        .agents()
        .update(&agent, named)
        .send()
        .unwrap();
    let shown = types(terminal(&emulator, &["agents", "list"]), "", 0);
    assert!(
        shown.contains('…') && !shown.contains(name.trim()),
        "{shown}"
    );
    assert!(
        ends(&emulator, &["agents", "list"], 0)
            .stdout
            .contains(name.trim())
    );
}

#[test]
fn a_delete_is_confirmed_on_a_terminal() {
    let emulator = Emulator::start().unwrap();
    let agent = agent(&emulator);
    let delete = ["agents", "delete", &agent];
    for no in ["n", "", "what"] {
        let shown = types(terminal(&emulator, &delete), no, 1);
        assert!(
            shown.contains(&format!("Delete agent \"A\" ({agent})? [y/N] ")),
            "{shown:?}"
        );
        assert!(shown.contains("nothing was deleted"), "{shown:?}");
        assert_eq!(child::agents(&emulator), 1);
    }
    let shown = types(terminal(&emulator, &delete), "y", 0);
    assert!(shown.contains("deleted agent"), "{shown:?}");
    assert_eq!(child::agents(&emulator), 0);
}

#[test]
fn a_long_wait_is_shown_on_a_terminal_and_its_line_is_cleared() {
    let emulator = Emulator::start().unwrap();
    emulator.fault(Fault::delay(Duration::from_millis(1500)).on("GET", "/workflows"));
    let shown = types(terminal(&emulator, &["workflows", "list"]), "", 0);
    let (before, after) = shown.split_once("\r\x1b[K").unwrap();
    assert!(before.contains("reading workflows… 1 s"), "{shown:?}");
    assert!(after.contains("ID "), "{shown:?}");
}

#[test]
fn ctrl_c_at_a_question_deletes_nothing() {
    let emulator = Emulator::start().unwrap();
    let agent = agent(&emulator);
    // The terminal turns this byte into SIGINT.
    let mut running = Running::start(&mut terminal(&emulator, &["agents", "delete", &agent]));
    child::received(&emulator, "GET", &agent);
    let stdin = running.stdin.as_mut().unwrap();
    stdin.write_all(b"\x03").unwrap();
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    // The shell's prompt is on a line of its own.
    assert!(ended.stdout.contains("^C"), "{ended:?}");
    assert!(ended.stdout.ends_with("\r\n"), "{ended:?}");
    assert_eq!(child::agents(&emulator), 1);
}

#[test]
fn a_new_user_is_told_what_to_do_next() {
    let emulator = Emulator::start().unwrap();
    let agent = agent(&emulator);
    for (arguments, code, says) in [
        (&[][..], 2, "Usage: bimpe [OPTIONS] <COMMAND>"),
        (&["--help"], 0, "Exit codes: 0 success"),
        (
            &["agents", "--help"],
            0,
            "Print an agent as a file for apply",
        ),
        (&["calls", "make", "--help"], 0, "--wait"),
        (&["agnets", "list"], 2, "'agents'"),
        (&["agents", "show", "agt_typo"], 1, "check the ids"),
        (&["ask", &agent, "What is a margherita?"], 0, "£12"),
        (&["doctor", &agent], 0, "ok    agent"),
    ] {
        let shown = types(terminal(&emulator, arguments), "", code);
        assert!(shown.contains(says), "{arguments:?}: {shown}");
    }
    let mut without_key = terminal(&emulator, &["agents", "list"]);
    without_key.env_remove("BIMPEAI_API_KEY");
    let shown = types(without_key, "", 4);
    assert!(shown.contains("BIMPEAI_API_KEY_COMMAND"), "{shown}");
}

#[test]
fn ctrl_c_in_a_terminal_ends_waiting_commands() {
    let emulator = Emulator::builder().customer_writes(false).start().unwrap();
    let talk = Talk::new(&emulator);
    let stalled = Fault::stall().on("GET", "/workflows");
    emulator.fault(stalled);
    for (arguments, started) in [
        (&["tail", &talk.agent, &talk.conversation][..], "following"),
        (&["chat", &talk.agent], "Ctrl-D ends the chat"),
        (&["workflows", "list"], "reading workflows"),
    ] {
        let mut running = Running::start(&mut terminal(&emulator, arguments));
        running.part_with(started);
        let stdin = running.stdin.as_mut().unwrap();
        stdin.write_all(b"\x03").unwrap();
        let ended = running.end();
        assert_eq!(ended.code, Some(130), "{arguments:?}: {ended:?}");
        // The shell's prompt is on a line of its own.
        assert!(ended.stdout.ends_with('\n'), "{arguments:?}: {ended:?}");
    }
}
