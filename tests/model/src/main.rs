//! Runs the models. `README.md` says what they are.
//!
//! Arguments are the names of models; without one, all run. `--list` prints their names.

// `src/stream/queue.rs` closes the connections of a `ureq::Agent`.
extern crate self as ureq;

mod batch;
#[path = "../../../benches/support/headers.rs"]
mod headers;
mod http;
mod models;
mod stand_ins;
mod stream;
mod sync;

// Where the modelled files expect them.
pub use stand_ins::Agent;
mod error {
    pub(crate) use crate::stand_ins::Error;
}

use models::Model;
use sync::TimedWaits;

fn main() {
    let mut wanted: Vec<_> = std::env::args().skip(1).collect();
    let list = wanted.iter().any(|argument| argument == "--list");
    if list {
        models::all().for_each(|model| println!("{}", model.name));
        return;
    }
    let total = std::time::Instant::now();
    let mut runs = 0;
    for model in models::all() {
        let place = wanted.iter().position(|name| name == model.name);
        if place.is_none() && std::env::args().len() > 1 {
            continue;
        }
        place.map(|place| wanted.swap_remove(place));
        for timed_waits in model.timed_waits {
            timed_waits.choose();
            let started = std::time::Instant::now();
            if let Some(tried) = runtime::check(model, *timed_waits) {
                println!("{:40} {tried}, {:.2?}", model.name, started.elapsed());
                runs += 1;
            }
        }
    }
    assert!(wanted.is_empty(), "there is no model {wanted:?}");
    println!("{runs} runs, {:.1?}", total.elapsed());
}

#[cfg(all(feature = "loom", not(feature = "shuttle")))]
mod runtime {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::time::Duration;

    use super::{Model, TimedWaits};

    const PREEMPTIONS: usize = 3;

    /// The limit for one model.
    const LIMIT: Duration = Duration::from_secs(120);

    /// Tries all interleavings. Returns what it has tried, or `None` if loom cannot run the model.
    pub(crate) fn check(model: &Model, timed_waits: TimedWaits) -> Option<String> {
        if timed_waits == TimedWaits::Random {
            return None;
        }
        let count = Arc::new(AtomicUsize::new(0));
        let (counted, run) = (count.clone(), model.run);
        let mut loom = loom::model::Builder::new();
        loom.preemption_bound = Some(PREEMPTIONS);
        loom.max_duration = Some(LIMIT);
        loom.max_branches = 5_000;
        let started = std::time::Instant::now();
        loom.check(move || {
            counted.fetch_add(1, Relaxed);
            run();
        });
        assert!(
            started.elapsed() < LIMIT,
            "{}: not done within {LIMIT:?}",
            model.name
        );
        let count = count.load(Relaxed);
        Some(format!(
            "{timed_waits:?}, all {count} interleavings with {PREEMPTIONS} preemptions"
        ))
    }
}

#[cfg(feature = "shuttle")]
mod runtime {
    use shuttle::scheduler::{PctScheduler, RandomScheduler};
    use shuttle::{Config, MaxSteps, Runner};

    use super::{Model, TimedWaits};

    /// Random interleavings, and as many for each number of preemptions at chosen steps.
    const EACH: usize = 5_000;
    const PREEMPTIONS: [usize; 3] = [2, 3, 5];

    /// Tries random interleavings. Returns what it has tried.
    pub(crate) fn check(model: &Model, timed_waits: TimedWaits) -> Option<String> {
        let mut config = Config::new();
        // A thread that polls for longer waits for something that never happens.
        config.max_steps = MaxSteps::FailAfter(20_000);
        // It takes relaxed atomics for sequentially consistent ones. Loom does not.
        config.silence_warnings = true;
        Runner::new(RandomScheduler::new(EACH), config.clone()).run(model.run);
        for preemptions in PREEMPTIONS {
            let scheduler = PctScheduler::new(preemptions, EACH);
            Runner::new(scheduler, config.clone()).run(model.run);
        }
        let count = EACH * (1 + PREEMPTIONS.len());
        Some(format!("{timed_waits:?}, {count} random interleavings"))
    }
}

#[cfg(not(any(feature = "loom", feature = "shuttle")))]
compile_error!("choose a runtime: --features loom or --features shuttle");
