//! The rate gate: when the next attempt may be sent.
//!
//! All clones of a client share one [`RateGate`]. It is a state machine without I/O, sleep or
//! clock: the time is passed in, and randomness is injected. Three things hold an attempt back:
//!
//! 1. **The closed gate.** `X-RateLimit-Remaining: 0` closes it until the reset, a 429 for
//!    `Retry-After` (or until the reset). A random twentieth of the wait, at most 1 s, is added so
//!    that processes told the same second come apart.
//! 2. **The ceiling** on attempts in flight: this client's share of what remains ([`share`]). After
//!    the gate opens, waiting calls pass one by one for that same twentieth.
//! 3. **The pace**: the share that the caller told ([`RateGate::new`]), and a rate that refusals
//!    cut ([`pace`]).
//!
//! Headers may be wrong or hostile. No header closes the gate for more than [`MAX_CLOSED`], a reset
//! further away than that or in the past is ignored, and a `Remaining` above `Limit` counts as
//! `Limit`.

mod pace;
mod server_clock;
mod share;
mod state;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime};

use crate::headers::{Headers, RateLimit};
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::sync::{AtomicU64, Mutex, MutexGuard};
use pace::ToldShare;
use state::State;

/// The longest time that one response closes the gate. The next attempt after it asks the server
/// again.
pub(crate) const MAX_CLOSED: Duration = Duration::from_secs(3600);

/// How long attempts wait for the response of an earlier one. Then one more is sent, and so on,
/// because a slow response must not hold the others back. A client that has not heard of a limit in
/// that time sends all of them.
pub(crate) const HOLD: Duration = Duration::from_millis(500);

/// A source of random numbers from 0 to 1. It is called while the gate is locked, a few times per
/// closing. A forked process has to get other numbers than its parent.
pub(crate) type Random = Box<dyn FnMut() -> f64 + Send>;

/// Decides when attempts are sent. One per client, shared by its clones.
pub(crate) struct RateGate {
    /// Attempts that were admitted and have no response yet.
    in_flight: AtomicU64,
    /// Attempts that may be in flight without a look at the state. Zero while anything but the
    /// ceiling counts.
    open_for: AtomicU64,
    /// How many times the gate was closed.
    epoch: AtomicU64,
    state: Mutex<State>,
}

/// Whether an attempt may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Send it now.
    Proceed,
    /// Sleep until `check`, then call [`Turn::admit`] again.
    Wait {
        check: Instant,
        /// When the attempt will probably be sent. Compare this one with deadlines and limits of
        /// waiting.
        expected: Instant,
    },
}

/// What a response says about rate limits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Observation {
    pub(crate) status: u16,
    /// `X-RateLimit-Limit`.
    pub(crate) limit: Option<u64>,
    /// `X-RateLimit-Remaining`.
    pub(crate) remaining: Option<u64>,
    /// `X-RateLimit-Reset`, in seconds of Unix time.
    pub(crate) reset_at: Option<u64>,
    pub(crate) retry_after: Option<Duration>,
    /// `Date`.
    pub(crate) date: Option<SystemTime>,
}

impl Observation {
    pub(crate) fn of(status: u16, headers: &Headers) -> Self {
        let RateLimit {
            limit,
            remaining,
            reset_at,
            retry_after,
            ..
        } = headers.rate_limit();
        Observation {
            status,
            limit,
            remaining,
            reset_at,
            retry_after,
            date: headers.date(),
        }
    }

    /// Returns how long the server asks to wait after a 429: `Retry-After`, or until the reset if
    /// that is plausible.
    pub(crate) fn named_wait(&self, unix_now: impl FnOnce() -> SystemTime) -> Option<Duration> {
        let until_reset = || {
            let server_now = server_clock::unix_time(self.date.unwrap_or_else(unix_now))?;
            server_clock::until_reset(self.reset_at?, server_now)
        };
        self.retry_after.or_else(until_reset)
    }
}

/// One call's place in the line. A call takes it once, for all its attempts: an attempt after a 429
/// goes first.
pub(crate) struct Turn<'a> {
    gate: &'a RateGate,
    /// The place in the line, once the call had to wait.
    number: Option<u64>,
    attempt: Option<Attempt>,
    /// When the `Retry-After` of the call's own 429 has elapsed.
    not_before: Option<Instant>,
}

