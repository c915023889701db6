//! Decodes arbitrary bytes at any split and limit: no panic, and the same events as in one piece.
#![no_main]

use std::iter;

use bimpeai::sse::{Decoder, Event, Oversized};
use libfuzzer_sys::fuzz_target;

fn decode<'a>(
    limit: usize,
    chunks: impl Iterator<Item = &'a [u8]>,
) -> (Vec<Result<Event, Oversized>>, Decoder) {
    let mut decoder = Decoder::new().max_event_size(limit);
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        events.extend(iter::from_fn(|| decoder.next_event()));
    }
    (events, decoder)
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (limit, cut, bytes) = input;
    let limit = usize::from(limit);
    let (whole, after_whole) = decode(limit, iter::once(bytes));
    let (cut, after_cut) = decode(limit, bytes.chunks(usize::from(cut).max(1)));
    assert_eq!(whole, cut);
    assert_eq!(after_whole.last_event_id(), after_cut.last_event_id());
    assert_eq!(after_whole.retry(), after_cut.retry());
});
