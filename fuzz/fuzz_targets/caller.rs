//! Ids stay in their path segment, and a caller's headers in their line.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| bimpeai::fuzzing::caller(text));
