//! One thing at a time, by criterion: each call and stream of this crate beside the same by hand,
//! and the decoder. `cargo bench --bench calls`; the table with the ratios, whose method bears a
//! busy machine, is `cargo bench --bench figures`.

mod support;

use std::hint::black_box;
use std::time::Duration;

use bimpeai::sse::Decoder;
use criterion::{Criterion, Throughput};

use support::canned::{self, Framing, PAGE, Stream};
use support::hand::ByHand;
use support::{measure, server};

const STREAMS: [Stream; 2] = [
    Stream {
        conversation: "s100",
        text: 100,
        messages: 10_000,
        framing: Framing::Blocks,
    },
    Stream {
        conversation: "s2000",
        text: 2_000,
        messages: 2_000,
        framing: Framing::Blocks,
    },
];

fn main() {
    if std::env::args().any(|word| word == "--bench") {
        if let Some(code) = measure::pin() {
            std::process::exit(code);
        }
    }
    let base = server::start(canned::routes(&STREAMS));
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    calls(&mut criterion, &base);
    streams(&mut criterion, &base);
    decoder(&mut criterion);
    criterion.final_summary();
}

fn calls(criterion: &mut Criterion, base: &str) {
    let client = support::client(base);
    let body = support::new_agent();
    let hands = [
        ("by hand", ByHand::new(base, None)),
        (
            "by hand, 30 s timeout",
            ByHand::new(base, Some(Duration::from_secs(30))),
        ),
    ];

    let mut group = criterion.benchmark_group("retrieve");
    group.bench_function("this crate", |bencher| {
        bencher.iter(|| client.agents().retrieve("agt_1").send().expect("an agent"));
    });
    for (name, hand) in &hands {
        group.bench_function(*name, |bencher| bencher.iter(|| hand.retrieve("agt_1")));
    }
    group.finish();

    let mut group = criterion.benchmark_group("create");
    group.bench_function("this crate", |bencher| {
        bencher.iter(|| {
            let agent = client.agents().create(body.clone()).send();
            agent.expect("an agent")
        });
    });
    for (name, hand) in &hands {
        group.bench_function(*name, |bencher| bencher.iter(|| hand.create(&body)));
    }
    group.finish();

    let mut group = criterion.benchmark_group("list");
    group.throughput(Throughput::Elements(PAGE as u64));
    group.bench_function("this crate", |bencher| {
        bencher.iter(|| {
            let page = client.agents().list().limit(PAGE as u64).send();
            page.expect("a page")
        });
    });
    for (name, hand) in &hands {
        group.bench_function(*name, |bencher| bencher.iter(|| hand.list(1, PAGE)));
    }
    group.finish();

    criterion.bench_function("refused call", |bencher| {
        bencher.iter(|| {
            let refused = client.agents().retrieve("..").send();
            refused.expect_err("an id that is none")
        });
    });
}

fn streams(criterion: &mut Criterion, base: &str) {
    let client = support::client(base);
    let hand = ByHand::new(base, None);
    for stream in STREAMS {
        let mut group = criterion.benchmark_group(format!("stream, {} B", stream.text));
        group.throughput(Throughput::Elements(stream.messages as u64));
        group.bench_function("this crate", |bencher| {
            bencher.iter(|| support::read_stream(&client, stream.conversation));
        });
        group.bench_function("by hand", |bencher| {
            bencher.iter(|| hand.stream(stream.conversation));
        });
        group.finish();
    }
}

fn decoder(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decoder");
    for text in [100, 2_000, 64_000] {
        let events: String = (0..(1 << 20) / text)
            .map(|number| canned::event(number, text))
            .collect();
        group.throughput(Throughput::Bytes(events.len() as u64));
        group.bench_function(format!("{text} B"), |bencher| {
            bencher.iter(|| {
                let mut decoder = Decoder::new();
                for piece in events.as_bytes().chunks(64 * 1024) {
                    decoder.push(piece);
                    while let Some(event) = decoder.next_event() {
                        black_box(event.expect("no event is too large"));
                    }
                }
            });
        });
    }
    group.finish();
}
