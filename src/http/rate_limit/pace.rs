//! A rate for attempts: one that the caller told, and one that refusals cut.
//!
//! The second starts unlimited. Where capacity comes back in small portions, a client that was
//! refused gets a rate. Each further refusal cuts it to a quarter. It grows
//!
//! - with time: half a percent a second, whatever happens. Cuts come with attempts and growth with
//!   time, so clients with a high rate lose what those with a low rate gain. Without this growth a
//!   client that started badly starves.
//! - with what remains: the more, the faster. If a response tells of less than a target, the rate
//!   falls instead. So clients learn without being refused.
//! - by a third a second while it is a guess and no response tells what remains.

use std::time::{Duration, Instant};

use super::{Random, seconds};

/// A told share is used up to here, so that requests and windows out of step do not exceed the
/// limit.
const TOLD_SHARE_USED: f64 = 0.95;

/// What a refusal leaves of a rate.
const AFTER_REFUSAL: f64 = 0.25;
/// What it leaves of a told share.
const AFTER_REFUSAL_OF_TOLD: f64 = 0.5;
/// What it leaves of a rate that was measured between two refusals.
const OF_MEASURED: f64 = 0.3;
/// Attempts per named wait of a client that knows nothing.
const GUESS: f64 = 2.0;
/// Attempts are not further apart than 30 s.
const MIN_RATE: f64 = 1.0 / 30.0;
/// A rate per second that limits nothing.
const UNLIMITED: f64 = 200.0;

/// Growth per second, as logarithms.
const WITH_TIME: f64 = 0.005;
const WITH_ROOM: f64 = 0.03;
const OF_GUESS: f64 = 0.26;
/// Growth that is not a guess and knows nothing, and the seconds without a refusal that double it.
const BLIND: f64 = 0.004;
const BLIND_DOUBLES: f64 = 30.0;

/// How much one response lets a rate grow at most, and how much it lowers it, as logarithms.
const GROWTH_PER_RESPONSE: f64 = 0.2;
const TIGHT: f64 = 0.8;

/// A rate for this client, from what it hears.
pub(super) struct Pace {
    /// Attempts per second.
    rate: f64,
    at: Instant,
    /// The part of the next attempt that has been waited for.
    credit: f64,
    guess: bool,
    /// What remained after the last response, in units of the target, if that means anything.
    room: Option<f64>,
    /// The growth that the last response still allows.
    growth_left: f64,
}

/// The rate to start with after a refusal, from the rate since the one before it.
pub(super) fn first_rate(measured: f64) -> f64 {
    measured * OF_MEASURED
}

/// The rate to start with if all that is known is how long the server makes clients wait.
pub(super) fn guess(wait: Duration) -> f64 {
    GUESS / wait.as_secs_f64().max(0.5)
}

impl Pace {
    /// Starts at `starts`, with `phase` of the first interval gone.
    pub(super) fn new(starts: Instant, rate: f64, guess: bool, phase: f64) -> Self {
        Pace {
            rate: rate.max(MIN_RATE),
            at: starts,
            credit: phase.clamp(0.0, 1.0),
            guess,
            room: None,
            growth_left: 0.0,
        }
    }

    /// Brings the rate up to date. `since_empty` is the time since the limiter had nothing left for
    /// this client. `blind` means that no response has ever told what remains.
    pub(super) fn advance(&mut self, now: Instant, since_empty: Duration, blind: bool) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        if passed == 0.0 {
            return;
        }
        let growth = match self.room {
            Some(room) => {
                let wanted = if room >= 1.0 {
                    WITH_ROOM * room * room * passed
                } else {
                    0.0
                };
                let with_room = wanted.min(self.growth_left);
                self.growth_left -= with_room;
                WITH_TIME * passed + with_room
            }
            None if self.guess && blind => OF_GUESS * passed,
            None => BLIND * (1.0 + since_empty.as_secs_f64() / BLIND_DOUBLES) * passed,
        };
        let before = self.rate;
        self.rate = (before * growth.exp()).min(2.0 * UNLIMITED);
        self.credit = (self.credit + passed * (before + self.rate) / 2.0).min(1.0);
        self.at = now;
    }

    /// Takes a response: the `room` that remains, in units of the target, and the time until the
    /// reset.
    pub(super) fn saw(&mut self, room: f64, blind: bool, reset: Option<Duration>) {
        if room < 1.0 {
            self.guess = false;
        }
        if blind {
            return;
        }
        if room < 1.0 {
            // A small remainder shortly before the reset does not mean that many clients share the
            // limit.
            let weight = reset.map_or(1.0, |reset| (2.0 * reset.as_secs_f64()).min(1.0));
            let lowered = self.rate * (-TIGHT * (1.0 - room) * weight).exp();
            self.rate = lowered.max(MIN_RATE);
        }
        self.room = Some(room);
        self.growth_left = GROWTH_PER_RESPONSE * (room * room).max(1.0);
    }

    /// An attempt is sent.
    pub(super) fn take(&mut self) {
        self.credit = (self.credit - 1.0).max(0.0);
    }

    /// The rate that a refusal leaves.
    pub(super) fn after_refusal(&self) -> f64 {
        self.rate * AFTER_REFUSAL
    }

    /// When the next attempt may be sent.
    pub(super) fn slot(&self, now: Instant) -> Instant {
        self.at.max(now) + seconds((1.0 - self.credit) / self.rate)
    }

    /// Seconds between attempts.
    pub(super) fn interval(&self) -> f64 {
        1.0 / self.rate
    }

    /// Whether the rate has grown beyond any limit.
    pub(super) fn is_over(&self) -> bool {
        self.rate > UNLIMITED
    }
}

