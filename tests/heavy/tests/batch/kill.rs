//! Exactly once, whatever is killed: real processes, SIGKILL, and the emulator.
//!
//! In `cargo test` each run has 300 rows and 4 processes, which are killed 5 times each. A larger
//! one, with its table:
//!
//! ```text
//! BIMPEAI_KILL_ROWS=10000 BIMPEAI_KILL_PROCESSES=16 BIMPEAI_KILL_KILLS=20 \
//!     cargo test --release -p bimpeai-heavy-tests --test batch kill:: -- --nocapture --test-threads 1
//! ```
//!
//! `BIMPEAI_KILL_SEED=7` runs that seed alone.

use std::collections::HashMap;
use std::process::Child;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bimpeai::emulator::{Emulator, EmulatorBuilder, Fault};

use crate::child;
use crate::fake::Folder;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % most.max(1)
    }
}

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(format!("BIMPEAI_KILL_{name}")) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => default,
    }
}

struct Run {
    emulator: Emulator,
    folder: Folder,
    rows: u64,
    /// The job's idempotency window, in seconds.
    window: u64,
    kills: u64,
    killed: AtomicU64,
    dice: Dice,
    started: Instant,
}

/// Makes a run for each seed.
fn each(builder: impl Fn() -> EmulatorBuilder, test: impl Fn(Run)) {
    let seeds = match std::env::var("BIMPEAI_KILL_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => vec![1, 2],
    };
    for seed in seeds {
        let quiet = builder().customer_writes(false).first_conversation(false);
        let emulator = quiet.start().unwrap();
        // So that there is time to kill.
        let slow = Fault::delay(Duration::from_millis(10)).on("POST", "/**");
        emulator.fault(slow.times(usize::MAX));
        test(Run {
            emulator,
            folder: Folder::new(),
            rows: setting("ROWS", 300),
            window: 24 * 3600,
            kills: setting("KILLS", 5),
            killed: AtomicU64::new(0),
            dice: Dice(seed),
            started: Instant::now(),
        });
    }
}

impl Run {
    fn start(&self, shard: &str) -> Child {
        let (url, key) = (self.emulator.base_url(), self.emulator.api_key());
        child::command(url, key, self.folder.path(), self.rows)
            .env("TEST_SHARD", shard)
            .env("TEST_WINDOW", self.window.to_string())
            .spawn()
            .unwrap()
    }

    /// Lets this percentage of the writes fail in each of these ways.
    fn with_faults(self, percent: usize) -> Run {
        self.emulator.clear_faults();
        let lost = Fault::reset().after_performing();
        for fault in [lost, Fault::reset_after_headers(), Fault::status(503)] {
            let fault = fault.on("POST", "/**").every(100 / percent);
            self.emulator.fault(fault.times(usize::MAX));
        }
        // A killed process leaves its request in progress.
        for (millis, every) in [(100, 9), (10, 1)] {
            let slow = Fault::delay(Duration::from_millis(millis)).on("POST", "/**");
            self.emulator.fault(slow.every(every).times(usize::MAX));
        }
        self
    }

    /// Starts a process, kills it `kills` times, and starts it again until it has nothing left to
    /// do. Returns the exit code of its last run, and what that said.
    fn see_through(&self, shard: &str, mut dice: Dice) -> (i32, String) {
        let mut killed = 0;
        for _ in 0..1_000 {
            let mut child = self.start(shard);
            if killed < self.kills {
                // Some are killed before they have sent anything.
                std::thread::sleep(Duration::from_millis(dice.below(150)));
                killed += u64::from(child.try_wait().unwrap().is_none());
                child.kill().unwrap();
            }
            let output = child.wait_with_output().unwrap();
            let says = String::from_utf8_lossy(&output.stdout).into_owned();
            match output.status.code() {
                // Killed, or some rows failed: the next run goes on.
                None | Some(3) => {}
                Some(code) => {
                    self.killed.fetch_add(killed, Ordering::SeqCst);
                    return (code, says);
                }
            }
        }
        panic!("shard {shard} is not done after 1,000 runs");
    }

