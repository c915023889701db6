//! What needs a clock of its own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::agents::{CreateAgent, CreateKnowledgeBase};
use crate::emulator::Emulator;

const HOUR: u64 = 3_600_000;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("bimpeai-clock-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn emulator() -> Emulator {
    let quiet = Emulator::builder()
        .customer_writes(false)
        .first_conversation(false);
    quiet.start().unwrap()
}

fn make(client: &Client, step: &Step<'_>) -> Result<(), RowError> {
    let agents = client.agents();
    let agent = step.send("agent", agents.create(CreateAgent::new(step.row())))?;
    let menu = CreateKnowledgeBase::text("Menu", "Pizza");
    step.send("menu", agents.knowledge_bases().create(&agent.id, menu))?;
    Ok(())
}

fn writes(emulator: &Emulator) -> usize {
    let requests = emulator.requests();
    requests
        .iter()
        .filter(|request| request.method == "POST")
        .count()
}

/// A process that was suspended for a day must not send what another one did meanwhile: the server
/// has forgotten it.
#[test]
fn rows_of_another_process_are_noticed_before_the_server_forgets_them() {
    static CLOCK: AtomicU64 = AtomicU64::new(1_000 * HOUR);
    let clock = || CLOCK.load(Ordering::SeqCst);
    let (emulator, folder) = (emulator(), Folder::new("rows"));
    let client = emulator.client_builder().build().unwrap();
    let batch = || {
        let mut batch = Batch::new("job").journal(&folder.0).threads(1);
        batch.clock = clock;
        batch
    };
    for (hours, sent) in [(11, 6), (12, 4), (13, 4), (30, 4)] {
        let rows = [format!("first-{hours}"), format!("second-{hours}")];
        emulator.clear_requests();
        let report = batch()
            .run(&client, rows.clone(), String::clone, |step, row| {
                make(&client, step)?;
                if *row == rows[0] {
                    let other =
                        batch().run(&client, [rows[1].clone()], String::clone, |step, _| {
                            make(&client, step)
                        });
                    assert_eq!(other?.finished, 1);
                    CLOCK.fetch_add(hours * HOUR, Ordering::SeqCst);
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(report.finished + report.skipped, 2, "{report}");
        // Before half of the window is over, the server replays.
        assert_eq!(writes(&emulator), sent, "{hours} h");
    }
}

#[test]
fn a_row_that_was_suspended_sends_nothing_that_another_process_may_have_done() {
    static CLOCK: AtomicU64 = AtomicU64::new(1_000 * HOUR);
    let clock = || CLOCK.load(Ordering::SeqCst);
    let (emulator, folder) = (emulator(), Folder::new("suspended"));
    let client = emulator.client_builder().build().unwrap();
    let batch = || {
        let mut batch = Batch::new("job").journal(&folder.0).threads(1);
        batch.clock = clock;
        batch
    };
    let report = batch()
        .run(&client, ["r"], |row| row.to_string(), |step, _| {
            let agents = client.agents();
            let agent = step.send("agent", agents.create(CreateAgent::new("r")))?;
            CLOCK.fetch_add(25 * HOUR, Ordering::SeqCst);
            let menu = CreateKnowledgeBase::text("Menu", "Pizza");
            let error = step
                .send("menu", agents.knowledge_bases().create(&agent.id, menu))
                .unwrap_err();
            assert_eq!(
                error.to_string(),
                "not sent: the journal was read 25 h 0 min ago, and another process may have done \
                 this since; run the job again"
            );
            Ok(())
        })
        .unwrap();
    assert_eq!(
        (report.failed_rows(), writes(&emulator)),
        (1, 1),
        "{report}"
    );
    let report = batch()
        .run(
            &client,
            ["r"],
            |row| row.to_string(),
            |step, _| make(&client, step),
        )
        .unwrap();
    assert_eq!((report.finished, writes(&emulator)), (1, 2), "{report}");
}

#[test]
fn with_a_window_of_zero_the_journal_is_relied_on_for_two_minutes() {
    static CLOCK: AtomicU64 = AtomicU64::new(1_000 * HOUR);
    let clock = || CLOCK.load(Ordering::SeqCst);
    let emulator = emulator();
    let client = emulator.client_builder().build().unwrap();
    for (seconds, is_sent) in [(110, true), (130, false)] {
        let folder = Folder::new(&format!("zero-{seconds}"));
        let mut batch = Batch::new("job")
            .journal(&folder.0)
            .idempotency_window(Duration::ZERO);
        batch.clock = clock;
        emulator.clear_requests();
        let report = batch.run(
            &client,
            ["r"],
            |row| row.to_string(),
            |step, _| {
                CLOCK.fetch_add(seconds * 1_000, Ordering::SeqCst);
                make(&client, step)
            },
        );
        assert_eq!(report.unwrap().finished == 1, is_sent, "{seconds} s");
        assert_eq!(writes(&emulator) > 0, is_sent, "{seconds} s");
    }
}
