//! `batch_import` as its users run it: with files, pipes and signals, on the emulator.
#![cfg(unix)]

mod bad_input;
#[allow(dead_code)] // Shared with the tests of the other examples.
#[path = "../../../../tests/programs/child.rs"]
mod child;
mod engines;
mod limits;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bimpeai::emulator::{Emulator, EmulatorBuilder, Fault};
use child::{Ended, Running, client, example, example_with_key, received, run};
use serde_json::Value;

/// A folder with an input file and a journal that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        Self::new_in(&std::env::temp_dir())
    }

    /// Creates one in memory where that is possible: large tests write thousands of synced records.
    fn new_in_memory() -> Folder {
        match Path::new("/dev/shm") {
            shm if shm.is_dir() => Self::new_in(shm),
            _ => Self::new(),
        }
    }

    fn new_in(base: &Path) -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("bimpeai-import-{}-{count}", std::process::id());
        let path = base.join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    /// Rows that each have two knowledge bases.
    fn rows(&self, count: usize) -> PathBuf {
        let lines = (0..count).map(|row| {
            format!(
                r#"{{"id":"r{row}","name":"Agent {row}","description":"d","knowledge":[{{"name":"Menu","content":"m{row}"}},{{"name":"Hours","content":"h{row}"}}]}}"#
            )
        });
        self.write("agents.jsonl", lines.collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn quiet() -> EmulatorBuilder {
    Emulator::builder()
        .customer_writes(false)
        .first_conversation(false)
}

fn import(emulator: &Emulator, input: &Path, journal: &Path, more: &[&str]) -> Command {
    let mut command = example_with_key("batch_import", emulator);
    command
        .arg("--input")
        .arg(input)
        .arg("--journal")
        .arg(journal);
    command.args(more);
    command
}

/// The line of JSON on standard output.
#[track_caller]
fn summary(ended: &Ended) -> Value {
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

/// Checks the exit code, and returns the summary.
#[track_caller]
fn ends_with(code: i32, command: &mut Command) -> Value {
    let ended = run(command);
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let summary = summary(&ended);
    assert_eq!(summary["exit_code"], code);
    summary
}

/// The agents of each name, and the names of their knowledge bases.
fn made(emulator: &Emulator) -> BTreeMap<String, Vec<Vec<String>>> {
    let mut made: BTreeMap<String, Vec<_>> = BTreeMap::new();
    let client = client(emulator);
    for agent in client.agents().list().limit(100) {
        let agent = agent.unwrap();
        let detail = client.agents().retrieve(&agent.id).send().unwrap();
        let mut names: Vec<_> = detail
            .knowledge_bases
            .into_iter()
            .map(|it| it.name)
            .collect();
        names.sort();
        made.entry(agent.name).or_default().push(names);
    }
    made
}

#[track_caller]
fn assert_each_once(emulator: &Emulator, rows: usize) {
    emulator.clear_faults();
    let made = made(emulator);
    assert_eq!(made.len(), rows);
    for (name, agents) in made {
        assert_eq!(agents, [["Hours", "Menu"]], "{name}");
    }
}

#[test]
fn it_imports_each_row_once_and_then_has_nothing_to_do() {
    let (emulator, folder) = (quiet().start().unwrap(), Folder::new());
    let (input, journal) = (folder.rows(12), folder.journal());
    let said = ends_with(
        0,
        &mut import(&emulator, &input, &journal, &["--threads", "3"]),
    );
    assert_eq!(
        (&said["finished"], &said["requests"]),
        (&12.into(), &36.into())
    );
    assert_eq!(
        (&said["job"], &said["shard"]),
        (&"agents".into(), &"0/1".into())
    );
    assert_each_once(&emulator, 12);
    let said = ends_with(0, &mut import(&emulator, &input, &journal, &[]));
    assert_eq!(
        (&said["skipped"], &said["requests"]),
        (&12.into(), &0.into())
    );
    // A summary for people, too.
    let ended = run(&mut import(&emulator, &input, &journal, &[]));
    assert!(
        ended.stderr.contains("\"agents\": 0 rows finished in"),
        "{ended:?}"
    );
    assert!(
        ended.stderr.contains("  skipped      12 (finished before)"),
        "{ended:?}"
    );
}

#[test]
fn csv_and_json_lines_say_the_same() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = Vec::new();
    for name in ["agents.csv", "agents.jsonl"] {
        let (emulator, folder) = (quiet().start().unwrap(), Folder::new());
        // Without the second base of the first row, which the CSV does not have.
        let text = std::fs::read_to_string(here.join(name)).unwrap();
        let text = text.replace(
            r#", {"name": "Hours", "content": "Open daily, 11:00 to 23:00."}"#,
            "",
        );
        let text = text.replace(
            r#", "knowledge": [{"name": "Cakes", "content": "Red velvet ₦18,000. Order two days ahead."}]"#,
            "",
        );
        let input = folder.write(name, text);
        ends_with(0, &mut import(&emulator, &input, &folder.journal(), &[]));
        let bodies = emulator
            .requests_to("POST", "/**")
            .into_iter()
            .map(|it| it.json());
        let mut bodies: Vec<_> = bodies.map(|body| body.unwrap().to_string()).collect();
        bodies.sort();
        seen.push(bodies);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].len(), 4);
}

#[test]
fn the_samples_are_imported_as_they_are() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["agents.csv", "agents.jsonl"] {
        let (emulator, folder) = (quiet().start().unwrap(), Folder::new());
        let mut command = import(&emulator, &here.join(name), &folder.journal(), &[]);
        assert_eq!(ends_with(0, &mut command)["finished"], 3);
    }
}

