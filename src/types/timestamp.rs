//! Times of the API.

use std::cmp::Ordering;
use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::time;

/// A time of the API (RFC 3339), such as `2026-06-05T08:00:00.000Z`. The text stays as received.
///
/// The text is not checked when it is decoded, so that a time of another form does not fail a whole
/// response. It is empty if the server sent no time.
///
/// Two values are equal if their texts are. They are ordered by time, and by text if the times are
/// the same. Texts that are not a time come first.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use bimpeai::types::Timestamp;
///
/// let early = Timestamp::from("2026-06-05T09:30:00+02:00");
/// let late = Timestamp::from("2026-06-05T08:00:00.000Z");
/// assert!(early < late);
/// let half_an_hour = Duration::from_secs(30 * 60);
/// let time = early.to_system_time().unwrap() + half_an_hour;
/// assert_eq!(Timestamp::from(time), late);
/// assert_eq!(early.to_string(), "2026-06-05T09:30:00+02:00");
/// assert_eq!(Timestamp::from("yesterday").to_system_time(), None);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(String);

impl Timestamp {
    /// Returns the text as received.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the time, or `None` if the text is not an RFC 3339 time, or before 1601 on Windows,
    /// where `SystemTime` begins in that year.
    ///
    /// The text is parsed at each call. Digits beyond nanoseconds are dropped. A leap second
    /// (`23:59:60`) is the second after it.
    pub fn to_system_time(&self) -> Option<SystemTime> {
        time::from_iso(&self.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        let times = time::parse(&self.0).cmp(&time::parse(&other.0));
        times.then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq<str> for Timestamp {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Timestamp {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl AsRef<str> for Timestamp {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<String> for Timestamp {
    fn from(text: String) -> Self {
        Timestamp(text)
    }
}

impl From<&str> for Timestamp {
    fn from(text: &str) -> Self {
        Timestamp(text.to_owned())
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.0
    }
}

/// Writes the time as the API does: in UTC, with milliseconds.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Timestamp(time::to_iso(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Timestamp {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn any_text_is_kept_and_written_back() {
        for json in [
            r#""2026-06-05T08:00:00.000Z""#,
            r#""2026-06-05 10:00:00.1234567891+02:00""#,
            r#""0001-01-01T00:00:00Z""#,
            r#""next week""#,
            r#""""#,
        ] {
            let time = read(json);
            assert_eq!(serde_json::to_string(&time).unwrap(), json);
            let text = json.trim_matches('"');
            assert_eq!((time.as_str(), &*time.to_string()), (text, text));
            assert_eq!(format!("{time:?}"), json);
        }
        assert!(serde_json::from_str::<Timestamp>("1780646400").is_err());
        assert_eq!(format!("{:>6}|", Timestamp::from("x")), "     x|");
    }

    #[test]
    fn times_are_ordered_by_time_and_equal_by_text() {
        let ascending = [
            "",
            "later",
            "0001-01-01T00:00:00Z",
            "0001-01-01T00:00:00.000000001Z",
            "2026-06-05T09:59:59.999+02:00",
            "2026-06-05T08:00:00Z",
            "2026-06-05T10:00:00+02:00",
            "2026-06-05T08:00:00.001Z",
        ]
        .map(Timestamp::from);
        for (at, earlier) in ascending.iter().enumerate() {
            for (other, later) in ascending.iter().enumerate() {
                assert_eq!(earlier.cmp(later), at.cmp(&other), "{earlier} {later}");
                assert_eq!(earlier == later, at == other, "{earlier} {later}");
            }
        }
        assert_eq!(ascending[5], "2026-06-05T08:00:00Z");
    }
}
