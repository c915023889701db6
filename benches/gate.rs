//! What the rate gate costs a call while it is open.
//!
//! ```text
//! cargo bench --bench gate
//! ```
//!
//! The limit is 50 ns for a call that is admitted, observed and over, without reading the clock. The
//! gate is private, so its source is compiled into this program.
#![allow(dead_code, unused_imports, unreachable_pub)]

#[path = "support/headers.rs"]
mod headers;
#[path = "../src/http/rate_limit/mod.rs"]
mod rate_limit;
#[path = "../src/sync.rs"]
mod sync;

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant, SystemTime};

use rate_limit::{Admission, Observation, RateGate};

const CALLS: u32 = 1_000_000;
const RUNS: usize = 9;
const LIMIT: f64 = 50.0;

fn main() {
    let silent = Observation {
        status: 200,
        ..Observation::default()
    };
    let plenty = Observation {
        limit: Some(600),
        remaining: Some(599),
        reset_at: Some(1_800_000_060),
        date: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)),
        ..silent
    };
    let mut missed = false;
    println!("one call of {CALLS}, median of {RUNS} runs; the limit is {LIMIT} ns");
    for (name, response) in [("no rate headers", silent), ("much remains", plenty)] {
        let alone = median(|| one_thread(&response));
        missed |= alone > LIMIT;
        println!("{name:18} 1 thread   {alone:6.1} ns");
        let shared = median(|| threads(2, &response));
        println!("{name:18} 2 threads  {shared:6.1} ns");
    }
    assert!(!missed, "more than {LIMIT} ns");
}

fn gate() -> RateGate {
    RateGate::new(None, Box::new(|| 0.5))
}

/// Nanoseconds a call.
fn one_thread(response: &Observation) -> f64 {
    let gate = gate();
    let now = Instant::now();
    let started = Instant::now();
    for _ in 0..CALLS {
        call(&gate, now, response);
    }
    started.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

/// Nanoseconds a call of each thread.
fn threads(count: usize, response: &Observation) -> f64 {
    let gate = gate();
    let now = Instant::now();
    // So that the number of calls in flight is not limited.
    for _ in 0..1_000 {
        call(&gate, now, response);
    }
    let barrier = Barrier::new(count);
    let took = std::thread::scope(|scope| {
        let running: Vec<_> = (0..count)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let started = Instant::now();
                    for _ in 0..CALLS {
                        call(&gate, now, response);
                    }
                    started.elapsed()
                })
            })
            .collect();
        let times = running
            .into_iter()
            .map(|thread| thread.join().expect("a time"));
        times.max().unwrap_or_default()
    });
    took.as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn call(gate: &RateGate, now: Instant, response: &Observation) {
    let mut turn = gate.turn();
    let admission = turn.admit(black_box(now));
    assert_eq!(admission, Admission::Proceed);
    turn.observe(now, SystemTime::now, black_box(response));
}

fn median(run: impl Fn() -> f64) -> f64 {
    let mut times: Vec<f64> = (0..RUNS).map(|_| run()).collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}
