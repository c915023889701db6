//! The examples as their users run them: child processes with real pipes and signals.
//!
//! `cargo test` builds the examples first. `cargo test --test programs` does not: run
//! `cargo build --examples` before it. Needs Unix, for signals and arguments that are not UTF-8.
#![cfg(unix)]

mod bridge;
mod call_campaign;
mod chat;
mod child;
mod command_line;
mod doctor;
mod emulator;
mod five_steps;
mod quickstart;
mod recipes;
mod tail;
mod test_your_script;
mod workflow_agent;
