//! Response headers are read without a panic, and waits in them are never too long.
#![no_main]

libfuzzer_sys::fuzz_target!(|lines: &[u8]| bimpeai::fuzzing::headers(lines));
