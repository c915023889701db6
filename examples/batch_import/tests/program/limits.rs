//! Exactly once behind a rate limit, whatever is killed: processes of `batch_import`, SIGKILL, and the
//! three limiters of the emulator.
//!
//! In `cargo test` each run has 300 rows and 4 processes, which are killed 5 times each. This is a
//! large one, which takes about 11 minutes, prints a table and checks the figures in it:
//!
//! ```text
//! BIMPEAI_LIMITS_ROWS=10000 BIMPEAI_LIMITS_PROCESSES=16 BIMPEAI_LIMITS_KILLS=20 \
//!     cargo test --release -p batch_import limits::killed -- --nocapture --test-threads 1
//! ```
//!
//! `BIMPEAI_LIMITS_SEED=7` runs that seed alone, `BIMPEAI_LIMITS_PER_SECOND=2` and
//! `BIMPEAI_LIMITS_WINDOW=60` (in seconds) set another limit.

use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bimpeai::batch::Shard;
use bimpeai::emulator::{Emulator, EmulatorBuilder, Fault};
use serde_json::Value;

use crate::{Folder, import, quiet};

/// Processes that each do a shard of the rows.
#[test]
fn killed_processes_do_each_row_once_within_the_limit() {
    table("", |run| run.finish_shards(run.settings.processes));
}

/// They know their share of the limit.
#[test]
fn killed_processes_that_know_their_share_are_hardly_refused() {
    table("told shares", |run| {
        let share = 60 * run.settings.per_second / run.settings.processes;
        let share = share.to_string();
        run.options = vec!["--requests-per-minute".to_owned(), share];
        // The rows are not divided evenly, and each process keeps to its share.
        run.work = run.largest_shard(run.settings.processes);
        run.finish_shards(run.settings.processes);
    });
}

#[test]
fn lost_responses_503_and_requests_in_progress_change_nothing() {
    table("with faults", |run| {
        run.add_faults();
        run.finish_shards(run.settings.processes);
    });
}

#[test]
fn another_number_of_shards_continues_killed_ones() {
    table("three shards, then four", |run| {
        let times: Vec<_> = (0..3).map(|_| run.instant(run.ideal() / 2)).collect();
        thread::scope(|scope| {
            for (shard, at) in times.into_iter().enumerate() {
                let run = &*run;
                scope.spawn(move || {
                    let mut child = run.start(&format!("{shard}/3"));
                    thread::sleep(at);
                    child.kill().unwrap();
                    child.wait().unwrap();
                });
            }
        });
        run.finish_shards(4);
    });
}

#[test]
fn processes_that_all_do_all_rows_do_each_once() {
    table("four times all rows", |run| {
        run.add_faults();
        // Each row is requested four times, and repeated three times.
        run.work = 4.0;
        run.finish(&vec!["0/1".to_owned(); 4]);
    });
}

#[derive(Clone, Copy)]
struct Settings {
    rows: u64,
    processes: u64,
    kills: u64,
    per_second: u64,
    /// In seconds.
    window: u64,
}

impl Settings {
    fn from_environment() -> Self {
        let rows = variable("ROWS").unwrap_or(300);
        Settings {
            rows,
            processes: variable("PROCESSES").unwrap_or(4),
            kills: variable("KILLS").unwrap_or(5),
            per_second: variable("PER_SECOND").unwrap_or(100),
            window: variable("WINDOW").unwrap_or(if is_large() { 12 } else { 2 }),
        }
    }
}

/// Figures of a loaded machine mean nothing, so they are checked if somebody asks for them.
fn is_large() -> bool {
    variable("ROWS").is_some()
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(format!("BIMPEAI_LIMITS_{name}")).ok()?;
    Some(text.parse().unwrap())
}

#[derive(Clone, Copy)]
enum Limiter {
    FixedWindow,
    TokenBucket,
    SlidingLog,
}

impl Limiter {
    const ALL: [Limiter; 3] = [
        Limiter::FixedWindow,
        Limiter::TokenBucket,
        Limiter::SlidingLog,
    ];

