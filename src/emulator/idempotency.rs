//! The first result of every write that carried an `Idempotency-Key`.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard};

use super::answer::{Answer, Refusal};
use super::http::Request;
use super::world::lock;

/// Results kept; an emulator that runs for days must not grow without end.
const KEPT: usize = 20_000;

#[derive(Default)]
pub(super) struct Ledger {
    pages: Mutex<Pages>,
    changed: Condvar,
}

#[derive(Default)]
struct Pages {
    entries: HashMap<Name, Entry>,
    order: VecDeque<Name>,
    closed: bool,
}

/// Key, method, path.
type Name = (String, String, String);

struct Entry {
    body: Vec<u8>,
    /// `None` while the first request is being performed.
    result: Option<Answer>,
}

/// What to do with a request that carries a key.
pub(super) enum Turn<'a> {
    /// It is the first: perform it and say how it ended.
    Perform(Performing<'a>),
    /// It was performed before.
    Replay(Answer),
}

/// The right to perform; given up unperformed, it passes to the next identical request.
pub(super) struct Performing<'a> {
    ledger: &'a Ledger,
    name: Option<Name>,
}

impl Ledger {
    /// Waits while an identical request is being performed.
    pub(super) fn turn(&self, key: &str, request: &Request) -> Result<Turn<'_>, Refusal> {
        let name: Name = (key.to_owned(), request.method.clone(), request.path.clone());
        let mut pages = lock(&self.pages);
        loop {
            match pages.entries.get(&name) {
                Some(entry) if entry.body != request.body => {
                    let message = "This Idempotency-Key was used with a different request body.";
                    return Err(Refusal::new(409, "conflict", message));
                }
                Some(Entry {
                    result: Some(answer),
                    ..
                }) => return Ok(Turn::Replay(answer.clone())),
                Some(_) if !pages.closed => {
                    pages = self.changed.wait(pages).unwrap_or_else(|e| e.into_inner());
                }
                _ => break,
            }
        }
        pages.entries.insert(
            name.clone(),
            Entry {
                body: request.body.clone(),
                result: None,
            },
        );
        pages.order.push_back(name.clone());
        if pages.order.len() > KEPT {
            if let Some(oldest) = pages.order.pop_front() {
                pages.entries.remove(&oldest);
            }
        }
        Ok(Turn::Perform(Performing {
            ledger: self,
            name: Some(name),
        }))
    }

    /// Nobody waits any more.
    pub(super) fn close(&self) {
        self.pages().closed = true;
        self.changed.notify_all();
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        lock(&self.pages)
    }
}

impl Performing<'_> {
    pub(super) fn done(mut self, answer: &Answer) {
        if let Some(name) = self.name.take() {
            if let Some(entry) = self.ledger.pages().entries.get_mut(&name) {
                entry.result = Some(answer.clone());
            }
        }
        self.ledger.changed.notify_all();
    }
}

impl Drop for Performing<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            let mut pages = self.ledger.pages();
            pages.entries.remove(&name);
            pages.order.retain(|kept| *kept != name);
            drop(pages);
            self.ledger.changed.notify_all();
        }
    }
}
