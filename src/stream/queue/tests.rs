use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::*;
use crate::error::{CallInfo, CallTraits};
use crate::headers::Headers;
use crate::http::{Response, error_body};
use crate::sse::Span;
use crate::stream::event::{Disconnection, Event, Kind};

/// A reader that cannot be interrupted, such as one within a DNS lookup.
fn reader_that_stays(queue: &Queue) -> mpsc::Sender<()> {
    let (sender, receiver) = mpsc::channel();
    queue.set_thread(std::thread::spawn(move || {
        let _ = receiver.recv();
    }));
    sender
}

fn waiting_caller(queue: &Arc<Queue>) -> JoinHandle<bool> {
    let waiting = queue.clone();
    let caller = std::thread::spawn(move || matches!(waiting.take(None, None), Err(None)));
    while !queue.state().caller_waits {
        std::thread::yield_now();
    }
    caller
}

#[test]
fn a_reader_that_cannot_be_woken_holds_nobody_up() {
    let queue = Arc::new(Queue::default());
    let reader = reader_that_stays(&queue);
    let caller = waiting_caller(&queue);
    let started = Instant::now();
    queue.cancel();
    let took = started.elapsed();
    assert!(took >= JOIN_WITHIN, "{took:?}: it is given a moment");
    assert!(took < 100 * JOIN_WITHIN, "{took:?}");
    // The reader is still there, and the caller is not.
    assert!(caller.join().unwrap());
    drop(reader);
}

#[test]
fn the_caller_gets_none_while_the_reader_is_still_given_its_moment() {
    let queue = Arc::new(Queue::default());
    let reader = reader_that_stays(&queue);
    let caller = waiting_caller(&queue);
    let cancelling = queue.clone();
    let cancelling = std::thread::spawn(move || cancelling.cancel());
    assert!(caller.join().unwrap());
    drop(reader);
    cancelling.join().unwrap();
}

#[test]
fn a_caller_that_waits_keeps_little_memory() {
    let queue = Queue::default();
    queue.bound(100);
    for _ in 0..10 {
        assert!(queue.put(Batch::default()));
    }
    let mut done = None;
    while let Ok(Some(batch)) = queue.take(done.take(), Some(Instant::now())) {
        let (spares, left) = {
            let state = queue.state();
            (state.spares.len(), state.batches.len())
        };
        assert_eq!(spares + left, 9, "in a burst all of it is kept");
        done = Some(batch);
    }
    assert_eq!(queue.state().spares.len(), IDLE_SPARES);
}

/// Adds batches to a queue for this number of messages, and takes all of them once the reader waits
/// for room. Returns how many it could add before, and how many there were.
fn fill(limit: usize, batches: impl Iterator<Item = Batch> + Send + 'static) -> (usize, usize) {
    let queue = Arc::new(Queue::default());
    queue.bound(limit);
    let filling = queue.clone();
    let reader = std::thread::spawn(move || {
        for batch in batches {
            assert!(filling.put(batch));
        }
        filling.end(None);
    });
    let full = loop {
        let state = queue.state();
        if state.reader_waits || state.ended {
            break state.batches.len();
        }
        drop(state);
        std::thread::yield_now();
    };
    let mut taken = 0;
    while let Ok(Some(_)) = queue.take(None, None) {
        taken += 1;
    }
    reader.join().unwrap();
    let state = queue.state();
    assert_eq!((state.messages, state.bytes), (0, 0));
    (full, taken)
}

#[test]
fn all_memory_of_waiting_events_counts() {
    let with_data = || {
        let mut batch = Batch::default();
        batch.push(Event {
            kind: Kind::Message,
            id: None,
            data: Span::Owned(vec![b'x'; 100 << 10]),
        });
        batch
    };
    let batches = std::iter::repeat_with(with_data).take(50);
    assert_eq!(fill(usize::MAX, batches), (6, 50));

    let tiny = || {
        let mut batch = Batch::default();
        for _ in 0..128 {
            batch.push(Event {
                kind: Kind::Heartbeat,
                id: None,
                data: Span::Range(0..0),
            });
        }
        batch
    };
    let (full, taken) = fill(usize::MAX, std::iter::repeat_with(tiny).take(200));
    let each = 128 * size_of::<Event>() + size_of::<Batch>();
    assert_eq!((full, taken), (MOST_BYTES.div_ceil(each), 200));

    let with_body = || {
        let response = Response {
            call: CallInfo {
                operation: String::new(),
                attempts: 1,
                request_id: None,
                sent: true,
                traits: CallTraits::STREAM,
                page: None,
            },
            status: 503,
            headers: Headers::default(),
            body: vec![b'x'; 200 << 10],
        };
        let error = error_body::api_error(response, "");
        let wait = Duration::ZERO;
        Batch::of(Kind::Disconnected(Box::new(Disconnection { error, wait })))
    };
    let batches = std::iter::repeat_with(with_body).take(10);
    assert_eq!(fill(usize::MAX, batches), (3, 10));
}

