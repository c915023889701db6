//! Times as the API writes them: ISO 8601.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Writes a time as `2026-06-05T08:00:00.000Z`. One before 1970 is 1970.
pub(super) fn to_iso(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Civil date from a day number: years start in March, so that the leap day is their last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let millisecond = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

/// Reads a date and a time with `Z` or an offset, with or without a fraction of a second. `None` for
/// anything else, and for times before 1970.
pub(super) fn from_iso(text: &str) -> Option<SystemTime> {
    let (clock, zone) = text.split_at_checked(19)?;
    let shape = clock.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        10 => matches!(byte, b'T' | b't' | b' '),
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    if !shape {
        return None;
    }
    let number = |range: std::ops::Range<usize>| clock.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let fraction = zone.strip_prefix('.').unwrap_or("");
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    let zone = match digits {
        0 => zone,
        _ => fraction.get(digits..)?,
    };
    let nanos = format!("{:0<9.9}", fraction.get(..digits)?).parse().ok()?;
    // The number of a day: years start in March, so that the leap day is their last.
    let year = if month <= 2 {
        year.checked_sub(1)?
    } else {
        year
    };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days =
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let seconds = days.checked_sub(719_468)? * 86_400 + hour * 3600 + minute * 60 + second;
    let (ahead, offset) = offset(zone)?;
    let seconds = match ahead {
        true => seconds.checked_sub(offset)?,
        false => seconds + offset,
    };
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

/// Reads `Z` or `+01:00`: whether it is ahead of UTC, and by how many seconds.
fn offset(zone: &str) -> Option<(bool, u64)> {
    let ahead = match zone.bytes().next()? {
        b'Z' | b'z' if zone.len() == 1 => return Some((true, 0)),
        b'+' => true,
        b'-' => false,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let number = |text: &str| match text.len() {
        2 => text.parse::<u64>().ok(),
        _ => None,
    };
    Some((ahead, number(hours)? * 3600 + number(minutes)? * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, milliseconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(milliseconds)
    }

    #[test]
    fn times_are_written_as_the_api_writes_them_and_read_back() {
        for (time, text) in [
            (at(0, 0), "1970-01-01T00:00:00.000Z"),
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
    }

    #[test]
    fn other_forms_of_the_same_time_are_read_and_nothing_else_is() {
        for text in [
            "2026-06-05T08:00:00Z",
            "2026-06-05t08:00:00z",
            "2026-06-05 08:00:00.0Z",
            "2026-06-05T09:00:00+01:00",
            "2026-06-05T03:30:00.000-04:30",
            "2026-06-05T08:00:00.0000000001Z",
        ] {
            assert_eq!(from_iso(text), Some(at(1_780_646_400, 0)), "{text}");
        }
        for text in [
            "",
            "cmlqacdwm0001zovcpe6656cg",
            "2026-06-05",
            "2026-06-05T08:00:00",
            "2026-06-05T08:00:00.Z",
            "2026-06-05T08:00:00ZZ",
            "2026-06-05T08:00:00+1:00",
            "2026-06-05T08:00:00+01:xx",
            "2026-13-05T08:00:00Z",
            "2026-06-00T08:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "0000-01-01T00:00:00Z",
            "2026-06-05T08:00:0üZ",
        ] {
            assert_eq!(from_iso(text), None, "{text}");
        }
    }
}
