//! The decoder and the splitter, from the inside.

use super::splitter::Value as _;
use super::*;

/// Reads as the stream's thread does: a buffer goes away with its events, only the unfinished
/// rest moves to a new one. Returns the events' name, data and id.
fn read_all(splitter: &mut Splitter<Span>, input: &[u8], read: usize) -> Vec<[Vec<u8>; 3]> {
    let mut out = Vec::new();
    let mut buf = Vec::new();
    for chunk in input.chunks(read) {
        buf.extend_from_slice(chunk);
        let mut events = Vec::new();
        while let Some(event) = splitter.next(&buf) {
            events.push(event.unwrap());
        }
        let consumed = splitter.consumed(&buf);
        let rest = buf.split_off(consumed);
        // The consumer has the front only: no event may reach behind it.
        for event in &events {
            let id = event.id.as_ref().map_or(&b"-"[..], |id| id.bytes(&buf));
            let data = event.data.bytes(&buf);
            out.push([event.name(&buf).to_vec(), data.to_vec(), id.to_vec()]);
        }
        buf = rest;
    }
    out
}

#[test]
fn data_of_one_line_is_not_copied() {
    let buf = b"\xEF\xBB\xBF: hi\r\nid: 7\r\nevent:add\r\ndata: hello\r\n\r\ndata\n\ndata:a\n";
    let mut splitter = Splitter::<Span>::new(100);
    let event = splitter.next(buf).unwrap().unwrap();
    assert_eq!(event.event, Some(Span::Range(22..25)));
    assert_eq!(event.data, Span::Range(33..38));
    assert_eq!(event.id, Some(Span::Range(13..14)));
    let event = splitter.next(buf).unwrap().unwrap();
    assert_eq!(
        event,
        RawEvent {
            event: None,
            data: Span::Range(46..46),
            id: None
        }
    );
    assert_eq!(event.name(buf), b"message");
    assert_eq!(splitter.next(buf), None);
    // What there is of the unfinished event is kept, and the buffer is free.
    assert_eq!(splitter.consumed(buf), buf.len());
    let event = splitter.next(b"\n").unwrap().unwrap();
    assert_eq!(event.data, Span::Owned(b"a".to_vec()));
}

#[test]
fn data_of_several_lines_is_owned() {
    let buf = b"data: a\ndata\ndata: b\n\n";
    let event = Splitter::<Span>::new(100).next(buf).unwrap().unwrap();
    assert_eq!(event.data, Span::Owned(b"a\n\nb".to_vec()));
}

#[test]
fn the_unfinished_rest_can_move_to_another_buffer() {
    let input =
        b": c\r\nid: 1\r\nevent: e\r\ndata: a\r\n\r\ndata: b\ndata: c\nid\n\nid: 2\n\ndata\n\n"
            .repeat(50);
    let whole = read_all(&mut Splitter::<Span>::new(100), &input, input.len());
    assert_eq!(whole.len(), 150);
    assert_eq!(whole[0], [&b"e"[..], b"a", b"1"]);
    assert_eq!(whole[1], [&b"message"[..], b"b\nc", b""]);
    assert_eq!(whole[2], [&b"message"[..], b"", b"-"]);
    for read in 1..200 {
        assert_eq!(
            read_all(&mut Splitter::<Span>::new(100), &input, read),
            whole,
            "reads of {read}"
        );
    }
}

#[test]
fn ids_of_blocks_without_data_are_told_once() {
    let mut splitter = Splitter::<Span>::new(100);
    let buf = b"id: 1\n\nid: 2\nevent: x\n\nid: 3\n";
    assert_eq!(splitter.next(buf), None);
    assert_eq!(splitter.take_bare_id().unwrap().bytes(buf), b"2");
    assert_eq!(splitter.take_bare_id(), None);
}

#[test]
fn no_byte_is_scanned_twice() {
    let frames = b"id: 12345678\nevent: message\ndata: {}\n\n".repeat(1000);
    let inputs = [
        (
            "one long line",
            [b"data:", &b"x".repeat(100_000)[..], b"\n\n"].concat(),
            1,
        ),
        ("frames", frames, 1000),
        (
            "many lines",
            [&b"id: 1\r\n"[..], &b"data: x\r\n".repeat(10_000), b"\r\n"].concat(),
            1,
        ),
        (
            "one comment",
            [b"data\n:", &b"x".repeat(100_000)[..], b"\n\n"].concat(),
            1,
        ),
        (
            "comments",
            [b"data\n", &b":x\n".repeat(30_000)[..], b"\n"].concat(),
            1,
        ),
        (
            "an unknown field",
            [&b"x".repeat(100_000)[..], b"\n\n"].concat(),
            0,
        ),
    ];
    for (name, input, events) in inputs {
        for read in [1, 7, 4096, input.len()] {
            let mut splitter = Splitter::<Span>::new(1 << 20);
            assert_eq!(
                read_all(&mut splitter, &input, read).len(),
                events,
                "{name}"
            );
            // Copies out of the buffer count too; they are the little above one.
            let limit = input.len() + input.len() / 10;
            assert!(
                splitter.work <= limit,
                "{name} by {read}: {}",
                splitter.work
            );
        }
    }
}

#[test]
fn pushing_faster_than_taking_stays_linear() {
    let frame = b"data: hello\n\n";
    let mut decoder = Decoder::new();
    let mut pushed = 0;
    for _ in 0..2000 {
        decoder.push(&frame.repeat(2));
        pushed += 2 * frame.len();
        decoder.next_event().unwrap().unwrap();
    }
    assert!(
        decoder.splitter.work < 4 * pushed,
        "{} for {pushed}",
        decoder.splitter.work
    );
}

