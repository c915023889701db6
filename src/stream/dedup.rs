//! Which messages a stream has delivered.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Number of messages among which a duplicate is recognized.
const REMEMBERED: usize = 4096;

/// Recognizes messages that arrive again, by a seeded hash of the id of each.
///
/// It remembers the last 4,096 messages, and those that were the last 4,096 at the last break. A
/// server may replay more messages than are remembered. The oldest ones then count as new, and must
/// not displace those that the replay has yet to reach. Memory: 12 bytes for each message, 96 KiB
/// in all.
pub(super) struct Deduplicator {
    seed: [u64; 2],
    recent: Ring,
    /// The messages that were known at the last break, once there was one.
    at_break: Option<AtBreak>,
    /// Whether this connection has received a new message.
    brought_new: bool,
}

struct AtBreak {
    known: Ring,
    replay: Replay,
}

/// How far a connection has replayed the messages that were known at the break.
#[derive(Clone, Copy, PartialEq)]
enum Replay {
    /// No known message was replayed.
    None,
    /// More known messages may follow.
    Running,
    /// A new message followed.
    Over,
}

impl Default for Deduplicator {
    fn default() -> Self {
        let random = RandomState::new();
        Deduplicator {
            seed: [random.hash_one(0), random.hash_one(1) | 1],
            recent: Ring::default(),
            at_break: None,
            brought_new: false,
        }
    }
}

impl Deduplicator {
    /// Records that another connection is established, which may replay messages.
    pub(super) fn connected(&mut self) {
        let brought_new = std::mem::take(&mut self.brought_new);
        let is_old = match &mut self.at_break {
            None => true,
            // The replay was cut off, and may start anew: what it did not reach stays known.
            Some(AtBreak { replay, .. }) if *replay == Replay::Running => {
                *replay = Replay::None;
                false
            }
            Some(AtBreak { replay, .. }) => brought_new || *replay == Replay::Over,
        };
        if is_old && !self.recent.is_empty() {
            self.at_break = Some(AtBreak {
                known: self.recent.clone(),
                replay: Replay::None,
            });
        }
    }

    /// Remembers an id. Returns `false` if it was known already.
    #[inline]
    pub(super) fn is_new(&mut self, id: &[u8]) -> bool {
        let hash = self.hash(id);
        let is_recent = self.recent.has(hash);
        let was_known = match &mut self.at_break {
            None => false,
            Some(at_break) => at_break.note(hash),
        };
        if !is_recent {
            self.recent.push(hash);
        }
        let is_new = !is_recent && !was_known;
        self.brought_new |= is_new;
        is_new
    }

    /// A seeded hash: each eight bytes are multiplied to 128 bits, which are folded. It costs a
    /// fifth of the standard hash. Without the seed, nobody can construct two ids with the same
    /// hash.
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
}

impl AtBreak {
    /// Returns whether a message was known at the break, and records how far the replay is.
    #[inline]
    fn note(&mut self, hash: u64) -> bool {
        let was_known = self.known.has(hash);
        self.replay = match (was_known, self.replay) {
            (true, Replay::None) => Replay::Running,
            // Servers replay in order.
            (false, Replay::Running) => Replay::Over,
            (_, replay) => replay,
        };
        was_known
    }
}

/// The last hashes.
///
/// A `HashSet` and a `VecDeque` of them take 104 KiB where this takes 48 KiB, and a stream holds two.
/// They also cost 1 % more instructions a message (`cargo bench --bench instructions -- stream`).
///
/// A ring of hashes with chains through it, 12 bytes a message. A chain goes from the newest hash
/// of its bucket to ever older ones and ends at the first that is no longer remembered, so nothing
/// has to be taken out of a chain when its hash is overwritten.
#[derive(Clone, Default)]
struct Ring {
    hashes: Vec<u64>,
    /// The number of the next hash, which has its place at `number % REMEMBERED`.
    next: Number,
    /// The number of the newest hash in each bucket; there are as many as the ring has places, a
    /// power of two.
    newest: Vec<Number>,
    /// What follows in the chain of each hash.
    older: Vec<Number>,
}

/// The number of hashes before this one, modulo 2^16: of two that are remembered it tells which is
/// older, and one that is not can only lead to hashes of other buckets, which are not equal.
type Number = u16;

