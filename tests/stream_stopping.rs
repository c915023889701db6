//! A stream stops at once, wherever it is, and leaves no thread and no socket behind.

mod support;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bimpeai::Error;
use bimpeai::stream::{MessageStream, Received, StreamEvent, StreamHandle, StreamRequest};
use support::{Connection, Gate, PATIENCE, Server, eventually, message};

/// A limit that no stop exceeds, however busy the machine is. Without a stop, the wait is longer.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Threads are counted by their name, so these tests take turns.
static TURN: Mutex<()> = Mutex::new(());

/// Takes the turn, and sees at the end that no thread is left.
struct Alone(#[allow(dead_code)] MutexGuard<'static, ()>);

impl Alone {
    fn here() -> Alone {
        let turn = Alone(TURN.lock().unwrap_or_else(PoisonError::into_inner));
        eventually("threads of the test before are gone", || threads() == 0);
        turn
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        if !thread::panicking() {
            assert_gone();
        }
    }
}

/// How many threads of streams there are.
fn threads() -> usize {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return 0;
    };
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.trim() == "bimpeai-stream")
        .count()
}

/// A thread that was joined is gone; the list of the system may show it a moment longer.
#[track_caller]
fn assert_gone() {
    eventually("no thread of a stream is left", || threads() == 0);
}

/// The server sees no connection of the client's any more.
#[track_caller]
fn assert_closed(server: &Server) {
    eventually("all connections are closed", || {
        server.open_connections() == 0
    });
}

fn request(server: &Server) -> StreamRequest {
    let client = server.client();
    client.conversations().messages().stream("agt_1", "cnv_1")
}

/// Opens a stream, says these things, and waits until the client closes.
fn silent_after(text: &'static str) -> Server {
    Server::streaming(move |connection, _, _| {
        connection.event_stream();
        connection.raw(text);
        connection.closed_by_client();
    })
}

fn is_cancelled(result: Result<MessageStream, Error>) -> bool {
    matches!(result, Err(Error::Cancelled(_)))
}

#[track_caller]
fn assert_over(stream: &mut MessageStream) {
    for _ in 0..2 {
        assert!(stream.next().is_none());
        assert_eq!(stream.try_recv().unwrap(), Received::Ended);
        assert_eq!(stream.recv_timeout(PATIENCE).unwrap(), Received::Ended);
    }
}

/// Runs `wait` on a thread, cancels once the gate is open, and sees that the wait ends at once.
fn cancelled_while<T: Send + 'static>(
    handle: &StreamHandle,
    gate: &Gate,
    wait: impl FnOnce() -> T + Send + 'static,
) -> T {
    let waiting = thread::spawn(wait);
    gate.wait();
    let started = Instant::now();
    handle.cancel();
    let result = waiting.join().unwrap();
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    assert!(handle.is_cancelled());
    result
}

#[test]
fn cancelled_before_it_is_opened_it_connects_nowhere() {
    let _alone = Alone::here();
    let server = silent_after("");
    let unopened = request(&server);
    unopened.handle().cancel();
    let result = unopened.open();
    assert!(is_cancelled(result));

    let unopened = request(&server);
    let handle = unopened.handle();
    let mut stream = unopened.into_iter();
    handle.cancel();
    assert_over(&mut stream);

    let lifecycle = request(&server).lifecycle();
    lifecycle.handle().cancel();
    assert_eq!(lifecycle.count(), 0);
    assert_eq!(server.connections(), 0);
}

