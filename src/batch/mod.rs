//! Jobs of many rows that can be killed at any instant and started again. Feature `batch`, which
//! needs Rust 1.89.
#![allow(dead_code)] // The jobs follow.

mod journal;
mod key;
mod shard;

pub use shard::{Shard, ShardError};
