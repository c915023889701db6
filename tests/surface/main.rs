//! The whole surface: every operation of `tests/data/wire.json` called against a recording server
//! and against the emulator, and held to the official Python SDK.

mod aliases;
mod cases;
mod emulator;
mod ids;
mod operations;
mod peer;
mod python;
mod recording;
#[path = "../support/mod.rs"]
mod support;
mod table;
#[path = "../support/wire.rs"]
mod wire;
