//! Ids stay in their segment, and headers of a caller's in their line.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| bimpeai::fuzzing::caller(text));