#[test]
fn a_dry_run_sends_nothing_and_writes_nothing() {
    let (emulator, folder) = (quiet().start().unwrap(), Folder::new());
    let (input, journal) = (folder.rows(5), folder.journal());
    // Without a key, too.
    let mut command = example("batch_import");
    command
        .arg("--input")
        .arg(&input)
        .arg("--journal")
        .arg(&journal)
        .arg("--dry-run");
    let ended = run(&mut command);
    assert_eq!(
        (ended.code, &*ended.stdout),
        (Some(0), "5 rows to do\n"),
        "{ended:?}"
    );
    assert!(!journal.exists());
    ends_with(
        0,
        &mut import(&emulator, &input, &journal, &["--shard", "0/2"]),
    );
    emulator.clear_requests();
    let ended = run(&mut import(&emulator, &input, &journal, &["--dry-run"]));
    assert!(ended.stdout.contains("rows to do\n  finished"), "{ended:?}");
    assert!(emulator.requests().is_empty());
}

#[test]
fn ctrl_c_ends_it_with_whole_lines_and_the_next_run_continues() {
    let (emulator, folder) = (quiet().start().unwrap(), Folder::new());
    let (input, journal) = (folder.rows(30), folder.journal());
    let slow = Fault::delay(Duration::from_millis(40)).on("POST", "/**");
    emulator.fault(slow.times(usize::MAX));
    for signal in ["-INT", "-TERM"] {
        emulator.clear_requests();
        let running = Running::start(&mut import(&emulator, &input, &journal, &[]));
        received(&emulator, "POST", "/agents");
        running.signal(signal);
        let ended = running.end();
        assert_eq!(ended.code, Some(130), "{ended:?}");
        let said = summary(&ended);
        assert_eq!(said["stopped"], "interrupted", "{said}");
        assert_eq!(said["failed"], serde_json::json!({}), "{said}");
    }
    emulator.clear_faults();
    ends_with(0, &mut import(&emulator, &input, &journal, &[]));
    assert_each_once(&emulator, 30);
}

#[test]
fn shards_that_are_killed_do_each_row_once() {
    let (emulator, folder) = (quiet().start().unwrap(), Folder::new());
    let (input, journal) = (folder.rows(60), folder.journal());
    let slow = Fault::delay(Duration::from_millis(10)).on("POST", "/**");
    emulator.fault(slow.times(usize::MAX));
    std::thread::scope(|scope| {
        for shard in 0..3_u64 {
            let (emulator, input, journal) = (&emulator, &input, &journal);
            scope.spawn(move || {
                let name = format!("{shard}/3");
                for kill in 0..4 {
                    let mut command = import(emulator, input, journal, &["--shard", &name]);
                    let running = Running::start(&mut command);
                    std::thread::sleep(Duration::from_millis(40 + 37 * kill + 11 * shard));
                    running.signal("-KILL");
                    running.end();
                }
                ends_with(
                    0,
                    &mut import(emulator, input, journal, &["--shard", &name]),
                );
            });
        }
    });
    assert_each_once(&emulator, 60);
}

#[test]
fn the_shard_is_read_from_the_environment_and_the_option_overrides_it() {
    let (emulator, folder) = (quiet().start().unwrap(), Folder::new());
    let (input, journal) = (folder.rows(20), folder.journal());
    let array = |id: &str| {
        let mut command = import(&emulator, &input, &journal, &[]);
        command
            .env("SLURM_ARRAY_TASK_ID", id)
            .env("SLURM_ARRAY_TASK_COUNT", "2")
            .env("SLURM_ARRAY_TASK_MIN", "1")
            .env("SLURM_ARRAY_TASK_MAX", "2")
            .env("SLURM_ARRAY_TASK_STEP", "1");
        command
    };
    assert_eq!(ends_with(0, &mut array("1"))["shard"], "0/2");
    assert_eq!(
        ends_with(0, array("1").args(["--shard", "1/2"]))["shard"],
        "1/2"
    );
    let ended = run(&mut array("7"));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("SLURM_ARRAY_TASK_ID is 7"),
        "{ended:?}"
    );
    assert_each_once(&emulator, 20);
}

