//! How long 64 threads in all kinds of states take to end after `Client::shutdown`.
//!
//! ```text
//! cargo bench --bench shutdown
//! ```
//!
//! The limit is 10 ms at the 99th percentile.

#[path = "../tests/support/states.rs"]
mod states;

use std::collections::BTreeMap;
use std::time::Duration;

const ROUNDS: usize = 20;
const LIMIT: Duration = Duration::from_millis(10);

fn main() {
    let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for ended in states::shut_down() {
            assert!(ended.was_cancelled, "{}", ended.state);
            times.entry(ended.state).or_default().push(ended.after);
            times.entry("all").or_default().push(ended.after);
        }
    }
    println!("64 threads, {ROUNDS} times, from shutdown() to the end of each\n");
    println!("{:28} {:>10} {:>10} {:>10}", "state", "p50", "p99", "most");
    for (state, times) in &mut times {
        times.sort();
        println!(
            "{state:28} {:>10.2?} {:>10.2?} {:>10.2?}",
            percentile(times, 50),
            percentile(times, 99),
            percentile(times, 100),
        );
    }
    let missed = percentile(&times["all"], 99) >= LIMIT;
    let missed = if missed { "  MISSED" } else { "" };
    println!("\nlimit for 99 % of all: {LIMIT:?}{missed}");
}

/// Of times in order.
fn percentile(times: &[Duration], percent: usize) -> Duration {
    times[(times.len() * percent / 100).min(times.len() - 1)]
}
