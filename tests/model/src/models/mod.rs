//! The models: what threads do with the crate's code, and what must hold whatever the interleaving.

pub(crate) mod cancel;
pub(crate) mod gate;

use crate::sync::TimedWaits;

/// What some threads do. It fails if it panics, and if a thread waits that nobody can wake.
pub(crate) struct Model {
    pub(crate) name: &'static str,
    pub(crate) run: fn(),
    pub(crate) timed_waits: &'static [TimedWaits],
}

impl Model {
    /// A model in which every wait ends by a notification.
    pub(crate) const fn new(name: &'static str, run: fn()) -> Self {
        Model {
            name,
            run,
            timed_waits: &[TimedWaits::Endless, TimedWaits::Random],
        }
    }

    /// A model of threads that look again after a while.
    pub(crate) const fn polling(name: &'static str, run: fn()) -> Self {
        Model {
            name,
            run,
            timed_waits: &[TimedWaits::Elapse],
        }
    }

    /// A model of waits that may time out.
    pub(crate) const fn timed(name: &'static str, run: fn()) -> Self {
        Model {
            name,
            run,
            timed_waits: &[TimedWaits::Random],
        }
    }
}

/// Returns all models.
pub(crate) fn all() -> impl Iterator<Item = &'static Model> {
    let parts = [
        crate::stream::models::MODELS,
        crate::batch::models::MODELS,
        cancel::MODELS,
        gate::MODELS,
    ];
    parts.into_iter().flatten()
}
