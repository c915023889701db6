//! The rate limit of an API key: a number of requests in a fixed window.

use std::time::Duration;

use super::clock::{Millis, millis};

/// What the headers say without a limit. Nothing is refused then.
const SHOWN: RateLimit = RateLimit {
    requests: 600,
    window: Duration::from_secs(60),
};

#[derive(Clone, Copy)]
pub(super) struct RateLimit {
    pub(super) requests: u64,
    pub(super) window: Duration,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Usage {
    started: Millis,
    used: u64,
}

/// The values of the rate headers of a response.
pub(super) struct Figures {
    pub(super) limit: u64,
    pub(super) remaining: u64,
    /// Milliseconds since 1970.
    pub(super) reset: Millis,
    /// Whether the request exceeds the limit.
    pub(super) exceeded: bool,
}

/// Counts one request.
pub(super) fn count(usage: &mut Usage, now: Millis, limit: Option<RateLimit>) -> Figures {
    let RateLimit { requests, window } = limit.unwrap_or(SHOWN);
    if now >= usage.started.saturating_add(millis(window)) {
        *usage = Usage {
            started: now,
            used: 0,
        };
    }
    let exceeded = limit.is_some() && usage.used >= requests;
    usage.used += 1;
    Figures {
        limit: requests,
        remaining: requests.saturating_sub(usage.used),
        reset: usage.started.saturating_add(millis(window)),
        exceeded,
    }
}
