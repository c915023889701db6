//! Simulated processes share a limit, each with a gate of its own. Time is virtual, and randomness
//! seeded.
//!
//! The figures that have to hold: the time that a job takes, in units of the time that the limit
//! allows for its requests, and the refusals for each request served.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Admission, Observation, RateGate, Turn};

#[derive(Debug, Clone, Copy)]
enum Limiter {
    FixedWindow {
        limit: u64,
        seconds: f64,
    },
    /// Its reset is when it is full again, or when the next request can be served: servers differ.
    TokenBucket {
        per_second: f64,
        burst: u64,
        resets_full: bool,
    },
    SlidingLog {
        limit: u64,
        seconds: f64,
    },
}
use Limiter::{FixedWindow, SlidingLog, TokenBucket};

const FIXED_120: Limiter = window(120, 60.0);
const BUCKET_120: Limiter = bucket(2.0, 20);
const SLIDING_120: Limiter = log(120, 60.0);

const fn window(limit: u64, seconds: f64) -> Limiter {
    FixedWindow { limit, seconds }
}

const fn bucket(per_second: f64, burst: u64) -> Limiter {
    let resets_full = false;
    TokenBucket {
        per_second,
        burst,
        resets_full,
    }
}

const fn full_bucket(per_second: f64, burst: u64) -> Limiter {
    let resets_full = true;
    TokenBucket {
        per_second,
        burst,
        resets_full,
    }
}

const fn log(limit: u64, seconds: f64) -> Limiter {
    SlidingLog { limit, seconds }
}

impl Limiter {
    fn per_second(self) -> f64 {
        match self {
            FixedWindow { limit, seconds } | SlidingLog { limit, seconds } => {
                limit as f64 / seconds
            }
            TokenBucket { per_second, .. } => per_second,
        }
    }
}

/// The limiter at work. Times are seconds since the simulation began.
struct Limit {
    kind: Limiter,
    window: f64,
    served: u64,
    tokens: f64,
    at: f64,
    log: VecDeque<f64>,
}

struct Response {
    served: bool,
    limit: u64,
    remaining: u64,
    /// `X-RateLimit-Reset`.
    reset: f64,
    /// When the next request can be served.
    next: f64,
}

impl Limit {
    fn new(kind: Limiter) -> Self {
        let tokens = match kind {
            TokenBucket { burst, .. } => burst as f64,
            _ => 0.0,
        };
        Limit {
            kind,
            window: -1.0,
            served: 0,
            tokens,
            at: 0.0,
            log: VecDeque::new(),
        }
    }

    fn request(&mut self, now: f64) -> Response {
        match self.kind {
            FixedWindow { limit, seconds } => {
                let window = (now / seconds).floor();
                if window != self.window {
                    self.window = window;
                    self.served = 0;
                }
                let served = self.served < limit;
                self.served += u64::from(served);
                Response {
                    served,
                    limit,
                    remaining: limit - self.served,
                    reset: (window + 1.0) * seconds,
                    next: (window + 1.0) * seconds,
                }
            }
            TokenBucket {
                per_second,
                burst,
                resets_full,
            } => {
                let more = (now - self.at) * per_second;
                self.tokens = (self.tokens + more).min(burst as f64);
                self.at = now;
                let served = self.tokens >= 1.0;
                self.tokens -= f64::from(u8::from(served));
                let until = |tokens: f64| now + (tokens - self.tokens).max(0.0) / per_second;
                Response {
                    served,
                    limit: burst,
                    remaining: self.tokens as u64,
                    reset: until(if resets_full { burst as f64 } else { 1.0 }),
                    next: until(1.0),
                }
            }
            SlidingLog { limit, seconds } => {
                while self.log.front().is_some_and(|at| at + seconds <= now) {
                    self.log.pop_front();
                }
                let served = (self.log.len() as u64) < limit;
                if served {
                    self.log.push_back(now);
                }
                let next = self.log.front().unwrap() + seconds;
                Response {
                    served,
                    limit,
                    remaining: limit - self.log.len() as u64,
                    reset: next,
                    next,
                }
            }
        }
    }
}

/// A small generator (splitmix64): the figures must not depend on the version of a library.
#[derive(Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[derive(Debug, Clone, Copy)]
struct Job {
    limiter: Limiter,
    processes: usize,
    threads: usize,
    rows: usize,
    /// How many times each process is killed, losing its state, and started again.
    kills: usize,
    /// Whether each process is told its share of the limit.
    told: bool,
    /// Whether responses that are not refusals have rate headers.
    headers: bool,
}

