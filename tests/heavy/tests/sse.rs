//! The event-stream decoder against the WHATWG algorithm, at every split and size.

use std::iter;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use bimpeai::sse::{Decoder, Event};
use proptest::prelude::*;
use serde_json::Value;

/// What a decoder gave: name, data, last event id and own id of each event; `None` is `Oversized`.
type Items = Vec<Option<(String, String, String, Option<String>)>>;

fn take(decoder: &mut Decoder) -> Items {
    let item = |event: Event| {
        let id = event.id().map(str::to_owned);
        (
            event.event.into_owned(),
            event.data,
            event.last_event_id,
            id,
        )
    };
    iter::from_fn(|| decoder.next_event())
        .map(|next| next.ok().map(item))
        .collect()
}

#[derive(Debug, PartialEq)]
struct Outcome {
    items: Items,
    last_event_id: String,
    retry: Option<Duration>,
}

fn decode<'a>(mut decoder: Decoder, chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut items = Items::new();
    for chunk in chunks {
        decoder.push(chunk);
        items.extend(take(&mut decoder));
    }
    let last_event_id = decoder.last_event_id().to_owned();
    Outcome {
        items,
        last_event_id,
        retry: decoder.retry(),
    }
}

/// The data of complete events, with a marker for `Oversized`.
fn data(limit: usize, input: &[u8]) -> Vec<String> {
    let decoder = Decoder::new().max_event_size(limit);
    let items = decode(decoder, [input]).items;
    items
        .into_iter()
        .map(|item| item.map_or("OVERSIZED".into(), |item| item.1))
        .collect()
}

/// The WHATWG algorithm step by step over the complete input, without optimization.
fn by_the_book(input: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(input.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(input));
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<&str> = text.split('\n').collect();
    lines.pop(); // what has no line end is discarded

    let (mut event, mut data, mut id_buffer, mut own_id) = ("", String::new(), "", None);
    let mut outcome = Outcome {
        items: Vec::new(),
        last_event_id: String::new(),
        retry: None,
    };
    for line in lines {
        if line.is_empty() {
            outcome.last_event_id = id_buffer.to_owned();
            if data.pop().is_some() {
                let name = if event.is_empty() { "message" } else { event };
                let id = outcome.last_event_id.clone();
                outcome
                    .items
                    .push(Some((name.to_owned(), data, id, own_id)));
            }
            (event, data, own_id) = ("", String::new(), None);
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => event = value,
            "data" => data = data + value + "\n",
            "id" if !value.contains('\0') => {
                id_buffer = value;
                own_id = Some(value.to_owned());
            }
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                outcome.retry = Some(Duration::from_millis(value.parse().unwrap_or(u64::MAX)));
            }
            _ => {}
        }
    }
    outcome
}

#[test]
fn conformance_cases_hold_at_every_split() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../data/sse_cases.json")).expect("cases are JSON");
    assert_eq!(cases.len(), 131);
    for case in &cases {
        let name = &case["name"];
        let chunks: Vec<Vec<u8>> = case["chunks"]
            .as_array()
            .expect("chunks")
            .iter()
            .map(|chunk| {
                BASE64_STANDARD
                    .decode(chunk.as_str().expect("text"))
                    .expect("base64")
            })
            .collect();
        let start = || {
            Decoder::new()
                .with_last_event_id(case["initial_last_event_id"].as_str().unwrap_or_default())
        };
        let check = |outcome: &Outcome| {
            let events: Vec<Value> = outcome.items.iter().flatten()
                .map(|(event, data, last_event_id, _)| {
                    serde_json::json!({"event": event, "data": data, "last_event_id": last_event_id})
                })
                .collect();
            assert_eq!(case["events"], Value::from(events), "{name}");
            assert_eq!(
                case["final_last_event_id"], *outcome.last_event_id,
                "{name}"
            );
            let retry = outcome.retry.map(|retry| retry.as_millis() as u64);
            assert_eq!(case["retry"].as_u64(), retry, "{name}");
        };

        let mut decoder = start();
        let mut available = Vec::new();
        let mut items = Items::new();
        for chunk in &chunks {
            decoder.push(chunk);
            items.extend(take(&mut decoder));
            available.push(items.len());
        }
        assert_eq!(
            case["available_after_chunk"],
            Value::from(available),
            "{name}"
        );
        let last_event_id = decoder.last_event_id().to_owned();
        check(&Outcome {
            items,
            last_event_id,
            retry: decoder.retry(),
        });

        let whole = chunks.concat();
        check(&decode(start(), [&whole[..]]));
        check(&decode(start(), whole.chunks(1)));
    }
}

