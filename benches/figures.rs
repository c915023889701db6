//! All figures in one table, this crate beside its rivals in one run:
//!
//! ```text
//! cargo bench --bench figures                   # everything, about five minutes; .ci/figures puts
//!                                               # the table into the README
//! cargo bench --bench figures -- list stream    # what has one of these words in its name
//! ```
//!
//! Client and server share one processor (`BIMPEAI_BENCH_CPU`, 0), rivals run in turn, each figure
//! is the median of 11 rounds, each ratio the median of the rounds' ratios. The table is also
//! written to the file that `BIMPEAI_BENCH_OUT` names. `BIMPEAI_BENCH_PYTHON` names a Python that
//! has the official SDK, which then runs beside. Where figures differ from run to run, the
//! instructions decide: `cargo bench --bench instructions`.
//!
//! Without `--bench` (as `cargo test --benches` runs it) everything is done once, to see that it
//! works. `serve` as the first word serves the canned responses and does nothing else.

mod support;

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use bimpeai::Client;
use bimpeai::sse::Decoder;

use support::canned::{self, Framing, PAGE, Stream};
use support::decoders;
use support::hand::ByHand;
use support::measure::{
    ROUNDS, Rival, median, micros, per_second, pin, pinned_to, quantile, ratio, rounds, seconds,
    thousands,
};
use support::server::{self, Response, Route};

/// The streams that are measured: 100 and 2,000 bytes of text, in blocks and event by event.
const STREAMS: [(&str, Stream); 4] = [
    (
        "stream, 100 B",
        Stream {
            conversation: "s100",
            text: 100,
            messages: 200_000,
            framing: Framing::Blocks,
        },
    ),
    (
        "stream, 2,000 B",
        Stream {
            conversation: "s2000",
            text: 2_000,
            messages: 40_000,
            framing: Framing::Blocks,
        },
    ),
    (
        "stream, 100 B, a chunk an event",
        Stream {
            conversation: "e100",
            text: 100,
            messages: 200_000,
            framing: Framing::Events,
        },
    ),
    (
        "stream, 2,000 B, a chunk an event",
        Stream {
            conversation: "e2000",
            text: 2_000,
            messages: 40_000,
            framing: Framing::Events,
        },
    ),
];

/// Bytes of text in the messages whose latency is measured.
const LATENCY_TEXT: usize = 100;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let full = words.iter().any(|word| word == "--bench");
    let words: Vec<String> = words
        .into_iter()
        .filter(|word| !word.starts_with("--"))
        .collect();
    if words.first().is_some_and(|word| word == "serve") {
        println!("{}", serve(full));
        loop {
            std::thread::park();
        }
    }
    if full {
        if let Some(code) = pin() {
            std::process::exit(code);
        }
    }
    if let [mode, own, hand] = &words[..] {
        if mode == "scripts" {
            return scripts(own, hand);
        }
    }
    let run = Run {
        base: serve(full),
        words,
        rounds: if full { ROUNDS } else { 1 },
        full,
    };
    let table = run.table();
    println!("{table}");
    if let Some(file) = std::env::var_os("BIMPEAI_BENCH_OUT") {
        std::fs::write(&file, &table).expect("the file in BIMPEAI_BENCH_OUT");
    }
}

fn serve(full: bool) -> String {
    let streams: Vec<Stream> = STREAMS
        .iter()
        .map(|(_, stream)| scaled(*stream, full))
        .collect();
    let mut routes = canned::routes(&streams);
    routes.push(Route::new(
        format!(
            "POST {}/agents/agt_1/conversations/live/stream-ticket ",
            canned::PREFIX
        ),
        Response::Bytes(canned::ok(&canned::ticket())),
    ));
    routes.push(Route::new(
        format!(
            "GET {}/agents/agt_1/conversations/live/stream?",
            canned::PREFIX
        ),
        Response::Live(write_paced),
    ));
    server::start(routes)
}

fn scaled(mut stream: Stream, full: bool) -> Stream {
    if !full {
        stream.messages /= 100;
    }
    stream
}

