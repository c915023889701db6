//! Why a job ends early.

use std::sync::PoisonError;
use std::time::Duration;

use crate::http::cancel::Dependent;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// What ends a job early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    /// The client was shut down.
    Interrupted,
    /// The journal cannot be read or written.
    Journal(String),
    /// The credentials are refused.
    Authentication(String),
    /// A closure panicked.
    Panicked,
    /// The rows cannot be read on.
    Input(String),
    /// The plan allows no more agents.
    AgentLimit(String),
    /// Too many rows failed.
    MaxFailures(u64),
}

impl Reason {
    /// Returns whether nothing may be sent any more. Otherwise rows that are under way are finished.
    fn is_hard(&self) -> bool {
        match self {
            Reason::Interrupted
            | Reason::Journal(_)
            | Reason::Authentication(_)
            | Reason::Panicked => true,
            Reason::Input(_) | Reason::AgentLimit(_) | Reason::MaxFailures(_) => false,
        }
    }
}

/// Tells all threads of a job that it ends.
#[derive(Debug, Default)]
pub(super) struct Stop {
    reason: Mutex<Option<Reason>>,
    changed: Condvar,
}

/// The client was shut down.
impl Dependent for Stop {
    fn cancelled(&self) {
        self.set(Reason::Interrupted);
    }
}

impl Stop {
    /// Sets the reason. The first one stays, unless a hard one follows a soft one.
    pub(super) fn set(&self, reason: Reason) {
        let mut known = self.lock();
        let replaces = match &*known {
            None => true,
            Some(known) => reason.is_hard() && !known.is_hard(),
        };
        if replaces {
            *known = Some(reason);
        }
        self.changed.notify_all();
    }

    pub(super) fn reason(&self) -> Option<Reason> {
        self.lock().clone()
    }

    /// Returns whether no new row may be begun.
    pub(super) fn is_set(&self) -> bool {
        self.lock().is_some()
    }

    /// Returns whether nothing may be sent any more.
    pub(super) fn is_hard(&self) -> bool {
        self.lock().as_ref().is_some_and(Reason::is_hard)
    }

    /// Waits. Returns `true` if nothing may be sent afterwards.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let goes_on = |reason: &mut Option<Reason>| !reason.as_ref().is_some_and(Reason::is_hard);
        let (reason, _) = self
            .changed
            .wait_timeout_while(self.lock(), time, goes_on)
            .unwrap_or_else(PoisonError::into_inner);
        reason.as_ref().is_some_and(Reason::is_hard)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Reason>> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn hard() -> Reason {
        Reason::Authentication("401".to_owned())
    }

    #[test]
    fn the_first_reason_stays_unless_a_hard_one_follows_a_soft_one() {
        for (reasons, expected) in [
            ([Reason::MaxFailures(1), hard()], hard()),
            ([hard(), Reason::MaxFailures(1)], hard()),
            ([hard(), Reason::Interrupted], hard()),
            (
                [Reason::MaxFailures(1), Reason::MaxFailures(2)],
                Reason::MaxFailures(1),
            ),
        ] {
            let stop = Stop::default();
            assert!(!stop.is_set() && !stop.is_hard());
            for reason in reasons {
                stop.set(reason);
                assert!(stop.is_set());
            }
            assert_eq!(stop.reason(), Some(expected.clone()));
            assert_eq!(stop.is_hard(), expected == hard());
        }
    }

    #[test]
    fn a_wait_lasts_its_time_unless_a_hard_reason_ends_it() {
        const TIME: Duration = Duration::from_millis(20);
        let stop = Arc::new(Stop::default());
        for reason in [None, Some(Reason::MaxFailures(1))] {
            reason.into_iter().for_each(|reason| stop.set(reason));
            let started = Instant::now();
            assert!(!stop.wait(TIME));
            assert!(started.elapsed() >= TIME);
        }
        let waiting = stop.clone();
        let thread = std::thread::spawn(move || waiting.wait(LONG));
        stop.cancelled();
        assert!(thread.join().unwrap());
        assert_eq!(stop.reason(), Some(Reason::Interrupted));
        let started = Instant::now();
        assert!(stop.wait(LONG));
        assert!(started.elapsed() < LONG / 2, "it does not begin to wait");
    }
}