impl Job {
    fn of(limiter: Limiter, processes: usize, rows: usize) -> Self {
        Job {
            limiter,
            processes,
            threads: 1,
            rows,
            kills: 0,
            told: false,
            headers: true,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    time: f64,
    refusals: f64,
}

enum Event {
    Start(usize),
    Kill(usize),
    Wake(Thread),
    Arrives(Thread),
    Responds(Thread, Observation),
}

/// A thread of one life of a process.
#[derive(Clone, Copy)]
struct Thread {
    process: usize,
    life: usize,
    thread: usize,
}

struct Process<'a> {
    life: usize,
    alive: bool,
    gate: &'a RateGate,
    rows_left: usize,
    calls: Vec<Option<Turn<'a>>>,
    /// What the last refusal of each thread demands.
    not_before: Vec<f64>,
}

struct Simulation {
    random: Random,
    queue: BinaryHeap<Reverse<(u64, usize)>>,
    events: Vec<Option<Event>>,
}

impl Simulation {
    fn at(&mut self, seconds: f64, event: Event) {
        let nanos = (seconds * 1e9) as u64;
        self.queue.push(Reverse((nanos, self.events.len())));
        self.events.push(Some(event));
    }

    fn next(&mut self) -> (f64, Event) {
        let Reverse((nanos, index)) = self.queue.pop().expect("work is left");
        let event = self.events[index].take().expect("an event happens once");
        (nanos as f64 / 1e9, event)
    }
}

fn run(job: Job, seed: u64) -> Figures {
    const ONE_WAY: (f64, f64) = (0.001, 0.01);
    // Fixed windows begin with the seconds of the server's clock, and nothing else does.
    let server_started = match job.limiter {
        FixedWindow { .. } => 1_800_000_000.0,
        TokenBucket { .. } | SlidingLog { .. } => 1_800_000_000.37,
    };
    let mut random = Random::new(seed);
    let ideal = job.rows as f64 / job.limiter.per_second();
    let told = job
        .told
        .then(|| job.limiter.per_second() * 60.0 / job.processes as f64);
    let gates: Vec<_> = (0..job.processes * (job.kills + 1))
        .map(|_| {
            let mut random = Random::new(random.next());
            RateGate::new(told, Box::new(move || random.unit()))
        })
        .collect();
    let mut unused_gates = gates.iter();
    let mut simulation = Simulation {
        random,
        queue: BinaryHeap::new(),
        events: Vec::new(),
    };
    let mut processes = Vec::new();
    for index in 0..job.processes {
        let begins = 0.3 * simulation.random.unit();
        simulation.at(begins, Event::Start(index));
        for _ in 0..job.kills {
            let at = ideal * simulation.random.unit();
            simulation.at(at, Event::Kill(index));
        }
        processes.push(Process {
            life: 0,
            alive: false,
            gate: unused_gates.next().expect("one for each life"),
            rows_left: (job.rows + index) / job.processes,
            calls: Vec::new(),
            not_before: Vec::new(),
        });
    }
    let epoch = Instant::now();
    let instant = |seconds: f64| epoch + Duration::from_secs_f64(seconds);
    let mut limit = Limit::new(job.limiter);
    let (mut served, mut refused, mut rows_left) = (0_u64, 0_u64, job.rows);
    loop {
        let (now, event) = simulation.next();
        match event {
            Event::Start(index) => {
                let process = &mut processes[index];
                process.alive = true;
                process.calls = (0..job.threads).map(|_| None).collect();
                process.not_before = vec![0.0; job.threads];
                for thread in 0..job.threads {
                    let thread = Thread {
                        process: index,
                        life: process.life,
                        thread,
                    };
                    simulation.at(now, Event::Wake(thread));
                }
            }
            Event::Kill(index) => {
                let process = &mut processes[index];
                if std::mem::take(&mut process.alive) {
                    process.life += 1;
                    // The rows of calls that were cut off are done again.
                    process.rows_left += process.calls.iter().flatten().count();
                    process.calls.clear();
                    process.gate = unused_gates.next().expect("one for each life");
                    let again = now + 0.3 * simulation.random.unit();
                    simulation.at(again, Event::Start(index));
                }
            }
            Event::Wake(thread) => {
                let Some(process) = of_this_life(&mut processes, thread) else {
                    continue;
                };
                let call = &mut process.calls[thread.thread];
                if call.is_none() && process.rows_left > 0 {
                    process.rows_left -= 1;
                    *call = Some(process.gate.turn());
                }
                let Some(turn) = call else { continue };
                match turn.admit(instant(now)) {
                    Admission::Proceed => {
                        assert!(now >= process.not_before[thread.thread] - 1e-6);
                        let arrives = now + one_way(&mut simulation.random, ONE_WAY);
                        simulation.at(arrives, Event::Arrives(thread));
                    }
                    Admission::Wait { check, expected } => {
                        assert!(expected >= check && check > instant(now));
                        let wake = check.duration_since(epoch).as_secs_f64();
                        // No thread wakes at the very nanosecond.
                        let late = 1e-4 * simulation.random.unit();
                        simulation.at(wake + late, Event::Wake(thread));
                    }
                }
            }
            Event::Arrives(thread) => {
                let response = limit.request(now);
                let told = job.headers || !response.served;
                let unix = server_started + now;
                let reset = server_started + response.reset;
                let observation = Observation {
                    status: if response.served { 201 } else { 429 },
                    limit: told.then_some(response.limit),
                    remaining: told.then_some(response.remaining),
                    reset_at: told.then_some(reset.ceil() as u64),
                    retry_after: (!response.served)
                        .then(|| Duration::from_secs((response.next - now).ceil() as u64)),
                    date: Some(UNIX_EPOCH + Duration::from_secs(unix as u64)),
                };
                served += u64::from(response.served);
                refused += u64::from(!response.served);
                let responds = now + one_way(&mut simulation.random, ONE_WAY);
                simulation.at(responds, Event::Responds(thread, observation));
            }
            Event::Responds(thread, observation) => {
                let Some(process) = of_this_life(&mut processes, thread) else {
                    continue;
                };
                let call = &mut process.calls[thread.thread];
                let turn = call.as_mut().expect("the call waits for this");
                turn.observe(instant(now), no_clock, &observation);
                if observation.status == 429 {
                    let wait = observation.retry_after.unwrap_or_default();
                    process.not_before[thread.thread] = now + wait.as_secs_f64();
                } else {
                    *call = None;
                    rows_left -= 1;
                    if rows_left == 0 {
                        return Figures {
                            time: now / ideal,
                            refusals: refused as f64 / served as f64,
                        };
                    }
                }
                simulation.at(now, Event::Wake(thread));
            }
        }
    }
}

fn of_this_life<'p, 'a>(
    processes: &'p mut [Process<'a>],
    thread: Thread,
) -> Option<&'p mut Process<'a>> {
    let process = &mut processes[thread.process];
    (process.alive && process.life == thread.life).then_some(process)
}