/// When the last paced message was written, in nanoseconds since `started`.
static WRITTEN: AtomicU64 = AtomicU64::new(0);
static PACED: AtomicU64 = AtomicU64::new(0);

fn now() -> u64 {
    static STARTED: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    STARTED.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// One message after another, each after a pause in which all other work ends.
fn write_paced(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(canned::STREAM_HEAD.as_bytes())?;
    for number in 0..PACED.load(Ordering::SeqCst) as usize {
        let chunk = canned::chunk(canned::event(number, LATENCY_TEXT).as_bytes());
        std::thread::sleep(Duration::from_micros(300));
        WRITTEN.store(now(), Ordering::SeqCst);
        stream.write_all(&chunk)?;
    }
    std::thread::sleep(Duration::from_micros(300));
    stream.write_all(b"0\r\n\r\n")
}

struct Run {
    base: String,
    words: Vec<String>,
    rounds: usize,
    full: bool,
}

impl Run {
    fn wants(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word.as_str()))
    }

    /// Returns how many times to repeat: once if nothing is measured.
    fn times(&self, times: usize) -> usize {
        if self.full { times } else { 1 }
    }

    fn table(&self) -> String {
        let mut text = format!(
            "bimpeai {}, {} rounds, {}\n",
            env!("CARGO_PKG_VERSION"),
            self.rounds,
            match pinned_to() {
                Some(processor) => format!("client and server on processor {processor}"),
                None => "not pinned".to_owned(),
            }
        );
        self.calls(&mut text);
        let mut lines = Vec::new();
        self.decoder(&mut lines);
        self.latency(&mut lines);
        self.threads(&mut lines);
        self.prefetch(&mut lines);
        self.refused(&mut lines);
        if !lines.is_empty() {
            text.push_str("\n| figure | this crate | rival | ratio | goal | |\n");
            text.push_str("|---|---|---|---|---|---|\n");
            lines.iter().for_each(|line| text.push_str(line));
        }
        text
    }

    /// Calls per second, beside those by hand.
    fn calls(&self, text: &mut String) {
        let client = support::client(&self.base);
        let hand = ByHand::new(&self.base, None);
        let slow = ByHand::new(&self.base, Some(Duration::from_secs(30)));
        let python = self.python().filter(|_| self.full);
        let mut table = Table::new(text, python.is_some());

        let times = self.times(1500);
        self.row(
            &mut table,
            "retrieve",
            (0.95, Some(2.0)),
            &python,
            vec![
                Box::new(|| {
                    per_second(times, 1, || {
                        let agent = client.agents().retrieve("agt_1").send();
                        black_box(agent.expect("an agent"));
                    })
                }),
                Box::new(|| {
                    per_second(times, 1, || {
                        black_box(hand.retrieve("agt_1"));
                    })
                }),
                Box::new(|| {
                    per_second(times, 1, || {
                        black_box(slow.retrieve("agt_1"));
                    })
                }),
            ],
        );

        let body = support::new_agent();
        self.row(
            &mut table,
            "create",
            (0.95, Some(2.0)),
            &python,
            vec![
                Box::new(|| {
                    per_second(times, 1, || {
                        let agent = client.agents().create(body.clone()).send();
                        black_box(agent.expect("an agent"));
                    })
                }),
                Box::new(|| {
                    per_second(times, 1, || {
                        black_box(hand.create(&body.clone()));
                    })
                }),
                Box::new(|| {
                    per_second(times, 1, || {
                        black_box(slow.create(&body.clone()));
                    })
                }),
            ],
        );

        let times = self.times(200);
        self.row(
            &mut table,
            "list, agents",
            (0.95, None),
            &python,
            vec![
                Box::new(|| {
                    per_second(times, PAGE, || {
                        let page = client.agents().list().limit(PAGE as u64).send();
                        black_box(page.expect("a page"));
                    })
                }),
                Box::new(|| {
                    per_second(times, PAGE, || {
                        black_box(hand.list(1, PAGE));
                    })
                }),
                Box::new(|| {
                    per_second(times, PAGE, || {
                        black_box(slow.list(1, PAGE));
                    })
                }),
            ],
        );

        for (name, stream) in STREAMS {
            let stream = scaled(stream, self.full);
            let goal = if stream.text < 1000 { 0.97 } else { 0.95 };
            let all = |count: usize| assert_eq!(count, stream.messages);
            self.row(
                &mut table,
                name,
                (goal, None),
                &python,
                vec![
                    Box::new(|| {
                        per_second(1, stream.messages, || {
                            all(support::read_stream(&client, stream.conversation));
                        })
                    }),
                    Box::new(|| {
                        per_second(1, stream.messages, || all(hand.stream(stream.conversation)))
                    }),
                ],
            );
        }
    }

    fn row(
        &self,
        table: &mut Table<'_>,
        name: &str,
        (goal, goal_slow): (f64, Option<f64>),
        python: &Option<Vec<(String, f64)>>,
        mut rivals: Vec<Rival<'_>>,
    ) {
        if !self.wants(name) {
            return;
        }
        let figures = rounds(self.rounds, &mut rivals);
        let own = &figures[0];
        let to_hand = ratio(own, &figures[1]);
        let to_slow = figures.get(2).map(|slow| ratio(own, slow));
        let met = to_hand >= goal
            && goal_slow.is_none_or(|goal| to_slow.is_some_and(|ratio| ratio >= goal));
        let goals = match goal_slow {
            Some(slow) => format!("{goal:.2}, {slow:.1}"),
            None => format!("{goal:.2}"),
        };
        let mut cells = vec![
            name.to_owned(),
            thousands(median(own)),
            thousands(median(&figures[1])),
            format!("**{to_hand:.2}**"),
            figures
                .get(2)
                .map_or(String::new(), |slow| thousands(median(slow))),
            to_slow.map_or(String::new(), |ratio| format!("{ratio:.2}")),
            goals,
            verdict(met),
        ];
        if let Some(python) = python {
            let figure = python.iter().find(|(row, _)| name == row);
            cells.push(figure.map_or(String::new(), |(_, figure)| thousands(*figure)));
        }
        table.line(&cells);
        eprintln!("{name}: {to_hand:.3}");
    }

    /// Returns the figures of the official SDK, if it can be run.
    fn python(&self) -> Option<Vec<(String, f64)>> {
        let python = std::env::var_os("BIMPEAI_BENCH_PYTHON")?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python_rival.py");
        let output = Command::new(python)
            .arg(script)
            .arg(&self.base)
            .stderr(Stdio::inherit())
            .output()
            .expect("the Python in BIMPEAI_BENCH_PYTHON");
        assert!(output.status.success(), "the official SDK has failed");
        let text = String::from_utf8_lossy(&output.stdout);
        let rows = text.lines().filter_map(|line| {
            let (name, figure) = line.split_once('\t')?;
            Some((name.to_owned(), figure.parse().ok()?))
        });
        Some(rows.collect())
    }

    /// Bytes a second through the decoder, beside the fastest of its rivals in each case. The ratio
    /// is the lowest of all line ends and chunks.
    fn decoder(&self, lines: &mut Vec<String>) {
        for (text, unit) in [("ASCII", "x"), ("4-byte UTF-8", "\u{1F355}")] {
            for (size_name, size) in decoders::SIZES {
                let name = format!("decoder, {size_name} of {text}");
                if self.wants(&name) {
                    lines.push(self.decoder_row(&name, unit, size));
                }
            }
        }
        self.large_lines(lines);
    }

    fn decoder_row(&self, name: &str, unit: &str, size: usize) -> String {
        let total = if self.full { 2 << 20 } else { size };
        let (mut own, mut rival, mut lowest) = (Vec::new(), Vec::new(), f64::INFINITY);
        let mut fastest = "";
        for case in &decoders::cases(unit, size, total) {
            let measure = |decode: decoders::Decode| -> Rival<'_> {
                let input = &case.input[..];
                Box::new(move || {
                    let all = || assert_eq!(decode(black_box(input), case.chunk), case.messages);
                    input.len() as f64 / seconds(all) / 1e9
                })
            };
            let mut rivals = vec![measure(decoders::OWN)];
            rivals.extend(decoders::RIVALS.iter().map(|(_, decode)| measure(*decode)));
            let figures = rounds(self.rounds, &mut rivals);
            let best = (1..figures.len())
                .max_by(|a, b| f64::total_cmp(&median(&figures[*a]), &median(&figures[*b])));
            let best = best.expect("rivals");
            let ratio = ratio(&figures[0], &figures[best]);
            let rival_name = decoders::RIVALS[best - 1].0;
            eprintln!(
                "{name}, {:?}, chunks of {}: {:.2} GB/s, {rival_name} {:.2}, ratio {ratio:.2}",
                case.line_end,
                case.chunk,
                median(&figures[0]),
                median(&figures[best]),
            );
            own.push(median(&figures[0]));
            rival.push(median(&figures[best]));
            if ratio < lowest {
                (lowest, fastest) = (ratio, rival_name);
            }
        }
        format!(
            "| {name} | {:.2} GB/s | {:.2} GB/s ({fastest}) | {lowest:.2} | 0.95 | {} |\n",
            median(&own),
            median(&rival),
            verdict(lowest >= 0.95),
        )
    }

    /// Lines so large that they take fresh memory, events kept until the end.
    fn large_lines(&self, lines: &mut Vec<String>) {
        const MIB: usize = 1 << 20;
        let total = if self.full { 64 * MIB } else { MIB };
        let mut large = 0.0;
        for (name, line) in [
            ("decoder, lines of 1 MiB, events kept", MIB),
            ("decoder, one line of 64 MiB, kept", total),
        ] {
            if !self.wants(name) {
                continue;
            }
            let mut input = Vec::new();
            let count = (total / line).max(1);
            for number in 0..count {
                let _ = write!(input, "event: message\nid: msg_{number:08}\ndata: ");
                input.resize(input.len() + line, b'x');
                input.extend_from_slice(b"\n\n");
            }
            let size = input.len() as f64;
            let figures = rounds(
                self.rounds,
                &mut [Box::new(|| {
                    size / seconds(|| assert_eq!(decode_and_keep(&input), count)) / 1e9
                })],
            );
            let speed = median(&figures[0]);
            if line == MIB && self.full {
                large = speed;
            }
            let (ratio, goal, met) = match line == total && large > 0.0 {
                true => (
                    format!("{:.2}", speed / large),
                    "0.6",
                    verdict(speed / large >= 0.6),
                ),
                false => (String::new(), "", String::new()),
            };
            lines.push(format!(
                "| {name} | {speed:.2} GB/s | | {ratio} | {goal} | {met} |\n"
            ));
            eprintln!("{name}: {speed:.2} GB/s");
        }
    }

    /// From the write on the server's socket to the message in the caller's hand.
    fn latency(&self, lines: &mut Vec<String>) {
        if !self.wants("latency of a stream") {
            return;
        }
        let messages = self.times(400);
        PACED.store(messages as u64, Ordering::SeqCst);
        let client = support::client(&self.base);
        let mut own = Vec::new();
        let mut bare = Vec::new();
        for round in 0..=self.rounds {
            let mut a = stream_latencies(&client);
            let mut b = bare_latencies(&self.base);
            assert!(a.len() == messages && b.len() == messages);
            // The first messages run with cold caches, which is another figure.
            let cold = messages / 10;
            if round > 0 {
                own.push(a.split_off(cold));
                bare.push(b.split_off(cold));
            }
        }
        for (name, at, goal) in [("median", 0.5, 2.0), ("99th percentile", 0.99, 2.5)] {
            let of =
                |rounds: &[Vec<f64>]| rounds.iter().map(|r| quantile(r, at)).collect::<Vec<_>>();
            let (own, bare) = (of(&own), of(&bare));
            let ratio = ratio(&own, &bare);
            lines.push(format!(
                "| latency of a stream, {name} | {:.1} µs | {:.1} µs (bare read) | {ratio:.2} | \
                 ≤ {goal:.1} | {} |\n",
                median(&own),
                median(&bare),
                verdict(ratio <= goal),
            ));
            eprintln!("latency, {name}: {ratio:.2}");
        }
    }

    /// Threads on one client, beside a client for each of them.
    fn threads(&self, lines: &mut Vec<String>) {
        for (threads, name) in [(8, "8 threads, `retrieve`"), (64, "64 threads, `retrieve`")] {
            if !self.wants(name) {
                continue;
            }
            let times = self.times(2_000 / threads);
            let one = vec![support::client(&self.base); threads];
            let each: Vec<Client> = (0..threads).map(|_| support::client(&self.base)).collect();
            let figures = rounds(
                self.rounds,
                &mut [
                    Box::new(|| together(&one, times)),
                    Box::new(|| together(&each, times)),
                ],
            );
            let ratio = ratio(&figures[0], &figures[1]);
            lines.push(format!(
                "| {name} | {}/s (one client) | {}/s ({threads} clients) | {ratio:.2} | 0.93 | {} |\n",
                thousands(median(&figures[0])),
                thousands(median(&figures[1])),
                verdict(ratio >= 0.93),
            ));
            eprintln!("{name}: {ratio:.2}");
        }
    }

    /// Iterates over 20 pages with a caller that takes as long for a page as the server.
    fn prefetch(&self, lines: &mut Vec<String>) {
        if !self.wants("prefetch") {
            return;
        }
        let client = support::client(&self.base);
        let iterate = |ahead: bool| {
            seconds(|| {
                let list = client.agents().list().limit(5);
                let list = if ahead { list.prefetch() } else { list };
                let mut count = 0;
                for page in list.pages() {
                    black_box(page.expect("a page"));
                    std::thread::sleep(canned::WALK_WAIT);
                    count += 1;
                }
                assert_eq!(count, canned::WALK_PAGES);
            }) * 1e3
        };
        let figures = rounds(
            self.rounds.min(5),
            &mut [Box::new(|| iterate(true)), Box::new(|| iterate(false))],
        );
        let ratio = ratio(&figures[0], &figures[1]);
        lines.push(format!(
            "| 20 pages, with prefetch | {:.0} ms | {:.0} ms (without) | {ratio:.2} | ≤ 0.6 | \
             {} |\n",
            median(&figures[0]),
            median(&figures[1]),
            verdict(ratio <= 0.6),
        ));
        eprintln!("prefetch: {ratio:.2}");
    }

    /// A call that never goes out.
    fn refused(&self, lines: &mut Vec<String>) {
        if !self.wants("refused call") {
            return;
        }
        let client = support::client(&self.base);
        let times = self.times(100_000);
        let figures = rounds(
            self.rounds,
            &mut [Box::new(|| {
                1e9 / per_second(times, 1, || {
                    let refused = client.agents().retrieve("..").send();
                    black_box(refused.expect_err("an id that is none"));
                })
            })],
        );
        lines.push(format!(
            "| refused call (bad id) | {:.0} ns | | | | |\n",
            median(&figures[0])
        ));
    }
}

