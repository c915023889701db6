//! The server's clock, as far as its `Date` headers tell.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::MAX_CLOSED;

/// `Date` has whole seconds, so one response leaves a second of doubt, which a wait until the reset
/// would add. The responses before it narrow that down: the server's clock was at least at each
/// `Date` when that response arrived.
#[derive(Default)]
pub(super) struct ServerClock {
    /// An instant, and the least Unix time that the server's clock had then.
    at_least: Option<(Instant, Duration)>,
}

impl ServerClock {
    /// Returns the least Unix time that the server's clock has `now`.
    pub(super) fn read(&mut self, now: Instant, date: SystemTime) -> Option<Duration> {
        const SECOND: Duration = Duration::from_secs(1);
        let date = unix_time(date)?;
        let known = match self.at_least {
            Some((at, time)) => time.saturating_add(now.saturating_duration_since(at)),
            None => date,
        };
        // Whatever was known, the second is the one of this `Date`: clocks jump, and hosts differ.
        let server_now = known.clamp(date, date.saturating_add(SECOND));
        self.at_least = Some((now, server_now));
        Some(server_now)
    }
}

/// Returns the time until `reset_at`. `None` if that is not plausible: in the past, or further away
/// than [`MAX_CLOSED`].
pub(super) fn until_reset(reset_at: u64, server_now: Duration) -> Option<Duration> {
    let wait = Duration::from_secs(reset_at).checked_sub(server_now)?;
    (!wait.is_zero() && wait <= MAX_CLOSED).then_some(wait)
}

pub(super) fn unix_time(time: SystemTime) -> Option<Duration> {
    time.duration_since(UNIX_EPOCH).ok()
}
