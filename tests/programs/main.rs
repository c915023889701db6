//! The examples as their users run them: child processes with real pipes and signals.
//!
//! Most of it needs Unix: signals, closed pipes, arguments that are not UTF-8.
#![cfg(unix)]

mod chat;
mod child;
mod command_line;
mod doctor;
mod emulator;
mod five_steps;
mod quickstart;
mod tail;
mod test_your_script;
mod workflow_agent;
