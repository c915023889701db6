//! The rate limit of an API key, by three kinds of limiters.

use std::collections::VecDeque;
use std::time::Duration;

use super::clock::{Millis, millis};

/// A number of requests in a time, and how the requests are counted.
#[derive(Clone, Copy)]
pub(super) struct RateLimit {
    pub(super) kind: Kind,
    pub(super) requests: u64,
    pub(super) window: Duration,
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// The count starts again at the end of each window.
    FixedWindow,
    /// A bucket of `burst` tokens refills at a steady rate, and each request takes one.
    TokenBucket { burst: u64 },
    /// The requests of the last window count.
    SlidingLog,
}

/// What the requests of one API key have used.
#[derive(Default)]
pub(super) struct Usage {
    /// Fixed window: its start, and the requests since then.
    started: Millis,
    used: u64,
    /// Token bucket: when it is full again, in microseconds.
    full: i64,
    /// Sliding log: the times of the accepted requests.
    accepted: VecDeque<Millis>,
}

/// The result of counting a request.
pub(super) struct Count {
    pub(super) limit: u64,
    pub(super) remaining: u64,
    /// When the limiter has room again: `X-RateLimit-Reset`.
    pub(super) reset: Millis,
    /// When a refused request would be accepted. `None` if the request is accepted.
    pub(super) retry: Option<Millis>,
}

impl RateLimit {
    /// Counts a request. A refused request takes no room.
    pub(super) fn count(&self, usage: &mut Usage, now: Millis) -> Count {
        let window = millis(self.window).max(1);
        match self.kind {
            Kind::FixedWindow => self.fixed(usage, now, window),
            Kind::TokenBucket { burst } => self.bucket(usage, now, burst.max(1)),
            Kind::SlidingLog => self.sliding(usage, now, window),
        }
    }

    fn fixed(&self, usage: &mut Usage, now: Millis, window: Millis) -> Count {
        if now >= usage.started.saturating_add(window) {
            usage.started = now;
            usage.used = 0;
        }
        let end = usage.started.saturating_add(window);
        let is_accepted = usage.used < self.requests;
        if is_accepted {
            usage.used += 1;
        }
        Count {
            limit: self.requests,
            remaining: self.requests - usage.used,
            reset: end,
            retry: (!is_accepted).then_some(end),
        }
    }

    /// The bucket is known by the time at which it will be full: each token that is missing moves
    /// it one interval ahead.
    fn bucket(&self, usage: &mut Usage, now: Millis, burst: u64) -> Count {
        let window = i64::try_from(self.window.as_micros()).unwrap_or(i64::MAX);
        let requests = i64::try_from(self.requests.max(1)).unwrap_or(i64::MAX);
        let interval = (window / requests).max(1);
        let capacity = interval.saturating_mul(i64::try_from(burst).unwrap_or(i64::MAX));
        let now = now.saturating_mul(1000);
        let full = usage.full.max(now).saturating_add(interval);
        let is_accepted = full - now <= capacity;
        if is_accepted {
            usage.full = full;
        }
        let left = (capacity - (usage.full - now).max(0)) / interval;
        Count {
            limit: burst,
            remaining: u64::try_from(left).unwrap_or_default(),
            reset: usage.full.max(now).saturating_add(999) / 1000,
            retry: (!is_accepted).then_some((full - capacity).saturating_add(999) / 1000),
        }
    }

