//! Blocking Rust SDK for the BimpeAI Console API. No async runtime: a call blocks the thread that
//! sends it. For scripts, command-line tools, build scripts and batch jobs.
//!
//! It has every operation of the official Python SDK under the same name; [`guide::python`] lists
//! them.
//!
//! # Quick start
//!
//! ```no_run
//! use bimpeai::agents::CreateAgent;
//! use bimpeai::conversations::CreateConversationMessage;
//! use bimpeai::{Client, Error};
//!
//! fn main() -> Result<(), Error> {
//!     let client = Client::from_env()?; // reads BIMPEAI_API_KEY
//!     let body = CreateAgent::new("Ada")
//!         .description("Books tables.")
//!         .workflow_id("wfl_1");
//!     let agent = client.agents().create(body).send()?;
//!     let hello = CreateConversationMessage::webchat("Hello!", "visitor 7");
//!     let reply = client.conversations().ask(&agent.id, hello).send()?;
//!     println!("{}", reply.text());
//!     Ok(())
//! }
//! ```
//!
//! The [guides](guide) explain one topic each, starting with [`guide::quickstart`]. On all pages, *call*
//! means one API request with its retries. Only in the module [`calls`] does it mean a phone call.
//!
//! # Modules
//!
//! | module | content |
//! | --- | --- |
//! | [`guide`] | guides: errors, retries, pagination, streaming, testing, command-line tools, proxies |
//! | [`agents`] | agents, their knowledge bases, integrations, channels and actions |
//! | [`workflows`] | workflows: instructions, rules, flows and FAQs of agents |
//! | [`conversations`] | conversations, messages, questions with their replies |
//! | [`stream`] | messages as they arrive |
//! | [`calls`], [`phone_numbers`] | phone calls with transcripts, phone numbers |
//! | [`request`], [`pagination`] | [`Request`] and [`ListRequest`], which most operations return |
//! | [`error`] | [`Error`], the only error type, and its details |
//! | [`types`] | [`Timestamp`](types::Timestamp), [`Secret`](types::Secret), [`Patch`](types::Patch) and [`Extra`](types::Extra) |
//! | [`provision`] | workflows, agents and knowledge from a file |
//! | `batch` (feature) | resumable bulk jobs, such as an import of thousands of agents |
//! | `emulator` (feature) | an in-process API for tests |
//! | [`sse`] | the event stream parser |
//!
//! [`Client`] has a handle for each resource, such as [`Client::agents`]. [`Client::request`] sends
//! requests for operations that this version does not have.
//!
//! # API generations
//!
//! There are two generations: API 0.1, and API 0.2 to 0.4. The live API is version 0.4. It has
//! everything that is marked `API 0.2+`, `API 0.3+` or `API 0.4+`. Items that are marked `API 0.1
//! only` are for servers of the first generation: ignore them.
//!
//! # Time limits
//!
//! | limit | default | bounds | does not interrupt | set it with |
//! | --- | --- | --- | --- | --- |
//! | `timeout` | 30 s; 60 s for `conversations().send` | one attempt, with connecting and the response body | a DNS lookup, which continues in the background | [`ClientBuilder`](ClientBuilder::timeout), [`Request`](Request::timeout) |
//! | `connect_timeout` | 10 s | DNS lookup, TCP, proxy and TLS of one connection | as above | [`ClientBuilder`](ClientBuilder::connect_timeout) |
//! | `deadline` | none | one call with all attempts and waits; one page of a list | your code between pages | [`ClientBuilder`](ClientBuilder::deadline), [`Request`](Request::deadline) |
//! | `max_retries` | 2 | retries of one call | | [`ClientBuilder`](ClientBuilder::max_retries), [`Request`](Request::max_retries) |
//! | `max_retry_wait` | 120 s | all waits that the server asks for in one call (`Retry-After`, rate limits) | an attempt in progress | [`ClientBuilder`](ClientBuilder::max_retry_wait), [`Request`](Request::max_retry_wait) |
//! | deadline of `ask` | 60 s | a question, its retries and the reply | | [`AskRequest`](conversations::AskRequest::deadline) |
//! | deadline of `wait` | 10 min | waiting for the end of a phone call | the phone call | [`WaitRequest`](calls::WaitRequest::deadline) |
//! | stream `timeout` | the client's | each of the two requests that open a stream | an open stream | [`StreamRequest`](stream::StreamRequest::timeout) |
//! | stream `idle_timeout` | 60 s | time without a message or heartbeat | the stream: only its connection is replaced | [`StreamRequest`](stream::StreamRequest::idle_timeout) |
//! | stream `max_outage` | 5 min | time without a working connection | an attempt in progress | [`StreamRequest`](stream::StreamRequest::max_outage) |
//! | stream `max_retries` | 5 until connected, then unlimited | consecutive failed connections | | [`StreamRequest`](stream::StreamRequest::max_retries) |
//! | `max_response_size` | 16 MiB | the body of one response | an event stream | [`ClientBuilder`](ClientBuilder::max_response_size) |
//!
//! [`Client::shutdown`] cancels all calls and streams of a client and its clones. It can be called from
//! any thread.
//!
//! # Retries and idempotency
//!
//! - Connection errors, timeouts, 408, 429 and 5xx (except 501) are retried up to twice by default.
//!   Permanent errors, such as an unknown host, are not retried.
//! - Retries use exponential backoff with jitter: a random 50–100 % of a delay that starts at 0.5 s
//!   and doubles up to 8 s.
//! - A `Retry-After` header replaces this delay.
//! - Clones of a client share the rate limit: after a 429 all of them pause until it resets. The pause
//!   does not count as a retry.
//! - If the waits that the server asks for would exceed `max_retry_wait` or the remaining `deadline`,
//!   the call fails immediately; [`Error::retry_after`] returns the delay.
//! - Every write carries an idempotency key, the same for all its attempts, so it is performed once.
//! - A 409 is retried only if an earlier attempt of the same write may still be in progress.
//! - [`Error::may_have_been_sent`] tells whether the server may have received a failed call.
//! - To repeat a write safely after a restart of your program, store an idempotency key beforehand and
//!   set it with [`Request::idempotency_key`].
//!
//! [`guide::retries`] has the details.
//!
//! # Secrets
//!
//! The API key goes to the configured origin only. Redirects are not followed. Plain http is refused,
//! except for loopback addresses and hosts that you allow. A stream is opened with a single-use ticket
//! instead of the API key.
//!
//! No API key, ticket or integration secret is in any `Debug`, `Display`, error source or log record of
//! this crate. Errors, log records, requests and streams print no bodies either. `Debug` of a type such
//! as `CreateAgent` or `Agent` prints its fields, except for a [`Secret`](types::Secret).
//!
//! The HTTP library ureq writes log records of its own. If the maximum log level is `DEBUG`, they
//! contain neither the API key nor paths. If it is `TRACE`, they contain whole requests with the API
//! key, and URLs with stream tickets. Limit ureq to `DEBUG`, for example with
//! `RUST_LOG=trace,ureq=debug,ureq_proto=debug`.
//!
//! # Features
//!
//! * `rustls` (default): TLS by rustls with bundled roots; needs no system library.
//! * `platform-verifier`: rustls with the operating system's certificate store.
//! * `native-tls`: TLS by the operating system's library: OpenSSL, Secure Transport or SChannel. Client
//!   keys in PKCS#8 only; see [`guide::network`] for its other limits. Without effect if `rustls` is
//!   enabled too, so disable the default features.
//! * `socks`: SOCKS proxies.
//! * `gzip`: requests compressed responses.
//! * `batch`: resumable bulk jobs, such as an import of thousands of agents. Needs Rust 1.89.
//! * `emulator`: the in-process API for tests; its own API may change in any 0.x release.
#![forbid(unsafe_code)]
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
pub mod guide;
mod headers;
mod http;
pub mod pagination;
pub mod phone_numbers;
pub mod provision;
mod random;
pub mod request;
pub mod sse;
pub mod stream;
mod sync;
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
