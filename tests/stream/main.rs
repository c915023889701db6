//! Message streams: opening, messages, resuming, the end, delays and views.

#[path = "../support/mod.rs"]
mod support;

mod ending;
mod messages;
mod opening;
mod resuming;
mod views;
mod waits;

use std::time::{Duration, Instant};

use bimpeai::Error;
use bimpeai::conversations::{MessageRole, StreamMessageEvent};
use bimpeai::stream::{LifecycleStream, MessageStream, Received, StreamEvent, StreamRequest};
use support::{Connection, Gate, KEY, PATIENCE, Server, heartbeat, message, message_data};

/// The first delay before another connection, unless the server asks for one.
const FIRST_WAIT: std::ops::Range<Duration> =
    Duration::from_millis(249)..Duration::from_millis(501);

const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/// Makes the stream reconnect at once.
const AT_ONCE: &str = "retry: 1\n\n";

fn request(server: &Server) -> StreamRequest {
    request_of(server.builder())
}

fn request_of(client: bimpeai::ClientBuilder) -> StreamRequest {
    let client = client.build().unwrap();
    client.conversations().messages().stream("agt_1", "cnv_1")
}

fn open(server: &Server) -> MessageStream {
    request(server).open().unwrap()
}

/// What comes next, in bounded time; `None` at the end.
#[track_caller]
fn next(stream: &mut MessageStream) -> Option<Result<StreamMessageEvent, Error>> {
    match stream.recv_timeout(PATIENCE) {
        Ok(Received::Message(message)) => Some(Ok(message)),
        Ok(Received::Ended) => None,
        Ok(other) => panic!("nothing came: {other:?}"),
        Err(error) => Some(Err(error)),
    }
}

#[track_caller]
fn next_message(stream: &mut MessageStream) -> StreamMessageEvent {
    match next(stream) {
        Some(Ok(message)) => message,
        Some(Err(error)) => panic!("an error came: {error}"),
        None => panic!("the stream has ended"),
    }
}

#[track_caller]
fn next_error(stream: &mut MessageStream) -> Error {
    match next(stream) {
        Some(Err(error)) => error,
        other => panic!("no error, but {other:?}"),
    }
}

#[track_caller]
fn ids<const N: usize>(stream: &mut MessageStream) -> [String; N] {
    std::array::from_fn(|_| next_message(stream).id)
}

/// Returns the error that ends the stream. Nothing follows it.
#[track_caller]
fn end(stream: &mut MessageStream) -> Error {
    let error = next_error(stream);
    assert_ended(stream);
    error
}

#[track_caller]
fn assert_ended(stream: &mut MessageStream) {
    for _ in 0..3 {
        assert!(stream.next().is_none());
        assert_eq!(stream.recv_timeout(PATIENCE).unwrap(), Received::Ended);
        assert_eq!(stream.try_recv().unwrap(), Received::Ended);
    }
}

/// Serves an event stream of this text, and then ends the connection.
fn brings(connection: &mut Connection, text: impl AsRef<[u8]>) {
    connection.streaming = true;
    // In one piece: with short idle times, the gap between two could count.
    let mut bytes = HEAD.to_vec();
    bytes.extend_from_slice(text.as_ref());
    connection.raw(bytes);
}

/// Serves an event stream of this text, and then says nothing until the client closes.
fn stays(connection: &mut Connection, text: impl AsRef<[u8]>) {
    brings(connection, text);
    connection.closed_by_client();
}

/// A server whose every stream is of this text, and then silent.
fn staying(text: &'static str) -> Server {
    Server::streaming(move |connection, _, _| stays(connection, text))
}

/// A server whose every stream is of this text, and then ends.
fn ending(text: &'static str) -> Server {
    Server::streaming(move |connection, _, _| brings(connection, text))
}

fn api_error(code: &str) -> String {
    format!(r#"{{"message":"said so","error":"Error","code":"{code}","statusCode":0}}"#)
}

/// A server that refuses the stream this way each time.
fn refusing(status: u16, code: &'static str) -> Server {
    Server::streaming(move |connection, _, _| {
        connection.respond(status, &[], api_error(code));
    })
}

/// Ends a stream that a test has forgotten to be bounded in.
struct Watchdog(#[allow(dead_code)] std::sync::mpsc::Sender<()>);

fn watched(mut request: StreamRequest) -> (LifecycleStream, Watchdog) {
    request = request.timeout(PATIENCE);
    let handle = request.handle();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        if receiver.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            handle.cancel();
        }
    });
    (request.lifecycle(), Watchdog(sender))
}

/// The waits that a stream announces, until as many have been seen.
fn waits(request: StreamRequest, count: usize) -> Vec<Duration> {
    let (stream, _watchdog) = watched(request);
    let waits: Vec<_> = stream
        .filter_map(|event| match event {
            Ok(StreamEvent::Disconnected { wait, .. }) => Some(wait),
            _ => None,
        })
        .take(count)
        .collect();
    assert_eq!(waits.len(), count);
    waits
}