#[test]
fn the_limit_counts_messages_and_not_batches() {
    let of_three = || {
        let mut batch = Batch::default();
        for _ in 0..3 {
            batch.push(Event::new(Kind::Message, None));
        }
        batch
    };
    for (limit, before) in [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3)] {
        let batches = std::iter::repeat_with(of_three).take(4);
        assert_eq!(fill(limit, batches), (before, 4), "limit {limit}");
    }
}

#[test]
fn batches_added_after_a_cancel_are_dropped() {
    let queue = Queue::default();
    queue.bound(1);
    assert!(queue.sleep(Duration::ZERO));
    queue.cancel();
    assert!(!queue.put(Batch::of(Kind::Connected)));
    assert!(!queue.sleep(Duration::from_secs(60)));
    assert!(queue.state().batches.is_empty());
    assert!(matches!(queue.take(None, None), Err(None)));
}

/// A batch of one message with this much data.
fn with_data(bytes: usize) -> Batch {
    let mut batch = Batch::default();
    batch.push(Event {
        kind: Kind::Message,
        id: None,
        data: Span::Owned(vec![b'x'; bytes]),
    });
    batch
}

/// Fills a queue with this many batches, of which the last makes the reader wait for room. Returns
/// how many are left when it is told that there is room.
fn left_when_woken(limit: usize, batches: usize, bytes: usize) -> usize {
    let queue = Arc::new(Queue::default());
    queue.bound(limit);
    let filling = queue.clone();
    let reader = std::thread::spawn(move || {
        for _ in 0..batches {
            assert!(filling.put(with_data(bytes)));
        }
    });
    while !queue.state().reader_waits {
        assert!(!reader.is_finished(), "{batches} batches do not fill it");
        std::thread::yield_now();
    }
    let mut left = batches;
    while queue.state().reader_waits {
        assert!(queue.take(None, None).unwrap().is_some());
        left -= 1;
    }
    reader.join().unwrap();
    left
}

#[test]
fn the_reader_is_woken_when_a_quarter_of_the_limit_is_left() {
    for (limit, left) in [(1, 0), (3, 0), (4, 1), (8, 2), (11, 2), (12, 3)] {
        assert_eq!(left_when_woken(limit, limit, 1), left, "limit {limit}");
    }
    // The limit of the memory is that of five of these and a part.
    assert_eq!(left_when_woken(usize::MAX, 6, 100 << 10), 1);
    let (_, each) = weight(&with_data(4 << 10));
    let left = left_when_woken(usize::MAX, MOST_BYTES.div_ceil(each), 4 << 10);
    assert_eq!(left, MOST_BYTES / 4 / each);
}

/// A batch of no events with this much memory.
fn with_room(bytes: usize) -> Batch {
    let mut batch = Batch::default();
    batch.bytes = Vec::with_capacity(bytes);
    batch
}

#[test]
fn the_memory_of_what_the_caller_has_finished_is_used_again() {
    let queue = Queue::default();
    queue.bound(usize::MAX);
    let finish = |batch| {
        assert!(queue.put(Batch::of(Kind::Connected)));
        assert!(queue.take(Some(batch), None).unwrap().is_some());
    };
    finish(with_room(4000));
    assert_eq!(queue.spare(4000).bytes.capacity(), 4000);
    assert_eq!(queue.spare(4000).bytes.capacity(), 0, "it is used once");
    // What is larger than wanted is freed, with all that is kept beside it.
    finish(with_room(10));
    finish(with_room(4001));
    assert_eq!(queue.spare(4000).bytes.capacity(), 0);
    assert!(queue.state().spares.is_empty());
    // Neither a large one nor a large number is kept.
    finish(with_room(LARGEST_SPARE + 1));
    assert!(queue.state().spares.is_empty());
    finish(with_room(LARGEST_SPARE));
    assert_eq!(queue.state().spares.len(), 1);
    for _ in 0..2 * MOST_SPARES {
        finish(with_room(10));
    }
    assert_eq!(queue.state().spares.len(), MOST_SPARES);
}

#[test]
fn the_time_of_the_opening_is_corrected_once() {
    let queue = Queue::default();
    assert_eq!(queue.opened_at(), None);
    for (time, expected) in [("1", "1"), ("1", "1"), ("2", "2"), ("3", "2")] {
        queue.set_opened_at(time);
        assert_eq!(queue.opened_at(), Some(expected));
    }
}

#[test]
fn a_queue_that_is_full_before_the_opening_does_not_hold_it_up() {
    let queue = Arc::new(Queue::default());
    queue.bound(1);
    let filling = queue.clone();
    let (sender, put) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let _ = sender.send(filling.put(Batch::of(Kind::Connected)));
        filling.opened();
    });
    while !queue.state().reader_waits {
        std::thread::yield_now();
    }
    let opening = queue.clone();
    let opening = std::thread::spawn(move || opening.wait_until_open().is_ok());
    let was_put = put.recv_timeout(Duration::from_secs(20));
    if was_put.is_err() {
        queue.cancel();
    }
    assert!(opening.join().unwrap());
    reader.join().unwrap();
    assert_eq!(was_put, Ok(true));
}
