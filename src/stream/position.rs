//! Where a stream starts.

use std::time::SystemTime;

use crate::types::{Timestamp, time};

/// Where a stream starts: after a message, or after a time. See
/// [`StreamRequest::after`](super::StreamRequest::after).
///
/// A text is the id of a message, or a time as text (RFC 3339).
///
/// ```
/// use std::time::SystemTime;
///
/// use bimpeai::stream::StreamPosition;
///
/// let time = StreamPosition::from(SystemTime::UNIX_EPOCH);
/// assert_eq!(time, StreamPosition::from("1970-01-01T00:00:00.000Z"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPosition(pub(super) String);

impl From<&str> for StreamPosition {
    fn from(text: &str) -> Self {
        StreamPosition(text.to_owned())
    }
}

impl From<String> for StreamPosition {
    fn from(text: String) -> Self {
        StreamPosition(text)
    }
}

impl From<&String> for StreamPosition {
    fn from(text: &String) -> Self {
        StreamPosition(text.clone())
    }
}

/// Messages are dated in milliseconds, so the time is too.
impl From<SystemTime> for StreamPosition {
    fn from(time: SystemTime) -> Self {
        StreamPosition(time::to_iso(time))
    }
}

impl From<Timestamp> for StreamPosition {
    fn from(time: Timestamp) -> Self {
        StreamPosition(time.into())
    }
}

impl From<&Timestamp> for StreamPosition {
    fn from(time: &Timestamp) -> Self {
        StreamPosition(time.as_str().to_owned())
    }
}
