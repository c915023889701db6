//! How fast a stream stops, from `cancel()` on another thread: until its reader is joined, until the
//! server sees the close, until the waiting iterator returns `None`.
//!
//! ```text
//! cargo bench --bench stopping
//! ```
//!
//! The goals are 5 ms for the reader and the close and 1 ms for `None`, at the 99th percentile.
#![allow(missing_docs)]

#[path = "../tests/support/mod.rs"]
mod server;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use bimpeai::stream::{MessageStream, StreamEvent, StreamHandle, StreamRequest};
use server::{Connection, Server, message};

const STREAMS: usize = 1000;
const AT_ONCE: usize = 500;

/// Time for the other threads to get to where they are to be stopped.
const SETTLE: Duration = Duration::from_millis(2);

fn main() {
    println!("{STREAMS} streams one after another, each stopped by cancel() from another thread\n");
    println!(
        "{:24} {:28} {:>9} {:>9} {:>9}",
        "stopped", "from cancel() to", "p50", "p99", "most"
    );
    woken();
    report("on a silent connection", silent());
    report("in the wait after a 503", in_a_wait());
    report("blocked on a full queue", full());
    println!();
    all_at_once();
}

/// Measures how long waking any waiting thread takes here, for comparison.
fn woken() {
    let (wake, waiting) = channel::<Instant>();
    let (tell, told) = channel();
    let thread = thread::spawn(move || {
        for started in waiting {
            tell.send(started.elapsed()).unwrap();
        }
    });
    let mut times: Vec<_> = (0..STREAMS)
        .map(|_| {
            thread::sleep(SETTLE);
            wake.send(Instant::now()).unwrap();
            told.recv().unwrap()
        })
        .collect();
    drop(wake);
    thread.join().unwrap();
    row(
        "(no stream at all)",
        "a thread of std's woken",
        &mut times,
        "",
    );
}

/// The times of one stop.
struct Stop {
    joined: Duration,
    closed: Duration,
    none: Duration,
}

fn report(stopped: &str, stops: Vec<Stop>) {
    for (what, goal, of) in [
        (
            "the reader joined",
            5,
            (|stop| stop.joined) as fn(&Stop) -> Duration,
        ),
        ("the close seen by the server", 5, |stop| stop.closed),
        ("None from the iterator", 1, |stop| stop.none),
    ] {
        let mut times: Vec<_> = stops.iter().map(of).collect();
        times.sort();
        let missed = percentile(&times, 99) >= Duration::from_millis(goal);
        let missed = if missed { "  MISSED" } else { "" };
        row(stopped, what, &mut times, missed);
    }
}

fn row(stopped: &str, what: &str, times: &mut [Duration], remark: &str) {
    times.sort();
    println!(
        "{stopped:24} {what:28} {:>9} {:>9} {:>9}{remark}",
        micros(percentile(times, 50)),
        micros(percentile(times, 99)),
        micros(percentile(times, 100))
    );
}