    /// Sees processes through, side by side, and checks the exit code of each.
    #[track_caller]
    fn see_all_through(&mut self, shards: &[String], exit_code: i32) {
        let dice: Vec<_> = shards
            .iter()
            .map(|_| Dice(self.dice.below(u64::MAX)))
            .collect();
        let this = &*self;
        std::thread::scope(|scope| {
            let running: Vec<_> = shards
                .iter()
                .zip(dice)
                .map(|(shard, dice)| scope.spawn(move || this.see_through(shard, dice)))
                .collect();
            for thread in running {
                let (code, says) = thread.join().unwrap();
                assert_eq!(code, exit_code, "{says}");
            }
        });
    }

    /// How many agents of each name there are, and how many knowledge bases they have.
    fn made(&self) -> HashMap<String, (u64, u64)> {
        self.emulator.clear_faults();
        let client = self.emulator.client_builder().build().unwrap();
        let mut made: HashMap<String, (u64, u64)> = HashMap::new();
        for agent in client.agents().list().limit(100) {
            let agent = agent.unwrap();
            let detail = client.agents().retrieve(&agent.id).send().unwrap();
            let counts = made.entry(agent.name).or_default();
            counts.0 += 1;
            counts.1 += detail.knowledge_bases.len() as u64;
        }
        made
    }

    /// Checks that no row was done twice, and prints a line of the table. Returns how many rows
    /// are done.
    #[track_caller]
    fn check(&self, name: &str) -> u64 {
        let took = self.started.elapsed();
        let made = self.made();
        let agents: u64 = made.values().map(|made| made.0).sum();
        let twice = made.values().filter(|made| made.0 > 1 || made.1 > 1);
        let twice = twice.count();
        let done = made.values().filter(|made| **made == (1, 1)).count() as u64;
        println!(
            "{name}: {} rows, {agents} agents, {twice} duplicates, {} not done, {} kills, {took:.1?}",
            self.rows,
            self.rows - done,
            self.killed.load(Ordering::SeqCst),
        );
        assert_eq!(twice, 0, "{made:?}");
        done
    }

    #[track_caller]
    fn check_each_once(&self, name: &str) {
        assert_eq!(self.check(name), self.rows);
    }
}

fn shards(count: u64) -> Vec<String> {
    (0..count).map(|index| format!("{index}/{count}")).collect()
}

fn processes() -> Vec<String> {
    shards(setting("PROCESSES", 4))
}

#[test]
fn processes_that_are_killed_do_each_row_once() {
    each(Emulator::builder, |mut run| {
        run.see_all_through(&processes(), 0);
        run.check_each_once("killed");
    });
}

#[test]
fn so_they_do_with_lost_responses_503_and_requests_left_in_progress() {
    let conflicts = || Emulator::builder().conflict_while_in_progress(true);
    each(conflicts, |run| {
        let mut run = run.with_faults(5);
        run.see_all_through(&processes(), 0);
        run.check_each_once("killed, with faults");
    });
}

#[test]
fn shards_that_are_killed_and_continued_by_another_number_do_each_row_once() {
    each(Emulator::builder, |mut run| {
        for shard in shards(3) {
            let mut child = run.start(&shard);
            std::thread::sleep(Duration::from_millis(run.dice.below(150)));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        run.see_all_through(&shards(4), 0);
        run.check_each_once("three shards, then four");
    });
}

#[test]
fn processes_that_each_do_all_rows_do_each_row_once() {
    let conflicts = || Emulator::builder().conflict_while_in_progress(true);
    each(conflicts, |run| {
        let mut run = run.with_faults(5);
        run.see_all_through(&vec!["0/1".to_owned(); 4], 0);
        run.check_each_once("four times all rows");
    });
}

#[test]
fn a_server_that_forgets_its_keys_makes_no_duplicates_with_a_window_of_zero() {
    let forgetful = || Emulator::builder().idempotency_window(Duration::ZERO);
    each(forgetful, |run| {
        let mut run = run.with_faults(5);
        run.window = 0;
        run.see_all_through(&processes(), 5);
        let done = run.check("forgotten keys");
        assert!(done > 0);
    });
}
