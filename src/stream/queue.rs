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
        self.end_waits();
        // A shutdown closes the connections itself. Whoever ends many streams at once must not wait
        // for the thread of each.
        if !self.was_shut_down() {
            self.close_connections();
            self.join();
        }
    }

    fn end_waits(&self) {
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
    }

    /// Wakes a reader that reads. The flag is set before, so that it knows why.
    fn close_connections(&self) {
        if let Some(agent) = self.agent.get() {
            agent.clone().shutdown();
        }
    }

    /// Waits for the reader's thread for a moment, and leaves one that cannot be interrupted.
    fn join(&self) {
        let Some(thread) = self.state().thread.take() else {
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
        self.end_waits();
    }

    fn close(&self) {
        self.close_connections();
    }
}

#[cfg(test)]
mod tests;
