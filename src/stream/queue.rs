//! The bounded queue between the reader thread and the caller, and the ways to stop both.

use std::collections::VecDeque;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::batch::Batch;
use crate::error::Error;
use crate::http::cancel::Dependent;
use crate::sync::{AtomicBool, Condvar, JoinHandle, Mutex, MutexGuard, Ordering, yield_now};

/// The limit of the memory that waits for the caller, in bytes. More would have left the processor's
/// cache by the time the caller takes it.
const MOST_BYTES: usize = 512 << 10;

/// The size from which a batch is part of a burst, in bytes.
const BURST: usize = 8 << 10;

/// Limits of the memory that is kept for the reader to use again: the size of a batch in bytes, the
/// number of batches, and their number while the caller waits, as on idle streams.
const LARGEST_SPARE: usize = 48 << 10;
const MOST_SPARES: usize = 32;
const IDLE_SPARES: usize = 2;

/// Maximum time that a stop waits for the reader. A DNS lookup and a TCP connect cannot be
/// interrupted.
const JOIN_WITHIN: Duration = Duration::from_millis(50);

#[derive(Default)]
struct State {
    most_messages: usize,
    batches: VecDeque<Batch>,
    messages: usize,
    bytes: usize,
    /// Empty batches, kept for their memory.
    spares: Vec<Batch>,
    /// Whether the first connection was established.
    opened: bool,
    ended: bool,
    failure: Option<Error>,
    /// Whether the reader's thread is about to return.
    gone: bool,
    caller_waits: bool,
    /// Whether the caller waits for the first connection, and takes nothing until then.
    opening: bool,
    reader_waits: bool,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Set under the lock, so that no wait misses it, and read without it.
    cancelled: AtomicBool,
    /// Set before `cancelled`.
    shut_down: AtomicBool,
    /// Notified when there is something for the caller.
    filled: Condvar,
    /// Notified when there is room again, and when a wait of the reader must end.
    drained: Condvar,
    /// Notified when the reader's thread is gone.
    gone: Condvar,
    /// The reader's connections; closing them wakes it.
    agent: OnceLock<ureq::Agent>,
    /// When the stream was opened: as first learned, and as corrected, once.
    opened_at: [OnceLock<String>; 2],
}

// The compiler cannot see it through the trait objects of ureq's agent. All that changes is behind
// locks, whose poison is ignored because a panic leaves the state whole.
impl UnwindSafe for Queue {}
impl RefUnwindSafe for Queue {}

impl Queue {
    /// Sets how many messages may wait. Called before the reader starts.
    pub(super) fn bound(&self, messages: usize) {
        self.state().most_messages = messages.max(1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // The reader's side.

    /// Adds a batch and then waits for room. Returns `false` if the stream was cancelled.
    ///
    /// It waits afterwards, so that the caller gets the batch and the reader holds no more than it
    /// has read.
    pub(super) fn put(&self, batch: Batch) -> bool {
        let mut state = self.state();
        if self.is_cancelled() {
            return false;
        }
        let (messages, bytes) = weight(&batch);
        state.messages += messages;
        state.bytes += bytes;
        state.batches.push_back(batch);
        let full = state.messages >= state.most_messages || state.bytes >= MOST_BYTES;
        state.reader_waits = full;
        self.tell_caller(state);
        if full {
            let _state = self
                .drained
                .wait_while(self.state(), |state| {
                    !self.is_cancelled() && state.reader_waits && !state.opening
                })
                .unwrap_or_else(PoisonError::into_inner);
        }
        !self.is_cancelled()
    }

    /// Returns an empty batch with memory that was used before, up to `most` bytes. After a burst, a
    /// stream of single messages frees what is larger.
    pub(super) fn spare(&self, most: usize) -> Batch {
        let mut state = self.state();
        let spare = state.spares.pop().unwrap_or_default();
        if spare.memory() <= most {
            return spare;
        }
        let spares = std::mem::take(&mut state.spares);
        drop(state);
        drop(spares);
        Batch::default()
    }

    pub(super) fn opened(&self) {
        let mut state = self.state();
        if !state.opened {
            state.opened = true;
            state.opening = false;
            self.tell_caller(state);
        }
    }

    /// Tells the caller the position from which the stream resumes before its first message.
    pub(super) fn set_opened_at(&self, time: &str) {
        if self.opened_at().is_none_or(|known| known != time) {
            let mut cells = self.opened_at.iter();
            cells.any(|cell| cell.set(time.to_owned()).is_ok());
        }
    }

    /// Waits before the next connection. Returns `false` if the stream was cancelled.
    pub(super) fn sleep(&self, wait: Duration) -> bool {
        let _state = self
            .drained
            .wait_timeout_while(self.state(), wait, |_| !self.is_cancelled())
            .unwrap_or_else(PoisonError::into_inner);
        !self.is_cancelled()
    }

    /// Ends the stream for the caller, after what is in the queue.
    pub(super) fn end(&self, failure: Option<Error>) {
        let mut state = self.state();
        state.ended = true;
        state.failure = failure;
        self.tell_caller(state);
    }

    /// Records that the reader's thread is about to return.
    pub(super) fn gone(&self) {
        let mut state = self.state();
        state.ended = true;
        state.gone = true;
        self.filled.notify_all();
        self.gone.notify_all();
    }

    /// Wakes a waiting caller after the lock is released. Otherwise it would have to wait for the
    /// lock again.
    fn tell_caller(&self, mut state: MutexGuard<'_, State>) {
        let waits = std::mem::take(&mut state.caller_waits);
        drop(state);
        if waits {
            self.filled.notify_all();
        }
    }

    // The caller's side.

    /// Takes the next batch. Waits until `until`, or without a limit. `None` if nothing arrived in time.
    ///
    /// `done` is the batch that the caller has finished.
    ///
    /// # Errors
    ///
    /// The stream has ended. Why, if that is an error, is returned once.
    pub(super) fn take(
        &self,
        done: Option<Batch>,
        until: Option<Instant>,
    ) -> Result<Option<Batch>, Option<Error>> {
        let mut state = self.state();
        // In a burst, the reader has the next batch in a moment. A caller that yields to it once need
        // not be woken for each.
        let mut burst = done.as_ref().is_some_and(|done| done.memory() >= BURST);
        if let Some(mut done) = done {
            done.clear();
            if done.memory() <= LARGEST_SPARE && state.spares.len() < MOST_SPARES {
                state.spares.push(done);
            }
        }
        loop {
            if self.is_cancelled() {
                return Err(None);
            }
            if let Some(batch) = state.batches.pop_front() {
                let (messages, bytes) = weight(&batch);
                state.messages -= messages;
                state.bytes -= bytes;
                // A quarter, not just below the mark: the two sides would wake each other for every
                // batch.
                let roomy =
                    state.messages * 4 <= state.most_messages && state.bytes * 4 <= MOST_BYTES;
                let wake = roomy && std::mem::take(&mut state.reader_waits);
                drop(state);
                if wake {
                    self.drained.notify_all();
                }
                return Ok(Some(batch));
            }
            if state.ended {
                return Err(state.failure.take());
            }
            if std::mem::take(&mut burst) {
                drop(state);
                yield_now();
                state = self.state();
                continue;
            }
            state.spares.truncate(IDLE_SPARES);
            match self.wait_for_reader(state, until) {
                Some(woken) => state = woken,
                None => return Ok(None),
            }
        }
    }

    pub(super) fn opened_at(&self) -> Option<&str> {
        let mut cells = self.opened_at.iter().rev();
        cells.find_map(OnceLock::get).map(String::as_str)
    }

    /// Waits until the first connection is established.
    pub(super) fn wait_until_open(&self) -> Result<(), Option<Error>> {
        let mut state = self.state();
        loop {
            if self.is_cancelled() {
                return Err(None);
            }
            if state.opened {
                return Ok(());
            }
            if state.ended {
                return Err(state.failure.take());
            }
            // A queue that the events of the opening have filled does not hold the opening up.
            if !std::mem::replace(&mut state.opening, true) {
                self.drained.notify_all();
            }
            match self.wait_for_reader(state, None) {
                Some(woken) => state = woken,
                None => return Err(None),
            }
        }
    }

    fn wait_for_reader<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        until: Option<Instant>,
    ) -> Option<MutexGuard<'a, State>> {
        state.caller_waits = true;
        match until {
            None => Some(
                self.filled
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            ),
            Some(until) => {
                let left = until.checked_duration_since(Instant::now())?;
                let (state, _) = self
                    .filled
                    .wait_timeout(state, left)
                    .unwrap_or_else(PoisonError::into_inner);
                Some(state)
            }
        }
    }

