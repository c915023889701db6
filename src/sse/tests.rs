//! The decoder and the splitter, from the inside.

use super::*;

/// Reads as the stream's thread does: a buffer goes away with its events, only the unfinished
/// rest moves to a new one. Returns the events' name, data and id.
fn read_all(splitter: &mut Splitter, input: &[u8], read: usize) -> Vec<[Vec<u8>; 3]> {
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
fn what_one_line_has_whole_is_not_copied() {
    let buf = b"\xEF\xBB\xBF: hi\r\nid: 7\r\nevent:add\r\ndata: hello\r\n\r\ndata\n\ndata:a\n";
    let mut splitter = Splitter::new(100);
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
    // The unfinished event's line is kept as well, and counted from the new front.
    assert_eq!(splitter.consumed(buf), 53);
    let event = splitter.next(b"a\n\n").unwrap().unwrap();
    assert_eq!(event.data, Span::Range(0..1));
}

#[test]
fn data_of_several_lines_is_owned() {
    let buf = b"data: a\ndata\ndata: b\n\n";
    let event = Splitter::new(100).next(buf).unwrap().unwrap();
    assert_eq!(event.data, Span::Owned(b"a\n\nb".to_vec()));
}

#[test]
fn the_unfinished_rest_can_move_to_another_buffer() {
    let input =
        b": c\r\nid: 1\r\nevent: e\r\ndata: a\r\n\r\ndata: b\ndata: c\nid\n\nid: 2\n\ndata\n\n"
            .repeat(50);
    let whole = read_all(&mut Splitter::new(100), &input, input.len());
    assert_eq!(whole.len(), 150);
    assert_eq!(whole[0], [&b"e"[..], b"a", b"1"]);
    assert_eq!(whole[1], [&b"message"[..], b"b\nc", b""]);
    assert_eq!(whole[2], [&b"message"[..], b"", b"-"]);
    for read in 1..200 {
        assert_eq!(
            read_all(&mut Splitter::new(100), &input, read),
            whole,
            "reads of {read}"
        );
    }
}

#[test]
fn ids_of_blocks_without_data_are_told_once() {
    let mut splitter = Splitter::new(100);
    assert_eq!(splitter.next(b"id: 1\n\nid: 2\nevent: x\n\nid: 3\n"), None);
    assert_eq!(splitter.take_bare_id().as_deref(), Some(&b"2"[..]));
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
            let mut splitter = Splitter::new(1 << 20);
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
            let bound = 3 * limit + 2 * SPILL_AFTER;
            assert!(decoder.buf.capacity() < bound, "{start:?} {endless:?}");
        }
        assert_eq!(errors, oversized, "{start:?} {endless:?}");
        decoder.push(b"\n\ndata: whole\n\n");
        let last = std::iter::from_fn(|| decoder.next_event()).last();
        assert_eq!(last.unwrap().unwrap().data, "whole");
    }
}

#[test]
fn a_large_text_takes_the_buffer_with_it() {
    let text = "x".repeat(TAKE_OVER);
    let mut decoder = Decoder::new().max_event_size(2 * TAKE_OVER);
    let input = format!("data: a\n\nid: 1\ndata: {text}\r\n\r\ndata: b\r\rdata: c");
    let mut events = Vec::new();
    for chunk in input.as_bytes().chunks(1000) {
        decoder.push(chunk);
        events.extend(std::iter::from_fn(|| decoder.next_event()).map(|event| event.unwrap()));
    }
    assert!(decoder.buf.capacity() < 10_000);
    decoder.push(b"d\n\n");
    events.extend(decoder.next_event().map(|event| event.unwrap()));
    let data: Vec<&str> = events.iter().map(|event| &event.data[..]).collect();
    assert!(data == ["a", &text[..], "b", "cd"]);
    assert!(events[1].data.capacity() < TAKE_OVER + 4096);
}

#[test]
fn large_texts_in_one_push_stay_linear() {
    let input = format!("data: {}\n\n", "x".repeat(TAKE_OVER)).repeat(4);
    let mut decoder = Decoder::new().max_event_size(2 * TAKE_OVER);
    decoder.push(input.as_bytes());
    assert_eq!(std::iter::from_fn(|| decoder.next_event()).count(), 4);
    assert!(decoder.splitter.work < input.len() * 3 / 2);
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
