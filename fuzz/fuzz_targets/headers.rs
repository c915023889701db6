//! Headers of answers are read without a panic, and ask for waits that can be waited.
#![no_main]

libfuzzer_sys::fuzz_target!(|lines: &[u8]| bimpeai::fuzzing::headers(lines));
