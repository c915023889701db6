//! An in-process Console API for tests.
