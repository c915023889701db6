//! The emulator over a socket, byte by byte.

mod access;
mod agents;
mod calls;
mod conversations;
mod faults;
mod generations;
mod idempotency;
mod integrations;
mod memory;
mod rate_limits;
mod state;
mod streams;
mod support;
