//! When to retry, and how long to wait before.
//!
//! The only module that knows `backoff`.

use std::time::{Duration, Instant};

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

use super::cancel::Cancel;
use crate::error::{CallInfo, Error, TimeoutError, WaitLimit};
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

/// The default limits of retries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    pub(crate) max_retries: u32,
    /// The limit of all waits together that the server asks for in one call.
    pub(crate) max_retry_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            max_retries: 2,
            max_retry_wait: Duration::from_secs(120),
        }
    }
}

/// A wait that the server asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked {
    /// Until its rate limit has room again. Not a retry: nothing failed.
    RateLimit(Duration),
    /// `Retry-After` of another failure.
    Other(Duration),
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Wait, then retry.
    Wait(Duration),
    /// The rate gate decides when to send the next attempt, after about this wait.
    AskGate(Duration),
    GiveUp,
}

impl Decision {
    pub(crate) fn wait(self) -> Option<Duration> {
        match self {
            Decision::Wait(wait) | Decision::AskGate(wait) => Some(wait),
            Decision::GiveUp => None,
        }
    }
}

/// What one call may still spend: retries, and waits that the server asks for.
///
/// | failed attempt | wait | a retry |
/// | --- | --- | --- |
/// | 429 with `Retry-After` or a plausible `X-RateLimit-Reset` | that long, by the rate gate | no |
/// | another retryable failure with `Retry-After` | that long | yes |
/// | any other retryable failure | exponential backoff with jitter | yes |
///
/// The call ends if its retries are used up, if the waits that the server asks for would exceed
/// `max_retry_wait` together, or if a wait would exceed what is left of the deadline.
pub(crate) struct Budget {
    retries: u32,
    wait: Duration,
    max_retry_wait: Duration,
}

impl Budget {
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        Budget {
            retries: policy.max_retries,
            wait: policy.max_retry_wait,
            max_retry_wait: policy.max_retry_wait,
        }
    }

    /// Decides after an attempt that failed in a way that may be retried. `left` is what is left of
    /// the deadline.
    pub(crate) fn decide(
        &mut self,
        asked: Option<Asked>,
        backoff: &mut Backoff,
        left: Option<Duration>,
    ) -> Decision {
        // The limit is also that of attempts: a server may ask for a moment, over and over.
        const LEAST: Duration = Duration::from_secs(1);
        if let Some(Asked::RateLimit(wait)) = asked {
            if self.too_long(wait, left).is_some() {
                return Decision::GiveUp;
            }
            self.spend(LEAST.saturating_sub(wait));
            return Decision::AskGate(wait);
        }
        let Some(retries) = self.retries.checked_sub(1) else {
            return Decision::GiveUp;
        };
        self.retries = retries;
        let (wait, is_too_long) = match asked {
            Some(Asked::Other(wait)) => (wait, self.too_long(wait, left).is_some()),
            _ => {
                let wait = backoff.next_wait();
                (wait, left.is_some_and(|left| wait >= left))
            }
        };
        if is_too_long {
            return Decision::GiveUp;
        }
        if asked.is_some() {
            self.spend(wait);
        }
        Decision::Wait(wait)
    }

    /// Returns the limit that a wait would exceed. `left` is what is left of the deadline.
    pub(crate) fn too_long(&self, wait: Duration, left: Option<Duration>) -> Option<WaitLimit> {
        match left {
            Some(left) if wait >= left => Some(WaitLimit::Deadline(left)),
            _ if wait > self.wait => Some(WaitLimit::MaxRetryWait(self.max_retry_wait)),
            _ => None,
        }
    }

    pub(crate) fn spend(&mut self, wait: Duration) {
        self.wait = self.wait.saturating_sub(wait);
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
    fn delays_start_small_however_long_the_attempts_have_taken() {
        let mut backoff = Backoff::new();
        // `None` on a system whose clock has just started and cannot go back.
        if let Some(hour_ago) = backoff.0.start_time.checked_sub(3600 * SECOND) {
            backoff.0.start_time = hour_ago;
        }
        for longest in [0.501, 1.001] {
            let wait = backoff.next_wait().as_secs_f64();
            assert!(wait <= longest, "{wait}");
        }
    }

    #[test]
    fn the_system_clock_waits_until_it_is_cancelled() {
        const WAIT: Duration = Duration::from_millis(20);
        let cancel = Cancel::default();
        let started = SystemClock.now();
        assert!(SystemClock.wait(WAIT, &cancel));
        assert!(SystemClock.now() - started >= WAIT);
        cancel.cancel();
        assert!(!SystemClock.wait(3600 * SECOND, &cancel));
    }

    fn budget() -> Budget {
        Budget::new(RetryPolicy::default())
    }

    #[test]
    fn a_wait_that_the_server_asks_for_is_honoured_whole_or_not_at_all() {
        let decide = |asked: Option<Duration>, left| {
            budget().decide(asked.map(Asked::Other), &mut Backoff::new(), left)
        };
        assert_eq!(decide(Some(12 * SECOND), None), Decision::Wait(12 * SECOND));
        assert_eq!(
            decide(Some(120 * SECOND), None),
            Decision::Wait(120 * SECOND)
        );
        assert_eq!(decide(Some(121 * SECOND), None), Decision::GiveUp);
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
    fn retries_are_limited() {
        for asked in [None, Some(Asked::Other(SECOND))] {
            let (mut budget, mut backoff) = (budget(), Backoff::new());
            for _ in 0..2 {
                let decision = budget.decide(asked, &mut backoff, None);
                assert!(matches!(decision, Decision::Wait(_)));
            }
            assert_eq!(budget.decide(asked, &mut backoff, None), Decision::GiveUp);
        }
    }

    #[test]
    fn waits_for_a_rate_limit_are_not_retries() {
        let mut budget = Budget::new(RetryPolicy {
            max_retries: 0,
            ..RetryPolicy::default()
        });
        let asked = Some(Asked::RateLimit(40 * SECOND));
        for _ in 0..3 {
            let decision = budget.decide(asked, &mut Backoff::new(), None);
            assert_eq!(decision, Decision::AskGate(40 * SECOND));
            budget.spend(40 * SECOND);
        }
        let decision = budget.decide(asked, &mut Backoff::new(), None);
        assert_eq!(decision, Decision::GiveUp, "the sum is 120 s");
    }

    #[test]
    fn waits_of_all_kinds_share_one_limit() {
        let (mut budget, mut backoff) = (budget(), Backoff::new());
        let other = Some(Asked::Other(70 * SECOND));
        assert_eq!(
            budget.decide(other, &mut backoff, None),
            Decision::Wait(70 * SECOND)
        );
        for asked in [Asked::Other(51 * SECOND), Asked::RateLimit(51 * SECOND)] {
            let decision = budget.decide(Some(asked), &mut backoff, None);
            assert_eq!(decision, Decision::GiveUp);
        }
    }

    #[test]
    fn a_server_that_asks_for_a_moment_over_and_over_ends_the_call() {
        let mut budget = budget();
        let moment = Some(Asked::RateLimit(Duration::from_millis(1)));
        let asked = std::iter::from_fn(|| {
            let decision = budget.decide(moment, &mut Backoff::new(), None);
            (decision != Decision::GiveUp).then(|| budget.spend(Duration::from_millis(1)))
        });
        assert_eq!(asked.count(), 120);
    }
}
