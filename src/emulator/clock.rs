//! Times in the API's format, and the emulator's clock, which tests can advance.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::types::time;

/// Milliseconds since 1970, UTC.
pub(super) type Millis = i64;

/// The system clock plus the time that a test has added.
#[derive(Default)]
pub(super) struct Clock {
    ahead: AtomicI64,
}

impl Clock {
    pub(super) fn now(&self) -> Millis {
        let real = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        millis(real).saturating_add(self.ahead.load(Ordering::Relaxed))
    }

    pub(super) fn advance(&self, by: Duration) {
        self.ahead.fetch_add(millis(by), Ordering::Relaxed);
    }
}

pub(super) fn millis(duration: Duration) -> Millis {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Formats a time for the `Date` header.
pub(super) fn http_date(at: Millis) -> String {
    let since = Duration::from_millis(u64::try_from(at).unwrap_or_default());
    httpdate::fmt_http_date(UNIX_EPOCH + since)
}

/// Formats a time by RFC 3339, with milliseconds and `Z`.
pub(super) fn to_text(at: Millis) -> String {
    let since = Duration::from_millis(at.unsigned_abs());
    time::to_iso(match at {
        0.. => UNIX_EPOCH + since,
        _ => UNIX_EPOCH - since,
    })
}

/// Parses an RFC 3339 time. An unescaped `+` in a query is decoded to a space, so a space before an
/// offset is a plus.
pub(super) fn from_text(text: &str) -> Option<Millis> {
    let time = match text.rsplit_once(' ') {
        Some((time, offset)) if time.len() >= 19 => time::from_iso(&format!("{time}+{offset}")),
        _ => time::from_iso(text),
    };
    Some(match time?.duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_round_trip() {
        for at in [0, 951_782_400_000, 1_717_564_800_123, 4_102_444_799_999] {
            assert_eq!(from_text(&to_text(at)), Some(at));
        }
        assert_eq!(to_text(1_717_564_800_000), "2024-06-05T05:20:00.000Z");
    }

    #[test]
    fn equivalent_timestamp_forms_are_equal() {
        let at = from_text("2026-06-05T08:00:00.000Z");
        for text in [
            "2026-06-05T08:00:00Z",
            "2026-06-05T09:00:00+01:00",
            "2026-06-05T03:30:00.000-04:30",
            "2026-06-05T09:00:00 01:00",
            "2026-06-05 08:00:00Z",
            "2026-06-05T08:00:00.0001234Z",
        ] {
            assert_eq!(from_text(text), at, "{text}");
        }
        for text in [
            "",
            "1",
            "2026-06-05",
            "2026-13-05T08:00:00Z",
            "2026-06-05T08:00:00",
            "cm1",
        ] {
            assert_eq!(from_text(text), None, "{text}");
        }
    }
}
