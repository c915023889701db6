//! A caller who is slower than the server: what waits for it is bounded, nothing is lost, and the
//! server is not blamed.

mod support;

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bimpeai::stream::{MessageStream, Received, StreamRequest};
use support::{Connection, Gate, PATIENCE, Server, heartbeat, message};

fn request(server: &Server) -> StreamRequest {
    let client = server.client();
    client.conversations().messages().stream("agt_1", "cnv_1")
}

fn next(stream: &mut MessageStream) -> String {
    match stream.recv_timeout(PATIENCE).unwrap() {
        Received::Message(message) => message.id,
        other => panic!("no message: {other:?}"),
    }
}

/// Writes all of `bytes`, and opens the gate once the client has taken nothing for a while. Without
/// blocking: after a blocking write that timed out, some systems do not tell how much was written.
fn write_slowly(connection: &Connection, bytes: &[u8], full: &Gate, written: &AtomicUsize) {
    connection.stream().set_nonblocking(true).unwrap();
    let mut rest = bytes;
    let mut progress = Instant::now();
    while !rest.is_empty() {
        match connection.stream().write(rest) {
            Ok(count) => {
                rest = &rest[count..];
                written.fetch_add(count, Ordering::SeqCst);
                progress = Instant::now();
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if progress.elapsed() >= 3 * IDLE {
                    full.open();
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error) => panic!("{error}"),
        }
    }
    connection.stream().set_nonblocking(false).unwrap();
}

/// A server that has `count` messages of about `size` bytes; what it could write until it was held
/// back is in the counter when the gate is open.
fn eager(count: usize, size: usize) -> (Server, Gate, Arc<AtomicUsize>) {
    let (full, written) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (gated, counted) = (full.clone(), written.clone());
    let server = Server::streaming(move |connection, _, _| {
        let text = "x".repeat(size);
        let mut bytes = String::new();
        for number in 0..count {
            bytes.push_str(&message(&format!("m{number}"), &text));
            // Such as a server sends to a client that it cannot know to be slow.
            bytes.push_str(&heartbeat(number as u64, 1));
        }
        connection.event_stream();
        write_slowly(connection, bytes.as_bytes(), &gated, &counted);
        connection.closed_by_client();
    });
    (server, full, written)
}

/// What passes for silence here, several times while the caller does nothing.
const IDLE: Duration = Duration::from_millis(400);

/// What the kernel's socket buffers may hold on both sides.
const KERNEL: usize = 14 << 20;

#[test]
fn the_queue_is_bounded_in_messages_and_holds_the_server_back() {
    let (server, full, written) = eager(20_000, 2000);
    let request = request(&server).buffer(10).idle_timeout(IDLE);
    let mut stream = request.max_retries(0).open().unwrap();
    assert_eq!(next(&mut stream), "m0");
    full.wait();
    let written = written.load(Ordering::SeqCst);
    assert!(written < KERNEL + (1 << 20), "{written} bytes were taken");
    for number in 1..20_000 {
        assert_eq!(next(&mut stream), format!("m{number}"));
    }
    assert_eq!(
        server.connections(),
        1,
        "the server is not blamed for the caller's silence"
    );
}

#[test]
fn waiting_messages_are_limited_in_number() {
    let server = Server::streaming(|connection, _, number| {
        let of = |n: usize| message(&format!("m{}", 1000 * number + n), "x");
        let messages: String = (0..1000).map(of).collect();
        connection.event_stream();
        connection.raw(format!("retry: 1\n\n{messages}"));
    });
    let mut stream = request(&server).buffer(10).open().unwrap();
    assert_eq!(next(&mut stream), "m0");
    // All of it is in the client's socket; the end of it is not looked at before there is room.
    std::thread::sleep(IDLE);
    assert_eq!(server.tickets().len(), 1);
    for number in 1..3000 {
        assert_eq!(next(&mut stream), format!("m{number}"));
    }
}

#[test]
fn the_queue_is_bounded_in_bytes_too() {
    let (server, full, written) = eager(2000, 30_000);
    let request = request(&server).buffer(usize::MAX).idle_timeout(IDLE);
    let mut stream = request.max_retries(0).open().unwrap();
    full.wait();
    let written = written.load(Ordering::SeqCst);
    assert!(written < KERNEL + (1 << 20), "{written} bytes were taken");
    for number in 0..2000 {
        assert_eq!(next(&mut stream), format!("m{number}"));
    }
    assert_eq!(server.connections(), 1);
}

/// What a server can fill a queue with. The bytes on the wire are the least of it.
const KINDS: [&str; 5] = [
    "data of many lines",
    "events smaller than what is kept of each",
    "ids that only the data has",
    "heartbeats",
    "errors with large bodies",
];

/// Sends what is of this kind, without end.
fn fill(connection: &mut Connection, kind: &str) {
    if kind == "errors with large bodies" {
        let body = format!("{{\"message\":\"{}\"}}", "x".repeat(1_000_000));
        connection.respond(503, &["Retry-After: 0.001"], body);
        return;
    }
    connection.event_stream();
    let mut number = 0;
    let event = |number: usize| match kind {
        "data of many lines" => {
            let line = format!("data: {}\n", "x".repeat(1_000));
            format!("id: m{number}\n{}", line.repeat(500))
        }
        "events smaller than what is kept of each" => "data\n\n".repeat(5_000),
        "ids that only the data has" => {
            let id = "i".repeat(1_000);
            let of = |n: usize| format!("data: {{\"id\":\"{number}-{n}-{id}\"}}\n\n");
            (0..20).map(of).collect()
        }
        _ => "event: heartbeat\ndata\n\n".repeat(2_000),
    };
    while connection.raw(event(number)) {
        number += 1;
        if kind == "data of many lines" {
            // The read that ends the event has no other byte.
            std::thread::sleep(Duration::from_millis(10));
            connection.raw("\n");
        }
    }
}

/// The child's part: opens streams and takes nothing. Prints by how many KiB it has grown once it
/// grows no more.
#[test]
fn child_that_takes_nothing() {
    let Ok(url) = std::env::var("BIMPEAI_TEST_URL") else {
        return;
    };
    let memory = || -> usize {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages = text.split(' ').nth(1).unwrap();
        pages.parse::<usize>().unwrap() * 4
    };
    let client = bimpeai::Client::builder(support::KEY).base_url(url);
    let client = client.build().unwrap();
    let before = memory();
    let mut streams: Vec<_> = (0..STREAMS)
        .map(|_| {
            let messages = client.conversations().messages();
            let request = messages.stream("agt_1", "cnv_1").buffer(usize::MAX);
            request.max_retries(u32::MAX).lifecycle()
        })
        .collect();
    for stream in &mut streams {
        let _ = stream.try_recv();
    }
    let (mut most, mut quiet) = (0, 0);
    let until = std::time::Instant::now() + PATIENCE;
    while quiet < 20 && std::time::Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
        let grown = memory().saturating_sub(before);
        quiet = if grown > most + 64 { 0 } else { quiet + 1 };
        most = most.max(grown);
        // It has failed, and the machine is not to suffer.
        if most > 200 * 1024 {
            break;
        }
    }
    println!("grown by {most} KiB");
}

