//! Blocking Rust SDK for the BimpeAI Console API, for scripts, command-line tools, build scripts and
//! batch jobs: no async runtime, one thread per call.
//!
//! It has every operation of the official Python SDK under the same name; [`python`] lists them. The
//! five steps of a workflow agent:
//!
//! ```no_run
#![doc = include_str!("../examples/five_steps.rs")]
//! ```
//!
//! # Where things are
//!
//! * [`Client`] has a handle for each resource: [`agents`], [`workflows`], [`conversations`],
//!   [`calls`], [`phone_numbers`]. Handles are cheap to create. Their types are in the same module.
//!   [`Client::request`] sends requests for operations that this version does not have.
//! * An operation returns a [`Request`], a [`ListRequest`] or a
//!   [`StreamRequest`](stream::StreamRequest) with its options as methods. `send` sends a request;
//!   lists and streams are iterated over.
//! * [`Error`] is the only error type; [`error`] has its details.
//! * [`types`] describes how responses and bodies treat unknown, null and absent fields.
//!
//! # Generations of the API
//!
//! The live API speaks the current generation (API 0.2 to 0.4). This crate has that one and the first
//! documented generation (API 0.1) side by side. An item that exists in one of them only says so.
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
//! a batch job whether to look before it repeats a write. [`Request::idempotency_key`] describes what
//! a server does with a key that it knows.
//!
//! # Questions that come up
//!
//! * **The agent has no conversation.** A new agent has none until a customer writes to it.
//!   [`conversations().send`](conversations::Conversations::send) opens one.
//! * **Deleting while listing.** Collect the list with [`ListRequest::all`] first.
//! * **Batch jobs.** Clone the client into as many threads as there are calls at a time; the clones
//!   share one pool of connections. Set a `deadline`. To continue after a restart without repeating
//!   writes, store an idempotency key with each row of work.
//! * **Ctrl-C.** Call [`StreamHandle::cancel`](stream::StreamHandle::cancel) in the signal handler, and
//!   the stream ends. A call in progress cannot be cancelled; its `deadline` ends it.
//!
//! # Secrets
//!
//! The API key goes to the configured origin only. Redirects are not followed. Plain http is refused,
//! except for loopback addresses and hosts that were allowed. A stream is opened with its ticket, not
//! with the key.
//!
//! No API key, ticket or integration secret is in any `Debug`, `Display`, error source or log record of
//! this crate. Errors, log records, requests and streams print no bodies either. `Debug` of a body or a
//! result prints its texts, except for a [`Secret`](types::Secret).
//!
//! The HTTP library ureq writes log records of its own. Down to `DEBUG` they show neither the API key
//! nor paths. At `TRACE` they show whole requests, the key among them, and a logger with `TRACE` enabled
//! also gets URLs with their tickets at `DEBUG`. Keep ureq at `DEBUG`, with a filter such as
//! `RUST_LOG=trace,ureq=debug,ureq_proto=debug`.
//!
//! # Proxies
//!
//! The client uses the proxy in `HTTPS_PROXY` (for plain http, `HTTP_PROXY`), else in `ALL_PROXY`. It
//! connects directly to loopback addresses and to hosts in `NO_PROXY` (names with their subdomains,
//! addresses, networks, `*`). [`ClientBuilder::proxy`] and [`ClientBuilder::no_proxy`] override the
//! environment.
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
//! * `rustls` (default): TLS by rustls with bundled roots; needs no system library.
//! * `platform-verifier`: rustls with the operating system's certificate store.
//! * `native-tls`: TLS by the operating system's library.
//! * `socks`: SOCKS proxies.
//! * `gzip`: requests compressed responses.
//! * `batch`: jobs of many rows that survive a kill. Needs Rust 1.89.
//! * `emulator`: the in-process API for tests; its own API may change in any 0.x release.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

pub mod agents;
mod attempt;
#[cfg(feature = "batch")]
#[cfg_attr(docsrs, doc(cfg(feature = "batch")))]
pub mod batch;
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

pub use attempt::Attempt;
pub use client::{Client, ClientBuilder};
pub use error::Error;
pub use headers::Headers;
pub use pagination::{ListRequest, Page};
pub use request::{ApiResponse, Request};

/// The README's snippets are tests too.
#[cfg(all(doctest, feature = "emulator"))]
#[doc = include_str!("../README.md")]
struct Readme;
