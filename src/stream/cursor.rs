//! The position that a stream has reached.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::types::time;

/// Margin before the opening time from which a stream without a message resumes. The server that
/// sends `Date` and the one that dates messages may have different clocks.
const MARGIN: Duration = Duration::from_secs(10);

/// Maximum time between the opening of a stream and its first heartbeat.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(20);

/// `Date` has whole seconds.
const RESOLUTION: Duration = Duration::from_secs(1);

/// The longest id that is sent, in bytes; those of the API have 25.
const LONGEST_ID: usize = 1024;

/// Returns whether a request can carry this id as its position.
pub(super) fn is_position(id: &str) -> bool {
    id.len() <= LONGEST_ID
}

/// Where to resume after a break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cursor {
    /// Nothing is known yet.
    Unknown,
    /// There was no message yet.
    Opened(Opening),
    /// The caller gave a time, and there was no message yet.
    Since(String),
    /// The last message, or the one that the caller gave.
    After(String),
}

/// When the stream was opened by the server's clock, with a margin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    /// Messages that are older are not part of the stream.
    pub(super) earliest: SystemTime,
    text: String,
    /// Whether a heartbeat has confirmed or corrected the time.
    confirmed: bool,
}

impl Opening {
    fn new(earliest: SystemTime, confirmed: bool) -> Self {
        Opening {
            earliest,
            text: time::to_iso(earliest),
            confirmed,
        }
    }
}

impl Cursor {
    /// Starts where the caller says: after a message, or after a time.
    pub(super) fn given(after: &str) -> Self {
        // `2026-06-05T…` is not sent as `Last-Event-ID`, because a time is not an event's id.
        let is_time = after.as_bytes().get(..11).is_some_and(|date| {
            date.iter().enumerate().all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                10 => matches!(byte, b'T' | b't' | b' '),
                _ => byte.is_ascii_digit(),
            })
        });
        match is_time {
            true => Cursor::Since(after.to_owned()),
            false => Cursor::After(after.to_owned()),
        }
    }

    /// Takes the server's time from the `Date` of a response. Only the first one counts.
    pub(super) fn response_dated(&mut self, date: Option<SystemTime>) {
        if let (Cursor::Unknown, Some(date)) = (&*self, date.filter(is_plausible)) {
            *self = Cursor::Opened(Opening::new(date - MARGIN, false));
        }
    }

    /// Returns whether a heartbeat could correct the opening time.
    pub(super) fn wants_heartbeat(&self) -> bool {
        match self {
            Cursor::Unknown => true,
            Cursor::Opened(opening) => !opening.confirmed,
            Cursor::Since(_) | Cursor::After(_) => false,
        }
    }

    /// Takes the opening time from a heartbeat if no response had a `Date`. Otherwise the first
    /// heartbeat corrects a `Date` that is ahead of it, because heartbeats and messages have the
    /// same clock.
    ///
    /// `since_date` is the time that has passed since the `Date`.
    pub(super) fn heartbeat_at(&mut self, milliseconds: u64, since_date: Duration) {
        let sent = UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds));
        let Some(sent) = sent.filter(is_plausible) else {
            return;
        };
        match self {
            Cursor::Unknown => {
                *self = Cursor::Opened(Opening::new(sent - HEARTBEAT_INTERVAL, true));
            }
            Cursor::Opened(opening) if !opening.confirmed => {
                opening.confirmed = true;
                let earliest = sent
                    .checked_sub(since_date)
                    .and_then(|opened| opened.checked_sub(MARGIN));
                match earliest {
                    Some(earliest) if earliest + RESOLUTION < opening.earliest => {
                        *opening = Opening::new(earliest, true);
                    }
                    _ => {}
                }
            }
            Cursor::Opened(_) | Cursor::Since(_) | Cursor::After(_) => {}
        }
    }

    /// Continues after a message. Returns `false` for one whose id a request cannot carry: the
    /// cursor stays, and the message is recognized when it arrives again.
    pub(super) fn message(&mut self, id: &str) -> bool {
        if !is_position(id) {
            return false;
        }
        if !matches!(self, Cursor::After(_)) {
            *self = Cursor::After(String::new());
        }
        if let Cursor::After(last) = self {
            last.clear();
            last.push_str(id);
        }
        true
    }

    /// Returns the time of the opening while there was no message.
    pub(super) fn opening(&self) -> Option<&Opening> {
        match self {
            Cursor::Opened(opening) => Some(opening),
            Cursor::Unknown | Cursor::Since(_) | Cursor::After(_) => None,
        }
    }

    /// Returns what is sent as `after=`.
    pub(super) fn after(&self) -> Option<&str> {
        match self {
            Cursor::Unknown => None,
            Cursor::Opened(opening) => Some(&opening.text),
            Cursor::Since(time) => Some(time),
            Cursor::After(id) => Some(id),
        }
    }

    /// Returns what is sent as `Last-Event-ID`: a time is not an event's id.
    pub(super) fn last_event_id(&self) -> Option<&str> {
        match self {
            Cursor::After(id) => Some(id),
            Cursor::Unknown | Cursor::Opened(_) | Cursor::Since(_) => None,
        }
    }
}

