//! Instructions a call, under callgrind: the verdict where wall-clock figures differ.
//!
//! ```text
//! cargo bench --bench instructions              # everything, about two minutes; needs valgrind
//! cargo bench --bench instructions -- list      # what has one of these words in its name
//! ```
//!
//! Only the client is counted: the canned server is another process, which is not under callgrind.
//! Each figure is the difference between a run of many calls and one of few, by the number of calls
//! between them, so the start of the process is excluded. The kernel's work is not counted.
//!
//! To see where the instructions go, keep callgrind's output:
//! `BIMPEAI_BENCH_CALLGRIND=/tmp/profile cargo bench --bench instructions -- retrieve`, and then
//! `callgrind_annotate /tmp/profile.retrieve.crate`.

mod support;

use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use support::canned::{self, Framing, PAGE, Stream};
use support::hand::ByHand;
use support::measure::thousands;
use support::server;

const ROWS: [Row; 5] = [
    Row {
        name: "retrieve",
        unit: "call",
        few: 50,
        many: 250,
        units: 1,
    },
    Row {
        name: "create",
        unit: "call",
        few: 50,
        many: 250,
        units: 1,
    },
    Row {
        name: "list",
        unit: "agent",
        few: 5,
        many: 25,
        units: PAGE,
    },
    Row {
        name: "stream100",
        unit: "message of 100 B",
        few: 1,
        many: 3,
        units: 10_000,
    },
    Row {
        name: "stream2000",
        unit: "message of 2,000 B",
        few: 1,
        many: 3,
        units: 5_000,
    },
];

const STREAMS: [Stream; 2] = [
    Stream {
        conversation: "stream100",
        text: 100,
        messages: 10_000,
        framing: Framing::Blocks,
    },
    Stream {
        conversation: "stream2000",
        text: 2_000,
        messages: 5_000,
        framing: Framing::Blocks,
    },
];

/// Work that is done `few` times and `many` times, with the number of units each time.
struct Row {
    name: &'static str,
    unit: &'static str,
    few: usize,
    many: usize,
    units: usize,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let full = words.iter().any(|word| word == "--bench");
    let words: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| !word.starts_with("--"))
        .collect();
    match words[..] {
        ["serve"] => {
            println!("{}", server::start(canned::routes(&STREAMS)));
            loop {
                std::thread::park();
            }
        }
        ["work", row, rival, times, base] => {
            let times = times.parse().expect("how often");
            work(row, rival == "crate", times, base);
        }
        _ if !full => {
            let base = server::start(canned::routes(&STREAMS));
            for row in ROWS {
                work(row.name, true, 1, &base);
                work(row.name, false, 1, &base);
            }
        }
        _ => table(&words),
    }
}

fn work(row: &str, own: bool, times: usize, base: &str) {
    let client = support::client(base);
    let hand = ByHand::new(base, None);
    let body = support::new_agent();
    for _ in 0..times {
        match (row, own) {
            ("retrieve", true) => {
                black_box(client.agents().retrieve("agt_1").send().expect("an agent"));
            }
            ("retrieve", false) => {
                black_box(hand.retrieve("agt_1"));
            }
            ("create", true) => {
                let agent = client.agents().create(body.clone()).send();
                black_box(agent.expect("an agent"));
            }
            ("create", false) => {
                black_box(hand.create(&body.clone()));
            }
            ("list", true) => {
                let page = client.agents().list().limit(PAGE as u64).send();
                black_box(page.expect("a page"));
            }
            ("list", false) => {
                black_box(hand.list(1, PAGE));
            }
            (stream, true) => {
                black_box(support::read_stream(&client, stream));
            }
            (stream, false) => {
                black_box(hand.stream(stream));
            }
        }
    }
}

fn table(words: &[&str]) {
    let program = std::env::current_exe().expect("this program");
    let mut server = Command::new(&program)
        .arg("serve")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server");
    let mut base = String::new();
    let output = server.stdout.take().expect("the server's output");
    BufReader::new(output)
        .read_line(&mut base)
        .expect("the server's address");
    let count = |row: &Row, rival: &str, times: usize| -> f64 {
        let profile = std::env::var("BIMPEAI_BENCH_CALLGRIND")
            .map_or("/dev/null".to_owned(), |path| {
                format!("{path}.{}.{rival}", row.name)
            });
        let output = Command::new("valgrind")
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={profile}"))
            // `rep movsb` would count each byte that it moves as an instruction.
            .env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-ERMS,-FSRM")
            .arg(&program)
            .args(["work", row.name, rival, &times.to_string(), base.trim()])
            .output()
            .expect("valgrind has to be installed");
        let text = String::from_utf8_lossy(&output.stderr);
        text.lines()
            .find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
            .unwrap_or_else(|| panic!("callgrind says no figure:\n{text}"))
    };
    println!("| instructions | this crate | by hand | by hand / this crate |");
    println!("|---|---|---|---|");
    for row in ROWS {
        if !words.is_empty() && !words.iter().any(|word| row.name.contains(word)) {
            continue;
        }
        let each = |rival| {
            let few = count(&row, rival, row.few);
            let many = count(&row, rival, row.many);
            (many - few) / ((row.many - row.few) * row.units) as f64
        };
        let (own, hand) = (each("crate"), each("hand"));
        println!(
            "| {}, a {} | {} | {} | {:.2} |",
            row.name,
            row.unit,
            thousands(own),
            thousands(hand),
            hand / own
        );
    }
    // The server knows no end.
    server.kill().expect("the server's end");
    server.wait().expect("the server's end");
}
