//! Models of the stream's queue.

use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant};

use super::queue::Queue;
use crate::http::cancel::Cancel;
use crate::models::Model;
use crate::stand_ins::{Agent, Batch, Error};
use crate::sync::{Condvar, Mutex, coin, spawn, yield_now};

pub(crate) const MODELS: &[Model] = &[
    Model::new("transfer_limit_1", || transfer(1, &[10; 3], After::End)),
    Model::new("transfer_limit_2", || transfer(2, &[10; 3], After::Fail)),
    Model::new("transfer_limit_in_bytes", || {
        transfer(100, &[600 << 10; 3], After::End)
    }),
    Model::new("transfer_in_bursts", || {
        transfer(100, &[9 << 10; 3], After::Fail)
    }),
    Model::timed("timed_transfer_limit_1", || {
        timed_transfer(1, &[10; 4], After::End)
    }),
    Model::timed("timed_transfer_limit_4", || {
        timed_transfer(4, &[10; 6], After::Fail)
    }),
    Model::timed("timed_transfer_limit_in_bytes", || {
        timed_transfer(100, &[600 << 10; 4], After::End)
    }),
    Model::new(
        "a_full_queue_stops_the_reader",
        a_full_queue_stops_the_reader,
    ),
    Model::new("cancel_reader_in_put", || cancel(1, &[10; 2], After::End)),
    Model::new("cancel_reader_in_read", || cancel(9, &[10], After::Read)),
    Model::new("cancel_reader_in_sleep", || {
        cancel(9, &[9 << 10], After::Sleep)
    }),
    Model::new("cancel_caller_that_waits", cancel_caller_that_waits),
    Model::new("drop_reader_in_put", || {
        drop_after(0, &[10; 2], After::Read)
    }),
    Model::new("drop_reader_in_second_put", || {
        drop_after(1, &[10; 3], After::Read)
    }),
    Model::new("drop_reader_in_read", || drop_after(1, &[10], After::Read)),
    Model::new("drop_reader_in_sleep", || drop_after(0, &[], After::Sleep)),
    Model::new("never_open_with_error", || never_open(true)),
    Model::new("never_open_without_error", || never_open(false)),
    Model::new("open_wakes_the_caller", open_wakes_the_caller),
    Model::new("open_behind_a_full_queue", open_behind_a_full_queue),
    Model::new("end_wakes_the_caller", end_wakes_the_caller),
    Model::new("shutdown_reader_in_put", || shutdown(&[10; 2], After::End)),
    Model::new("shutdown_reader_in_read", || shutdown(&[10], After::Read)),
    Model::new("shutdown_reader_in_sleep", || shutdown(&[], After::Sleep)),
];

const LONG: Duration = Duration::from_secs(3600);

/// An instant that is in the past, and one that is not reached.
static PAST: LazyLock<Instant> = LazyLock::new(Instant::now);
static FUTURE: LazyLock<Instant> = LazyLock::new(|| Instant::now() + LONG);

/// What a reader does after its batches.
#[derive(Clone, Copy, PartialEq)]
enum After {
    End,
    Fail,
    /// It reads from a connection on which nothing arrives.
    Read,
    /// It waits before another connection.
    Sleep,
}

fn batch(id: usize, memory: usize) -> Batch {
    Batch { id, len: 1, memory }
}

/// What `Reader::run` does. Each of `batches` takes this much memory.
fn reader(queue: &Queue, agent: Agent, batches: &[usize], after: After) {
    queue.opened();
    let mut failure = None;
    let mut batches = batches.iter().enumerate();
    let goes_on = batches.all(|(id, memory)| {
        let _ = queue.spare(16 << 10);
        queue.put(batch(id, *memory))
    });
    if goes_on {
        match after {
            After::End => {}
            After::Fail => failure = Some(Error),
            After::Read => {
                agent.read();
                assert!(queue.is_cancelled(), "the reader does not know why");
            }
            After::Sleep => while queue.sleep(LONG) {},
        }
    }
    queue.end(failure);
    agent.shutdown();
    queue.gone();
}