/// Returns whether a server's clock is plausible. A clock that was never set starts at 1970.
fn is_plausible(time: &SystemTime) -> bool {
    const YEAR_1990: Duration = Duration::from_secs(631_152_000);
    const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);
    time.duration_since(UNIX_EPOCH)
        .is_ok_and(|since| (YEAR_1990..YEAR_10000).contains(&since))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1994-11-06T08:49:37Z plus this number of seconds.
    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(784_111_777 + seconds)
    }

    fn milliseconds(seconds: u64) -> u64 {
        1000 * (784_111_777 + seconds)
    }

    const NO_TIME: Duration = Duration::ZERO;

    #[test]
    fn the_first_date_opens_with_a_margin_and_the_first_message_ends_that() {
        let mut cursor = Cursor::Unknown;
        cursor.response_dated(None);
        assert_eq!(cursor, Cursor::Unknown);
        cursor.response_dated(Some(at(0)));
        cursor.response_dated(Some(at(20)));
        cursor.heartbeat_at(milliseconds(90), NO_TIME);
        assert_eq!(cursor.after(), Some("1994-11-06T08:49:27.000Z"));
        assert_eq!(cursor.last_event_id(), None);
        cursor.message("m1");
        cursor.response_dated(Some(at(30)));
        cursor.heartbeat_at(milliseconds(0), NO_TIME);
        assert_eq!(
            (cursor.after(), cursor.last_event_id()),
            (Some("m1"), Some("m1"))
        );
    }

    #[test]
    fn a_time_is_sent_as_after_alone_and_an_id_that_is_too_long_not_at_all() {
        for (after, last_event_id) in [
            ("2026-06-05T08:00:00.000Z", None),
            ("2026-06-05", Some("2026-06-05")),
            (
                "cmlqacdwm0001zovcpe6656cg",
                Some("cmlqacdwm0001zovcpe6656cg"),
            ),
        ] {
            let mut cursor = Cursor::given(after);
            cursor.response_dated(Some(at(10)));
            cursor.heartbeat_at(milliseconds(0), NO_TIME);
            assert_eq!(cursor.after(), Some(after));
            assert_eq!(cursor.last_event_id(), last_event_id);
            assert!(!cursor.message(&"x".repeat(LONGEST_ID + 1)));
            assert_eq!(cursor.after(), Some(after));
            assert!(cursor.message(&"x".repeat(LONGEST_ID)));
            assert_eq!(cursor.last_event_id().map(str::len), Some(LONGEST_ID));
        }
    }

    #[test]
    fn a_heartbeat_tells_the_time_if_no_response_did() {
        let mut cursor = Cursor::Unknown;
        cursor.heartbeat_at(milliseconds(0) + 500, NO_TIME);
        assert_eq!(cursor.after(), Some("1994-11-06T08:49:17.500Z"));
    }

    #[test]
    fn clocks_that_cannot_be_right_tell_nothing() {
        let mut cursor = Cursor::Unknown;
        for milliseconds in [0, 25_000, 784_111_777, 253_402_300_800_000, u64::MAX] {
            cursor.heartbeat_at(milliseconds, NO_TIME);
        }
        for seconds in [0, 5, 86_400 * 365, 253_402_300_800] {
            cursor.response_dated(UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        }
        assert_eq!(cursor, Cursor::Unknown);
        // Nor do they correct what is known.
        cursor.response_dated(Some(at(0)));
        cursor.heartbeat_at(25_000, NO_TIME);
        assert_eq!(cursor.after(), Some("1994-11-06T08:49:27.000Z"));
    }

    #[test]
    fn the_first_heartbeat_corrects_a_date_that_is_ahead() {
        let after = |sent, since_date, later| {
            let mut cursor = Cursor::Unknown;
            cursor.response_dated(Some(at(3600)));
            cursor.heartbeat_at(milliseconds(sent), Duration::from_secs(since_date));
            cursor.heartbeat_at(milliseconds(later), NO_TIME);
            cursor.after().unwrap_or_default().to_owned()
        };
        let by_date = "1994-11-06T09:49:27.000Z";
        // An hour ahead: the stream was opened 20 s before the heartbeat.
        assert_eq!(after(20, 20, 0), "1994-11-06T08:49:27.000Z");
        // In agreement within what `Date` can tell, or behind.
        assert_eq!(after(3620, 21, 0), by_date);
        assert_eq!(after(7200, 20, 0), by_date);
    }
    #[test]
    fn a_heartbeat_is_wanted_until_one_has_told_the_time_or_a_position_is_known() {
        let mut cursor = Cursor::Unknown;
        assert!(cursor.wants_heartbeat());
        cursor.response_dated(Some(at(0)));
        assert!(cursor.wants_heartbeat());
        cursor.heartbeat_at(milliseconds(0), NO_TIME);
        assert!(!cursor.wants_heartbeat());
        for given in ["2026-06-05T08:00:00.000Z", "m1"] {
            assert!(!Cursor::given(given).wants_heartbeat(), "{given}");
        }
    }
}
