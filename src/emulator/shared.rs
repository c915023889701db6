//! What all threads of one emulator share.

use std::sync::{Condvar, Mutex, MutexGuard};

use super::clock::Clock;
use super::fault::Faults;
use super::idempotency::IdempotencyStore;
use super::options::Options;
use super::request_log::RequestLog;
use super::state::State;
use super::sync::{Stop, lock};

pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) clock: Clock,
    pub(super) faults: Mutex<Faults>,
    pub(super) requests: Mutex<RequestLog>,
    pub(super) idempotency: IdempotencyStore,
    state: Mutex<State>,
    /// The state has changed, or the emulator stops.
    pub(super) changed: Condvar,
    pub(super) stop: Stop,
}

impl Shared {
    pub(super) fn new(options: Options, state: State) -> Self {
        Shared {
            requests: Mutex::new(RequestLog::new(options.request_log_limit)),
            idempotency: IdempotencyStore::new(options.idempotency),
            options,
            clock: Clock::default(),
            faults: Mutex::default(),
            state: Mutex::new(state),
            changed: Condvar::new(),
            stop: Stop::default(),
        }
    }

    /// Locks the state and sets its time.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        state.now = state.now.max(self.clock.now());
        state
    }

    /// Changes the state and wakes the threads that wait for a change.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.notify_all();
        changed
    }

    /// Ends every wait.
    pub(super) fn stop(&self) {
        self.stop.set();
        // While this lock is held, no thread is between reading the flag and waiting.
        drop(lock(&self.state));
        self.changed.notify_all();
        self.idempotency.close();
    }
}
