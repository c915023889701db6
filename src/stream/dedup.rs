//! Which messages a stream has seen.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// How many messages back a duplicate is recognized.
const REMEMBERED: usize = 4096;

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
