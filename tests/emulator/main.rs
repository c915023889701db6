//! The emulator as its users meet it: over a socket, byte by byte.

mod access;
mod agents;
mod calls;
mod connectors;
mod conversations;
mod faults;
mod memory;
mod streams;
mod support;