fn one_way(random: &mut Random, (least, most): (f64, f64)) -> f64 {
    least + (most - least) * random.unit()
}

fn no_clock() -> SystemTime {
    panic!("the responses have a date");
}

/// Checks the averages over some seeds, and each time.
fn check(job: Job, time: f64, refusals: f64) {
    const SEEDS: u64 = 3;
    let (mut sum, mut slowest) = (0.0, 0.0_f64);
    for seed in 1..=SEEDS {
        let figures = run(job, seed);
        assert!(
            figures.time <= time,
            "{job:?}, seed {seed}: {figures:.3?}, time {time}"
        );
        sum += figures.refusals;
        slowest = slowest.max(figures.time);
    }
    let mean = sum / SEEDS as f64;
    assert!(
        mean <= refusals,
        "{job:?}: refusals {mean:.3}, not {refusals}"
    );
    println!("{job:?}: {slowest:.2}, {mean:.3}");
}

/// Sizes of jobs: processes, rows, threads, kills.
const SIZES: [(usize, usize, usize, usize); 9] = [
    (4, 300, 1, 0),
    (4, 300, 8, 0),
    (4, 300, 1, 5),
    (4, 300, 8, 5),
    (4, 3000, 2, 20),
    (16, 300, 1, 0),
    (16, 300, 8, 0),
    (16, 3000, 1, 5),
    (16, 3000, 4, 0),
];

