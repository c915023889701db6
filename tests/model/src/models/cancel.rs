//! Models of `Cancel`, which is behind `Client::shutdown`.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Model;
use crate::http::cancel::{Cancel, Dependent};
use crate::sync::{Mutex, spawn, yield_now};

pub(crate) const MODELS: &[Model] = &[
    Model::new("cancel_wakes_every_waiter", cancel_wakes_every_waiter),
    Model::timed(
        "a_wait_reports_only_a_cancellation",
        a_wait_reports_only_a_cancellation,
    ),
    Model::new("cancel_reaches_dependents_that_register_later", cancel_reaches_dependents_that_register_later),
    Model::new(
        "two_cancels_reach_dependents_once",
        two_cancels_reach_dependents_once,
    ),
    Model::new(
        "cancel_passes_through_a_dependent",
        cancel_passes_through_a_dependent,
    ),
    Model::new(
        "cancel_reaches_those_beside_the_ended",
        cancel_reaches_those_beside_the_ended,
    ),
];

const LONG: Duration = Duration::from_secs(3600);

/// Counts how many times it is cancelled, and looks at its client meanwhile, as dependents may.
struct Counter {
    client: Arc<Cancel>,
    count: AtomicUsize,
}

impl Dependent for Counter {
    fn cancelled(&self) {
        assert!(
            self.client.is_cancelled(),
            "a dependent is told before the flag is set"
        );
        self.count.fetch_add(1, SeqCst);
    }
}

fn register(client: &Arc<Cancel>) -> Arc<Counter> {
    let counter = Arc::new(Counter {
        client: client.clone(),
        count: AtomicUsize::new(0),
    });
    let dependent: Weak<Counter> = Arc::downgrade(&counter);
    client.add(dependent);
    counter
}

/// No wait is missed, whether it starts before or after.
fn cancel_wakes_every_waiter() {
    let client = Arc::new(Cancel::default());
    let waiters: Vec<_> = (0..2)
        .map(|_| {
            let client = client.clone();
            spawn(move || while !client.wait(LONG) {})
        })
        .collect();
    client.cancel();
    for waiter in waiters {
        waiter.join().unwrap();
    }
}

/// A wait that times out, or wakes spuriously, does not report a cancellation. After one, every wait does.
fn a_wait_reports_only_a_cancellation() {
    let client = Arc::new(Cancel::default());
    let cancels = Arc::new(Mutex::new(false));
    let (waiting, seen) = (client.clone(), cancels.clone());
    let waiter = spawn(move || {
        while !waiting.wait(LONG) {
            yield_now();
        }
        assert!(*seen.lock().unwrap(), "nobody has cancelled");
    });
    *cancels.lock().unwrap() = true;
    client.cancel();
    assert!(client.wait(LONG));
    waiter.join().unwrap();
}

/// Who registers while the client is shut down is cancelled by one of the two, and once.
fn cancel_reaches_dependents_that_register_later() {
    let client = Arc::new(Cancel::default());
    let registering = client.clone();
    let thread = spawn(move || register(&registering));
    client.cancel();
    let counter = thread.join().unwrap();
    assert_eq!(counter.count.load(SeqCst), 1);
}

fn two_cancels_reach_dependents_once() {
    let client = Arc::new(Cancel::default());
    let early = register(&client);
    let second = client.clone();
    let thread = spawn(move || second.cancel());
    client.cancel();
    let late = register(&client);
    thread.join().unwrap();
    assert_eq!(early.count.load(SeqCst), 1);
    assert_eq!(late.count.load(SeqCst), 1);
}

/// What `Client::shutdown` does to an iterator that fetches ahead and waits before a retry.
fn cancel_passes_through_a_dependent() {
    let client = Arc::new(Cancel::default());
    let shared = client.clone();
    let fetcher = spawn(move || {
        let own = Arc::new(Cancel::default());
        let dependent: Weak<Cancel> = Arc::downgrade(&own);
        shared.add(dependent);
        while !own.wait(LONG) {}
    });
    client.cancel();
    fetcher.join().unwrap();
}

/// Dependents that have ended make room for others, and no other is forgotten.
fn cancel_reaches_those_beside_the_ended() {
    let client = Arc::new(Cancel::default());
    let first = register(&client);
    let registering = client.clone();
    let thread = spawn(move || {
        // The list has room for four before it forgets those that have ended.
        for _ in 0..3 {
            drop(register(&registering));
        }
        register(&registering)
    });
    client.cancel();
    let last = thread.join().unwrap();
    assert_eq!(first.count.load(SeqCst), 1);
    assert_eq!(last.count.load(SeqCst), 1);
}
