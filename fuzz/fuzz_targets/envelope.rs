//! Bodies of successes decode, or are an error that keeps them.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| bimpeai::fuzzing::envelope(body));
