//! An in-process Console API for tests, examples and trials without an API key.
//!
//! The emulator runs in memory, on a port of 127.0.0.1. It serves all operations of both
//! generations of the API and follows their rules: required fields, lengths, enums, error codes,
//! pagination, idempotent replay, single-use stream tickets and live streams with heartbeats. It
//! starts with a public library of workflows. An agent that uses one of them replies to messages
//! from its knowledge bases. A new agent has a first test conversation, in which a customer writes.
//!
//! It also has tools for tests:
//!
//! - a log of the [received requests](Emulator::requests),
//! - its [state](Emulator::state), read without a request,
//! - [faults](Fault) on demand, and those that [never fired](Emulator::unmet_faults),
//! - methods that act as the outside world, such as [`customer_says`](Emulator::customer_says),
//! - a clock that the test [advances](Emulator::advance_clock).
//!
//! Its API may change in any 0.x release.
//!
//! ```
//! use bimpeai::emulator::Emulator;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::start()?;
//! println!("{} with {}", emulator.base_url(), emulator.api_key());
//! let client = emulator.client_builder().max_retries(0).build()?;
//! assert!(client.workflows().list().send()?.data.len() >= 10);
//! # Ok(())
//! # }
//! ```
//!
//! Where the API's documents leave a choice, the emulator behaves as follows:
//!
//! - Lists are in the order of creation, oldest first, unless `sort` says otherwise.
//! - By default both [generations](Generation) are served. `agents.create` with a `workflow_id`
//!   follows the current rules, and without one those of the first generation. `workflows.create`
//!   with a `prompt_config` follows those of the first.
//! - Workflows of the public library return 404 to an update or a delete.
//! - Each retrieval of a call advances its status: queued, ringing, answered, ended. The last four
//!   digits of the number decide the [sequence of statuses](EmulatorBuilder::call_step).
//! - Credentials that contain "bad" or "invalid" are refused.
//! - Up to 10,000 stream tickets can wait to be used. Beyond that, the oldest expire early.
//! - UUIDs are compared without case: the ids of webchat visitors, and idempotency keys that are
//!   UUIDs.
//! - `HEAD` returns the headers of `GET` without the body.
//! - Any result of a write, except a validation error, is stored and replayed to the same
//!   `Idempotency-Key`. Stored results take up to 32 MiB, request bodies included. Beyond that the
//!   emulator forgets the oldest keys: a request that repeats a forgotten key is performed again.

mod builder;
mod clock;
mod context;
mod dispatch;
mod fault;
mod fault_text;
mod generation;
mod handle;
mod http;
mod idempotency;
mod ids;
mod options;
mod pagination;
mod pattern;
mod rate_limit;
mod request_log;
mod resources;
mod responder;
mod response;
mod routes;
mod scheduler;
mod schema;
mod server;
mod shared;
mod state;
mod stream;
mod sync;
mod table;
mod tickets;

pub use self::builder::EmulatorBuilder;
pub use self::fault::Fault;
pub use self::fault_text::ParseFaultError;
pub use self::generation::Generation;
pub use self::handle::Emulator;
pub use self::request_log::RecordedRequest;
