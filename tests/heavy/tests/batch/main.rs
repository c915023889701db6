//! Jobs that are killed, and what they leave.

mod child;
mod disk;
mod doubt;
mod fake;
mod jobs;
mod kill;
mod outcomes;
#[path = "../../../support/mod.rs"]
mod support;
mod types;
