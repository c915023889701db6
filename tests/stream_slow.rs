//! A caller who is slower than the server: what waits for it is bounded, nothing is lost, and the
//! server is not blamed.

mod support;

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

/// Shorter than the server is held back for, and longer than a kernel takes to tell the other side
/// that there is room again.
const IDLE: Duration = Duration::from_secs(1);

/// Writes it all; opens the gate when the client has taken nothing for longer than the idle time.
fn write_slowly(connection: &Connection, bytes: &[u8], full: &Gate, written: &AtomicUsize) {
    let wait = Duration::from_millis(300);
    connection.stream().set_write_timeout(Some(wait)).unwrap();
    let mut rest = bytes;
    let mut waits = 0;
    while !rest.is_empty() {
        match connection.stream().write(rest) {
            Ok(count) => {
                waits = 0;
                rest = &rest[count..];
                written.fetch_add(count, Ordering::SeqCst);
            }
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) =>
            {
                waits += 1;
                if wait * waits > IDLE {
                    full.open();
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A server that has `count` messages of about `size` bytes; what it could write until it was held
/// back is in the counter when the gate is open.
fn eager(count: usize, size: usize) -> (Server, Gate, Arc<AtomicUsize>) {
    let (full, written) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (gated, counted) = (full.clone(), written.clone());
    let server = Server::streaming(move |connection, _, _| {
        connection.event_stream();
        let text = "x".repeat(size);
        let mut bytes = String::new();
        for number in 0..count {
            bytes.push_str(&message(&format!("m{number}"), &text));
            // Such as a server sends to a client that it cannot know to be slow.
            bytes.push_str(&heartbeat(number as u64, 1));
        }
        write_slowly(connection, bytes.as_bytes(), &gated, &counted);
        connection.closed_by_client();
    });
    (server, full, written)
}

/// What the kernel's socket buffers may hold on both sides.
const KERNEL: usize = 14 << 20;

#[test]
fn the_queue_is_bounded_in_messages_and_holds_the_server_back() {
    let (server, full, written) = eager(20_000, 2000);
    // The idle time passes while the caller does nothing.
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
fn the_queue_is_bounded_in_bytes_too() {
    let (server, full, written) = eager(2000, 30_000);
    let request = request(&server).buffer(usize::MAX).idle_timeout(IDLE);
    let mut stream = request.max_retries(0).open().unwrap();
    full.wait();
    let written = written.load(Ordering::SeqCst);
    assert!(
        written > 512 << 10,
        "{written} bytes were taken, and 512 KiB may wait"
    );
    assert!(written < KERNEL + (1 << 20), "{written} bytes were taken");
    for number in 0..2000 {
        assert_eq!(next(&mut stream), format!("m{number}"));
    }
    assert_eq!(server.connections(), 1);
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
fn what_came_before_the_end_comes_before_its_error() {
    let server = Server::streaming(|connection, _, number| {
        if number > 0 {
            connection.answer(404, &[], "{}");
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
