//! Event-stream decoders: this crate's and its rivals, fed from the same slices as from a socket.

use std::fmt::Write as _;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bimpeai::sse::Decoder;
use bytes::Bytes;
use futures_core::Stream;

/// Decodes the input in chunks of this size, drops each event, and returns the number of events.
pub type Decode = fn(&[u8], usize) -> usize;

pub const OWN: Decode = |input, chunk| {
    let mut decoder = Decoder::new();
    let mut count = 0;
    for chunk in input.chunks(chunk) {
        decoder.push(chunk);
        while let Some(event) = decoder.next_event() {
            black_box(event.expect("no event is too large"));
            count += 1;
        }
    }
    count
};

pub const RIVALS: [(&str, Decode); 4] = [
    ("sse-stream", |input, chunk| {
        drain(sse_stream::SseByteStream::new(Chunks(
            input.chunks(chunk),
            |chunk| chunk,
        )))
    }),
    ("sse-core", |input, chunk| {
        let mut decoder = sse_core::SseDecoder::new();
        let mut count = 0;
        for mut chunk in input.chunks(chunk) {
            while let Some(event) = decoder.next(&mut chunk) {
                black_box(event.expect("no event is too large"));
                count += 1;
            }
        }
        count
    }),
    ("sse-parse", |input, chunk| {
        let mut parser = sse_parse::SseParser::new();
        let mut count = 0;
        for chunk in input.chunks(chunk) {
            parser.feed(chunk);
            while let Some(event) = parser.next_event() {
                black_box(event);
                count += 1;
            }
        }
        count
    }),
    ("sseer", |input, chunk| {
        // It takes nothing but `Bytes`, so what was read into a buffer is copied.
        drain(sseer::EventStream::new(Chunks(
            input.chunks(chunk),
            Bytes::copy_from_slice,
        )))
    }),
];

struct Chunks<'a, F>(std::slice::Chunks<'a, u8>, F);

impl<'a, T, F: Fn(&'a [u8]) -> T + Unpin> Stream for Chunks<'a, F> {
    type Item = Result<T, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = self.0.next();
        Poll::Ready(chunk.map(|chunk| Ok((self.1)(chunk))))
    }
}

fn drain<T, E: std::fmt::Debug>(stream: impl Stream<Item = Result<T, E>>) -> usize {
    let mut stream = pin!(stream);
    let mut context = Context::from_waker(Waker::noop());
    let mut count = 0;
    while let Poll::Ready(Some(event)) = stream.as_mut().poll_next(&mut context) {
        black_box(event.expect("an event"));
        count += 1;
    }
    count
}

/// Sizes of messages, in bytes.
pub const SIZES: [(&str, usize); 3] = [("100 B", 100), ("2 kB", 2_000), ("64 kB", 64_000)];

/// One way in which messages of one size arrive.
pub struct Case {
    pub line_end: &'static str,
    pub chunk: usize,
    pub input: Vec<u8>,
    pub messages: usize,
}

/// Returns messages with a text of `size` bytes, about `total` bytes of them, in each division.
pub fn cases(unit: &str, size: usize, total: usize) -> Vec<Case> {
    let messages = (total / size).max(1);
    let mut cases = Vec::new();
    for line_end in ["\n", "\r\n"] {
        let mut input = String::new();
        let text = unit.repeat(size / unit.len());
        for number in 0..messages {
            let id = format!("msg_{number:08}");
            let lines = [
                "event: message",
                &format!("id: {id}"),
                &format!("data: {text}"),
                "",
            ];
            for line in lines {
                let _ = write!(input, "{line}{line_end}");
            }
        }
        for chunk in [1_400, 16 * 1024, 64 * 1024] {
            cases.push(Case {
                line_end,
                chunk,
                input: input.clone().into_bytes(),
                messages,
            });
        }
    }
    cases
}