    fn name(self) -> &'static str {
        match self {
            Limiter::FixedWindow => "fixed window",
            Limiter::TokenBucket => "token bucket",
            Limiter::SlidingLog => "sliding log",
        }
    }

    fn builder(self, settings: Settings) -> EmulatorBuilder {
        let requests = settings.per_second * settings.window;
        let window = Duration::from_secs(settings.window);
        let builder = quiet().conflict_while_in_progress(true);
        match self {
            Limiter::FixedWindow => builder.rate_limit(requests, window),
            Limiter::TokenBucket => builder.token_bucket(requests, window, requests.div_ceil(6)),
            Limiter::SlidingLog => builder.sliding_log(requests, window),
        }
    }

    /// The maximum time, in units of what the limit allows, and of refusals per request served.
    fn bounds(self, is_told: bool) -> (f64, f64) {
        match self {
            _ if is_told => (1.15, 0.01),
            Limiter::FixedWindow => (1.15, 0.13),
            Limiter::TokenBucket => (1.25, 0.15),
            Limiter::SlidingLog => (1.25, 0.14),
        }
    }
}

/// Makes a run on each limiter with each seed, and prints a line for each.
fn table(name: &str, scenario: impl Fn(&mut Run) + Sync) {
    let settings = Settings::from_environment();
    let seeds = match variable("SEED") {
        Some(seed) => vec![seed],
        None if is_large() => vec![1],
        None => vec![1, 2],
    };
    let one = |limiter: Limiter, seed| {
        let mut run = Run::new(limiter, settings, seed);
        scenario(&mut run);
        run.check(name)
    };
    println!(
        "\n{name:24} {:13} {:>6} {:>7} {:>5} {:>4} {:>6} {:>5}  refused/served  time/ideal",
        "limiter", "rows", "creates", "twice", "lost", "failed", "kills"
    );
    let missed: Vec<String> = thread::scope(|scope| {
        let mut running = Vec::new();
        for limiter in Limiter::ALL {
            for seed in &seeds {
                let one = &one;
                let thread = scope.spawn(move || one(limiter, *seed));
                // Large ones must not slow each other down.
                match is_large() {
                    true => running.push(Ok(thread.join().unwrap())),
                    false => running.push(Err(thread)),
                }
            }
        }
        let results = running
            .into_iter()
            .map(|run| run.unwrap_or_else(|thread| thread.join().unwrap()));
        results.flatten().collect()
    });
    assert!(missed.is_empty() || !is_large(), "{missed:?}");
}

struct Run {
    limiter: Limiter,
    settings: Settings,
    emulator: Emulator,
    folder: Folder,
    input: PathBuf,
    options: Vec<String>,
    /// The time that the limit allows, in units of that for one request a row.
    work: f64,
    dice: Dice,
    kills: AtomicU64,
    /// Rows that failed in any run of a process.
    failed: AtomicU64,
    took: Duration,
}

