//! Blocking Rust SDK for the BimpeAI Console API.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

pub mod agents;
pub mod calls;
mod client;
pub mod conversations;
#[cfg(feature = "emulator")]
#[cfg_attr(docsrs, doc(cfg(feature = "emulator")))]
pub mod emulator;
pub mod error;
mod http;
pub mod pagination;
pub mod phone_numbers;
pub mod request;
pub mod sse;
pub mod stream;
pub mod types;
pub mod workflows;

pub use client::{Client, ClientBuilder};
pub use error::Error;
pub use http::headers::Headers;
