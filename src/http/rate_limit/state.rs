//! The state of the gate, and what changes it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use super::pace::{self, Pace, ToldShare};
use super::server_clock::{self, ServerClock};
use super::share::{self, Share, Verdict};
use super::{Admission, Attempt, HOLD, MAX_CLOSED, Observation, Random, seconds};
use crate::headers::RateLimit;

/// How long a 429 without `Retry-After` and without a plausible reset closes the gate.
const UNNAMED_WAIT: Duration = Duration::from_secs(1);

/// A limiter that makes clients wait longer gives its capacity back in windows: there is a burst to
/// take after the wait, and a pace would only delay it. After shorter waits capacity returns in
/// portions, and clients share a rate.
const PORTION: Duration = Duration::from_millis(10_500);

/// After a wait of at most this long, a client that finds nothing left, and others beside it, starts
/// with a guessed rate.
const SHORT_PORTION: Duration = Duration::from_millis(2_100);

/// How often a held attempt looks again. Those behind it look less often, the further the less.
const POLL: Duration = Duration::from_millis(2);

/// How often a paced attempt looks again, because responses may have changed the pace.
const RECHECK: Duration = Duration::from_millis(250);

/// So few requests served since the gate opened mean that other clients compete for the same limit.
const CROWDED: u64 = 8;

pub(super) struct State {
    random: Random,

    /// The calls that wait, oldest first.
    line: BTreeSet<u64>,
    next_number: u64,
    /// Since when the first in line waits for a response of another call.
    held_since: Option<Instant>,
    /// When that happened first.
    first_held: Option<Instant>,

    /// When a closed gate opens.
    opens_at: Option<Instant>,
    opened_at: Option<Instant>,
    /// How far the processes that were told the same second come apart.
    spread: Duration,
    epoch: u64,

    ceiling: u64,
    /// Responses without rate headers since the ceiling rose.
    responses_at_ceiling: u64,

    served: u64,
    served_since_opened: u64,
    /// Since the limiter had nothing left for this client, which is a measure of the rate that it
    /// gets.
    served_since_empty: u64,
    empty_at: Option<Instant>,

    share: Share,
    pace: Option<Pace>,
    told: Option<ToldShare>,
    clock: ServerClock,
    heard: Option<Heard>,
}

/// A response, and when it arrived.
#[derive(Clone, Copy)]
struct Heard {
    at: Instant,
    /// Unix time by the server's clock, if it is known better than by the `Date`.
    server_now: Option<Duration>,
    response: Observation,
}

impl Heard {
    fn until_reset(&self) -> Option<Duration> {
        let server_now = match self.server_now {
            Some(time) => time,
            None => server_clock::unix_time(self.response.date?)?,
        };
        server_clock::until_reset(self.response.reset_at?, server_now)
    }
}