/// What `StreamRequest::start` does. Returns `false` if the stream was cancelled before.
fn start(
    queue: &Arc<Queue>,
    shutdown: Option<&Cancel>,
    limit: usize,
    batches: &'static [usize],
    after: After,
) -> bool {
    queue.bound(limit);
    let agent = Agent::default();
    queue.set_agent(agent.clone());
    if let Some(shutdown) = shutdown {
        let dependent: Weak<Queue> = Arc::downgrade(queue);
        shutdown.add(dependent);
    }
    if queue.is_cancelled() {
        return false;
    }
    let shared = queue.clone();
    let thread = spawn(move || reader(&shared, agent, batches, after));
    queue.set_thread(thread);
    true
}

/// Takes batches until the stream ends. Returns their number and the error.
fn take_all(queue: &Queue, until: impl Fn() -> Option<Instant>) -> (usize, Option<Error>) {
    let mut taken = 0;
    let mut done = None;
    loop {
        match queue.take(done.take(), until()) {
            Ok(Some(batch)) => {
                assert_eq!(batch.id, taken, "batches are lost or out of order");
                taken += 1;
                done = Some(batch);
            }
            Ok(None) => yield_now(),
            Err(error) => return (taken, error),
        }
    }
}

/// All batches arrive once and in order, then the end, and its error once.
fn transfer(limit: usize, batches: &'static [usize], after: After) {
    transfer_until(limit, batches, after, || None);
}

/// The same with a caller that polls and waits in turns.
fn timed_transfer(limit: usize, batches: &'static [usize], after: After) {
    transfer_until(limit, batches, after, || {
        Some(if coin() { *PAST } else { *FUTURE })
    });
}

fn transfer_until(
    limit: usize,
    batches: &'static [usize],
    after: After,
    until: impl Fn() -> Option<Instant>,
) {
    let queue = Arc::new(Queue::default());
    assert!(start(&queue, None, limit, batches, after));
    assert!(queue.wait_until_open().is_ok());
    let (taken, error) = take_all(&queue, until);
    assert_eq!(taken, batches.len());
    assert_eq!(error.is_some(), after == After::Fail);
    assert!(
        matches!(queue.take(None, None), Err(None)),
        "the error is returned twice"
    );
    queue.cancel();
}

/// A reader holds one batch more than the limit at most.
fn a_full_queue_stops_the_reader() {
    let queue = Arc::new(Queue::default());
    queue.bound(2);
    let shared = queue.clone();
    let put = Arc::new(Mutex::new(0));
    let counted = put.clone();
    let thread = spawn(move || {
        for id in 0..4 {
            if !shared.put(batch(id, 10)) {
                break;
            }
            *counted.lock().unwrap() += 1;
        }
    });
    let mut taken = 0;
    while taken < 4 {
        assert!(*put.lock().unwrap() <= taken + 1, "the limit is not kept");
        assert!(matches!(queue.take(None, None), Ok(Some(_))));
        taken += 1;
    }
    thread.join().unwrap();
}

/// A handle cancels the stream while its owner starts it and takes from it.
fn cancel(limit: usize, batches: &'static [usize], after: After) {
    let queue = Arc::new(Queue::default());
    let handle = queue.clone();
    let canceller = spawn(move || {
        handle.cancel();
        assert!(!handle.put(batch(0, 10)));
        assert!(matches!(handle.take(None, None), Err(None)));
    });
    if start(&queue, None, limit, batches, after) {
        if queue.wait_until_open().is_ok() {
            take_all(&queue, || None);
        }
        // The owner is dropped while the handle may still cancel.
        queue.cancel();
    }
    canceller.join().unwrap();
    assert!(queue.is_cancelled());
    assert!(!queue.was_shut_down());
}

