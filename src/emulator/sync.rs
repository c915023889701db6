//! Locks that outlive a panic, and the signal that ends every wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Locks a mutex, even if a thread panicked while it held the lock.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells all threads that the emulator stops.
#[derive(Default)]
pub(super) struct Stop {
    is_set: AtomicBool,
    mutex: Mutex<()>,
    set: Condvar,
}

impl Stop {
    pub(super) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    pub(super) fn set(&self) {
        self.is_set.store(true, Ordering::Release);
        // While this lock is held, no thread is between reading the flag and waiting.
        drop(lock(&self.mutex));
        self.set.notify_all();
    }

    /// Sleeps until the time is over or the emulator stops.
    pub(super) fn sleep(&self, time: Duration) {
        let guard = lock(&self.mutex);
        let waited = self
            .set
            .wait_timeout_while(guard, time, |()| !self.is_set());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}
