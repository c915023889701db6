//! The primitives with which threads wait for each other.
//!
//! `tests/model` compiles the files that use them with others in their place, and tries how the steps of
//! the threads can interleave.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
pub(crate) use std::thread::{JoinHandle, yield_now};