#[test]
fn every_outcome_has_its_exit_code() {
    let folder = Folder::new();
    let input = folder.rows(6);
    let outcome = |name: &str, fault: Option<Fault>, builder: EmulatorBuilder, more: &[&str]| {
        let emulator = builder.start().unwrap();
        if let Some(fault) = fault {
            emulator.fault(fault.on("POST", "/agents"));
        }
        let ended = run(&mut import(&emulator, &input, &folder.0.join(name), more));
        (ended.code, summary(&ended))
    };
    let always = |fault: Fault| Some(fault.times(usize::MAX));
    let (code, said) = outcome("refused", always(Fault::status(400)), quiet(), &[]);
    assert_eq!(
        (code, &said["failed"]["400 bad_request"]),
        (Some(3), &6.into()),
        "{said}"
    );
    let one = ["--max-failures", "1", "--threads", "1"];
    let (code, said) = outcome("max", always(Fault::status(400)), quiet(), &one);
    assert_eq!(
        (code, &said["stopped"]),
        (Some(3), &"1 row failed".into()),
        "{said}"
    );
    let (code, said) = outcome("auth", always(Fault::status(401)), quiet(), &[]);
    assert_eq!(code, Some(4), "{said}");
    let (code, said) = outcome("limit", None, quiet().agent_limit(2), &[]);
    assert_eq!((code, &said["finished"]), (Some(3), &2.into()), "{said}");
    let lost = Fault::reset().after_performing();
    let forgetful = quiet().idempotency_window(Duration::ZERO);
    let (code, said) = outcome(
        "doubt",
        Some(lost),
        forgetful,
        &["--idempotency-window", "0"],
    );
    assert_eq!((code, &said["in_doubt"]), (Some(5), &1.into()), "{said}");
}

#[test]
fn options_that_cannot_be_are_usage_errors() {
    let emulator = quiet().start().unwrap();
    let folder = Folder::new();
    let (input, journal) = (folder.rows(2), folder.journal());
    for (more, says) in [
        (&["--shard", "4/4"][..], "--shard: shard 4/4 does not exist"),
        (&["--shard=1"], "--shard: expected a shard such as 0/4"),
        (&["--threads", "0"], "--threads is 0, expected 1 to 1024"),
        (
            &["--threads", "-1"],
            "--threads is \"-1\", expected a number",
        ),
        (&["--max-failures"], "--max-failures needs a value"),
        (
            &["--requests-per-minute", "0"],
            "--requests-per-minute is 0, expected 1 to 1000000",
        ),
        (
            &["--idempotency-window", "1h"],
            "--idempotency-window is \"1h\", expected a number",
        ),
        (&["--job", ""], "--job needs a value"),
        (&["--jobs", "a"], "unknown option \"--jobs\""),
        (&["more"], "unexpected argument \"more\""),
    ] {
        let ended = run(&mut import(&emulator, &input, &journal, more));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(says), "{more:?}: {ended:?}");
        assert!(ended.stdout.is_empty());
    }
    let ended = run(example_with_key("batch_import", &emulator).args(["--input", "a.csv"]));
    assert!(ended.stderr.contains("--journal is missing"), "{ended:?}");
    let ended = run(example("batch_import").arg("--help"));
    assert!(
        ended.stdout.contains("--idempotency-window SECONDS"),
        "{ended:?}"
    );
    let mut without_key = example("batch_import");
    let ended = run(without_key
        .arg("--input")
        .arg(&input)
        .arg("--journal")
        .arg(&journal));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("BIMPEAI_API_KEY"), "{ended:?}");
    assert!(emulator.requests().is_empty());
}

#[test]
fn a_journal_of_another_job_is_an_error_before_anything_is_sent() {
    let (emulator, folder) = (quiet().start().unwrap(), Folder::new());
    let (input, journal) = (folder.rows(2), folder.journal());
    ends_with(0, &mut import(&emulator, &input, &journal, &[]));
    emulator.clear_requests();
    for more in [&["--job", "other"][..], &["--job=other", "--dry-run"]] {
        let ended = run(&mut import(&emulator, &input, &journal, more));
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let says = "belongs to the job \"agents\", not \"other\"";
        assert!(ended.stderr.contains(says), "{ended:?}");
    }
    assert!(emulator.requests().is_empty());
}
