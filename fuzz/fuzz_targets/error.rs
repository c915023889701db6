//! An error body becomes one line without the API key.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (u16, &[u8])| {
    let (status, body) = input;
    bimpeai::fuzzing::error(400 + status % 200, body);
});