/// Whole runs of two scripts that make one call, in turn; `benches/build_cost.sh` builds them.
fn scripts(own: &str, hand: &str) {
    let base = serve(true);
    let mut memory = [Vec::new(), Vec::new()];
    let run = |program: &str, memory: &mut Vec<f64>| {
        let started = Instant::now();
        let output = Command::new(program)
            .env("BIMPEAI_API_KEY", support::KEY)
            .env("BIMPEAI_BASE_URL", &base)
            .output()
            .expect("the script");
        let took = micros(started.elapsed());
        assert!(output.status.success(), "{output:?}");
        memory.extend(peak(program, &base));
        took
    };
    let [own_memory, hand_memory] = &mut memory;
    let figures = rounds(
        41,
        &mut [
            Box::new(|| run(own, own_memory)),
            Box::new(|| run(hand, hand_memory)),
        ],
    );
    println!(
        "| one run, µs | {:.0} | {:.0} | {:.2} | | | ≤ 1.00 |",
        median(&figures[0]),
        median(&figures[1]),
        ratio(&figures[0], &figures[1]),
    );
    println!(
        "| its memory at most, KiB | {:.0} | {:.0} | {:+.0} KiB | | | ≤ +2048 KiB |",
        median(&memory[0]),
        median(&memory[1]),
        median(&memory[0]) - median(&memory[1]),
    );
}

