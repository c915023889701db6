//! This client's share of what remains, from `X-RateLimit-Remaining` alone.
//!
//! Others use up the same limit. How many they are shows in two figures:
//!
//! - how far `Remaining` falls for each request of this client (the drop), measured over the last
//!   few;
//! - which part of a window this client got (its part), averaged over windows. It remembers a crowd
//!   that has not come back yet.
//!
//! What remains divided by the greater number is this client's share: that many requests may be in
//! flight. A share below one is a probability.

use std::time::Instant;

/// The number of competitors to expect before anything is measured, and the most that are believed.
const CROWD: f64 = 16.0;

/// So much that nothing needs to be measured.
const PLENTY: u64 = 256;

/// How much of the drop is remembered from one response to the next.
const MEMORY: f64 = 0.9;

/// The remaining requests at which the pace is kept: refusals become rare, and a limiter with a
/// burst loses nothing.
const TARGET: f64 = 3.0;

/// A limit of this many times the target can spare the target.
const SPARE: f64 = 10.0;

/// What this client may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// So many requests in flight.
    UpTo(u64),
    /// One request, with this probability.
    Perhaps(f64),
    Nothing,
}

/// Whether nothing needs to be measured yet.
pub(super) fn is_plenty(remaining: Option<u64>) -> bool {
    remaining.is_some_and(|remaining| remaining >= PLENTY)
}

pub(super) struct Share {
    known: bool,
    /// What remained, and when that was heard.
    remaining: Option<(u64, Instant)>,
    most_remaining: u64,
    limit: Option<u64>,
    /// Requests that were used up, by anyone, and those of this client, fading.
    dropped: f64,
    own: f64,
    /// This client's part of the last windows.
    part: Option<f64>,
}

impl Share {
    pub(super) fn new() -> Self {
        Share {
            known: false,
            remaining: None,
            most_remaining: 0,
            limit: None,
            dropped: CROWD,
            own: 1.0,
            part: None,
        }
    }

    /// Takes a response with `remaining` to a request sent at `sent`.
    pub(super) fn observe(
        &mut self,
        now: Instant,
        sent: Instant,
        remaining: u64,
        limit: Option<u64>,
        was_closed_before: bool,
    ) -> Verdict {
        if !self.known {
            self.known = true;
            // Nobody shares a limit of five with fifteen others.
            let expected = limit.map_or(CROWD, |limit| limit.saturating_sub(1) as f64);
            self.dropped = expected.clamp(1.0, CROWD);
        }
        self.limit = limit.or(self.limit);
        self.most_remaining = self.most_remaining.max(remaining);
        if is_plenty(Some(remaining)) {
            self.remaining = Some((remaining, now));
            // Half, because other clients hear the same.
            return Verdict::UpTo(remaining / 2);
        }
        let (least, heard) = match self.remaining {
            None => (remaining, now),
            // Sent after the lower figure was heard: there is more again.
            Some((least, heard)) if remaining > least && sent >= heard => (remaining, now),
            Some((least, heard)) => {
                self.dropped = self.dropped * MEMORY + least.saturating_sub(remaining) as f64;
                self.own = self.own * MEMORY + 1.0;
                if remaining <= least {
                    (remaining, now)
                } else {
                    (least, heard)
                }
            }
        };
        self.remaining = Some((least, heard));
        let mut crowd = self.drop();
        if was_closed_before {
            crowd = crowd.max(self.part.map_or(1.0, |part| (1.0 / part).min(CROWD)));
        }
        let share = least as f64 / crowd;
        if least == 0 {
            Verdict::Nothing
        } else if share < 1.0 {
            Verdict::Perhaps(share)
        } else {
            Verdict::UpTo(share as u64)
        }
    }

    /// Whether a response told what remains.
    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    pub(super) fn most_remaining(&self) -> u64 {
        self.most_remaining
    }

    /// Whether this client alone uses the limit up.
    pub(super) fn is_alone(&self) -> bool {
        self.drop() < 2.0
    }

    /// What remains, in units of the target: less than 1 is too little.
    pub(super) fn room(&self, served: u64) -> f64 {
        // Some servers report a limit of another kind; a few responses show what is possible.
        let possible = match self.limit {
            Some(limit) if served < 50 || self.most_remaining.saturating_mul(40) >= limit => limit,
            _ => self.most_remaining,
        };
        let target = (possible as f64 / SPARE).clamp(1.0, TARGET);
        self.remaining.map_or(0, |(remaining, _)| remaining) as f64 / target
    }