#[test]
fn cancelled_while_the_ticket_is_waited_for() {
    let _alone = Alone::here();
    let gate = Gate::new();
    let gated = gate.clone();
    let server = Server::start(move |mut connection| {
        connection.request();
        gated.open();
        connection.closed_by_client();
    });
    let request = request(&server);
    let handle = request.handle();
    let result = cancelled_while(&handle, &gate, move || request.open());
    assert!(is_cancelled(result));
    assert_closed(&server);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn cancelled_while_the_stream_is_waited_for() {
    let _alone = Alone::here();
    let gate = Gate::new();
    let gated = gate.clone();
    let server = Server::streaming(move |connection, _, _| {
        gated.open();
        connection.closed_by_client();
    });
    let request = request(&server);
    let handle = request.handle();
    let next = cancelled_while(&handle, &gate, move || request.into_iter().next().is_none());
    assert!(next, "a cancelled stream just ends");
    assert_closed(&server);
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn cancelled_in_the_middle_of_a_tls_handshake() {
    let _alone = Alone::here();
    let gate = Gate::new();
    let gated = gate.clone();
    let server = Server::start(move |mut connection| {
        gated.open();
        connection.closed_by_client();
    });
    let url = server.url().replace("http:", "https:");
    let client = server.builder().base_url(url).build().unwrap();
    let request = client.conversations().messages().stream("agt_1", "cnv_1");
    let handle = request.handle();
    let result = cancelled_while(&handle, &gate, move || request.open());
    assert!(is_cancelled(result));
    assert_closed(&server);
}

#[test]
fn cancelled_on_a_silent_connection() {
    let _alone = Alone::here();
    let server = silent_after("data: {\"id\":\"m1\"}\n\n");
    let mut stream = request(&server).open().unwrap();
    let handle = stream.handle();
    let gate = Gate::new();
    let gated = gate.clone();
    let mut stream = cancelled_while(&handle, &gate, move || {
        assert_eq!(stream.next().unwrap().unwrap().id, "m1");
        gated.open();
        assert!(stream.next().is_none());
        stream
    });
    assert_over(&mut stream);
    assert_gone();
    assert_closed(&server);
    assert_eq!(server.requests().len(), 2, "it does not connect again");
    // What it had got to can still be read, and stored.
    assert_eq!(stream.last_event_id(), Some("m1"));
}

#[test]
fn buffered_events_are_discarded_too() {
    let _alone = Alone::here();
    let three = "data: {\"id\":\"m1\"}\n\ndata: {\"id\":\"m2\"}\n\ndata: {\"id\":\"m3\"}\n\n";
    for by_iterator in [true, false] {
        let server = silent_after(three);
        let mut stream = request(&server).open().unwrap();
        assert_eq!(stream.next().unwrap().unwrap().id, "m1");
        stream.handle().cancel();
        match by_iterator {
            true => assert!(stream.next().is_none()),
            false => assert_eq!(stream.try_recv().unwrap(), Received::Ended),
        }
        assert_over(&mut stream);
        assert_eq!(stream.last_event_id(), Some("m1"));
    }
}

#[test]
fn cancelled_while_a_timeout_runs() {
    let _alone = Alone::here();
    let server = silent_after("");
    let mut stream = request(&server).open().unwrap();
    let handle = stream.handle();
    let gate = Gate::new();
    gate.open();
    let received = cancelled_while(&handle, &gate, move || stream.recv_timeout(10 * PATIENCE));
    assert_eq!(received.unwrap(), Received::Ended);
    assert_closed(&server);
}

#[test]
fn cancelled_in_the_wait_before_another_connection() {
    let _alone = Alone::here();
    let server = Server::responding(|connection, _, _| {
        connection.respond(503, &["Retry-After: 50"], "");
    });
    let request = request(&server);
    let handle = request.handle();
    let gate = Gate::new();
    let gated = gate.clone();
    let mut stream = request.lifecycle();
    let ended = cancelled_while(&handle, &gate, move || {
        let event = stream.next().unwrap().unwrap();
        assert!(matches!(event, StreamEvent::Disconnected { wait, .. } if wait.as_secs() == 50));
        gated.open();
        stream.next().is_none()
    });
    assert!(ended);
    assert_gone();
    assert_closed(&server);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn dropped_in_the_wait_before_another_connection() {
    let _alone = Alone::here();
    let server = Server::responding(|connection, _, _| {
        connection.respond(503, &["Retry-After: 50"], "");
    });
    let mut stream = request(&server).lifecycle();
    stream.next().unwrap().unwrap();
    let started = Instant::now();
    drop(stream);
    assert!(started.elapsed() < AT_ONCE);
    assert_gone();
    assert_closed(&server);
}

/// Sends messages without end, and opens the gate when the client takes no more.
fn flood(connection: &mut Connection, full: &Gate) {
    let wait = Duration::from_millis(200);
    connection.stream().set_write_timeout(Some(wait)).unwrap();
    connection.event_stream();
    let text = "x".repeat(4000);
    let mut number = 0;
    loop {
        number += 1;
        if !connection.raw(message(&format!("m{number}"), &text)) {
            break;
        }
    }
    full.open();
    connection.closed_by_client();
}

#[test]
fn cancelled_while_the_queue_is_full() {
    let _alone = Alone::here();
    let full = Gate::new();
    let gated = full.clone();
    let server = Server::streaming(move |connection, _, _| flood(connection, &gated));
    let mut stream = request(&server).buffer(1).open().unwrap();
    assert_eq!(stream.next().unwrap().unwrap().id, "m1");
    full.wait();
    let started = Instant::now();
    stream.handle().cancel();
    assert!(started.elapsed() < AT_ONCE);
    assert_gone();
    // What was buffered is discarded.
    assert_over(&mut stream);
    assert_eq!(stream.last_event_id(), Some("m1"));
    assert_closed(&server);
}

#[test]
fn dropped_while_the_queue_is_full() {
    let _alone = Alone::here();
    let full = Gate::new();
    let gated = full.clone();
    let server = Server::streaming(move |connection, _, _| flood(connection, &gated));
    let stream = request(&server).buffer(1).open().unwrap();
    full.wait();
    drop(stream);
    assert_gone();
    assert_closed(&server);
}

#[test]
fn dropped_on_a_silent_connection_or_before_it_was_opened() {
    let _alone = Alone::here();
    let server = silent_after("");
    drop(request(&server));
    drop(request(&server).into_iter());
    drop(request(&server).lifecycle());
    assert_eq!(server.connections(), 0);
    let stream = request(&server).open().unwrap();
    let handle = stream.handle();
    assert!(!handle.is_cancelled());
    drop(stream);
    assert!(handle.is_cancelled());
    assert_gone();
    assert_closed(&server);
}

#[test]
fn dropped_by_a_thread_that_panics() {
    let _alone = Alone::here();
    let server = silent_after("");
    let stream = request(&server).open().unwrap();
    let thread = thread::spawn(move || {
        let _stream = stream;
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(thread.join().is_err());
    assert_gone();
    assert_closed(&server);
}

#[test]
fn a_stream_that_has_ended_leaves_nothing_though_it_is_kept() {
    let _alone = Alone::here();
    // An answer after which the connection could be used again.
    let server = Server::streaming(|connection, _, _| {
        connection.respond(404, &[], "{}");
    });
    let unopened = request(&server);
    let handle = unopened.handle();
    let mut stream = unopened.into_iter();
    assert_eq!(stream.next().unwrap().unwrap_err().status(), Some(404));
    assert_gone();
    assert_closed(&server);
    assert_over(&mut stream);
    handle.cancel();

    let server = Server::streaming(|connection, _, _| {
        connection.event_stream();
    });
    let mut stream = request(&server).reconnect(false).into_iter();
    assert!(stream.next().is_none());
    assert_gone();
    assert_closed(&server);
    drop(stream);
}

#[test]
fn a_failed_opening_leaves_nothing() {
    let _alone = Alone::here();
    let server = Server::streaming(|connection, _, _| {
        connection.respond(404, &[], "{}");
    });
    let request = request(&server);
    let _handle = request.handle();
    request.open().unwrap_err();
    assert_gone();
    assert_closed(&server);
}

#[test]
fn cancelled_again_and_by_many_at_once() {
    let _alone = Alone::here();
    let server = silent_after("");
    let mut stream = request(&server).open().unwrap();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let handle = stream.handle();
            thread::spawn(move || {
                handle.cancel();
                handle.cancel();
            })
        })
        .collect();
    assert!(stream.next().is_none());
    for thread in threads {
        thread.join().unwrap();
    }
    stream.handle().cancel();
    assert_over(&mut stream);
    assert_closed(&server);
}

#[test]
fn cancelling_one_stream_leaves_the_others_and_the_client_alone() {
    let _alone = Alone::here();
    let gate = Gate::new();
    let gated = gate.clone();
    let server = Server::streaming(move |connection, request, _| {
        if request.method == "GET" && !request.path().ends_with("/stream") {
            connection.data(r#"{"id":"agt_1","name":"n"}"#);
            return;
        }
        connection.event_stream();
        gated.wait();
        connection.raw(message("m1", "x"));
        connection.closed_by_client();
    });
    let client = server.client();
    let messages = client.conversations().messages();
    let mut kept = messages.stream("agt_1", "cnv_1").open().unwrap();
    let other = messages.stream("agt_1", "cnv_1").open().unwrap();
    other.handle().cancel();
    drop(other);
    gate.open();
    assert_eq!(kept.next().unwrap().unwrap().id, "m1");
    assert_eq!(
        client.agents().retrieve("agt_1").send().unwrap().id,
        "agt_1"
    );
}

#[test]
fn cancelled_at_any_moment_of_its_opening() {
    let _alone = Alone::here();
    let server = silent_after("data: {\"id\":\"m1\"}\n\n");
    for moment in 0..150_u32 {
        let request = request(&server);
        let handle = request.handle();
        let cancelling = thread::spawn(move || {
            let until = Instant::now() + moment * Duration::from_micros(15);
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            handle.cancel();
        });
        match request.open() {
            Ok(mut stream) => {
                // The one message may come before the end does.
                assert!(stream.by_ref().flatten().count() <= 1);
                assert_over(&mut stream);
            }
            Err(error) => assert!(matches!(error, Error::Cancelled(_)), "{error}"),
        }
        cancelling.join().unwrap();
    }
    assert_gone();
    assert_closed(&server);
}

#[test]
fn many_streams_are_cancelled_at_once() {
    let _alone = Alone::here();
    let server = silent_after("");
    let streams: Vec<_> = (0..60).map(|_| request(&server).open().unwrap()).collect();
    assert_eq!(server.open_connections(), 60);
    #[cfg(target_os = "linux")]
    assert_eq!(threads(), 60, "one thread a stream");
    let threads: Vec<_> = streams
        .iter()
        .map(|stream| {
            let handle = stream.handle();
            thread::spawn(move || handle.cancel())
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_gone();
    assert_closed(&server);
    drop(streams);
}
