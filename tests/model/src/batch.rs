//! The file of `src/batch` that is modelled.

#[path = "models/stop.rs"]
pub(crate) mod models;
#[path = "../../../src/batch/stop.rs"]
mod stop;
