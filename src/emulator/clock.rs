//! Times in the API's format, and the emulator's clock, which tests can advance.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, UTC.
pub(super) type Millis = i64;

const DAY: i64 = 86_400_000;

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
    let (days, rest) = (at.div_euclid(DAY), at.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let (hours, minutes) = (rest / 3_600_000, rest / 60_000 % 60);
    let (seconds, fraction) = (rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{fraction:03}Z")
}

/// Parses an ISO 8601 time: date, time, an optional fraction, and `Z` or an offset.
pub(super) fn from_text(text: &str) -> Option<Millis> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = text.get(range)?;
        digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let mark =
        |at: usize, one_of: &[u8]| text.as_bytes().get(at).is_some_and(|b| one_of.contains(b));
    let shaped =
        mark(4, b"-") && mark(7, b"-") && mark(10, b"Tt ") && mark(13, b":") && mark(16, b":");
    if !shaped {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hours, minutes, seconds) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    if hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut fraction = 0;
    if let Some(digits) = rest.strip_prefix('.') {
        let length = digits.bytes().take_while(u8::is_ascii_digit).count();
        let padded = format!("{:0<3.3}", digits.get(..length).filter(|d| !d.is_empty())?);
        fraction = padded.parse().ok()?;
        rest = digits.get(length..)?;
    }
    let offset = match rest {
        "Z" | "z" => 0,
        _ => offset_minutes(rest)?,
    };
    let clock = ((hours * 60 + minutes - offset) * 60 + seconds) * 1000 + fraction;
    Some(days(year, month, day) * DAY + clock)
}

/// Parses an offset such as `+01:00` to minutes. An unescaped `+` in a query is decoded to a
/// space, so a space is a plus.
fn offset_minutes(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first()? {
        b'+' | b' ' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    Some(sign * (hours * 60 + minutes))
}

/// Days since 1970 of a date in the proleptic Gregorian calendar (Hinnant's algorithm).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days`].
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for at in [0, 951_782_400_000, 1_717_564_800_123, 4_102_444_799_999] {
            assert_eq!(from_text(&to_text(at)), Some(at));
        }
        assert_eq!(to_text(1_717_564_800_000), "2024-06-05T05:20:00.000Z");
    }

    #[test]
    fn other_forms_of_the_same_time() {
        let at = from_text("2026-06-05T08:00:00.000Z");
        for text in [
            "2026-06-05T08:00:00Z",
            "2026-06-05T09:00:00+01:00",
            "2026-06-05T03:30:00.000-04:30",
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
