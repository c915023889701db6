//! What a thousand live streams in one process cost, and how fast one stream takes a burst.
//!
//! ```text
//! cargo bench --bench scale
//! ```
//!
//! The streams, the idle threads that they are compared with, and the server are a process each, so
//! that none pays for the other. The goal is 96 KiB of resident memory for a stream beyond what an
//! idle thread takes, with default settings.
#![allow(missing_docs)]

#[path = "../tests/support/mod.rs"]
mod server;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use bimpeai::Client;
use bimpeai::stream::{MessageStream, Received};
use server::{Connection, Server, heartbeat, message};

const STREAMS: usize = 1000;

/// How many messages come singly at last: after them a stream is as it mostly is.
const SINGLE: usize = 8;

/// How many messages come in one burst.
const BURST: usize = 400_000;
const BURSTS: usize = 5;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--serve") => serve(),
        Some("--threads") => threads(),
        Some("--streams") => streams(&arguments[1], &arguments[2]),
        Some("--burst") => burst_of(&arguments[1]),
        _ => compare(),
    }
}

fn compare() {
    println!("{STREAMS} of each, in a process of their own; memory is what is resident\n");
    println!("{:44} {:>13} {:>9}", "", "a piece", "threads");
    let idle = row("an idle thread", &["--threads"]);
    let mut serving = start(&["--serve"]);
    let address = lines(&mut serving).next().expect("the server's address");
    for (name, count) in [
        ("a stream after 8 single messages", "0"),
        ("a stream after 100, and then single ones", "100"),
        ("a stream after 2,000, and then single ones", "2000"),
    ] {
        let beyond = row(name, &["--streams", &address, count]) - idle;
        let met = match count {
            // What has been seen is remembered, 12 bytes a message and 48 KiB at most.
            "2000" => "  (24 KiB of it tell repeats apart)",
            _ if beyond <= 96.0 => "",
            _ => "  MISSED",
        };
        println!("{:44} {beyond:>9.1} KiB{met}", "    beyond an idle thread");
    }
    let mut burst = start(&["--burst", &address]);
    lines(&mut burst).for_each(|line| println!("\n{line}"));
    let _ = serving.kill();
    let _ = serving.wait();
}

/// Runs a process that prints what a piece takes: its KiB and its threads.
fn row(name: &str, arguments: &[&str]) -> f64 {
    let mut child = start(arguments);
    let line = lines(&mut child).next().expect("a line of figures");
    let _ = child.wait();
    let (kib, threads) = line.split_once(' ').expect("two figures");
    let kib: f64 = kib.parse().expect("a figure");
    println!("{name:44} {kib:>9.1} KiB {threads:>9}");
    kib
}

fn start(arguments: &[&str]) -> Child {
    let program = std::env::current_exe().expect("this program's path");
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process of its own")
}

fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let output = child.stdout.take().expect("its output");
    BufReader::new(output).lines().map_while(Result::ok)
}

/// Resident memory in KiB, and the number of threads.
fn usage() -> (f64, usize) {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux's /proc");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse::<usize>().ok())
            .unwrap_or(0)
    };
    (field("VmRSS:") as f64, field("Threads:"))
}

/// Prints what each of `STREAMS` things takes beyond `before`.
fn print_since(before: (f64, usize)) {
    let now = usage();
    println!(
        "{:.2} {:.2}",
        (now.0 - before.0) / STREAMS as f64,
        (now.1 - before.1) as f64 / STREAMS as f64
    );
}

fn threads() {
    let before = usage();
    let ready = Arc::new(Barrier::new(STREAMS + 1));
    let mut wake = Vec::new();
    for _ in 0..STREAMS {
        let ready = ready.clone();
        let (sender, receiver) = channel::<()>();
        wake.push(sender);
        thread::spawn(move || {
            ready.wait();
            let _ = receiver.recv();
        });
    }
    ready.wait();
    thread::sleep(Duration::from_millis(300));
    print_since(before);
}

/// `{after}` in a conversation's name is how many messages it has; then it is silent.
fn serve() {
    let server = Server::streaming(|connection, request, _| {
        let conversation = request.path().rsplit('/').nth(1).unwrap_or_default();
        let (kind, count) = conversation.split_once('_').unwrap_or_default();
        let count: usize = count.parse().unwrap_or(0);
        connection.event_stream();
        connection.raw(heartbeat(1, 1_717_564_800_000));
        match kind {
            "burst" => burst(connection, count),
            _ => {
                let text = "text ".repeat(40);
                let of = |n: usize| message(&format!("cmlqacdwm{n:016}"), &text);
                connection.raw((0..count).map(of).collect::<String>());
                for n in count..count + SINGLE {
                    thread::sleep(Duration::from_millis(1));
                    connection.raw(of(n));
                }
            }
        }
        // Longer than the measurement takes, and than the reads of a test may.
        let socket = connection.stream();
        let _ = socket.set_read_timeout(None);
        connection.closed_by_client();
    });
    println!("{}", server.url());
    loop {
        thread::park();
    }
}

fn burst(connection: &mut Connection, count: usize) {
    let mut bytes = String::new();
    for n in 0..count {
        bytes.push_str(&message(&format!("cmlqacdwm{n:016}"), &"text ".repeat(20)));
        if bytes.len() > 1 << 18 {
            connection.raw(&bytes);
            bytes.clear();
        }
    }
    connection.raw(&bytes);
}

fn opener(address: &str) -> impl Fn(String) -> MessageStream + use<> {
    let client = Client::builder(server::KEY).base_url(address).build();
    let messages = client.expect("a client").conversations().messages();
    move |conversation| {
        let stream = messages.stream("agt_1", conversation);
        stream.open().expect("a stream")
    }
}

fn streams(address: &str, count: &str) {
    let open = opener(address);
    let count: usize = count.parse().expect("a count");
    // What the first stream costs is not what each costs.
    take(&mut open("some_1".to_owned()), 1);
    let before = usage();
    let mut streams = Vec::with_capacity(STREAMS);
    for _ in 0..STREAMS {
        let mut stream = open(format!("some_{count}"));
        take(&mut stream, count + SINGLE);
        streams.push(stream);
    }
    thread::sleep(Duration::from_millis(300));
    print_since(before);
}

fn burst_of(address: &str) {
    let open = opener(address);
    let before = processor();
    let mut best = f64::MAX;
    for _ in 0..BURSTS {
        let started = Instant::now();
        take(&mut open(format!("burst_{BURST}")), BURST);
        best = best.min(started.elapsed().as_secs_f64());
    }
    let size = message(&format!("cmlqacdwm{:016}", 0), &"text ".repeat(20)).len();
    println!(
        "A burst of {BURST} messages of {size} bytes in one stream, best of {BURSTS}: {:.0} \
         messages/s, {:.0} MB/s; {:.0} ns of processor time a message",
        BURST as f64 / best,
        (BURST * size) as f64 / best / 1e6,
        (processor() - before) * 1e9 / (BURST * BURSTS) as f64
    );
}

/// The processor time of this process in seconds: on a busy machine it says more than the clock.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.split_whitespace().skip(13).take(2);
    let ticks: u64 = fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

fn take(stream: &mut MessageStream, count: usize) {
    for _ in 0..count {
        match stream.recv_timeout(Duration::from_secs(60)) {
            Ok(Received::Message(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}
