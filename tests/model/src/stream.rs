//! The files of `src/stream` that are modelled.

pub(crate) mod batch {
    pub(crate) use crate::stand_ins::Batch;
}
#[path = "models/queue.rs"]
pub(crate) mod models;
#[path = "../../../src/stream/queue.rs"]
mod queue;