/// An attempt in flight.
#[derive(Clone, Copy)]
struct Attempt {
    epoch: u64,
    sent: Instant,
}

impl RateGate {
    /// Creates an open gate. `requests_per_minute` is this client's share of the limit, if the
    /// caller knows it.
    pub(crate) fn new(requests_per_minute: Option<f64>, random: Random) -> Self {
        let told = requests_per_minute.and_then(ToldShare::new);
        let gate = RateGate {
            in_flight: AtomicU64::new(0),
            open_for: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            state: Mutex::new(State::new(told, random)),
        };
        gate.publish(&gate.lock());
        gate
    }

    /// Starts a call. Costs nothing until [`Turn::admit`].
    pub(crate) fn turn(&self) -> Turn<'_> {
        Turn {
            gate: self,
            number: None,
            attempt: None,
            not_before: None,
        }
    }

    /// Returns the rate headers of the most recent response that had any.
    pub(crate) fn snapshot(&self) -> Option<RateLimit> {
        self.lock().snapshot()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the state visible to the fast path.
    ///
    /// The epoch is written last and read first. An attempt that passes by a number from before the
    /// gate was closed must not carry the epoch after it.
    fn publish(&self, state: &State) {
        self.open_for.store(state.open_for(), Relaxed);
        self.epoch.store(state.epoch(), Release);
    }
}

impl Turn<'_> {
    /// Asks whether the next attempt may be sent.
    pub(crate) fn admit(&mut self, now: Instant) -> Admission {
        let gate = self.gate;
        self.release();
        if self.number.is_none() {
            let epoch = gate.epoch.load(Acquire);
            let before = gate.in_flight.fetch_add(1, Relaxed);
            if before < gate.open_for.load(Relaxed) {
                self.attempt = Some(Attempt { epoch, sent: now });
                return Admission::Proceed;
            }
            gate.in_flight.fetch_sub(1, Relaxed);
        }
        let mut state = gate.lock();
        if let Some(not_before) = self.not_before.filter(|at| *at > now) {
            // Others need not stand behind a call that waits longer than the gate is closed.
            if !state.is_closed_until(not_before) {
                return Admission::Wait {
                    check: not_before,
                    expected: not_before,
                };
            }
        }
        let number = *self.number.get_or_insert_with(|| state.next_in_line());
        // Counted first, as on the fast path: attempts there pass without the lock.
        let before = gate.in_flight.fetch_add(1, Relaxed);
        let admission = state.admit(now, number, before);
        if admission == Admission::Proceed {
            let epoch = state.epoch();
            self.attempt = Some(Attempt { epoch, sent: now });
        } else {
            gate.in_flight.fetch_sub(1, Relaxed);
        }
        gate.publish(&state);
        admission
    }

    /// Tells the gate the response of the admitted attempt. `unix_now` is read if the response has
    /// no `Date`.
    pub(crate) fn observe(
        &mut self,
        now: Instant,
        unix_now: impl FnOnce() -> SystemTime,
        response: &Observation,
    ) {
        let Some(attempt) = self.attempt else { return };
        self.release();
        let mut state = self.gate.lock();
        state.observe(now, unix_now, attempt, response);
        self.not_before = None;
        if response.status == 429 {
            self.number.get_or_insert_with(|| state.next_in_line());
            let wait = response.retry_after.unwrap_or_default();
            self.not_before = now.checked_add(wait);
        }
        self.gate.publish(&state);
    }

    /// The attempt is no longer in flight.
    pub(crate) fn release(&mut self) {
        if self.attempt.take().is_some() {
            self.gate.in_flight.fetch_sub(1, Relaxed);
        }
    }
}

/// An attempt that got no response is released, and a call that gives up leaves the line.
impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.release();
        if let Some(number) = self.number {
            let mut state = self.gate.lock();
            state.leave_line(number);
            self.gate.publish(&state);
        }
    }
}

/// A duration of any number of seconds, at most a day.
fn seconds(number: f64) -> Duration {
    const DAY: f64 = 86_400.0;
    // A NaN is not greater than zero.
    let number = if number > 0.0 { number.min(DAY) } else { 0.0 };
    Duration::from_secs_f64(number)
}