/// The caller's share of the limit.
pub(super) struct ToldShare {
    /// Seconds between attempts.
    interval: f64,
    next: Option<Instant>,
}

impl ToldShare {
    /// `None` if the number is not a rate.
    pub(super) fn new(requests_per_minute: f64) -> Option<Self> {
        let interval = 60.0 / (requests_per_minute * TOLD_SHARE_USED);
        (interval.is_finite() && interval > 0.0).then_some(ToldShare {
            interval,
            next: None,
        })
    }

    pub(super) fn interval(&self) -> f64 {
        self.interval
    }

    pub(super) fn slot(&self, now: Instant) -> Instant {
        self.next.map_or(now, |next| next.max(now))
    }

    /// An attempt is sent. The first is sent at once, and the second after one to two intervals:
    /// processes that start together, or again and again, come out of step without exceeding their
    /// share. Slots that nobody used are lost.
    pub(super) fn take(&mut self, now: Instant, random: &mut Random) {
        let interval = seconds(self.interval);
        self.next = Some(match self.next {
            None => now + interval.mul_f64(1.0 + random().clamp(0.0, 1.0)),
            Some(next) => {
                let late = now.saturating_duration_since(next).as_secs_f64();
                now.max(next) + seconds(self.interval * (1.0 - (late / self.interval).fract()))
            }
        });
    }

