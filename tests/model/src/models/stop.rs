//! Models of what ends a job of many rows.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::stop::{Reason, Stop};
use crate::http::cancel::Cancel;
use crate::models::Model;
use crate::sync::{spawn, yield_now};

pub(crate) const MODELS: &[Model] = &[
    Model::new("stop_wakes_every_row", stop_wakes_every_row),
    Model::new("stop_after_a_soft_reason", stop_after_a_soft_reason),
    Model::new(
        "stop_keeps_the_first_hard_reason",
        stop_keeps_the_first_hard_reason,
    ),
    Model::new("stop_by_shutdown", stop_by_shutdown),
    Model::polling("stop_lets_waits_end", stop_lets_waits_end),
];

const LONG: Duration = Duration::from_secs(3600);

/// Rows that wait before a retry all end.
fn stop_wakes_every_row() {
    let stop = Arc::new(Stop::default());
    let rows: Vec<_> = (0..2)
        .map(|_| {
            let stop = stop.clone();
            spawn(move || while !stop.wait(LONG) {})
        })
        .collect();
    stop.set(Reason::Panicked);
    for row in rows {
        row.join().unwrap();
    }
}

/// A soft reason leaves rows alone that are under way. A hard one ends them, whichever is first.
fn stop_after_a_soft_reason() {
    let stop = Arc::new(Stop::default());
    let waiting = stop.clone();
    let row = spawn(move || {
        while !waiting.wait(LONG) {}
        assert_eq!(waiting.reason(), Some(Reason::Interrupted));
    });
    let failing = stop.clone();
    let counter = spawn(move || failing.set(Reason::MaxFailures(1)));
    stop.set(Reason::Interrupted);
    row.join().unwrap();
    counter.join().unwrap();
    assert_eq!(stop.reason(), Some(Reason::Interrupted));
}

fn stop_keeps_the_first_hard_reason() {
    let stop = Arc::new(Stop::default());
    let second = stop.clone();
    let thread = spawn(move || {
        second.set(Reason::Panicked);
        second.reason()
    });
    stop.set(Reason::Interrupted);
    let seen = stop.reason();
    assert_eq!(thread.join().unwrap(), seen);
    assert_eq!(stop.reason(), seen);
    assert!(stop.is_hard());
}

/// The client is shut down while a job starts.
fn stop_by_shutdown() {
    let client = Arc::new(Cancel::default());
    let shared = client.clone();
    let job = spawn(move || {
        let stop = Arc::new(Stop::default());
        let dependent: Weak<Stop> = Arc::downgrade(&stop);
        shared.add(dependent);
        while !stop.wait(LONG) {}
        assert!(stop.is_set());
    });
    client.cancel();
    job.join().unwrap();
}

/// A wait that times out, or ends with a soft reason, lets its row go on.
fn stop_lets_waits_end() {
    let stop = Arc::new(Stop::default());
    let waiting = stop.clone();
    let row = spawn(move || {
        for _ in 0..3 {
            assert!(!waiting.wait(LONG));
            yield_now();
        }
    });
    stop.set(Reason::Input(String::new()));
    row.join().unwrap();
}
