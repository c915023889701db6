//! The files of `src/http` that are modelled.

#[path = "../../../src/http/cancel.rs"]
pub(crate) mod cancel;
#[path = "../../../src/http/rate_limit/mod.rs"]
pub(crate) mod rate_limit;