impl State {
    pub(super) fn new(told: Option<ToldShare>, random: Random) -> Self {
        State {
            random,
            line: BTreeSet::new(),
            next_number: 0,
            held_since: None,
            first_held: None,
            opens_at: None,
            opened_at: None,
            spread: Duration::ZERO,
            epoch: 0,
            ceiling: 1,
            responses_at_ceiling: 0,
            served: 0,
            served_since_opened: 0,
            served_since_empty: 0,
            empty_at: None,
            share: Share::new(),
            pace: None,
            told,
            clock: ServerClock::default(),
            heard: None,
        }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many attempts may be in flight without [`State::admit`].
    pub(super) fn open_for(&self) -> u64 {
        let one_by_one = self.opened_at.is_some() && !self.spread.is_zero();
        let only_ceiling_counts = self.line.is_empty()
            && self.opens_at.is_none()
            && !one_by_one
            && self.pace.is_none()
            && self.told.is_none();
        if only_ceiling_counts { self.ceiling } else { 0 }
    }

    pub(super) fn snapshot(&self) -> Option<RateLimit> {
        let heard = self.heard?;
        let Observation {
            limit,
            remaining,
            reset_at,
            retry_after,
            ..
        } = heard.response;
        Some(RateLimit {
            limit,
            remaining,
            reset_at,
            retry_after,
            resets: heard.until_reset().map(|reset| heard.at + reset),
        })
    }

    pub(super) fn is_closed_until(&self, instant: Instant) -> bool {
        self.opens_at.is_some_and(|opens_at| opens_at >= instant)
    }

    pub(super) fn next_in_line(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    pub(super) fn leave_line(&mut self, number: u64) {
        self.line.remove(&number);
    }

    pub(super) fn admit(&mut self, now: Instant, number: u64, in_flight: u64) -> Admission {
        // Behind this many others the exact place does not matter.
        const COUNTED: usize = 256;
        self.line.insert(number);
        let ahead = self.line.range(..number).take(COUNTED).count();
        self.advance_pace(now);
        let (slot, interval) = self.slot(now);
        let behind = seconds(interval * ahead as f64);
        let wait = |check: Instant, expected: Instant| {
            let check = check.max(now + Duration::from_micros(500));
            let expected = expected.max(check);
            Admission::Wait { check, expected }
        };
        if let Some(opens_at) = self.opens_at {
            if now < opens_at {
                return wait(opens_at, slot.max(opens_at) + behind);
            }
            self.opens_at = None;
            self.opened_at = Some(now);
        }
        if ahead > 0 {
            let check = if interval > 0.0 {
                (slot + behind).min(now + 2 * RECHECK)
            } else {
                now + POLL * ahead as u32
            };
            return wait(check, slot + behind);
        }
        if slot > now {
            return wait(slot.min(now + RECHECK), slot);
        }
        if in_flight >= self.allowed_in_flight(now) {
            self.first_held.get_or_insert(now);
            let until = *self.held_since.get_or_insert(now) + HOLD;
            if now < until {
                return wait(until.min(now + POLL), now + POLL);
            }
            self.held_since = Some(now);
        } else {
            self.held_since = None;
        }
        self.line.remove(&number);
        if let Some(pace) = &mut self.pace {
            pace.take();
        }
        if let Some(told) = &mut self.told {
            told.take(now, &mut self.random);
        }
        Admission::Proceed
    }

    /// When the pace lets the next attempt pass, and the seconds between attempts.
    fn slot(&self, now: Instant) -> (Instant, f64) {
        let (paced, interval) = match &self.pace {
            Some(pace) => (pace.slot(now), pace.interval()),
            None => (now, 0.0),
        };
        match &self.told {
            Some(told) => (paced.max(told.slot(now)), interval.max(told.interval())),
            None => (paced, interval),
        }
    }

    /// How many attempts may be in flight. For a moment after the gate opened, one.
    fn allowed_in_flight(&mut self, now: Instant) -> u64 {
        let one_by_one = self.opened_at.is_some_and(|at| now < at + self.spread);
        if one_by_one {
            return 1;
        }
        self.spread = Duration::ZERO;
        let unlimited = self.epoch == 0 && !self.share.is_known();
        if unlimited && self.first_held.is_some_and(|at| now >= at + HOLD) {
            // Nothing has told of a limit in time.
            self.ceiling = u64::MAX;
        }
        self.ceiling
    }

    fn advance_pace(&mut self, now: Instant) {
        let Some(pace) = &mut self.pace else { return };
        let since_empty = self.empty_at.map(|at| now.saturating_duration_since(at));
        let blind = self.share.most_remaining() == 0;
        pace.advance(now, since_empty.unwrap_or_default(), blind);
        if pace.is_over() {
            self.pace = None;
        }
    }

    pub(super) fn observe(
        &mut self,
        now: Instant,
        unix_now: impl FnOnce() -> SystemTime,
        attempt: Attempt,
        response: &Observation,
    ) {
        let server_now = match response.date {
            // The second of `Date` will do.
            Some(_) if share::is_plenty(response.remaining) => None,
            Some(date) => self.clock.read(now, date),
            None if response.reset_at.is_some() => server_clock::unix_time(unix_now()),
            None => None,
        };
        let heard = Heard {
            at: now,
            server_now,
            response: *response,
        };
        if response.limit.is_some() || response.remaining.is_some() || response.reset_at.is_some() {
            self.heard = Some(heard);
        }
        if response.status >= 500 {
            // Says nothing of the limit; its `Retry-After` delays its own call only.
            return;
        }
        self.empty_at.get_or_insert(attempt.sent);
        self.advance_pace(now);
        // The others were sent before the gate was closed: they have no news about it.
        let current = attempt.epoch == self.epoch;
        if response.status == 429 {
            let wait = response.retry_after.or_else(|| heard.until_reset());
            self.refused(now, wait.unwrap_or(UNNAMED_WAIT).min(MAX_CLOSED), current);
        } else {
            self.served(&heard, attempt.sent, current);
        }
    }

    fn refused(&mut self, now: Instant, wait: Duration, current: bool) {
        let was_closed_before = self.epoch > 0;
        let crowded = self.is_crowded();
        self.close(now, wait);
        if !current {
            return;
        }
        let measured = self.measured_rate(now, wait);
        if wait > PORTION {
            self.pace = None;
        } else if let Some(pace) = &self.pace {
            let rate = pace.after_refusal();
            self.set_pace(now, rate, false);
        } else if crowded {
            let rate = match &self.told {
                Some(told) => Some(told.after_refusal()),
                // One refusal says nothing about others: a client that is alone is served after it.
                None => was_closed_before.then(|| pace::first_rate(measured)),
            };
            if let Some(rate) = rate {
                self.set_pace(now, rate, true);
            }
        }
        self.mark_empty(now);
    }

    fn served(&mut self, heard: &Heard, sent: Instant, current: bool) {
        let (now, response) = (heard.at, &heard.response);
        self.served += 1;
        self.served_since_opened += 1;
        self.served_since_empty += 1;
        if self.told.is_some() {
            // The share is there for this client alone.
            self.ceiling = u64::MAX;
        }
        let Some(remaining) = response.remaining else {
            self.raise_ceiling();
            return;
        };
        if !current {
            return;
        }
        let was_closed_before = self.epoch > 0;
        let remaining = response
            .limit
            .map_or(remaining, |limit| remaining.min(limit));
        let verdict = self
            .share
            .observe(now, sent, remaining, response.limit, was_closed_before);
        if let Some(pace) = &mut self.pace {
            let room = self.share.room(self.served);
            pace.saw(room, self.share.most_remaining() == 0, heard.until_reset());
        }
        let take = match verdict {
            Verdict::UpTo(_) | Verdict::Perhaps(_) if self.told.is_some() => return,
            Verdict::UpTo(ceiling) => {
                self.ceiling = ceiling;
                return;
            }
            Verdict::Perhaps(probability) => (self.random)() < probability,
            Verdict::Nothing => false,
        };
        self.ceiling = 1;
        let Some(reset) = heard.until_reset().filter(|_| !take) else {
            return;
        };
        let crowded = self.is_crowded();
        let measured = self.measured_rate(now, reset);
        let alone = self.share.is_alone();
        self.close(now, reset);
        if reset > PORTION {
            self.pace = None;
        } else if self.pace.is_none() && self.told.is_none() && crowded {
            if !alone && reset <= SHORT_PORTION {
                self.set_pace(now, pace::guess(reset), true);
            } else if alone && was_closed_before {
                self.set_pace(now, measured, true);
            }
        }
        if verdict == Verdict::Nothing {
            self.mark_empty(now);
        }
    }

    /// Lets one more attempt be in flight once all that may be have had a response, so the number
    /// doubles as in TCP's slow start, but later: a refusal hits all that are in flight.
    fn raise_ceiling(&mut self) {
        self.responses_at_ceiling += 1;
        if self.responses_at_ceiling >= self.ceiling {
            self.responses_at_ceiling = 0;
            self.ceiling = self.ceiling.saturating_add(1);
        }
    }

    fn is_crowded(&self) -> bool {
        self.served <= CROWDED || self.epoch > 0 && self.served_since_opened <= CROWDED
    }

    /// The rate at which this client was served since the limiter was empty for it, if it is empty
    /// now.
    fn measured_rate(&self, now: Instant, wait: Duration) -> f64 {
        let since = self.empty_at.map(|at| now.saturating_duration_since(at));
        let since = since.unwrap_or_default().max(wait).as_secs_f64().max(0.5);
        (self.served_since_empty as f64 + 0.5) / since
    }

    fn mark_empty(&mut self, now: Instant) {
        self.served_since_empty = 0;
        self.empty_at = Some(now);
    }

    fn set_pace(&mut self, now: Instant, rate: f64, guess: bool) {
        let starts = self.opens_at.map_or(now, |at| at.max(now));
        // A random phase: others were cut at the same time.
        self.pace = Some(Pace::new(starts, rate, guess, (self.random)()));
    }

    /// Closes the gate, unless it is closed for as long already.
    fn close(&mut self, now: Instant, wait: Duration) {
        const SAME_SECOND: Duration = Duration::from_millis(500);
        let until = now + wait;
        if let Some(at) = self.opens_at.filter(|at| *at > now) {
            if at + SAME_SECOND >= until {
                self.opens_at = Some(at.max(until));
                return;
            }
        }
        self.spread = (wait / 20).min(Duration::from_secs(1));
        let random = (self.random)().clamp(0.0, 1.0);
        self.opens_at = Some(until + self.spread.mul_f64(random));
        if wait > PORTION {
            self.share.window_ends(self.served_since_opened);
        }
        self.share.forget_remaining();
        self.epoch += 1;
        self.ceiling = 1;
        self.responses_at_ceiling = 0;
        self.served_since_opened = 0;
        self.held_since = None;
    }
}