    // Starting and stopping.

    /// Sets the connections to close at a stop. Called before the reader starts.
    pub(super) fn set_agent(&self, agent: ureq::Agent) {
        let _ = self.agent.set(agent);
    }

    pub(super) fn set_thread(&self, thread: JoinHandle<()>) {
        self.state().thread = Some(thread);
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Returns whether the client was shut down, and not this stream alone cancelled.
    pub(super) fn was_shut_down(&self) -> bool {
        self.shut_down.load(Ordering::SeqCst)
    }

    /// Stops everything: the caller's waits, the reader's waits, its socket, its thread.
    pub(super) fn cancel(&self) {
        self.stop();
        self.join();
    }

    /// Like [`Queue::cancel`], without waiting for the thread.
    fn stop(&self) {
        let buffered = {
            let mut state = self.state();
            self.cancelled.store(true, Ordering::SeqCst);
            state.messages = 0;
            state.bytes = 0;
            self.filled.notify_all();
            self.drained.notify_all();
            std::mem::take(&mut state.batches)
        };
        drop(buffered);
        // The flag first: a reader that sees its socket closed knows why.
        if let Some(agent) = self.agent.get() {
            agent.clone().shutdown();
        }
    }

    /// Waits for the reader's thread for a moment, and leaves one that cannot be interrupted. After
    /// a shutdown it does not wait: a caller that ends many streams at once must not wait for each.
    fn join(&self) {
        let Some(thread) = self.state().thread.take().filter(|_| !self.was_shut_down()) else {
            return;
        };
        let (state, _) = self
            .gone
            .wait_timeout_while(self.state(), JOIN_WITHIN, |state| !state.gone)
            .unwrap_or_else(PoisonError::into_inner);
        let gone = state.gone;
        drop(state);
        if gone {
            // It only has to return. A panic in it has ended the stream already.
            let _ = thread.join();
        }
    }
}

/// Returns the number of messages and the memory in bytes that a batch counts for.
fn weight(batch: &Batch) -> (usize, usize) {
    (batch.len(), size_of::<Batch>() + batch.memory())
}

impl Dependent for Queue {
    fn cancelled(&self) {
        self.shut_down.store(true, Ordering::SeqCst);
        self.stop();
    }
}

#[cfg(test)]
mod tests {
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
    fn all_memory_of_what_waits_counts() {
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
    fn what_is_put_after_a_cancel_goes_nowhere() {
        let queue = Queue::default();
        queue.bound(1);
        assert!(queue.sleep(Duration::ZERO));
        queue.cancel();
        assert!(!queue.put(Batch::of(Kind::Connected)));
        assert!(!queue.sleep(Duration::from_secs(60)));
        assert!(queue.state().batches.is_empty());
        assert!(matches!(queue.take(None, None), Err(None)));
    }
}
