//! Replaces `src/sync.rs` of the crate: the same names, run by loom or shuttle.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{LockResult, PoisonError};
use std::time::Duration;

#[cfg(all(feature = "loom", not(feature = "shuttle")))]
use loom as runtime;
#[cfg(feature = "shuttle")]
use shuttle as runtime;

pub(crate) use runtime::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(crate) use runtime::thread::{JoinHandle, spawn, yield_now};

/// What becomes of a wait with a time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum TimedWaits {
    /// It lasts until it is notified: whoever relies on the limit hangs.
    Endless,
    /// It times out as soon as other threads have run.
    Elapse,
    /// It times out, or is notified, at random. Waits without a limit wake spuriously.
    Random,
}

static TIMED_WAITS: AtomicU8 = AtomicU8::new(0);

impl TimedWaits {
    /// Chooses it for all models that start afterwards.
    pub(crate) fn choose(self) {
        TIMED_WAITS.store(self as u8, Relaxed);
    }

    fn are_chosen(self) -> bool {
        TIMED_WAITS.load(Relaxed) == self as u8
    }
}

/// Returns a random result of a model that may have one. Only shuttle can repeat it.
pub(crate) fn coin() -> bool {
    #[cfg(feature = "shuttle")]
    if TimedWaits::Random.are_chosen() {
        use shuttle::rand::Rng;
        return shuttle::rand::thread_rng().r#gen();
    }
    false
}

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(runtime::sync::Mutex<T>);

/// The guard of the runtime, and the mutex to lock again after a wait.
pub(crate) struct MutexGuard<'a, T>(Option<runtime::sync::MutexGuard<'a, T>>, &'a Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex(runtime::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(MutexGuard(Some(guard), self))
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().unwrap()
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().unwrap()
    }
}

#[derive(Debug)]
pub(crate) struct Condvar(runtime::sync::Condvar);

impl Default for Condvar {
    fn default() -> Self {
        Condvar(runtime::sync::Condvar::new())
    }
}

impl Condvar {
    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        match coin() {
            true => Ok(without_notification(guard)),
            false => self.wait_for_notification(guard),
        }
    }

    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, bool)> {
        if TimedWaits::Elapse.are_chosen() || coin() {
            return Ok((without_notification(guard), true));
        }
        let guard = self.wait_for_notification(guard);
        Ok((guard.unwrap_or_else(PoisonError::into_inner), false))
    }

    pub(crate) fn wait_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<MutexGuard<'a, T>> {
        while condition(&mut guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    pub(crate) fn wait_timeout_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        limit: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'a, T>, bool)> {
        while condition(&mut guard) {
            let (woken, timed_out) = self.wait_timeout(guard, limit)?;
            guard = woken;
            if timed_out {
                let timed_out = condition(&mut guard);
                return Ok((guard, timed_out));
            }
        }
        Ok((guard, false))
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    /// For seeded bugs only.
    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    fn wait_for_notification<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
    ) -> LockResult<MutexGuard<'a, T>> {
        let mutex = guard.1;
        let guard = self.0.wait(guard.0.take().unwrap());
        let guard = guard.unwrap_or_else(PoisonError::into_inner);
        Ok(MutexGuard(Some(guard), mutex))
    }
}

/// Lets other threads run, as a wait does that no notification ends.
fn without_notification<'a, T>(guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    let mutex = guard.1;
    drop(guard);
    yield_now();
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
