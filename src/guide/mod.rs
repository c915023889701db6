//! Guides, one topic per page.
//!
//! | page | read it to |
//! | --- | --- |
//! | [`quickstart`] | create an agent, send it a message and print the reply |
//! | [`errors`] | find out what went wrong, and decide what to do |
//! | [`retries`] | choose timeouts, retries, idempotency keys and rate limits |
//! | [`pagination`] | iterate over lists, and change items while listing |
//! | [`streaming`] | receive messages, resume after a restart, stop at Ctrl-C |
#![cfg_attr(
    feature = "emulator",
    doc = "| [`testing`] | test a program without a network, with faults |"
)]
#![cfg_attr(
    feature = "batch",
    doc = "| [`batch`] | run a job of many rows that can be killed and continued |"
)]
//! | [`cli`] | write a command-line tool: Ctrl-C, exit codes, output |
//! | [`build_scripts`] | call the API from `build.rs` |
//! | [`network`] | set up proxies, TLS, mTLS and DNS lookups |
//! | [`python`] | port a program from the official Python SDK |

/// Creates an agent, teaches it something, and converses with it.
#[doc = ""]
#[doc = include_str!("quickstart.md")]
#[doc(alias("getting started", "tutorial", "authentication"))]
pub mod quickstart {}

/// Which errors there are, and what to do about each.
#[doc = ""]
#[doc = include_str!("errors.md")]
#[doc(alias("exception", "error handling"))]
pub mod errors {}

/// Time limits, retries, idempotency and rate limits.
#[doc = ""]
#[doc = include_str!("retries.md")]
#[doc(alias(
    "backoff",
    "jitter",
    "retry",
    "timeout",
    "idempotency",
    "duplicate",
    "rate limit"
))]
pub mod retries {}

/// Lists: items, pages, order, and changes while listing.
#[doc = ""]
#[doc = include_str!("pagination.md")]
#[doc(alias("descending", "cursor", "next page", "list"))]
pub mod pagination {}

/// Messages as they arrive: order, resuming, cancelling.
#[doc = ""]
#[doc = include_str!("streaming.md")]
#[doc(alias("resume", "cancel", "sse", "server-sent events", "reconnect"))]
pub mod streaming {}

/// Tests without a network, with faults on demand. Feature `emulator`.
#[doc = ""]
#[doc = include_str!("testing.md")]
#[cfg(feature = "emulator")]
#[cfg_attr(docsrs, doc(cfg(feature = "emulator")))]
#[doc(alias("mock", "fake", "unit test"))]
pub mod testing {}

/// Jobs of many rows that survive a kill. Feature `batch`.
#[doc = ""]
#[doc = include_str!("batch.md")]
#[cfg(feature = "batch")]
#[cfg_attr(docsrs, doc(cfg(feature = "batch")))]
#[doc(alias("import", "bulk", "journal"))]
pub mod batch {}

/// Command-line tools: Ctrl-C, exit codes, output, settings.
#[doc = ""]
#[doc = include_str!("cli.md")]
#[doc(alias("ctrl-c", "signal", "exit code", "command line"))]
pub mod cli {}

/// The API in `build.rs`.
#[doc = ""]
#[doc = include_str!("build_scripts.md")]
#[doc(alias = "build.rs")]
pub mod build_scripts {}

/// Proxies, TLS and DNS.
#[doc = ""]
#[doc = include_str!("network.md")]
#[doc(alias("mTLS", "DNS lookup", "proxy", "certificate", "tls"))]
pub mod network {}

#[doc = include_str!("python.md")]
#[doc(alias("BimpeAI", "AsyncBimpeAI", "port", "migration"))]
pub mod python {}