/// Of times in order.
fn percentile(times: &[Duration], percent: usize) -> Duration {
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

fn micros(time: Duration) -> String {
    format!("{} µs", time.as_micros())
}

/// A server that reports when it saw a connection closed.
fn telling(begin: impl Fn(&mut Connection) + Send + Sync + 'static) -> (Server, Receiver<Instant>) {
    let (tell, told) = channel();
    let server = Server::streaming(move |connection, _, _| {
        begin(connection);
        connection.closed_by_client();
        let _ = tell.send(Instant::now());
    });
    (server, told)
}

fn request(server: &Server) -> StreamRequest {
    let client = server.client();
    client.conversations().messages().stream("agt_1", "cnv_1")
}

/// Cancels and measures; `none` and `told` return when the other threads saw it.
fn stop(handle: &StreamHandle, none: &Receiver<Instant>, told: &Receiver<Instant>) -> Stop {
    let started = Instant::now();
    handle.cancel();
    let joined = started.elapsed();
    let patience = Duration::from_secs(10);
    Stop {
        joined,
        closed: told
            .recv_timeout(patience)
            .unwrap()
            .saturating_duration_since(started),
        none: none
            .recv_timeout(patience)
            .unwrap()
            .saturating_duration_since(started),
    }
}

/// A thread that waits in `next()` of every stream it gets, and reports when that returned `None`.
fn caller() -> (Sender<MessageStream>, Receiver<Instant>) {
    let (give, given) = channel::<MessageStream>();
    let (tell, told) = channel();
    thread::spawn(move || {
        for mut stream in given {
            while stream.next().is_some() {}
            let _ = tell.send(Instant::now());
        }
    });
    (give, told)
}

fn silent() -> Vec<Stop> {
    let (server, told) = telling(|connection| {
        connection.event_stream();
    });
    let (give, none) = caller();
    let mut stops = Vec::new();
    for _ in 0..STREAMS {
        let stream = request(&server).open().unwrap();
        let handle = stream.handle();
        give.send(stream).unwrap();
        thread::sleep(SETTLE);
        stops.push(stop(&handle, &none, &told));
    }
    stops
}

fn in_a_wait() -> Vec<Stop> {
    // The connection is kept for the next ticket call, until the stream is stopped.
    let (tell, told) = channel();
    let server = Server::start(move |mut connection| {
        while connection.request().is_some() {
            connection.respond(503, &["Retry-After: 50"], "");
        }
        let _ = tell.send(Instant::now());
    });
    let (tell, none) = channel();
    let (tell_waiting, waiting) = channel();
    let mut stops = Vec::new();
    for _ in 0..STREAMS {
        let mut stream = request(&server).lifecycle();
        let handle = stream.handle();
        let (tell, tell_waiting) = (tell.clone(), tell_waiting.clone());
        let thread = thread::spawn(move || {
            let event = stream.next();
            assert!(matches!(event, Some(Ok(StreamEvent::Disconnected { .. }))));
            tell_waiting.send(()).unwrap();
            assert!(stream.next().is_none());
            tell.send(Instant::now()).unwrap();
        });
        waiting.recv().unwrap();
        thread::sleep(SETTLE);
        stops.push(stop(&handle, &none, &told));
        thread.join().unwrap();
    }
    stops
}

fn full() -> Vec<Stop> {
    let (server, told) = telling(|connection| {
        connection.event_stream();
        let messages: String = (0..20).map(|n| message(&format!("m{n}"), "x")).collect();
        connection.raw(messages);
    });
    let mut stops = Vec::new();
    for _ in 0..STREAMS {
        let mut stream = request(&server).buffer(1).open().unwrap();
        let handle = stream.handle();
        thread::sleep(SETTLE);
        // The caller does something else until the stream is cancelled, and then looks again.
        let cancelling = handle.clone();
        let thread = thread::spawn(move || {
            let started = Instant::now();
            cancelling.cancel();
            (started, started.elapsed())
        });
        while !handle.is_cancelled() {
            std::hint::spin_loop();
        }
        assert!(stream.next().is_none());
        let none = Instant::now();
        let (started, joined) = thread.join().unwrap();
        stops.push(Stop {
            joined,
            closed: told.recv().unwrap().saturating_duration_since(started),
            none: none.saturating_duration_since(started),
        });
    }
    stops
}

/// Many open streams, cancelled at once by one thread and by several.
fn all_at_once() {
    for cancelling in [1, 8] {
        let (server, told) = telling(|connection| {
            connection.event_stream();
        });
        let streams: Vec<_> = (0..AT_ONCE)
            .map(|_| request(&server).open().unwrap())
            .collect();
        let before = readers();
        let handles: Vec<_> = streams.iter().map(MessageStream::handle).collect();
        let started = Instant::now();
        thread::scope(|scope| {
            for handles in handles.chunks(AT_ONCE.div_ceil(cancelling)) {
                scope.spawn(move || handles.iter().for_each(StreamHandle::cancel));
            }
        });
        let cancelled = started.elapsed();
        let left = readers();
        let last = (0..AT_ONCE).map(|_| told.recv().unwrap()).max().unwrap();
        // The threads of the server end a moment after their report.
        let patience = Instant::now() + Duration::from_secs(1);
        while server.open_connections() > 0 && Instant::now() < patience {
            thread::yield_now();
        }
        println!(
            "{AT_ONCE} open streams cancelled at once by {cancelling} thread(s): {} until all are \
             joined, {} until the server saw the last close; readers before {before}, left {}, \
             connections left {}",
            micros(cancelled),
            micros(last.saturating_duration_since(started)),
            left,
            server.open_connections()
        );
    }
}

/// How many threads of streams there are.
fn readers() -> usize {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return 0;
    };
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.trim() == "bimpeai-stream")
        .count()
}
