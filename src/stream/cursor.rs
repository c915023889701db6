//! Where a stream has got to, and which messages it has seen.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many messages back a repeat is recognised.
const REMEMBERED: usize = 4096;

/// How much earlier than its first heartbeat a stream may have been opened.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(20);

/// The longest id that goes out, in bytes; those of the API have 25.
const LONGEST_ID: usize = 1024;

/// From where to go on after a break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cursor {
    /// Nothing is known yet.
    Unknown,
    /// When the stream was opened, by the server's clock, or what time the caller gave as `after`:
    /// there was no message yet.
    Opened(String),
    /// The last message, or what the caller gave as `after`.
    After(String),
}

impl Cursor {
    /// Learns the server's time from an answer's `Date`; the first one counts.
    pub(super) fn answered_at(&mut self, date: Option<SystemTime>) {
        if let (Cursor::Unknown, Some(date)) = (&*self, date) {
            *self = Cursor::Opened(iso_time(date));
        }
    }

    /// Learns it from a heartbeat, where the answers had no `Date`.
    pub(super) fn heartbeat_at(&mut self, milliseconds: u64) {
        // A clock of year 0 or 10,000 tells nothing.
        const PLAUSIBLE: std::ops::Range<u64> = 20_000..253_402_300_800_000;
        if !PLAUSIBLE.contains(&milliseconds) {
            return;
        }
        let time = UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds));
        self.answered_at(time.and_then(|time| time.checked_sub(HEARTBEAT_INTERVAL)));
    }

    /// Starts where the caller says: after a message, or after a time.
    pub(super) fn given(after: &str) -> Self {
        // `2026-06-05T…`: no header is for it, as a time is no event's id.
        let is_time = after.as_bytes().get(..11).is_some_and(|date| {
            date.iter().enumerate().all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                10 => matches!(byte, b'T' | b't' | b' '),
                _ => byte.is_ascii_digit(),
            })
        });
        match is_time {
            true => Cursor::Opened(after.to_owned()),
            false => Cursor::After(after.to_owned()),
        }
    }

    /// Goes on after a message; `false` for one whose id no request line could hold: it leaves the
    /// cursor where it is, and is recognised when it comes again.
    pub(super) fn message(&mut self, id: &str) -> bool {
        if id.len() > LONGEST_ID {
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

    /// What goes out as `after=`.
    pub(super) fn after(&self) -> Option<&str> {
        match self {
            Cursor::Unknown => None,
            Cursor::Opened(time) => Some(time),
            Cursor::After(id) => Some(id),
        }
    }

    /// What goes out as `Last-Event-ID`: a time is no event's id.
    pub(super) fn last_event_id(&self) -> Option<&str> {
        match self {
            Cursor::After(id) => Some(id),
            Cursor::Unknown | Cursor::Opened(_) => None,
        }
    }
}

/// `2026-06-05T08:00:00.000Z`
fn iso_time(time: SystemTime) -> String {
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

/// The ids of the last messages, by a seeded hash of each.
///
/// A ring of hashes with chains through it, 12 bytes a message. A chain goes from the newest hash
/// of its bucket to ever older ones and ends at the first that is no longer remembered, so nothing
/// has to be taken out of a chain when its hash is overwritten.
pub(super) struct Seen {
    seed: [u64; 2],
    hashes: Vec<u64>,
    /// The number of the next hash, which has its place at `number % REMEMBERED`.
    next: Number,
    /// The number of the newest hash in each bucket; there are as many as the ring has places, a
    /// power of two.
    newest: Vec<Number>,
    /// What follows in the chain of each hash.
    older: Vec<Number>,
}

/// How many hashes came before this one, modulo 2^16: of two that are remembered it tells which is
/// older, and one that is not can only lead to hashes of other buckets, which are not equal.
type Number = u16;

impl Default for Seen {
    fn default() -> Self {
        let random = RandomState::new();
        Seen {
            seed: [random.hash_one(0), random.hash_one(1) | 1],
            hashes: Vec::new(),
            next: 0,
            newest: Vec::new(),
            older: Vec::new(),
        }
    }
}

impl Seen {
    /// The id by eights, each multiplied to 128 bits that are folded: a fifth of what the standard
    /// hash costs, and who does not know the seed finds no two ids with one hash here either.
    #[inline]
    fn hash(&self, id: &[u8]) -> u64 {
        let fold = |hash: u64, word: [u8; 8]| {
            let product = u128::from(hash ^ u64::from_le_bytes(word)) * u128::from(self.seed[1]);
            product as u64 ^ (product >> 64) as u64
        };
        let mut hash = fold(self.seed[0], (id.len() as u64).to_le_bytes());
        let mut rest = id;
        while let Some((word, after)) = rest.split_first_chunk() {
            hash = fold(hash, *word);
            rest = after;
        }
        // The last eight overlap what is hashed already, so that no copy of the rest is made.
        let last = match id.last_chunk() {
            Some(last) => *last,
            None => std::array::from_fn(|at| rest.get(at).copied().unwrap_or(0)),
        };
        fold(hash, last).wrapping_mul(self.seed[1])
    }

    /// Remembers an id; `false` when it was known already.
    pub(super) fn is_new(&mut self, id: &[u8]) -> bool {
        let hash = self.hash(id);
        if self.has(hash) {
            return false;
        }
        if self.hashes.len() < REMEMBERED {
            if self.hashes.len() == self.newest.len() {
                self.grow();
            }
            self.hashes.push(hash);
            self.older.push(0);
        }
        self.link(hash);
        true
    }

    #[inline]
    fn has(&self, hash: u64) -> bool {
        let Some(mut number) = self.newest.get(self.bucket(hash)).copied() else {
            return false;
        };
        let mut younger = 0;
        loop {
            let age = usize::from(self.next.wrapping_sub(number));
            let place = usize::from(number) % REMEMBERED;
            if age <= younger || age > self.hashes.len() {
                return false;
            }
            if self.hashes[place] == hash {
                return true;
            }
            younger = age;
            number = self.older[place];
        }
    }

    fn bucket(&self, hash: u64) -> usize {
        hash as usize & self.newest.len().wrapping_sub(1)
    }

    /// Puts a hash at the next place, and at the front of its bucket's chain.
    fn link(&mut self, hash: u64) {
        let place = usize::from(self.next) % REMEMBERED;
        let bucket = self.bucket(hash);
        self.hashes[place] = hash;
        self.older[place] = std::mem::replace(&mut self.newest[bucket], self.next);
        self.next = self.next.wrapping_add(1);
    }

    fn grow(&mut self) {
        let places = (2 * self.hashes.len()).max(16);
        self.hashes.reserve_exact(places - self.hashes.len());
        self.older.reserve_exact(places - self.older.len());
        // None is remembered under the number of the next.
        self.newest = vec![0; places];
        self.next = 0;
        for place in 0..self.hashes.len() {
            self.link(self.hashes[place]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashSet, VecDeque};

    use super::*;

    fn at(seconds: u64, milliseconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(milliseconds)
    }

    #[test]
    fn times_are_written_as_the_api_writes_them() {
        for (time, text) in [
            (at(0, 0), "1970-01-01T00:00:00.000Z"),
            (at(951_782_399, 7), "2000-02-28T23:59:59.007Z"),
            (at(951_782_400, 0), "2000-02-29T00:00:00.000Z"),
            (at(1_709_251_199, 0), "2024-02-29T23:59:59.000Z"),
            (at(1_709_251_200, 0), "2024-03-01T00:00:00.000Z"),
            (at(1_780_646_400, 999), "2026-06-05T08:00:00.999Z"),
            (at(4_107_542_400, 0), "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(iso_time(time), text);
        }
    }

    #[test]
    fn the_first_answer_opens_and_the_first_message_ends_that() {
        let mut cursor = Cursor::Unknown;
        cursor.answered_at(None);
        assert_eq!(cursor, Cursor::Unknown);
        cursor.answered_at(Some(at(10, 0)));
        cursor.answered_at(Some(at(20, 0)));
        cursor.heartbeat_at(90_000);
        assert_eq!(cursor.after(), Some("1970-01-01T00:00:10.000Z"));
        assert_eq!(cursor.last_event_id(), None);
        cursor.message("m1");
        cursor.answered_at(Some(at(30, 0)));
        assert_eq!(
            (cursor.after(), cursor.last_event_id()),
            (Some("m1"), Some("m1"))
        );
    }

    #[test]
    fn a_time_goes_out_as_after_alone_and_an_id_that_is_too_long_not_at_all() {
        for (after, last_event_id) in [
            ("2026-06-05T08:00:00.000Z", None),
            ("2026-06-05", Some("2026-06-05")),
            (
                "cmlqacdwm0001zovcpe6656cg",
                Some("cmlqacdwm0001zovcpe6656cg"),
            ),
        ] {
            let mut cursor = Cursor::given(after);
            cursor.answered_at(Some(at(10, 0)));
            assert_eq!(cursor.after(), Some(after));
            assert_eq!(cursor.last_event_id(), last_event_id);
            assert!(!cursor.message(&"x".repeat(LONGEST_ID + 1)));
            assert_eq!(cursor.after(), Some(after));
            assert!(cursor.message(&"x".repeat(LONGEST_ID)));
            assert_eq!(cursor.last_event_id().map(str::len), Some(LONGEST_ID));
        }
    }

    #[test]
    fn a_heartbeat_tells_the_time_where_no_answer_did() {
        let mut cursor = Cursor::Unknown;
        cursor.heartbeat_at(u64::MAX);
        cursor.heartbeat_at(0);
        assert_eq!(cursor, Cursor::Unknown);
        cursor.heartbeat_at(80_500);
        assert_eq!(cursor.after(), Some("1970-01-01T00:01:00.500Z"));
    }

    #[test]
    fn repeats_are_known_4096_messages_back_and_no_memory_is_kept_beyond() {
        let mut seen = Seen::default();
        let id = |n: usize| format!("message-{n}").into_bytes();
        for n in 0..REMEMBERED {
            assert!(seen.is_new(&id(n)));
        }
        for n in 0..REMEMBERED {
            assert!(!seen.is_new(&id(n)));
        }
        for n in REMEMBERED..3 * REMEMBERED {
            assert!(seen.is_new(&id(n)));
        }
        assert_eq!(
            [
                seen.hashes.capacity(),
                seen.older.capacity(),
                seen.newest.capacity()
            ],
            [REMEMBERED; 3]
        );
        assert!(seen.is_new(&id(0)));
    }

    #[test]
    fn what_is_seen_is_what_a_plain_list_says() {
        let mut seen = Seen::default();
        let (mut list, mut set) = (VecDeque::new(), HashSet::new());
        let mut number = 1_u64;
        // More than there are numbers for, several times.
        for _ in 0..500_000 {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // Of so many ids about half are among the last 4,096.
            let id = (number >> 33) % 8192;
            let is_new = set.insert(id);
            if is_new {
                list.push_back(id);
                if list.len() > REMEMBERED {
                    set.remove(&list.pop_front().unwrap());
                }
            }
            assert_eq!(seen.is_new(&id.to_le_bytes()), is_new);
        }
    }
}