#[test]
fn memory_is_bounded_by_the_limit_and_the_push() {
    let limit = 10_000;
    let cases: [(&[u8], &[u8], usize); 8] = [
        (b":", b"x", 0),
        (b"data: a\nid: b\nevent: c\n:", b"x", 0),
        (b"data: a\n", b":\n", 0),
        (b"data: a\nunknown: ", b"x", 0),
        (b"data:", b"x", 1),
        (b"id: 1\ndata: a\nid:", b"x", 1),
        (b"", b"event\n", 1),
        (b"retry:", b"0", 1),
    ];
    for (start, endless, oversized) in cases {
        let mut decoder = Decoder::new().max_event_size(limit);
        decoder.push(start);
        let mut errors = 0;
        for _ in 0..1000 {
            decoder.push(&endless.repeat(100));
            errors += std::iter::from_fn(|| decoder.next_event()).count();
            let bound = 3 * limit;
            assert!(decoder.memory() < bound, "{start:?} {endless:?}");
        }
        assert_eq!(errors, oversized, "{start:?} {endless:?}");
        decoder.push(b"\n\ndata: whole\n\n");
        let last = std::iter::from_fn(|| decoder.next_event()).last();
        assert_eq!(last.unwrap().unwrap().data, "whole");
    }
}

#[test]
fn a_large_event_is_not_copied_into_the_buffer() {
    let text = "x".repeat(LARGE);
    let large = format!("id: 1\ndata: {text}\r\n\r\n").repeat(100);
    let input = format!("{large}data: a\n\n{large}");
    let mut decoder = Decoder::new();
    decoder.push(large.as_bytes());
    assert_eq!((decoder.ready.len(), decoder.buf.capacity()), (100, 0));
    assert_eq!(decoder.last_event_id(), "", "no event was taken");
    let events = |decoder: &mut Decoder| {
        std::iter::from_fn(|| decoder.next_event())
            .map(|event| event.unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(events(&mut decoder).len(), 100);
    assert_eq!(decoder.last_event_id(), "1");
    // Small ones end that, so that a push of many takes no more memory than their bytes.
    decoder.push(input.as_bytes());
    assert_eq!(decoder.ready.len(), 101);
    assert_eq!(decoder.buf, large.as_bytes());
    let events = events(&mut decoder);
    assert_eq!(events.len(), 201);
    assert_eq!(events[100].data, "a");
    assert!(
        events
            .iter()
            .all(|event| event.data == "a" || event.data == text)
    );
}

#[test]
fn an_id_between_large_events_counts_when_the_next_one_is_taken() {
    let text = "x".repeat(LARGE);
    let input = format!("id: a\n\ndata: {text}\n\nretry: 2\n\nid: b\n\n");
    let mut decoder = Decoder::new();
    decoder.push(input.repeat(2).as_bytes());
    assert_eq!((decoder.last_event_id(), decoder.ready.len()), ("", 4));
    for _ in 0..2 {
        assert_eq!(decoder.next_event().unwrap().unwrap().last_event_id, "a");
        assert_eq!(decoder.last_event_id(), "a");
    }
    assert_eq!(decoder.next_event(), None);
    assert_eq!(decoder.last_event_id(), "b");
    assert_eq!(decoder.retry(), Some(Duration::from_millis(2)));
}

#[test]
fn text_has_no_more_memory_than_it_needs() {
    let mut decoder = Decoder::new();
    let long = "x".repeat(100_000);
    for text in [&long, "short", &long, "y"] {
        let input = format!("data: {text}\n\n");
        for part in input.as_bytes().chunks(5) {
            decoder.push(part);
        }
        let event = decoder.next_event().unwrap().unwrap();
        assert!(event.data == text && event.data.capacity() <= 2 * text.len());
    }
}

#[test]
fn large_texts_in_one_push_stay_linear() {
    let input = format!("data: {}\n\n", "x".repeat(1 << 21)).repeat(4);
    let mut decoder = Decoder::new().max_event_size(1 << 22);
    decoder.push(input.as_bytes());
    assert_eq!(std::iter::from_fn(|| decoder.next_event()).count(), 4);
    assert!(decoder.splitter.work < input.len() * 3 / 2);
}

#[test]
fn text_is_the_same_however_it_is_divided() {
    let parts: [&[u8]; 14] = [
        b"a",
        "ß…🍕".as_bytes(),
        b"\xF0",
        b"\xF0\x9F",
        b"\xF0\x9F\x8D",
        b"\xE2\x80",
        b"\xE0\x80",
        b"\xC3",
        b"\x80",
        b"\xFF",
        b"\xED\xA0\x80",
        b"\xF4\x90",
        b"\xC0\xAF",
        &[b'x'; 70],
    ];
    for first in parts {
        for second in parts {
            for third in parts {
                let bytes = [first, second, third].concat();
                let expected = String::from_utf8_lossy(&bytes);
                let mut by_byte = Text::open(b"", 0);
                bytes.iter().for_each(|byte| by_byte.append(b"", &[*byte]));
                let mut by_part = Text::open(first, 0);
                by_part.append(b"", second);
                by_part.append(b"", third);
                for mut text in [by_byte, by_part, Text::whole(&bytes, 0..bytes.len())] {
                    text.end_line();
                    assert_eq!(text.into_text(), expected, "{bytes:x?}");
                }
            }
        }
    }
}

#[test]
fn debug_shows_no_data() {
    let mut decoder = Decoder::new().with_last_event_id("hush");
    decoder.push(b"id: hush\ndata: hush\n\ndata: hush");
    decoder.next_event().unwrap().unwrap();
    let debug = format!("{decoder:?}");
    assert!(
        debug.contains("buffered_bytes") && !debug.contains("hush"),
        "{debug}"
    );
}
