//! The method: rivals in turn, the median of the rounds, ratios round by round.

use std::process::Command;
use std::time::{Duration, Instant};

/// Which rounds count.
pub const ROUNDS: usize = 11;

/// Set in the process that is pinned already.
const PINNED: &str = "BIMPEAI_BENCH_PINNED";

/// Runs this program again on one processor, if `taskset` exists. Returns its exit code.
///
/// Client and server on one processor take turns: what each costs adds up, and no figure depends
/// on which processor a thread wakes up on.
pub fn pin() -> Option<i32> {
    if std::env::var_os(PINNED).is_some() {
        return None;
    }
    let processor = std::env::var("BIMPEAI_BENCH_CPU").unwrap_or_else(|_| "0".to_owned());
    let program = std::env::current_exe().ok()?;
    let status = Command::new("taskset")
        .args(["-c", &processor])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(PINNED, &processor)
        .status();
    match status {
        Ok(status) => Some(status.code().unwrap_or(1)),
        Err(_) => {
            eprintln!("there is no taskset here: not pinned, expect noise");
            None
        }
    }
}

/// The processor that [`pin`] chose.
pub fn pinned_to() -> Option<String> {
    std::env::var(PINNED).ok()
}

pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

pub fn quantile(values: &[f64], at: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = ((sorted.len() - 1) as f64 * at).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// One rival: it does its work once and says how much it did in how long, as a figure.
pub type Rival<'a> = Box<dyn FnMut() -> f64 + 'a>;

/// The figures of each rival, a round each, after one round that does not count.
pub fn rounds(count: usize, rivals: &mut [Rival<'_>]) -> Vec<Vec<f64>> {
    let mut figures = vec![Vec::with_capacity(count); rivals.len()];
    for round in 0..=count {
        for turn in 0..rivals.len() {
            // Who goes first changes, for the first after a pause may be at a disadvantage.
            let index = (round + turn) % rivals.len();
            let figure = rivals[index]();
            if round > 0 {
                figures[index].push(figure);
            }
        }
    }
    figures
}

/// The median of the ratios `a / b`, round by round: the machine's drift is in both.
pub fn ratio(a: &[f64], b: &[f64]) -> f64 {
    let ratios: Vec<f64> = a.iter().zip(b).map(|(a, b)| a / b).collect();
    median(&ratios)
}

/// Returns the units per second when `work` is done `times` times, `units` units each.
pub fn per_second(times: usize, units: usize, mut work: impl FnMut()) -> f64 {
    let started = Instant::now();
    for _ in 0..times {
        work();
    }
    (times * units) as f64 / started.elapsed().as_secs_f64()
}

pub fn seconds(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64()
}

pub fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// `1,234,567`
pub fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