    /// The rate that a refusal leaves for now.
    pub(super) fn after_refusal(&self) -> f64 {
        AFTER_REFUSAL_OF_TOLD / self.interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn interval_after(pace: &mut Pace, start: Instant, wait: Duration) -> f64 {
        pace.advance(start + wait, Duration::ZERO, false);
        pace.interval()
    }

    #[test]
    fn a_rate_grows_with_time_alone() {
        let start = Instant::now();
        let mut pace = Pace::new(start, 0.1, false, 0.0);
        pace.saw(0.0, false, None);
        let before = pace.interval();
        let after = interval_after(&mut pace, start, 140 * SECOND);
        assert!((0.45..0.55).contains(&(after / before)));
    }

    #[test]
    fn a_rate_grows_faster_the_more_remains_and_not_without_end() {
        let start = Instant::now();
        let mut intervals = Vec::new();
        for room in [0.9, 1.0, 2.0, 4.0] {
            let mut pace = Pace::new(start, 0.1, false, 0.0);
            pace.saw(room, false, None);
            let after_a_second = interval_after(&mut pace, start, SECOND);
            let after_a_minute = interval_after(&mut pace, start, 60 * SECOND);
            assert!(after_a_minute > 10.0 * (-GROWTH_PER_RESPONSE * room * room - 0.5).exp());
            intervals.push(after_a_second);
        }
        assert!(intervals.is_sorted_by(|a, b| a > b), "{intervals:?}");
    }

    #[test]
    fn too_little_remaining_lowers_the_rate_unless_the_reset_is_near() {
        let interval = |room, reset| {
            let mut pace = Pace::new(Instant::now(), 1.0, false, 0.0);
            pace.saw(room, false, reset);
            pace.interval()
        };
        assert_eq!(interval(1.0, None), 1.0);
        assert!(interval(0.0, None) > 2.0);
        assert!(interval(0.5, None) > 1.4);
        assert_eq!(interval(0.0, Some(SECOND)), interval(0.0, None));
        assert!(interval(0.0, Some(SECOND / 20)) < 1.1);
        // Attempts never stop.
        let mut pace = Pace::new(Instant::now(), 1.0, false, 0.0);
        for _ in 0..1000 {
            pace.saw(0.0, false, None);
        }
        assert!(pace.interval() <= 30.5);
    }

    fn assert_close(number: f64, expected: f64) {
        assert!((number - expected).abs() < 1e-6, "{number}, not {expected}");
    }

    #[test]
    fn a_rate_grows_by_the_documented_part_a_second() {
        let (start, none) = (Instant::now(), Duration::ZERO);
        // What remains, whether the rate is a guess, the time since nothing remained, the growth.
        for (room, guess, since_empty, growth) in [
            (Some(0.5), false, none, WITH_TIME),
            (Some(1.0), false, none, WITH_TIME + WITH_ROOM),
            (Some(2.0), false, none, WITH_TIME + 4.0 * WITH_ROOM),
            (Some(3.0), true, none, WITH_TIME + 9.0 * WITH_ROOM),
            (None, true, none, OF_GUESS),
            (None, false, none, BLIND),
            (None, false, 30 * SECOND, 2.0 * BLIND),
            (None, false, 60 * SECOND, 3.0 * BLIND),
            (None, false, 75 * SECOND, 3.5 * BLIND),
        ] {
            let mut pace = Pace::new(start, 1.0, guess, 0.0);
            if let Some(room) = room {
                pace.saw(room, false, None);
            }
            let before = pace.interval();
            pace.advance(start + SECOND, since_empty, room.is_none());
            assert_close((before / pace.interval()).ln(), growth);
        }
    }

    #[test]
    fn a_rate_stays_a_guess_until_less_than_the_target_remains() {
        let start = Instant::now();
        for (room, growth) in [(1.0, OF_GUESS), (0.9, BLIND)] {
            let mut pace = Pace::new(start, 1.0, true, 0.0);
            pace.saw(room, true, None);
            pace.advance(start + SECOND, Duration::ZERO, true);
            assert_close(-pace.interval().ln(), growth);
        }
    }

    #[test]
    fn a_rate_falls_in_proportion_to_the_missing_room() {
        for room in [0.25_f64, 0.5, 0.75] {
            let mut pace = Pace::new(Instant::now(), 1.0, false, 0.0);
            pace.saw(room, false, None);
            assert_close(pace.interval().ln(), TIGHT * (1.0 - room));
        }
    }

    #[test]
    fn a_pace_ends_above_the_rate_that_limits_nothing() {
        for (rate, is_over) in [(199.0, false), (200.0, false), (200.1, true), (1e9, true)] {
            let pace = Pace::new(Instant::now(), rate, false, 0.0);
            assert_eq!(pace.is_over(), is_over, "{rate}");
        }
    }

    #[test]
    fn a_guess_is_two_attempts_per_named_wait_but_no_more_than_four_a_second() {
        for (millis, rate) in [(0, 4.0), (500, 4.0), (1000, 2.0), (2000, 1.0)] {
            assert_close(guess(Duration::from_millis(millis)), rate);
        }
    }

    #[test]
    fn a_late_attempt_does_not_move_the_slots_of_a_told_share() {
        let start = Instant::now();
        let mut random: Random = Box::new(|| 0.0);
        let second = |share: &ToldShare| {
            let next = share.slot(start) - start;
            next.as_secs_f64() / share.interval()
        };
        // An attempt that is late by so many intervals, and the slot of the one after it.
        for (late, next) in [
            (0.0, 2.0),
            (0.25, 2.0),
            (0.75, 2.0),
            (1.5, 3.0),
            (2.75, 4.0),
        ] {
            let mut share = ToldShare::new(90.0).unwrap();
            share.take(start, &mut random);
            assert_close(second(&share), 1.0);
            let interval = Duration::from_secs_f64(share.interval());
            share.take(start + interval.mul_f64(1.0 + late), &mut random);
            assert_close(second(&share), next);
        }
    }

    #[test]
    fn a_refusal_halves_the_rate_of_a_told_share() {
        for (told, rate) in [(60.0, 0.475), (6.0, 0.0475)] {
            assert_close(ToldShare::new(told).unwrap().after_refusal(), rate);
        }
    }
}
