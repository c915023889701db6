//! When to try again, and how long to wait before.
//!
//! The only module that knows `backoff`.

use std::time::{Duration, Instant};

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

use super::cancel::Cancel;
use crate::error::{CallInfo, Error, TimeoutError};
use crate::random;

/// The delays before retries: a random 50–100 % of an interval that starts at 0.5 s and doubles up
/// to 8 s.
pub(crate) struct Backoff(ExponentialBackoff);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self::with_base(Duration::from_millis(375), Duration::from_secs(6))
    }

    /// Delays within a third of `base`, which doubles up to `most`.
    pub(crate) fn with_base(base: Duration, most: Duration) -> Self {
        Backoff(ExponentialBackoff {
            current_interval: base,
            initial_interval: base,
            // Its jitter comes from a generator that `fork` copies.
            randomization_factor: 0.0,
            multiplier: 2.0,
            max_interval: most.max(base),
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }

    pub(crate) fn next_wait(&mut self) -> Duration {
        // `None` is for a limit of elapsed time, and none is set.
        let middle = self.0.next_backoff().unwrap_or(self.0.max_interval);
        middle.mul_f64((2.0 + 2.0 * random::fraction()) / 3.0)
    }
}

/// How often to try again, and how long a wait the server may ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    pub(crate) max_retries: u32,
    pub(crate) max_retry_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            max_retries: 2,
            max_retry_wait: Duration::from_secs(60),
        }
    }
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Wait(Duration),
    GiveUp,
}

impl RetryPolicy {
    /// Decides after `attempts` attempts, the last of which failed in a way that may be retried.
    ///
    /// A wait that the server asks for is honoured whole, or not at all: what does not fit into
    /// `max_retry_wait` or into what `left` remains of the deadline ends the call.
    pub(crate) fn decide(
        &self,
        attempts: u32,
        asked: Option<Duration>,
        backoff: &mut Backoff,
        left: Option<Duration>,
    ) -> Decision {
        if attempts > self.max_retries || asked.is_some_and(|wait| wait > self.max_retry_wait) {
            return Decision::GiveUp;
        }
        let wait = asked.unwrap_or_else(|| backoff.next_wait());
        match left {
            Some(left) if wait >= left => Decision::GiveUp,
            _ => Decision::Wait(wait),
        }
    }
}

/// The limit of a whole call: all attempts, and the waits between them.
pub(crate) struct Deadline {
    total: Option<Duration>,
    started: Option<Instant>,
}

impl Deadline {
    pub(crate) fn start(total: Option<Duration>, clock: &dyn Clock) -> Self {
        Deadline {
            total,
            started: total.map(|_| clock.now()),
        }
    }

    pub(crate) fn left(&self, clock: &dyn Clock) -> Option<Duration> {
        let passed = clock.now().saturating_duration_since(self.started?);
        Some(self.total?.saturating_sub(passed))
    }

    pub(crate) fn expired(&self, call: CallInfo) -> Error {
        let what = match self.total {
            Some(total) => format!("not done within its deadline of {total:?}"),
            None => "not done within its deadline".to_owned(),
        };
        Error::Timeout(Box::new(TimeoutError {
            call,
            what,
            limit: self.total,
        }))
    }
}

/// The time, and how to let it pass; tests bring their own.
pub(crate) trait Clock: Send + Sync + 'static {
    fn now(&self) -> Instant;

    /// Waits. Returns `false` if `cancel` ended the wait.
    fn wait(&self, wait: Duration, cancel: &Cancel) -> bool;
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wait(&self, wait: Duration, cancel: &Cancel) -> bool {
        !cancel.wait(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn delays_are_50_to_100_percent_of_a_base_that_doubles_up_to_8_s() {
        for _ in 0..200 {
            let mut backoff = Backoff::new();
            for whole in [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0] {
                let wait = backoff.next_wait().as_secs_f64();
                assert!(
                    (whole * 0.499..=whole * 1.001).contains(&wait),
                    "{wait} of {whole}"
                );
            }
        }
    }

    #[test]
    fn waits_differ_from_each_other() {
        let waits: Vec<_> = (0..20).map(|_| Backoff::new().next_wait()).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }

    #[test]
    fn a_wait_that_the_server_asks_for_is_honoured_whole_or_not_at_all() {
        let policy = RetryPolicy::default();
        let decide = |asked, left| policy.decide(1, asked, &mut Backoff::new(), left);
        assert_eq!(decide(Some(12 * SECOND), None), Decision::Wait(12 * SECOND));
        assert_eq!(decide(Some(60 * SECOND), None), Decision::Wait(60 * SECOND));
        assert_eq!(decide(Some(61 * SECOND), None), Decision::GiveUp);
        assert_eq!(
            decide(Some(12 * SECOND), Some(12 * SECOND)),
            Decision::GiveUp
        );
        assert_eq!(
            decide(Some(12 * SECOND), Some(13 * SECOND)),
            Decision::Wait(12 * SECOND)
        );
        assert_eq!(
            decide(None, Some(Duration::from_millis(10))),
            Decision::GiveUp
        );
    }

    #[test]
    fn the_budget_counts_retries_and_not_attempts() {
        let policy = RetryPolicy::default();
        let decide = |attempts| policy.decide(attempts, None, &mut Backoff::new(), None);
        assert!(matches!(decide(1), Decision::Wait(_)));
        assert!(matches!(decide(2), Decision::Wait(_)));
        assert_eq!(decide(3), Decision::GiveUp);
    }
}
