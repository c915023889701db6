//! A server of raw bytes on a loopback socket, for tests that need more control than a mock offers.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bimpeai::agents::AgentDetail;
use bimpeai::{Client, ClientBuilder, Error};

/// The maximum wait in a test.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const KEY: &str = "sk_test_canary";

/// Sends a typical call with a new client.
pub fn retrieve(builder: ClientBuilder) -> Result<AgentDetail, Error> {
    builder.build().unwrap().agents().retrieve("a").send()
}

#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: String,
    /// Path and query, as received.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection opened by a client.
pub struct Connection {
    reader: BufReader<TcpStream>,
    /// Number of the connection, from 0.
    pub number: usize,
    /// Whether it carries an event stream.
    pub streaming: bool,
    shared: Arc<Shared>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The server's own handle would keep the socket open.
        self.shared.sockets.lock().unwrap().remove(&self.number);
    }
}

impl Connection {
    /// Returns the next request, or `None` when the client closes the connection.
    pub fn request(&mut self) -> Option<Request> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut words = line.split_whitespace();
        let mut request = Request {
            method: words.next()?.to_owned(),
            target: words.next()?.to_owned(),
            ..Request::default()
        };
        loop {
            let mut line = Vec::new();
            self.reader.read_until(b'\n', &mut line).ok()?;
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            request
                .headers
                .push((name.to_owned(), value.trim().to_owned()));
        }
        let length = request
            .header("content-length")
            .unwrap_or("0")
            .parse()
            .ok()?;
        request.body = vec![0; length];
        self.reader.read_exact(&mut request.body).ok()?;
        self.shared.requests.lock().unwrap().push(request.clone());
        Some(request)
    }

    /// Returns the next request, which must not have a body, and leaves its last byte unread. The
    /// connection then ends with a reset, unless [`Connection::close`] reads that byte.
    pub fn request_unread(&mut self) -> Option<Request> {
        let mut head = vec![0; 64 * 1024];
        let length = loop {
            let peeked = self.stream().peek(&mut head).ok()?;
            let end = head[..peeked].windows(4).position(|end| end == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None if peeked == 0 => return None,
                None => std::thread::yield_now(),
            }
        };
        if head.starts_with(b"POST") {
            return self.request();
        }
        let mut socket = self.stream();
        socket.read_exact(&mut head[..length - 1]).ok()?;
        let text = String::from_utf8_lossy(&head[..length]).into_owned();
        let mut lines = text.lines();
        let mut words = lines.next()?.split_whitespace();
        let request = Request {
            method: words.next()?.to_owned(),
            target: words.next()?.to_owned(),
            headers: lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
                .collect(),
            body: Vec::new(),
        };
        self.shared.requests.lock().unwrap().push(request.clone());
        Some(request)
    }

    /// Reads the byte that [`Connection::request_unread`] left.
    pub fn read_rest(&mut self) {
        let _ = self.stream().read_exact(&mut [0]);
    }

    /// Writes raw bytes.
    pub fn raw(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.reader.get_mut().write_all(bytes.as_ref()).is_ok()
    }

    /// Writes a whole response; a header is a line such as `Retry-After: 1`.
    pub fn respond(&mut self, status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> bool {
        let body = body.as_ref();
        let mut bytes = format!(
            "HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n",
            body.len()
        );
        if !headers
            .iter()
            .any(|line| line.to_lowercase().starts_with("content-type:"))
        {
            bytes.push_str("Content-Type: application/json\r\n");
        }
        for line in headers {
            bytes.push_str(line);
            bytes.push_str("\r\n");
        }
        bytes.push_str("\r\n");
        let mut bytes = bytes.into_bytes();
        bytes.extend_from_slice(body);
        self.raw(bytes)
    }

    /// Writes `{"message": "Success", "data": …}`.
    pub fn data(&mut self, data: &str) -> bool {
        self.respond(
            200,
            &[],
            format!(r#"{{"message":"Success","data":{data}}}"#),
        )
    }

    /// Writes the head of an event stream.
    pub fn event_stream(&mut self) -> bool {
        self.streaming = true;
        self.raw("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
    }

    /// Responds to a ticket call.
    pub fn ticket(&mut self, ticket: &str) -> bool {
        let body =
            format!(r#"{{"message":"Success","data":{{"ticket":"{ticket}","expires_in":60}}}}"#);
        self.respond(201, &[], body)
    }

    /// Resets the connection. Bytes already written may be lost.
    pub fn reset(self) {
        self.reset_now();
    }

    /// Resets the connection when it is dropped.
    pub fn reset_now(&self) {
        let socket = socket2::SockRef::from(self.reader.get_ref());
        let _ = socket.set_linger(Some(Duration::ZERO));
    }

    /// Closes the connection cleanly. Bytes already written still arrive.
    pub fn shut(&mut self) {
        let _ = self.reader.get_ref().shutdown(Shutdown::Write);
    }

    pub fn close(mut self) {
        // Unread bytes would turn the close into a reset.
        let _ = self.stream().set_nonblocking(true);
        let _ = self.reader.read(&mut [0; 16]);
        let _ = self.reader.get_ref().shutdown(Shutdown::Both);
    }

    /// Waits until the client closes. Returns whether it did so in time.
    pub fn closed_by_client(&mut self) -> bool {
        let mut byte = [0];
        loop {
            match self.reader.read(&mut byte) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == io::ErrorKind::ConnectionReset,
            }
        }
    }

    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    connections: AtomicUsize,
    open: AtomicUsize,
    requests: Mutex<Vec<Request>>,
    sockets: Mutex<HashMap<usize, TcpStream>>,
}

pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Runs `serve` for every connection, each on its own thread.
    pub fn start(serve: impl Fn(Connection) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::on(listener, serve)
    }

    pub fn on(listener: TcpListener, serve: impl Fn(Connection) + Send + Sync + 'static) -> Server {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let serve = Arc::new(serve);
        let accepting = shared.clone();
        let thread = std::thread::spawn(move || {
            let mut threads = Vec::new();
            for socket in listener.incoming() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(socket) = socket else { continue };
                socket.set_nodelay(true).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                socket.set_write_timeout(Some(PATIENCE)).unwrap();
                let number = accepting.connections.fetch_add(1, Ordering::SeqCst);
                if let Ok(clone) = socket.try_clone() {
                    accepting.sockets.lock().unwrap().insert(number, clone);
                }
                let (serve, shared) = (serve.clone(), accepting.clone());
                threads.push(std::thread::spawn(move || {
                    shared.open.fetch_add(1, Ordering::SeqCst);
                    serve(Connection {
                        reader: BufReader::new(socket),
                        number,
                        streaming: false,
                        shared: shared.clone(),
                    });
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                }));
            }
            for thread in threads {
                let _ = thread.join();
            }
        });
        Server {
            address,
            shared,
            thread: Some(thread),
        }
    }

    /// Responds to each request on every connection; `answer` gets the number of the request.
    pub fn responding(
        answer: impl Fn(&mut Connection, &Request, usize) + Send + Sync + 'static,
    ) -> Server {
        let count = AtomicUsize::new(0);
        Server::start(move |mut connection| {
            while let Some(request) = connection.request() {
                let number = count.fetch_add(1, Ordering::SeqCst);
                answer(&mut connection, &request, number);
            }
        })
    }

    /// Issues the tickets `ticket-0`, `ticket-1`, …; `serve` gets every other request with its
    /// number. The connection stays open afterwards, unless it carries an event stream.
    pub fn streaming(
        serve: impl Fn(&mut Connection, &Request, usize) + Send + Sync + 'static,
    ) -> Server {
        let (tickets, streams) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Server::start(move |mut connection| {
            while let Some(request) = connection.request() {
                if request.path().ends_with("/stream-ticket") {
                    let number = tickets.fetch_add(1, Ordering::SeqCst);
                    connection.ticket(&format!("ticket-{number}"));
                } else {
                    let number = streams.fetch_add(1, Ordering::SeqCst);
                    serve(&mut connection, &request, number);
                }
                if connection.streaming {
                    break;
                }
            }
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn builder(&self) -> ClientBuilder {
        Client::builder(KEY).base_url(self.url())
    }

    pub fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Returns the requests since the last call.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.shared.requests.lock().unwrap())
    }

    /// Returns the received ticket calls.
    pub fn tickets(&self) -> Vec<Request> {
        self.matching("/stream-ticket")
    }

    /// Returns the requests for event streams.
    pub fn streams(&self) -> Vec<Request> {
        self.matching("/stream")
    }

    fn matching(&self, end: &str) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.path().ends_with(end));
        requests
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub fn open_connections(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for socket in self.shared.sockets.lock().unwrap().values() {
            let _ = socket.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Returns the frame of a message, as documented.
pub fn message(id: &str, text: &str) -> String {
    format!(
        "id: {id}\nevent: message\ndata: {}\n\n",
        message_data(id, text)
    )
}

pub fn message_data(id: &str, text: &str) -> String {
    format!(
        r#"{{"id":"{id}","conversation_id":"cnv_1","role":"user","message":"{text}","message_type":"text","created_at":"2026-06-05T08:00:00.000Z"}}"#
    )
}

/// The frame of a heartbeat, with an id that is not a message id.
pub fn heartbeat(id: u64, ts: u64) -> String {
    format!("id: {id}\nevent: heartbeat\ndata: {{\"ts\":{ts}}}\n\n")
}

/// A gate that one thread opens and other threads wait for.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn new() -> Gate {
        Gate::default()
    }

    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    #[track_caller]
    pub fn wait(&self) {
        let (_open, result) = self
            .0
            .1
            .wait_timeout_while(self.0.0.lock().unwrap(), PATIENCE, |open| !*open)
            .unwrap();
        assert!(!result.timed_out(), "a gate was not opened in time");
    }
}

/// Waits up to a bound until the condition holds.
#[track_caller]
pub fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "not in time: {what}");
        std::thread::yield_now();
    }
}