/// A cancelled caller returns before the reader has ended.
fn cancel_caller_that_waits() {
    let queue = Arc::new(Queue::default());
    queue.bound(9);
    let returned = Arc::new((Mutex::new(false), Condvar::default()));
    let (shared, told) = (queue.clone(), returned.clone());
    queue.set_thread(spawn(move || {
        shared.opened();
        let is_told = told.0.lock().unwrap();
        drop(told.1.wait_while(is_told, |is_told| !*is_told));
        shared.end(None);
        shared.gone();
    }));
    let handle = queue.clone();
    let canceller = spawn(move || handle.cancel());
    assert!(matches!(queue.take(None, None), Err(None)));
    *returned.0.lock().unwrap() = true;
    returned.1.notify_all();
    canceller.join().unwrap();
}

/// The owner is dropped after it has taken some batches. The reader ends, wherever it is.
fn drop_after(taken: usize, batches: &'static [usize], after: After) {
    let queue = Arc::new(Queue::default());
    assert!(start(&queue, None, 1, batches, after));
    for _ in 0..taken {
        assert!(matches!(queue.take(None, None), Ok(Some(_))));
    }
    queue.cancel();
    queue.cancel();
}

/// The reader ends before its first connection is established.
fn never_open(fails: bool) {
    let queue = Arc::new(Queue::default());
    queue.bound(1);
    let agent = Agent::default();
    queue.set_agent(agent.clone());
    let shared = queue.clone();
    queue.set_thread(spawn(move || {
        shared.end(fails.then_some(Error));
        agent.shutdown();
        shared.gone();
    }));
    assert!(matches!(queue.wait_until_open(), Err(error) if error.is_some() == fails));
    queue.cancel();
}

/// The first connection alone wakes a caller that waits for it.
fn open_wakes_the_caller() {
    let queue = Arc::new(Queue::default());
    let agent = Agent::default();
    let (shared, connection) = (queue.clone(), agent.clone());
    let thread = spawn(move || {
        shared.opened();
        connection.read();
    });
    assert!(queue.wait_until_open().is_ok());
    agent.shutdown();
    thread.join().unwrap();
}

/// Events before the first connection fill the queue while the caller waits for that connection.
fn open_behind_a_full_queue() {
    let queue = Arc::new(Queue::default());
    queue.bound(1);
    let shared = queue.clone();
    let thread = spawn(move || {
        assert!(shared.put(batch(0, 10)));
        assert!(shared.put(batch(1, 10)));
        shared.opened();
        shared.end(None);
    });
    assert!(queue.wait_until_open().is_ok());
    let (taken, error) = take_all(&queue, || None);
    assert!(taken == 2 && error.is_none());
    thread.join().unwrap();
}

/// The end alone wakes the caller, whatever becomes of the thread.
fn end_wakes_the_caller() {
    let queue = Arc::new(Queue::default());
    queue.bound(9);
    let shared = queue.clone();
    let thread = spawn(move || {
        shared.opened();
        shared.end(Some(Error));
    });
    assert!(matches!(queue.take(None, None), Err(Some(_))));
    thread.join().unwrap();
}

/// The client is shut down while a stream starts and its caller takes. The caller knows why it ends.
fn shutdown(batches: &'static [usize], after: After) {
    let client = Arc::new(Cancel::default());
    let queue = Arc::new(Queue::default());
    let stopping = client.clone();
    let stopper = spawn(move || stopping.cancel());
    let ended = match start(&queue, Some(&client), 1, batches, after) {
        true => match queue.wait_until_open() {
            Ok(()) => take_all(&queue, || None).1,
            Err(error) => error,
        },
        false => None,
    };
    assert!(ended.is_none());
    // A reader that ends by itself may be first.
    if after != After::End || queue.is_cancelled() {
        assert!(queue.was_shut_down(), "the caller does not know why");
    }
    queue.cancel();
    stopper.join().unwrap();
    assert!(queue.was_shut_down());
}