    /// A window ends in which this client was served `own` times.
    pub(super) fn window_ends(&mut self, own: u64) {
        let Some(limit) = self.limit.filter(|limit| *limit > 0) else {
            return;
        };
        let limit = limit as f64;
        let part = own as f64 / limit;
        let part = self.part.map_or(part, |before| (before + part) / 2.0);
        self.part = Some(part.max(0.5 / limit));
    }

    /// What remained does not count any more.
    pub(super) fn forget_remaining(&mut self) {
        self.remaining = None;
    }

    /// How many requests are used up for each of this client.
    fn drop(&self) -> f64 {
        (self.dropped / self.own).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Heard {
        share: Share,
        now: Instant,
    }

    impl Heard {
        fn new() -> Self {
            Heard {
                share: Share::new(),
                now: Instant::now(),
            }
        }

        /// A response to a request sent after the response before.
        fn hear(&mut self, remaining: u64, limit: u64, was_closed_before: bool) -> Verdict {
            let (now, limit) = (self.now, Some(limit));
            self.share
                .observe(now, now, remaining, limit, was_closed_before)
        }
    }

    #[test]
    fn the_first_share_expects_as_many_others_as_the_limit_has_room_for() {
        for (remaining, limit, verdict) in [
            (1, 1, Verdict::UpTo(1)),
            (4, 5, Verdict::UpTo(1)),
            (2, 5, Verdict::Perhaps(0.5)),
            (0, 5, Verdict::Nothing),
            (64, 120, Verdict::UpTo(4)),
            (4, 120, Verdict::Perhaps(0.25)),
            (256, 1000, Verdict::UpTo(128)),
        ] {
            let mut heard = Heard::new();
            assert!(!heard.share.is_known());
            assert_eq!(heard.hear(remaining, limit, false), verdict, "{remaining}");
            assert!(heard.share.is_known());
        }
    }

    #[test]
    fn responses_that_tell_the_same_shrink_the_crowd() {
        let mut heard = Heard::new();
        assert_eq!(heard.hear(8, 120, false), Verdict::Perhaps(0.5));
        // 16 · 0.9 were used up for 1 · 0.9 + 1 requests.
        assert_eq!(heard.hear(8, 120, false), Verdict::UpTo(1));
        assert!(!heard.share.is_alone());
        for _ in 0..10 {
            heard.hear(8, 120, false);
        }
        assert_eq!(heard.hear(8, 120, false), Verdict::UpTo(8));
        assert!(heard.share.is_alone());
    }

    #[test]
    fn two_that_use_up_a_limit_are_not_alone() {
        for (limit, is_alone) in [(2, true), (3, false), (4, false)] {
            let mut heard = Heard::new();
            heard.hear(1, limit, false);
            assert_eq!(heard.share.is_alone(), is_alone, "{limit}");
        }
    }

    #[test]
    fn a_limit_of_another_kind_does_not_set_the_target() {
        for (limit, served, target) in [
            (6000, 49, 3.0),
            // After 50 responses, more than a fortieth of the limit would have been seen.
            (6000, 50, 1.0),
            (201, 50, 1.0),
            (200, 50, 3.0),
            (200, 49, 3.0),
            (20, 50, 2.0),
        ] {
            let mut heard = Heard::new();
            heard.hear(5, limit, false);
            let room = heard.share.room(served);
            assert_eq!(room, 5.0 / target, "{limit} after {served}");
        }
    }

    #[test]
    fn a_window_of_a_limit_of_zero_says_nothing_of_the_part() {
        let mut heard = Heard::new();
        assert_eq!(heard.hear(0, 0, false), Verdict::Nothing);
        heard.share.window_ends(1);
        for _ in 0..40 {
            heard.hear(100, 120, true);
        }
        // A tenth of the limit.
        heard.share.window_ends(12);
        heard.share.forget_remaining();
        assert_eq!(heard.hear(60, 120, true), Verdict::UpTo(6));
        assert!(heard.share.is_alone());
    }
    #[test]
    fn the_part_of_a_window_is_an_average_that_remembers_the_ones_before() {
        let mut heard = Heard::new();
        for _ in 0..40 {
            heard.hear(100, 120, true);
        }
        // A tenth of the limit, then three tenths.
        for (own, share) in [(12, 6), (36, 12)] {
            heard.share.window_ends(own);
            heard.share.forget_remaining();
            assert_eq!(heard.hear(60, 120, true), Verdict::UpTo(share));
            for _ in 0..40 {
                heard.hear(60, 120, true);
            }
        }
    }

    #[test]
    fn remaining_before_a_wait_is_not_compared_with_remaining_after_it() {
        let mut heard = Heard::new();
        assert_eq!(heard.hear(12, 120, false), Verdict::Perhaps(0.75));
        heard.share.forget_remaining();
        assert_eq!(heard.hear(8, 120, false), Verdict::Perhaps(0.5));
    }
}
