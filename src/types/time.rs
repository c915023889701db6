//! The calendar: times as the API writes them (RFC 3339), to and from [`SystemTime`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The first second of the year 0, and the last one of the year 9999.
const RANGE: (i64, i64) = (-62_167_219_200, 253_402_300_799);

const DAY: i64 = 86_400;

/// Writes a time as `2026-06-05T08:00:00.000Z`. The years 0 to 9999 are the limits.
pub(crate) fn to_iso(time: SystemTime) -> String {
    let (second, nanos) = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (seconds(since), since.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            match before.subsec_nanos() {
                0 => (-seconds(before), 0),
                nanos => (-seconds(before) - 1, 1_000_000_000 - nanos),
            }
        }
    };
    let second = second.clamp(RANGE.0, RANGE.1);
    let (year, month, day) = civil(second.div_euclid(DAY));
    let second = second.rem_euclid(DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let millisecond = nanos / 1_000_000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// Reads a time as [`parse`] does. Also returns `None` for a time that the platform cannot represent:
/// Windows begins in 1601.
pub(crate) fn from_iso(text: &str) -> Option<SystemTime> {
    let (seconds, nanos) = parse(text)?;
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let whole = match seconds {
        0.. => UNIX_EPOCH.checked_add(whole),
        _ => UNIX_EPOCH.checked_sub(whole),
    };
    whole?.checked_add(Duration::from_nanos(nanos))
}

/// Reads a date and a time with `Z` or an offset, with or without a fraction of a second. Returns the
/// seconds since 1970 and the nanoseconds after them, or `None` for anything else.
///
/// A leap second (`23:59:60`) is the second after it.
pub(crate) fn parse(text: &str) -> Option<(i64, u64)> {
    let (clock, zone) = text.split_at_checked(19)?;
    let has_shape = clock.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        10 => matches!(byte, b'T' | b't' | b' '),
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    if !has_shape {
        return None;
    }
    let number = |range: std::ops::Range<usize>| clock.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let number_of_day = days(year, month, day);
    // A date that does not exist, such as February 30, is another one on the way back.
    if civil(number_of_day) != (year, month, day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (nanos, zone) = fraction(zone)?;
    let seconds = number_of_day * DAY + hour * 3600 + minute * 60 + second - offset(zone)?;
    Some((seconds, nanos))
}

/// Reads an optional fraction of a second. Returns its nanoseconds, and what follows it.
fn fraction(text: &str) -> Option<(u64, &str)> {
    let Some(text) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(digits)?;
    if digits.is_empty() {
        return None;
    }
    Some((format!("{digits:0<9.9}").parse().ok()?, rest))
}

/// Reads `Z` or an offset such as `+01:00`, in seconds.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.bytes().next()? {
        b'Z' | b'z' if zone.len() == 1 => return Some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let number = |text: &str, limit: i64| {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_number.then(|| text.parse::<i64>().ok())?;
        number.filter(|number| *number < limit)
    };
    Some(sign * (number(hours, 24)? * 3600 + number(minutes, 60)? * 60))
}

/// Returns the number of days from 1970 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years start in March, so that the leap day is their last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Returns the date of a day: the inverse of [`days`].
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first second that Windows can represent: 1601.
    const FIRST_ON_WINDOWS: i64 = -11_644_473_600;

    fn at(seconds: i64, milliseconds: u64) -> SystemTime {
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let whole = match seconds {
            0.. => UNIX_EPOCH + whole,
            _ => UNIX_EPOCH - whole,
        };
        whole + Duration::from_millis(milliseconds)
    }

    #[test]
    fn times_are_written_as_the_api_writes_them_and_read_back() {
        for (time, text) in [
            (at(0, 0), "1970-01-01T00:00:00.000Z"),
            (at(-1, 1), "1969-12-31T23:59:59.001Z"),
            (at(FIRST_ON_WINDOWS, 0), "1601-01-01T00:00:00.000Z"),
            (at(RANGE.1, 999), "9999-12-31T23:59:59.999Z"),
            (at(951_782_399, 7), "2000-02-28T23:59:59.007Z"),
            (at(951_782_400, 0), "2000-02-29T00:00:00.000Z"),
            (at(1_709_251_199, 0), "2024-02-29T23:59:59.000Z"),
            (at(1_709_251_200, 0), "2024-03-01T00:00:00.000Z"),
            (at(1_780_646_400, 999), "2026-06-05T08:00:00.999Z"),
            (at(4_107_542_400, 0), "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(to_iso(time), text);
            assert_eq!(from_iso(text), Some(time), "{text}");
        }
        assert_eq!(
            to_iso(at(RANGE.1 + 1, 0)),
            "9999-12-31T23:59:59.000Z",
            "a year has four digits"
        );
    }

    #[test]
    fn times_before_1601_are_read_where_the_platform_can_represent_them() {
        let first = "0000-01-01T00:00:00.000Z";
        assert_eq!(parse(first), Some((RANGE.0, 0)));
        if cfg!(windows) {
            assert_eq!(from_iso(first), None);
        } else {
            assert_eq!(from_iso(first), Some(at(RANGE.0, 0)));
            assert_eq!(to_iso(at(RANGE.0, 0)), first);
            assert_eq!(to_iso(at(RANGE.0 - 1, 0)), first);
        }
    }

    #[test]
    fn other_forms_of_the_same_time_are_read() {
        for text in [
            "2026-06-05T08:00:00Z",
            "2026-06-05t08:00:00z",
            "2026-06-05 08:00:00.0Z",
            "2026-06-05T09:00:00+01:00",
            "2026-06-06T07:59:00+23:59",
            "2026-06-05T03:30:00.000-04:30",
            "2026-06-05T08:00:00-00:00",
            "2026-06-05T08:00:00.0000000001Z",
            "2026-06-05T07:59:60Z",
        ] {
            assert_eq!(from_iso(text), Some(at(1_780_646_400, 0)), "{text}");
        }
        for (text, nanos) in [
            ("2026-06-05T08:00:00.5Z", 500_000_000),
            ("2026-06-05T08:00:00.000001Z", 1_000),
            ("2026-06-05T08:00:00.123456789123Z", 123_456_789),
        ] {
            let time = at(1_780_646_400, 0) + Duration::from_nanos(nanos);
            assert_eq!(from_iso(text), Some(time), "{text}");
        }
        assert_eq!(
            from_iso("2016-12-31T23:59:60.5Z"),
            from_iso("2017-01-01T00:00:00.5Z"),
            "a leap second"
        );
        assert_eq!(from_iso("1970-01-01T00:00:00+01:00"), Some(at(-3600, 0)));
    }

    #[test]
    fn text_that_is_not_a_time_is_not_read() {
        for text in [
            "",
            "cmlqacdwm0001zovcpe6656cg",
            "2026-06-05",
            "2026-06-05T08:00:00",
            "2026-06-05T08:00Z",
            "2026-06-05T08:00:00.Z",
            "2026-06-05T08:00:00ZZ",
            "2026-06-05T08:00:00+1:00",
            "2026-06-05T08:00:00+01:xx",
            "2026-06-05T08:00:00++1:00",
            "2026-06-05T08:00:00+24:00",
            "2026-06-05T08:00:00+01:60",
            "2026-06-05T08:00:0üZ",
            "2026-06-05T24:00:00Z",
            "2026-06-05T08:60:00Z",
            "2026-06-05T08:00:61Z",
            "2026-13-05T08:00:00Z",
            "2026-00-05T08:00:00Z",
            "2026-06-00T08:00:00Z",
            "2026-06-31T08:00:00Z",
            "2026-02-29T08:00:00Z",
            "1900-02-29T08:00:00Z",
            "12026-06-05T08:00:00Z",
            "-2026-06-05T08:00:00Z",
            "+2026-06-05T08:00:00Z",
            " 2026-06-05T08:00:00Z",
        ] {
            assert_eq!(from_iso(text), None, "{text}");
        }
    }
}
