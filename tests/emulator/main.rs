//! The emulator as its users meet it: over a socket, byte by byte.

mod access;
mod agents;
mod conversations;
mod streams;
mod support;
