//! Bodies of errors make one line, which shows no key.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (u16, &[u8])| {
    let (status, body) = input;
    bimpeai::fuzzing::error(400 + status % 200, body);
});
