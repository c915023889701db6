//! An in-process Console API for tests, examples and trials without an API key.
//!
//! The emulator runs in memory, on a port of 127.0.0.1. It serves all operations of both
//! generations of the API (0.1, and 0.2 to 0.4) and follows their rules: required fields, lengths,
//! enums, error codes, pagination, idempotent replay, single-use stream tickets and live streams
//! with heartbeats. It starts with a public library of workflows. An agent with one of these
//! workflows replies with text from its knowledge bases. Unlike the live API, it adds one test
//! conversation with a message of a customer to each new agent, so that lists are not empty.
//!
//! It also has tools for tests:
//!
//! - a log of the [received requests](Emulator::requests),
//! - direct access to its [state](Emulator::state), such as the stored agents,
//! - [fault](Fault) injection, and a list of the faults that were [never
//!   applied](Emulator::unmet_faults),
//! - methods that act as customers and channels, such as
//!   [`customer_says`](Emulator::customer_says),
//! - a clock that the test [advances](Emulator::advance_clock).
//!
//! Its API may change in any 0.x release.
//!
//! ```
//! use std::time::Duration;
//!
//! use bimpeai::emulator::{Emulator, Fault};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::start()?;
//! let client = emulator.client_builder().build()?;
//! let agent = client.agents().create("Ada").send()?;
//!
//! // The first attempt of the next list fails, and is retried.
//! emulator.fault(Fault::status(503).retry_after(0).on("GET", "/agents"));
//! assert_eq!(client.agents().list().all()?.len(), 1);
//! assert!(emulator.unmet_faults().is_empty());
//! assert_eq!(emulator.requests_to("GET", "/agents").len(), 2);
//!
//! // A customer writes, and time passes.
//! let conversations = client.conversations().list(&agent.id).all()?;
//! let id = &conversations[0].id;
//! emulator.customer_says(&agent.id, id, "Are you open?");
//! emulator.advance_clock(Duration::from_secs(60));
//! let messages = client.conversations().messages();
//! assert!(messages.list(&agent.id, id).all()?.len() >= 2);
//! # Ok(())
//! # }
//! ```
//!
//! Where the API's documents leave a choice, the emulator behaves as follows:
//!
//! - Lists are in the order of creation, oldest first, unless `sort` says otherwise.
//! - By default both [generations](Generation) are served. `agents.create` follows the current
//!   rules if the body has a `workflow_id`, and those of API 0.1 if it has none. `workflows.create`
//!   follows those of API 0.1 if the body has a `prompt_config`.
//! - Workflows of the public library return 404 to an update or a delete.
//! - Each retrieval of a call advances its status: queued, ringing, answered, ended. The last four
//!   digits of the number select another course: 0000 is busy, 9999 fails, 8888 is not picked up,
//!   7777 reaches a voicemail, and 6666 is transferred. With
//!   [`call_step`](EmulatorBuilder::call_step), the status advances with time instead.
//! - Credentials of an integration that contain "bad" or "invalid" are refused, so that a test can
//!   provoke this error.
//! - Up to 10,000 stream tickets can wait to be used. Beyond that, the oldest expire early.
//! - The ids of webchat visitors and idempotency keys that are UUIDs are compared without case.
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
