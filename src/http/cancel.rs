//! Ending waits, calls and streams from another thread.

use std::fmt;
use std::sync::{PoisonError, Weak};
use std::time::Duration;

use crate::sync::{Condvar, Mutex, MutexGuard};

/// A flag that one thread sets, and that others see or wait for.
#[derive(Default)]
pub(crate) struct Cancel {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    cancelled: bool,
    /// What is cancelled with it.
    dependents: Vec<Weak<dyn Dependent>>,
}

/// Something that is cancelled when a [`Cancel`] is.
pub(crate) trait Dependent: Send + Sync {
    /// Called once, from the cancelling thread. Must not wait.
    fn cancelled(&self);

    /// Called once all dependents are cancelled: closes what may take a moment to close.
    fn close(&self) {}
}

impl Dependent for Cancel {
    fn cancelled(&self) {
        self.cancel();
    }
}

impl Cancel {
    pub(crate) fn cancel(&self) {
        self.cancel_with(|| {});
    }

    /// Like [`Cancel::cancel`], and calls `first` before the waiting threads are woken.
    pub(crate) fn cancel_with(&self, first: impl FnOnce()) {
        let dependents = {
            let mut state = self.lock();
            state.cancelled = true;
            std::mem::take(&mut state.dependents)
        };
        first();
        self.changed.notify_all();
        for dependent in dependents.iter().filter_map(Weak::upgrade) {
            dependent.cancelled();
        }
        for dependent in dependents.iter().filter_map(Weak::upgrade) {
            dependent.close();
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// Waits up to `wait`. Returns whether it was cancelled.
    pub(crate) fn wait(&self, wait: Duration) -> bool {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), wait, |state| !state.cancelled)
            .unwrap_or_else(PoisonError::into_inner);
        state.cancelled
    }

    /// Cancels `dependent` when this is cancelled, or at once if it is already.
    pub(crate) fn add(&self, dependent: Weak<dyn Dependent>) {
        let mut state = self.lock();
        if !state.cancelled {
            // Whatever has ended makes room before the list grows.
            if state.dependents.len() == state.dependents.capacity() {
                state.dependents.retain(|known| known.strong_count() > 0);
            }
            state.dependents.push(dependent);
            return;
        }
        drop(state);
        if let Some(dependent) = dependent.upgrade() {
            dependent.cancelled();
            dependent.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.is_cancelled()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn dependent_of(cancel: &Cancel) -> Arc<Cancel> {
        let dependent = Arc::new(Cancel::default());
        let weak: Weak<Cancel> = Arc::downgrade(&dependent);
        cancel.add(weak);
        dependent
    }

    #[test]
    fn a_wait_lasts_its_time_unless_it_is_cancelled() {
        let cancel = Arc::new(Cancel::default());
        let started = Instant::now();
        assert!(!cancel.wait(Duration::from_millis(20)));
        assert!(started.elapsed() >= Duration::from_millis(20));
        let waiting = cancel.clone();
        let thread = std::thread::spawn(move || waiting.wait(LONG));
        cancel.cancel();
        assert!(thread.join().unwrap());
        assert!(cancel.wait(LONG), "later waits end at once");
    }

    #[test]
    fn dependents_are_cancelled_with_it() {
        let cancel = Cancel::default();
        let early = dependent_of(&cancel);
        assert!(!early.is_cancelled());
        cancel.cancel();
        assert!(early.is_cancelled());
        assert!(dependent_of(&cancel).is_cancelled(), "it came too late");
    }

    #[test]
    fn ended_dependents_are_forgotten() {
        let cancel = Cancel::default();
        for _ in 0..1000 {
            dependent_of(&cancel);
        }
        assert!(cancel.lock().dependents.len() <= 8);
    }
}
