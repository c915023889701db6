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

pub(super) struct IdempotencyStore {
    entries: Mutex<Entries>,
    changed: Condvar,
    rules: Rules,
}

/// How keys are treated.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// Memory for stored results, request bodies included. The oldest results make room for new
    /// ones.
    limit: usize,
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

impl Default for Rules {
    fn default() -> Self {
        Rules {
            limit: 32 * 1024 * 1024,
            window: None,
            conflicts: false,
            marks_replays: false,
        }
    }
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
            entries: Mutex::default(),
            changed: Condvar::new(),
            rules,
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
            let limit = self.store.rules.limit;
            self.store.entries().finish(&id, response, limit);
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

    fn finish(&mut self, id: &Id, response: &Response, limit: usize) {
        if let Some(entry) = self.by_id.get_mut(id) {
            entry.result = Some(response.clone());
            self.bytes += response.body.len();
        }
        while self.bytes > limit {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a write of 1,000 bytes with a response of 1,000 bytes. Returns the response.
    fn send(store: &IdempotencyStore, key: &str, response: &[u8]) -> Vec<u8> {
        let request = Request {
            method: "POST".to_owned(),
            path: "/agents".to_owned(),
            body: vec![b'x'; 1000],
            ..Request::default()
        };
        match store.look_up(key, &request, 0) {
            Ok(Lookup::Replay(replay)) => replay.body,
            Ok(Lookup::New(in_flight)) => {
                let mut body = response.to_vec();
                body.resize(1000, b' ');
                in_flight.finish(&Response::new(200, "text/plain", body.clone()));
                body
            }
            Err(error) => panic!("{}", error.message),
        }
    }

    #[test]
    fn the_oldest_results_are_evicted() {
        let store = IdempotencyStore::new(Rules {
            limit: 10_000,
            ..Rules::default()
        });
        let first: Vec<Vec<u8>> = (0..20)
            .map(|n| send(&store, &n.to_string(), format!("first {n}").as_bytes()))
            .collect();
        let entries = store.entries();
        // Bodies alone are 2,000 bytes each.
        assert!(
            entries.bytes <= 10_000 && entries.by_id.len() == 4,
            "{}",
            entries.bytes
        );
        assert_eq!(entries.by_id.len(), entries.order.len());
        drop(entries);
        for (n, first) in first.iter().enumerate().skip(16) {
            assert_eq!(send(&store, &n.to_string(), b"again"), *first);
        }
        assert_ne!(send(&store, "0", b"again"), first[0]);
    }

    #[test]
    fn a_request_in_progress_is_never_evicted() {
        let store = IdempotencyStore::new(Rules {
            limit: 5000,
            window: Some(Duration::ZERO),
            conflicts: true,
            ..Rules::default()
        });
        let request = Request::default();
        let in_progress = store.look_up("slow", &request, 0);
        for n in 0..20 {
            send(&store, &n.to_string(), b"");
        }
        let again = store.look_up("slow", &request, 1000).err();
        assert_eq!(again.map(|error| error.status), Some(409));
        drop(in_progress);
        // Given up without a result, the key is free.
        assert!(store.look_up("slow", &request, 1000).is_ok());
    }

    #[test]
    fn the_memory_of_all_entries_is_counted() {
        let store = IdempotencyStore::new(Rules::default());
        for n in 0..5 {
            send(&store, &n.to_string(), b"");
        }
        let mut entries = store.entries();
        let ids: Vec<Id> = entries.order.values().cloned().collect();
        assert!(entries.bytes >= 10_000);
        for id in ids {
            entries.remove(&id);
        }
        assert_eq!(entries.bytes, 0);
    }
}