/// The most memory of a run in KiB, by GNU time where that is.
fn peak(program: &str, base: &str) -> Option<f64> {
    let output = Command::new("/usr/bin/time")
        .args(["-f", "%M", program])
        .env("BIMPEAI_API_KEY", support::KEY)
        .env("BIMPEAI_BASE_URL", base)
        .output()
        .ok()?;
    String::from_utf8_lossy(&output.stderr).trim().parse().ok()
}

struct Table<'a> {
    text: &'a mut String,
    python: bool,
    begun: bool,
}

impl<'a> Table<'a> {
    fn new(text: &'a mut String, python: bool) -> Self {
        Table {
            text,
            python,
            begun: false,
        }
    }

    fn line(&mut self, cells: &[String]) {
        if !std::mem::replace(&mut self.begun, true) {
            let python = if self.python { " Python SDK |" } else { "" };
            let rule = if self.python { "---|" } else { "" };
            let _ = write!(
                self.text,
                "\n| a second | this crate | ureq by hand | ratio | by hand, 30 s timeout | ratio \
                 | goal | |{python}\n|---|---|---|---|---|---|---|---|{rule}\n"
            );
        }
        let _ = writeln!(self.text, "| {} |", cells.join(" | "));
    }
}

fn verdict(met: bool) -> String {
    if met { "met" } else { "**missed**" }.to_owned()
}