    fn sliding(&self, usage: &mut Usage, now: Millis, window: Millis) -> Count {
        let accepted = &mut usage.accepted;
        while accepted
            .front()
            .is_some_and(|at| at.saturating_add(window) <= now)
        {
            accepted.pop_front();
        }
        let used = |accepted: &VecDeque<Millis>| accepted.len() as u64;
        let is_accepted = used(accepted) < self.requests;
        if is_accepted {
            accepted.push_back(now);
        }
        let oldest = accepted.front().copied().unwrap_or(now);
        let reset = oldest.saturating_add(window);
        Count {
            limit: self.requests,
            remaining: self.requests - used(accepted),
            reset,
            retry: (!is_accepted).then_some(reset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Sends requests at these times, and returns for each what remains, or the wait.
    fn counts(limit: RateLimit, times: &[Millis]) -> Vec<Result<u64, Millis>> {
        let mut usage = Usage::default();
        let count = |at: &Millis| {
            let count = limit.count(&mut usage, *at);
            match count.retry {
                None => Ok(count.remaining),
                Some(retry) => Err(retry - at),
            }
        };
        times.iter().map(count).collect()
    }

    #[test]
    fn a_fixed_window_starts_again_at_its_end() {
        let limit = RateLimit {
            kind: Kind::FixedWindow,
            requests: 2,
            window: MINUTE,
        };
        let at = 1_000_000;
        assert_eq!(
            counts(limit, &[at, at + 1, at + 2, at + 59_999, at + 60_000]),
            [Ok(1), Ok(0), Err(59_998), Err(1), Ok(1)]
        );
    }

    #[test]
    fn a_token_bucket_refills_steadily_up_to_its_burst() {
        let limit = RateLimit {
            kind: Kind::TokenBucket { burst: 3 },
            requests: 120,
            window: MINUTE,
        };
        let at = 1_000_000;
        assert_eq!(
            counts(
                limit,
                &[
                    at,
                    at,
                    at,
                    at,
                    at + 499,
                    at + 500,
                    at + 501,
                    at + 1500,
                    at + 99_000
                ]
            ),
            [
                Ok(2),
                Ok(1),
                Ok(0),
                Err(500),
                Err(1),
                Ok(0),
                Err(499),
                Ok(1),
                Ok(2)
            ]
        );
        let mut usage = Usage::default();
        let first = limit.count(&mut usage, at);
        assert_eq!((first.limit, first.reset), (3, at + 500));
        assert_eq!(limit.count(&mut usage, at).reset, at + 1000);
    }

    #[test]
    fn a_sliding_log_counts_the_requests_of_the_last_window() {
        let limit = RateLimit {
            kind: Kind::SlidingLog,
            requests: 2,
            window: MINUTE,
        };
        let at = 1_000_000;
        assert_eq!(
            counts(
                limit,
                &[
                    at,
                    at + 30_000,
                    at + 59_999,
                    at + 60_000,
                    at + 60_001,
                    at + 90_000
                ]
            ),
            [Ok(1), Ok(0), Err(1), Ok(0), Err(29_999), Ok(0)]
        );
    }

    #[test]
    fn a_rate_that_does_not_divide_its_window_keeps_its_precision() {
        let limit = RateLimit {
            kind: Kind::TokenBucket { burst: 1 },
            requests: 7,
            window: Duration::from_secs(1),
        };
        let mut usage = Usage::default();
        let accepted = (0..10_000).filter(|at| limit.count(&mut usage, *at).retry.is_none());
        assert!((69..=70).contains(&accepted.count()));
    }

    #[test]
    fn extreme_limits_are_enforced() {
        for kind in [Kind::FixedWindow, Kind::SlidingLog] {
            let none = RateLimit {
                kind,
                requests: 0,
                window: MINUTE,
            };
            assert_eq!(counts(none, &[1_000_000]), [Err(60_000)]);
        }
        for kind in [
            Kind::FixedWindow,
            Kind::SlidingLog,
            Kind::TokenBucket { burst: 0 },
            Kind::TokenBucket { burst: u64::MAX },
        ] {
            let huge = RateLimit {
                kind,
                requests: u64::MAX,
                window: Duration::MAX,
            };
            assert!(counts(huge, &[1_000_000])[0].is_ok());
            let never = RateLimit {
                kind,
                requests: 1,
                window: Duration::ZERO,
            };
            assert!(counts(never, &[1_000_000, 1_000_001])[1].is_ok());
        }
    }
}