impl Ring {
    fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Adds a hash that it does not have.
    fn push(&mut self, hash: u64) {
        if self.hashes.len() < REMEMBERED {
            if self.hashes.len() == self.newest.len() {
                self.grow();
            }
            self.hashes.push(hash);
            self.older.push(0);
        }
        self.link(hash);
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

    fn id(number: usize) -> Vec<u8> {
        format!("message-{number}").into_bytes()
    }

    /// How many of these are new.
    fn count_new(seen: &mut Deduplicator, numbers: std::ops::Range<usize>) -> usize {
        numbers.filter(|number| seen.is_new(&id(*number))).count()
    }

    #[test]
    fn duplicates_are_known_4096_messages_back_and_no_memory_is_kept_beyond() {
        let mut seen = Deduplicator::default();
        assert_eq!(count_new(&mut seen, 0..REMEMBERED), REMEMBERED);
        assert_eq!(count_new(&mut seen, 0..REMEMBERED), 0);
        let more = REMEMBERED..3 * REMEMBERED;
        assert_eq!(count_new(&mut seen, more), 2 * REMEMBERED);
        for _ in 0..3 {
            let all = &seen.recent;
            assert_eq!(
                [
                    all.hashes.capacity(),
                    all.older.capacity(),
                    all.newest.capacity()
                ],
                [REMEMBERED; 3]
            );
            seen.connected();
            count_new(&mut seen, 0..3 * REMEMBERED);
        }
    }

    #[test]
    fn a_replay_of_any_length_repeats_only_what_was_forgotten() {
        for all in [
            REMEMBERED + 1,
            REMEMBERED + 900,
            2 * REMEMBERED,
            3 * REMEMBERED + 7,
        ] {
            let mut seen = Deduplicator::default();
            assert_eq!(count_new(&mut seen, 0..all), all);
            for _ in 0..3 {
                seen.connected();
                let forgotten = all - REMEMBERED;
                assert_eq!(count_new(&mut seen, 0..forgotten), forgotten, "{all}");
                assert_eq!(count_new(&mut seen, forgotten..all), 0, "{all}");
            }
            // Then the stream goes on as always.
            assert_eq!(count_new(&mut seen, all..all + 10), 10);
            seen.connected();
            assert_eq!(count_new(&mut seen, all..all + 20), 10);
        }
    }

    #[test]
    fn an_interrupted_replay_starts_again_with_the_messages_it_did_not_reach() {
        let all = REMEMBERED + 900;
        for cut in [901, 2000, all - 1] {
            let mut seen = Deduplicator::default();
            count_new(&mut seen, 0..all);
            seen.connected();
            assert_eq!(count_new(&mut seen, 0..cut), 900);
            // Some connections that bring nothing change nothing.
            for _ in 0..3 {
                seen.connected();
            }
            assert_eq!(count_new(&mut seen, 900..cut), 0, "{cut}");
            seen.connected();
            assert_eq!(count_new(&mut seen, 900..all), 0, "{cut}");
        }
    }

    #[test]
    fn ids_known_at_a_break_are_replaced_after_a_complete_replay() {
        let mut seen = Deduplicator::default();
        let mut all = 0;
        for _ in 0..4 {
            seen.connected();
            let forgotten = all - all.min(REMEMBERED);
            assert_eq!(count_new(&mut seen, 0..forgotten), forgotten, "{all}");
            assert_eq!(count_new(&mut seen, forgotten..all), 0, "{all}");
            let more = all..all + REMEMBERED + 5;
            all = more.end;
            assert_eq!(count_new(&mut seen, more), REMEMBERED + 5);
        }
    }

    #[test]
    fn ids_known_at_a_break_are_replaced_after_a_connection_that_resumed_as_asked() {
        let mut seen = Deduplicator::default();
        let mut from = 0;
        for _ in 0..5 {
            seen.connected();
            let to = from + REMEMBERED + 5;
            assert_eq!(count_new(&mut seen, from..to), REMEMBERED + 5);
            seen.connected();
            let known = to - REMEMBERED;
            assert_eq!(count_new(&mut seen, from..to), known - from);
            from = to;
        }
    }

    #[test]
    fn seen_ids_agree_with_a_plain_list() {
        let mut seen = Deduplicator::default();
        let (mut list, mut set) = (VecDeque::new(), HashSet::new());
        let mut number = 1_u64;
        // More than there are numbers for, several times.
        for _ in 0..500_000 {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // About half of these ids are among the last 4,096.
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
    #[test]
    fn ids_that_differ_in_one_bit_are_not_taken_for_each_other() {
        for length in [1, 7, 8, 9, 24, 25] {
            let mut seen = Deduplicator::default();
            let id = vec![b'0'; length];
            assert!(seen.is_new(&id));
            for bit in 0..8 * length {
                let mut other = id.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                assert!(seen.is_new(&other), "bit {bit} of {length} bytes");
            }
            assert!(seen.is_new(&[&id[..], &b"0"[..]].concat()));
        }
    }

    #[test]
    fn memory_doubles_as_messages_arrive() {
        let mut ring = Ring::default();
        let mut sizes = Vec::new();
        for hash in 0..REMEMBERED as u64 {
            ring.push(hash);
            sizes.push(ring.newest.len());
            assert!(ring.hashes.capacity() <= ring.newest.len());
        }
        sizes.dedup();
        assert_eq!(sizes, [16, 32, 64, 128, 256, 512, 1024, 2048, REMEMBERED]);
    }
}