#[test]
fn an_event_distinguishes_its_own_id_from_an_inherited_id() {
    let input = b"data: a\n\nid: 1\ndata: b\n\ndata: c\n\nid: 2\n\ndata: d\n\nid\ndata: e\n\nid: \0\ndata: f\n\n";
    let outcome = decode(Decoder::new().with_last_event_id("0"), [&input[..]]);
    let ids = outcome
        .items
        .iter()
        .flatten()
        .map(|item| (&item.2[..], item.3.as_deref()));
    let ids: Vec<_> = ids.collect();
    let own = |id| (id, Some(id));
    assert_eq!(
        ids,
        [
            ("0", None),
            own("1"),
            ("1", None),
            ("2", None),
            own(""),
            ("", None)
        ]
    );
}

#[test]
fn retry_takes_effect_at_its_line_end_and_id_at_the_empty_line() {
    let mut decoder = Decoder::new();
    decoder.push(b"id: 1\nretry: 250");
    assert_eq!((take(&mut decoder).len(), decoder.retry()), (0, None));
    decoder.push(b"\r");
    assert_eq!(
        (take(&mut decoder).len(), decoder.retry()),
        (0, Some(Duration::from_millis(250)))
    );
    assert_eq!(decoder.last_event_id(), "");
    decoder.push(b"\n\r");
    assert_eq!(
        (take(&mut decoder).len(), decoder.last_event_id()),
        (0, "1")
    );
}

#[test]
fn an_overflowing_retry_value_is_the_maximum() {
    let mut decoder = Decoder::new();
    for (line, millis) in [
        ("retry: 18446744073709551615\n", u64::MAX),
        ("retry: 007\n", 7),
        ("retry: 99999999999999999999999999\n", u64::MAX),
        (
            "retry: +5\nretry: 5 \nretry:\nretry\nretry:  5\nretry: \u{0665}\n",
            u64::MAX,
        ),
    ] {
        decoder.push(line.as_bytes());
        assert_eq!(take(&mut decoder), []);
        assert_eq!(
            decoder.retry(),
            Some(Duration::from_millis(millis)),
            "{line:?}"
        );
    }
}

#[test]
fn an_invalid_byte_replaces_only_its_character() {
    let input = b"id: \xE2\x82\nevent: \xFF\ndata: \xF0\x9F\x98\ndata: \xC3(\xED\xA0\x80\n\ndata: \xE2\x80\xA6\n\n";
    let outcome = decode(Decoder::new(), input.chunks(1));
    let (event, data, id, _) = outcome.items[0].clone().expect("whole");
    assert_eq!((&event[..], &id[..]), ("\u{FFFD}", "\u{FFFD}"));
    assert_eq!(data, "\u{FFFD}\n\u{FFFD}(\u{FFFD}\u{FFFD}\u{FFFD}");
    assert_eq!(outcome.items[1].clone().expect("whole").1, "\u{2026}");
}

#[test]
fn an_oversized_event_is_one_error_between_complete_events() {
    let long = "x".repeat(20);
    for event in [
        format!("data: {long}\n"),                   // in one line
        "data: 12\ndata: 34\ndata: 56\n".to_owned(), // in many
        "data\n".repeat(6),                          // in many empty ones
        format!("data: 1\nid: {long}\n"),            // by its id
        format!("id: {long}\n"),                     // with no data at all
        format!("event: {long}\ndata: 1\n"),         // by its type
        format!("retry: {}1\ndata: 1\n", "0".repeat(20)),
        format!("data: {long}\ndata: {long}\nid: 7\ndata: 1\nevent: x\n"), // and goes on
    ] {
        for end in ["\n", "\r", "\r\n"] {
            let input = format!("data: before\n\n{event}\ndata: after\n\n").replace('\n', end);
            let whole = data(20, input.as_bytes());
            assert_eq!(whole, ["before", "OVERSIZED", "after"], "{input:?}");
            let decoder = || Decoder::new().max_event_size(20);
            let expected = decode(decoder(), [input.as_bytes()]);
            for cut in 0..input.len() {
                let (a, b) = input.as_bytes().split_at(cut);
                assert_eq!(
                    decode(decoder(), [a, b]),
                    expected,
                    "{input:?} cut at {cut}"
                );
            }
            assert_eq!(
                decode(decoder(), input.as_bytes().chunks(1)),
                expected,
                "{input:?}"
            );
        }
    }
}

