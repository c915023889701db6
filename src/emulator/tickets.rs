//! Stream tickets.

use std::collections::{HashMap, VecDeque};

use super::clock::Millis;

/// A permission to open one stream.
pub(super) struct Ticket {
    pub(super) agent: String,
    pub(super) conversation: String,
    pub(super) expires: Millis,
}

/// The most recent unused tickets.
#[derive(Default)]
pub(super) struct Tickets {
    by_text: HashMap<String, Ticket>,
    /// Tickets by age, the used ones included. All have the same lifetime, so the oldest expire
    /// first.
    issued: VecDeque<String>,
}

impl Tickets {
    /// How many unused tickets are kept. Beyond that, the oldest are no longer valid.
    const LIMIT: usize = 10_000;

    pub(super) fn add(&mut self, text: String, ticket: Ticket, now: Millis) {
        self.issued.push_back(text.clone());
        self.by_text.insert(text, ticket);
        while let Some(oldest) = self.issued.front() {
            let is_valid = self.valid(oldest, now).is_some();
            if is_valid && self.issued.len() <= Self::LIMIT {
                break;
            }
            if let Some(oldest) = self.issued.pop_front() {
                self.by_text.remove(&oldest);
            }
        }
    }

    pub(super) fn valid(&self, text: &str, now: Millis) -> Option<&Ticket> {
        self.by_text.get(text).filter(|ticket| ticket.expires > now)
    }

    pub(super) fn remove(&mut self, text: &str) {
        self.by_text.remove(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_tickets_are_bounded_and_the_newest_stay_valid() {
        let mut tickets = Tickets::default();
        let add = |tickets: &mut Tickets, text: usize, now| {
            let ticket = Ticket {
                agent: String::new(),
                conversation: String::new(),
                expires: now + 1000,
            };
            tickets.add(text.to_string(), ticket, now);
        };
        let valid =
            |tickets: &Tickets, text: usize, now| tickets.valid(&text.to_string(), now).is_some();
        for text in 0..=Tickets::LIMIT {
            add(&mut tickets, text, 0);
        }
        assert!(!valid(&tickets, 0, 0));
        assert!((1..=Tickets::LIMIT).all(|text| valid(&tickets, text, 0)));

        let last = Tickets::LIMIT + 1;
        add(&mut tickets, last, 1000);
        assert!(!valid(&tickets, last - 1, 1000));
        assert!(valid(&tickets, last, 1000));
        assert_eq!((tickets.by_text.len(), tickets.issued.len()), (1, 1));
    }
}