impl Run {
    fn new(limiter: Limiter, settings: Settings, seed: u64) -> Self {
        let folder = Folder::new_in_memory();
        let lines = (0..settings.rows).map(|row| format!(r#"{{"id":"r{row}","name":"A{row}"}}"#));
        let input = folder.write("agents.jsonl", lines.collect::<Vec<_>>().join("\n"));
        Run {
            limiter,
            settings,
            emulator: limiter.builder(settings).start().unwrap(),
            folder,
            input,
            options: Vec::new(),
            work: 1.0,
            dice: Dice(seed),
            kills: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            took: Duration::ZERO,
        }
    }

    /// The time that the limit allows for one request a row.
    fn ideal(&self) -> Duration {
        Duration::from_secs_f64(self.settings.rows as f64 / self.settings.per_second as f64)
    }

    /// The number of rows in the largest shard, in units of the average.
    fn largest_shard(&self, count: u64) -> f64 {
        let rows = |shard: u32| {
            let shard = Shard::new(shard, count as u32).unwrap();
            let rows = 0..self.settings.rows;
            rows.filter(|row| shard.contains(format!("r{row}"))).count()
        };
        let largest = (0..count as u32).map(rows).max().unwrap();
        largest as f64 / (self.settings.rows as f64 / count as f64)
    }

    fn instant(&mut self, before: Duration) -> Duration {
        Duration::from_millis(self.dice.below(before.as_millis() as u64))
    }

    /// Loses 5 % of the responses and 5 % of the requests in each of two ways, and takes long enough
    /// over some that a killed process leaves its request in progress.
    fn add_faults(&self) {
        let lost = Fault::reset().after_performing();
        for fault in [lost, Fault::status(503)] {
            let fault = fault.on("POST", "/**").every(20);
            self.emulator.fault(fault.times(usize::MAX));
        }
        let slow = Fault::delay(Duration::from_millis(100)).on("POST", "/**");
        self.emulator.fault(slow.every(9).times(usize::MAX));
    }

    fn start(&self, shard: &str) -> Child {
        let journal: &Path = &self.folder.journal();
        let mut command = import(&self.emulator, &self.input, journal, &["--shard", shard]);
        command
            .args(&self.options)
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn finish_shards(&mut self, count: u64) {
        let shards: Vec<_> = (0..count).map(|shard| format!("{shard}/{count}")).collect();
        self.finish(&shards);
    }

    /// Runs a process for each shard, side by side, and kills each at random instants.
    fn finish(&mut self, shards: &[String]) {
        let kills: Vec<Vec<Duration>> = shards
            .iter()
            .map(|_| {
                let instants = (0..self.settings.kills).map(|_| self.ideal() * 9 / 10);
                let instants: Vec<_> = instants.collect();
                let mut instants: Vec<_> =
                    instants.into_iter().map(|it| self.instant(it)).collect();
                instants.sort();
                instants
            })
            .collect();
        let started = Instant::now();
        let this = &*self;
        thread::scope(|scope| {
            for (shard, kills) in shards.iter().zip(kills) {
                scope.spawn(move || this.finish_one(shard, started, &kills));
            }
        });
        self.took = started.elapsed();
    }

    fn finish_one(&self, shard: &str, started: Instant, kills: &[Duration]) {
        const RUNS: usize = 1_000;
        let mut kills = kills.iter();
        for _ in 0..RUNS {
            let mut child = self.start(shard);
            if let Some(at) = kills.next() {
                let has_ended = ends_before(&mut child, started + *at);
                self.kills
                    .fetch_add(u64::from(!has_ended), Ordering::SeqCst);
                child.kill().unwrap();
            }
            let output = child.wait_with_output().unwrap();
            match output.status.code() {
                None => {}
                Some(0) => return,
                // Some rows failed: the next run goes on.
                Some(3) => self.count_failures(&output),
                Some(code) => panic!("exit code {code}: {output:?}"),
            }
        }
        panic!("shard {shard} is not done after {RUNS} runs");
    }

    fn count_failures(&self, output: &Output) {
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        for (kind, rows) in summary["failed"].as_object().unwrap() {
            assert!(!kind.contains("429") && !kind.contains("rate"), "{summary}");
            self.failed
                .fetch_add(rows.as_u64().unwrap(), Ordering::SeqCst);
        }
    }

    /// Checks that each row was done once, and prints a line of the table. Returns the bounds that
    /// were missed.
    fn check(&self, name: &str) -> Vec<String> {
        let agents = self.emulator.state("/agents");
        let agents = agents.as_array().unwrap();
        let mut names: Vec<_> = agents.iter().map(|agent| agent["name"].as_str()).collect();
        names.sort();
        names.dedup();
        let (rows, creates) = (self.settings.rows, agents.len() as u64);
        let (twice, lost) = (creates - names.len() as u64, rows - names.len() as u64);
        let failed = self.failed.load(Ordering::SeqCst);
        let refused = self.emulator.rate_limited_requests();
        let received = self.emulator.requests().len() as u64 + self.emulator.dropped_requests();
        let refusals = refused as f64 / (received - refused) as f64;
        let time = self.took.as_secs_f64() / self.ideal().mul_f64(self.work).as_secs_f64();
        let is_told = !self.options.is_empty();
        let (most_time, most_refusals) = self.limiter.bounds(is_told);
        let missed: Vec<_> = [
            (time > most_time).then(|| format!("time above {most_time}")),
            (refusals > most_refusals).then(|| format!("refusals above {most_refusals}")),
        ]
        .into_iter()
        .flatten()
        .collect();
        println!(
            "{name:24} {:13} {rows:6} {creates:7} {twice:5} {lost:4} {failed:6} {:5} {refusals:15.4} {time:11.2}  {}",
            self.limiter.name(),
            self.kills.load(Ordering::SeqCst),
            missed.join(", "),
        );
        assert_eq!((twice, lost), (0, 0));
        missed
    }
}

/// Returns whether a process ends by itself before `until`.
fn ends_before(child: &mut Child, until: Instant) -> bool {
    loop {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        thread::sleep(left.min(Duration::from_millis(10)));
    }
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end.max(1)
    }
}