#[test]
fn the_limit_counts_fields_without_line_ends_and_comments() {
    assert_eq!(data(12, b"data: 3\r\nid: 9\r\n\r\n"), ["3"]);
    assert_eq!(data(11, b"data: 3\r\nid: 9\r\n\r\n"), ["OVERSIZED"]);
    assert_eq!(
        data(
            7,
            b": comment of any size\ndata: 1\nunknown: field\ndatabase\n\n"
        ),
        ["1"]
    );
    // Each block is counted separately, even without an event.
    assert_eq!(data(9, b"event: 12\n\nevent: 12\n\ndata: 123\n\n"), ["123"]);
}

#[test]
fn an_oversized_event_is_reported_before_its_end() {
    let mut decoder = Decoder::new().max_event_size(10);
    decoder.push(b"data: 123456789");
    let error = decoder
        .next_event()
        .expect("an item")
        .expect_err("too large");
    assert_eq!(error.limit(), 10);
    let text =
        "server-sent event of more than 10 bytes; raise the limit with `Decoder::max_event_size`";
    assert_eq!(error.to_string(), text);
    decoder.push(&b"0".repeat(1000));
    assert_eq!(take(&mut decoder), []);
}

#[test]
fn the_default_event_limit_is_one_mebibyte() {
    for (size, fits) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        let mut decoder = Decoder::default();
        decoder.push(format!("data: {}\n\n", "x".repeat(size - 6)).as_bytes());
        assert_eq!(decoder.next_event().expect("an item").is_ok(), fits);
    }
}

#[test]
fn an_oversized_event_still_updates_id_and_retry() {
    let input =
        b"id: 1\ndata: 123456789\nretry: 5\nid: 2\n\ndata: a\n\nid: 345678\nid: 3456789\n\n";
    let outcome = decode(Decoder::new().max_event_size(10), [&input[..]]);
    let inherited = ("message".into(), "a".into(), "2".into(), None);
    assert_eq!(outcome.items, [None, Some(inherited), None]);
    assert_eq!(outcome.retry, Some(Duration::from_millis(5)));
    // An id line above the limit is ignored; the previous id stays.
    assert_eq!(outcome.last_event_id, "345678");
}

/// Bytes that often match the grammar, with random bytes in between.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let tokens: Vec<&[u8]> = vec![
        b"data",
        b"data: ",
        b"data:",
        b"id",
        b"id: ",
        b"event: ",
        b"event",
        b"retry: ",
        b"retry:5",
        b"dat",
        b"database",
        b":",
        b" ",
        b"\n",
        b"\n\n",
        b"\r",
        b"\r\n",
        b"\r\n\r\n",
        b"\0",
        b"7",
        b"x",
        b"\xEF\xBB\xBF",
        b"\xEF\xBB",
        b"\xE2\x80\xA6",
        b"\xE2\x80",
        b"\xFF",
        b"{\"a\":1}",
    ];
    let token = prop_oneof![
        20 => prop::sample::select(tokens).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

fn cut<'a>(mut input: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    for size in sizes.iter().cycle() {
        let (chunk, rest) = input.split_at(input.len().min(*size));
        chunks.push(chunk);
        input = rest;
        if input.is_empty() {
            break;
        }
    }
    chunks
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes_at_any_split_decode_as_the_standard_says(
        input in stream(),
        sizes in prop::collection::vec(0_usize..20, 1..6).prop_filter("no end", |s| s.iter().any(|n| *n > 0)),
    ) {
        let expected = by_the_book(&input);
        prop_assert_eq!(&decode(Decoder::new(), [&input[..]]), &expected);
        prop_assert_eq!(&decode(Decoder::new(), input.chunks(1)), &expected);
        prop_assert_eq!(&decode(Decoder::new(), cut(&input, &sizes)), &expected);
    }

    #[test]
    fn the_split_never_decides_which_event_is_oversized(
        input in stream(),
        limit in 0_usize..40,
        sizes in prop::collection::vec(1_usize..20, 1..6),
    ) {
        let decoder = || Decoder::new().max_event_size(limit);
        let expected = decode(decoder(), [&input[..]]);
        prop_assert_eq!(&decode(decoder(), input.chunks(1)), &expected);
        prop_assert_eq!(&decode(decoder(), cut(&input, &sizes)), &expected);
        // Without the errors it is the unlimited stream with events left out.
        let mut all = by_the_book(&input).items.into_iter();
        for item in expected.items.iter().flatten() {
            prop_assert!(all.any(|other| other.is_some_and(|other| other.0 == item.0 && other.1 == item.1)));
        }
    }
}