fn jobs(limiter: Limiter) -> impl Iterator<Item = Job> {
    SIZES
        .into_iter()
        .map(move |(processes, rows, threads, kills)| Job {
            threads,
            kills,
            ..Job::of(limiter, processes, rows)
        })
}

#[test]
fn a_fixed_window_is_used_up_with_few_refusals() {
    for job in jobs(FIXED_120) {
        // A process that starts in a window that is used up is refused once.
        let refusals = match (job.processes, job.kills) {
            (4, _) => 0.08,
            (_, 0) => 0.075,
            _ => 0.13,
        };
        check(job, 1.15, refusals);
    }
}

#[test]
fn a_token_bucket_is_used_up_with_few_refusals() {
    for job in jobs(BUCKET_120) {
        // Sixteen processes that start at once have to learn of each other.
        let refusals = match (job.processes, job.rows) {
            (4, _) => 0.04,
            (_, 300) => 0.2,
            _ => 0.135,
        };
        check(job, 1.25, refusals);
    }
}

#[test]
fn a_sliding_log_is_used_up_with_few_refusals() {
    for job in jobs(SLIDING_120) {
        let refusals = match (job.processes, job.kills) {
            (4, _) => 0.08,
            (_, 0) => 0.09,
            _ => 0.14,
        };
        check(job, 1.25, refusals);
    }
}

#[test]
fn told_shares_are_used_up_with_hardly_a_refusal() {
    for limiter in [FIXED_120, BUCKET_120, SLIDING_120] {
        for job in jobs(limiter) {
            check(Job { told: true, ..job }, 1.15, 0.01);
        }
    }
}

#[test]
fn one_process_with_threads_uses_up_any_limit_without_refusals() {
    for (limiter, time) in [
        (FIXED_120, 1.15),
        (BUCKET_120, 1.25),
        (SLIDING_120, 1.25),
        (window(5, 1.0), 1.15),
        (window(600, 60.0), 1.15),
        (bucket(5.0, 5), 1.25),
        (bucket(2.0, 5), 1.25),
        (bucket(10.0, 100), 1.25),
        (log(600, 60.0), 1.25),
        // Resets in whole seconds cost more the shorter the window is.
        (log(5, 1.0), 2.0),
    ] {
        let job = Job {
            threads: 8,
            ..Job::of(limiter, 1, 900)
        };
        check(job, time, 0.02);
    }
}

#[test]
fn four_processes_use_up_limits_of_other_sizes_with_few_refusals() {
    for (limiter, time) in [
        (window(600, 60.0), 1.15),
        (window(1200, 60.0), 1.15),
        (window(120, 10.0), 1.25),
        (bucket(2.0, 5), 1.25),
        (bucket(10.0, 20), 1.25),
        (bucket(10.0, 100), 1.25),
        (log(600, 60.0), 1.25),
        (bucket(5.0, 5), 1.5),
        // Windows of a second have room for one request of each process.
        (window(5, 1.0), 1.6),
        (log(5, 1.0), 2.5),
    ] {
        let job = Job {
            threads: 2,
            ..Job::of(limiter, 4, 1500)
        };
        check(job, time, 0.13);
    }
}

#[test]
fn short_jobs_behind_fast_limiters_lose_little_time() {
    for (limiter, time) in [
        (bucket(5.0, 5), 1.25),
        (bucket(5.0, 20), 1.15),
        (bucket(10.0, 10), 1.2),
        (bucket(20.0, 20), 1.25),
        (bucket(20.0, 40), 1.15),
        (full_bucket(5.0, 5), 1.25),
        (full_bucket(10.0, 17), 1.25),
        (full_bucket(20.0, 40), 1.25),
        (log(20, 10.0), 1.25),
        (log(50, 5.0), 1.25),
        (log(100, 5.0), 1.25),
        (window(20, 10.0), 1.15),
        (window(50, 5.0), 1.15),
    ] {
        for threads in [1, 8] {
            let job = Job {
                threads,
                kills: 5,
                ..Job::of(limiter, 4, 300)
            };
            check(job, time, 0.14);
        }
    }
}

#[test]
fn a_limiter_that_says_only_how_long_to_wait_is_used_up_too() {
    for (limiter, refusals) in [(FIXED_120, 0.1), (SLIDING_120, 0.1), (BUCKET_120, 0.1)] {
        let job = Job {
            headers: false,
            threads: 2,
            ..Job::of(limiter, 4, 1500)
        };
        check(job, 1.25, refusals);
    }
}
