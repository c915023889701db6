//! Blocking Rust SDK for the BimpeAI Console API, for scripts, command-line tools, build scripts and
//! batch jobs: no async runtime, one thread a call.
//!
//! It has every operation of the official Python SDK under the same name; [`python`] says where each
//! of its names is. The five steps of a workflow agent:
//!
//! ```no_run
//! use bimpeai::agents::{CreateAgent, CreateKnowledgeBase};
//! use bimpeai::conversations::SendMessage;
//! use bimpeai::workflows::WorkflowScope;
//! use bimpeai::{Client, Error};
//!
//! fn main() -> Result<(), Error> {
//!     let client = Client::from_env()?; // BIMPEAI_API_KEY, and BIMPEAI_BASE_URL where it is set
//!
//!     // 1. Find a workflow.
//!     let page = client.workflows().list().scope(WorkflowScope::Public).search("restaurant").send()?;
//!     let workflow = &page.data[0];
//!
//!     // 2. Create an agent on it; these are the first generation's fields, see `CreateAgent`.
//!     let agent = client
//!         .agents()
//!         .create(
//!             CreateAgent::new("Restaurant assistant")
//!                 .system_prompt("You help customers place orders and book tables.")
//!                 .agent_workflow_id(&workflow.id),
//!         )
//!         .idempotency_key("create-restaurant-agent-v1")
//!         .send()?;
//!
//!     // 3. Give it knowledge.
//!     client
//!         .agents()
//!         .knowledge_bases()
//!         .create(&agent.id, CreateKnowledgeBase::text("Menu", "Margherita pizza £12."))
//!         .send()?;
//!
//!     // 4. Inspect what is connected to it.
//!     for integration in client.agents().integrations().list(&agent.id).send()? {
//!         println!("{} is {}", integration.name, integration.status);
//!     }
//!
//!     // 5. Converse.
//!     let messages = client.conversations().messages();
//!     let stream = messages.stream(&agent.id, "cnv_1").open()?;
//!     messages.send(&agent.id, "cnv_1", SendMessage::new("Your table is booked.")).send()?;
//!     for message in stream {
//!         let message = message?;
//!         println!("{} {}", message.role, message.message.as_deref().unwrap_or(""));
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Where things are
//!
//! * [`Client`] has a handle for each resource: [`agents`], [`workflows`], [`conversations`],
//!   [`calls`], [`phone_numbers`]. Handles are cheap; types live beside them. For what this version
//!   does not know there is [`Client::request`].
//! * An operation returns a [`Request`](request::Request), a
//!   [`ListRequest`](pagination::ListRequest) or a [`StreamRequest`](stream::StreamRequest), with its
//!   options as methods; `send` performs it, iterating walks it.
//! * Everything that can go wrong is an [`Error`]; [`error`] has the details.
//! * [`types`] says how answers and bodies treat what is unknown, null and absent.
//!
//! # Generations of the API
//!
//! The documented first generation (0.1) and the current one (0.2 to 0.4) are one surface here: each
//! item says which of them has it, where it is not in all.
//!
//! # Retries, waits and deadlines
//!
//! Connection errors, timeouts, 408, 429 and 5xx (except 501) are retried up to twice by default.
//! [`Error::is_retryable`] has the exceptions.
//!
//! A 409 to the first attempt is never retried. A 409 to a retry of a write is, if an earlier attempt
//! may have reached the server: that attempt may still be in progress.
//!
//! Before each retry the client sleeps for a random 50–100 % of a delay that starts at 0.5 s and
//! doubles up to 8 s. A `Retry-After` header (seconds, fractions or a date) replaces that delay. If
//! the delay would exceed `max_retry_wait` (60 s) or the remaining `deadline`, the call fails
//! immediately with the server's error; [`retry_after`](Error::retry_after) returns the requested
//! delay.
//!
//! `timeout` bounds one attempt, including the response body: 30 s by default, and 60 s for
//! `conversations().send`, which waits for the assistant. `deadline` bounds the call with all its
//! attempts and waits.
//!
//! Every write carries one `Idempotency-Key` for all its attempts: yours, or a random one from the
//! operating system, so that forked processes do not share it. A pooled connection that turns out to
//! be dead is replaced once, which does not count as an attempt. [`Error::may_have_been_sent`] tells
//! a batch job whether to look before it repeats a write.
//!
//! # Secrets
//!
//! The key goes to the configured origin and nowhere else: redirects are not followed, plain http
//! is refused but for this machine and hosts that were allowed, and a stream is opened with its
//! ticket alone. No key, ticket, connector secret or body is in any `Debug`, `Display`, error source
//! or log record of this crate.
//!
//! The HTTP library below, ureq, has records of its own. Down to `DEBUG` they show neither header
//! values nor paths. At `TRACE` they show whole requests, the key among them, and a logger that has
//! `TRACE` on also gets URLs with their tickets at `DEBUG`: keep ureq at `DEBUG`, with a filter such
//! as `RUST_LOG=trace,ureq=debug,ureq_proto=debug`.
//!
//! # Proxies
//!
//! By default, requests go through the proxy in `HTTPS_PROXY` (`HTTP_PROXY` for plain http) or
//! `ALL_PROXY`. Loopback addresses and the hosts in `NO_PROXY` are reached directly.
//! [`ClientBuilder::proxy`] sets another proxy and has the details; [`ClientBuilder::no_proxy`]
//! ignores the environment.
//!
//! # Without a network
//!
//! With the feature `emulator`, `emulator::Emulator` is the Console API in your own process, with
//! faults on demand:
//!
//! ```toml
//! [dev-dependencies]
//! bimpeai = { version = "0.1", features = ["emulator"] }
//! ```
//!
//! # Features
//!
//! * `rustls` (default): TLS by rustls with bundled roots; needs no library of the system's.
//! * `platform-verifier`: rustls with the operating system's certificate store.
//! * `native-tls`: TLS by the operating system's library.
//! * `socks`: proxies that speak SOCKS.
//! * `gzip`: asks for compressed answers.
//! * `emulator`: the in-process API for tests; its own API may change in any 0.x release.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

pub mod agents;
pub mod calls;
mod client;
pub mod conversations;
#[cfg(feature = "emulator")]
#[cfg_attr(docsrs, doc(cfg(feature = "emulator")))]
pub mod emulator;
mod environment;
pub mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod headers;
mod http;
pub mod pagination;
pub mod phone_numbers;
pub mod provision;
mod random;
#[doc = include_str!("python.md")]
pub mod python {}
pub mod request;
pub mod sse;
pub mod stream;
pub mod types;
pub mod workflows;

pub use client::{Client, ClientBuilder};
pub use error::Error;
pub use headers::Headers;
pub use pagination::{ListRequest, Page};
pub use request::{ApiResponse, Request};

/// The README's snippets are tests too.
#[cfg(all(doctest, feature = "emulator"))]
#[doc = include_str!("../README.md")]
struct Readme;