/// Decodes in pushes of 64 KiB. Returns the number of events.
fn decode_and_keep(input: &[u8]) -> usize {
    let mut decoder = Decoder::new().max_event_size(1 << 30);
    let mut kept = Vec::new();
    for piece in input.chunks(64 * 1024) {
        decoder.push(piece);
        kept.extend(std::iter::from_fn(|| decoder.next_event()).flatten());
    }
    black_box(&kept);
    kept.len()
}

fn stream_latencies(client: &Client) -> Vec<f64> {
    let messages = client.conversations().messages();
    let stream = messages
        .stream("agt_1", "live")
        .reconnect(false)
        .open()
        .expect("the canned stream opens");
    let since = |message: Result<_, bimpeai::Error>| {
        let at = now();
        black_box(message.expect("a canned message"));
        nanos_to_micros(at - WRITTEN.load(Ordering::SeqCst))
    };
    stream.map(since).collect()
}

/// The same stream, read from the socket and not looked at.
fn bare_latencies(base: &str) -> Vec<f64> {
    let address = base.strip_prefix("http://").expect("the server's address");
    let mut socket = TcpStream::connect(address).expect("the server");
    let request = format!(
        "GET {}/agents/agt_1/conversations/live/stream?bare HTTP/1.1\r\nHost: bench\r\n\r\n",
        canned::PREFIX
    );
    socket.write_all(request.as_bytes()).expect("the server");
    let mut head = BufReader::with_capacity(1, &socket);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        head.read_line(&mut line).expect("the head");
    }
    let mut socket = &socket;
    let mut buffer = [0; 8 * 1024];
    let mut latencies = Vec::new();
    loop {
        let read = socket.read(&mut buffer).expect("the stream");
        let at = now();
        if buffer[..read].starts_with(b"0\r\n") {
            return latencies;
        }
        latencies.push(nanos_to_micros(at - WRITTEN.load(Ordering::SeqCst)));
    }
}

fn nanos_to_micros(nanos: u64) -> f64 {
    micros(Duration::from_nanos(nanos))
}

fn together(clients: &[Client], times: usize) -> f64 {
    let barrier = Arc::new(Barrier::new(clients.len() + 1));
    let threads: Vec<_> = clients
        .iter()
        .cloned()
        .map(|client| {
            let barrier = barrier.clone();
            std::thread::spawn(move || {
                barrier.wait();
                for _ in 0..times {
                    let agent = client.agents().retrieve("agt_1").send();
                    black_box(agent.expect("an agent"));
                }
            })
        })
        .collect();
    barrier.wait();
    let started = Instant::now();
    for thread in threads {
        thread.join().expect("a thread of calls");
    }
    (clients.len() * times) as f64 / started.elapsed().as_secs_f64()
}