const STREAMS: usize = 8;

/// In KiB: for each stream 512, a group above it, what the allocator keeps, and its buffers. While an
/// error of 1 MB is made there are copies of its body.
fn limit(kind: &str) -> usize {
    match kind {
        "errors with large bodies" => STREAMS * 4 * 1024,
        _ => STREAMS * 1792,
    }
}

#[test]
#[cfg(target_os = "linux")]
fn whatever_waits_is_bounded_in_memory() {
    let grown_by = |kind: &'static str| -> usize {
        let server = Server::streaming(move |connection, _, _| fill(connection, kind));
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_takes_nothing", "--nocapture"])
            .env("BIMPEAI_TEST_URL", server.url())
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout).into_owned();
        let grown = output.split("grown by ").nth(1).expect(&output);
        grown.split(' ').next().unwrap().parse().unwrap()
    };
    let grown: Vec<(&str, usize)> = std::thread::scope(|scope| {
        let run = |kind| scope.spawn(move || (kind, grown_by(kind)));
        let running: Vec<_> = KINDS.into_iter().map(run).collect();
        running.into_iter().map(|it| it.join().unwrap()).collect()
    });
    println!("{grown:?}");
    for (kind, grown) in grown {
        let limit = limit(kind);
        assert!(
            grown < limit,
            "{kind}: {grown} KiB, and {limit} is the limit"
        );
    }
}

#[test]
fn a_buffer_of_none_is_a_buffer_of_one() {
    let (server, _, _) = eager(50, 10);
    let mut stream = request(&server).buffer(0).open().unwrap();
    for number in 0..50 {
        assert_eq!(next(&mut stream), format!("m{number}"));
    }
}

#[test]
fn events_before_the_end_are_delivered_before_its_error() {
    let server = Server::streaming(|connection, _, number| {
        if number > 0 {
            connection.respond(404, &[], "{}");
            return;
        }
        connection.event_stream();
        let messages: String = (0..500).map(|n| message(&format!("m{n}"), "x")).collect();
        connection.raw(format!("retry: 1\n\n{messages}"));
    });
    let mut stream = request(&server).open().unwrap();
    // Until the reader has ended, whose last word this is.
    support::eventually("the end has come", || server.streams().len() == 2);
    for number in 0..500 {
        assert_eq!(next(&mut stream), format!("m{number}"));
    }
    let error = stream.recv_timeout(PATIENCE).unwrap_err();
    assert_eq!(error.status(), Some(404));
}

#[test]
fn two_callers_on_two_threads_share_nothing() {
    let (server, _, _) = eager(3000, 100);
    let streams: Vec<_> = (0..4).map(|_| request(&server).open().unwrap()).collect();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let threads: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            let seen = seen.clone();
            std::thread::spawn(move || {
                for number in 0..3000 {
                    assert_eq!(next(&mut stream), format!("m{number}"));
                }
                seen.lock().unwrap().push(());
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(seen.lock().unwrap().len(), 4);
}
