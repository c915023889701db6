//! What `gate.rs` needs of the crate's module `headers`, of the same shape.

use std::time::{Duration, Instant, SystemTime};

pub(crate) struct Headers;

impl Headers {
    pub(crate) fn rate_limit(&self) -> RateLimit {
        RateLimit {
            limit: None,
            remaining: None,
            reset_at: None,
            retry_after: None,
            resets: None,
        }
    }

    pub(crate) fn date(&self) -> Option<SystemTime> {
        None
    }
}

pub(crate) struct RateLimit {
    pub(crate) limit: Option<u64>,
    pub(crate) remaining: Option<u64>,
    pub(crate) reset_at: Option<u64>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) resets: Option<Instant>,
}
