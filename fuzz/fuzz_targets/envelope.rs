//! A success body decodes, or the error keeps the body.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| bimpeai::fuzzing::envelope(body));
