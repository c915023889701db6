//! The stored results of writes that carried an `Idempotency-Key`.

use std::collections::{BTreeMap, HashMap};
use std::mem::size_of;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::clock::{Millis, millis};
use super::http::Request;
use super::ids::is_uuid;
use super::response::{ErrorResponse, Response};
use super::sync::lock;

/// Memory for stored results, request bodies included. The oldest results make room for new ones.
const LIMIT: usize = 32 * 1024 * 1024;

#[derive(Default)]
pub(super) struct IdempotencyStore {
    entries: Mutex<Entries>,
    changed: Condvar,
    rules: Rules,
}

/// How keys are treated.
#[derive(Clone, Copy, Default)]
pub(super) struct Rules {
    /// How long a key is remembered. `None` means as long as there is room.
    pub(super) window: Option<Duration>,
    /// A request whose key is in progress is refused. Otherwise it waits.
    pub(super) conflicts: bool,
    /// A replay says so in a header.
    pub(super) marks_replays: bool,
}

#[derive(Default)]
struct Entries {
    by_id: HashMap<Id, Entry>,
    /// The ids by age.
    order: BTreeMap<u64, Id>,
    created: u64,
    /// The memory that the entries take.
    bytes: usize,
    closed: bool,
}

/// Key, method and path.
type Id = (String, String, String);

struct Entry {
    number: u64,
    created: Millis,
    body: Vec<u8>,
    /// `None` while the first request is being performed.
    result: Option<Response>,
}

/// What to do with a request that carries a key.
pub(super) enum Lookup<'a> {
    /// The key is new: perform the request.
    New(InFlight<'a>),
    /// The request was performed before.
    Replay(Response),
}

/// The right to perform the first request of a key. Dropped without a result, it passes to the
/// next identical request.
pub(super) struct InFlight<'a> {
    store: &'a IdempotencyStore,
    id: Option<Id>,
}

impl IdempotencyStore {
    pub(super) fn new(rules: Rules) -> Self {
        IdempotencyStore {
            rules,
            ..IdempotencyStore::default()
        }
    }

    /// Looks up a request's key. While an identical request is being performed, it waits or
    /// refuses.
    pub(super) fn look_up(
        &self,
        key: &str,
        request: &Request,
        now: Millis,
    ) -> Result<Lookup<'_>, ErrorResponse> {
        // Two spellings of one UUID are one key; other keys are compared as they are.
        let key = if is_uuid(key) {
            key.to_ascii_lowercase()
        } else {
            key.to_owned()
        };
        let id: Id = (key, request.method.clone(), request.path.clone());
        let mut entries = lock(&self.entries);
        if let Some(window) = self.rules.window {
            entries.forget_before(now.saturating_sub(millis(window)));
        }
        loop {
            match entries.by_id.get(&id) {
                Some(entry) if entry.body != request.body => {
                    let message = "This Idempotency-Key was used with a different request body.";
                    return Err(ErrorResponse::new(409, "conflict", message));
                }
                Some(Entry {
                    result: Some(response),
                    ..
                }) => {
                    let mut replay = response.clone();
                    if self.rules.marks_replays {
                        let header = ("Idempotent-Replayed".to_owned(), "true".to_owned());
                        replay.headers.push(header);
                    }
                    return Ok(Lookup::Replay(replay));
                }
                Some(_) if self.rules.conflicts => {
                    let message = "A request with this Idempotency-Key is still in progress.";
                    return Err(ErrorResponse::new(409, "conflict", message));
                }
                Some(_) if !entries.closed => {
                    let waited = self.changed.wait(entries);
                    entries = waited.unwrap_or_else(|e| e.into_inner());
                }
                _ => break,
            }
        }
        entries.start(id.clone(), request.body.clone(), now);
        Ok(Lookup::New(InFlight {
            store: self,
            id: Some(id),
        }))
    }

    /// Ends every wait.
    pub(super) fn close(&self) {
        self.entries().closed = true;
        self.changed.notify_all();
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        lock(&self.entries)
    }
}

impl InFlight<'_> {
    /// Stores the result.
    pub(super) fn finish(mut self, response: &Response) {
        if let Some(id) = self.id.take() {
            self.store.entries().finish(&id, response);
        }
        self.store.changed.notify_all();
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.store.entries().remove(&id);
            self.store.changed.notify_all();
        }
    }
}

impl Entries {
    fn start(&mut self, id: Id, body: Vec<u8>, now: Millis) {
        self.remove(&id);
        self.created += 1;
        let entry = Entry {
            number: self.created,
            created: now,
            body,
            result: None,
        };
        self.bytes += size(&id, &entry);
        self.order.insert(entry.number, id.clone());
        self.by_id.insert(id, entry);
    }

    fn finish(&mut self, id: &Id, response: &Response) {
        if let Some(entry) = self.by_id.get_mut(id) {
            entry.result = Some(response.clone());
            self.bytes += response.body.len();
        }
        while self.bytes > LIMIT {
            let Some((oldest, _)) = self.oldest_finished() else {
                break;
            };
            self.remove(&oldest);
        }
    }

    /// Forgets the keys that were first used at this time or earlier.
    fn forget_before(&mut self, time: Millis) {
        while let Some((oldest, created)) = self.oldest_finished() {
            if created > time {
                break;
            }
            self.remove(&oldest);
        }
    }

    fn oldest_finished(&self) -> Option<(Id, Millis)> {
        self.order.values().find_map(|id| {
            let entry = self.by_id.get(id)?;
            entry.result.is_some().then(|| (id.clone(), entry.created))
        })
    }

    fn remove(&mut self, id: &Id) {
        if let Some(entry) = self.by_id.remove(id) {
            self.order.remove(&entry.number);
            self.bytes -= size(id, &entry);
        }
    }
}

fn size(id: &Id, entry: &Entry) -> usize {
    let (key, method, path) = id;
    let result = entry
        .result
        .as_ref()
        .map_or(0, |response| response.body.len());
    // The id is stored twice.
    2 * (size_of::<Id>() + key.len() + method.len() + path.len())
        + size_of::<Entry>()
        + entry.body.len()
        + result
}
