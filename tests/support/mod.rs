//! A server of raw bytes on a loopback socket: what no mock can do, a test does here itself.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bimpeai::{Client, ClientBuilder};

/// Nothing in a test waits longer than this.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const KEY: &str = "sk_test_canary";

#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: String,
    /// Path and query, as they came.
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

/// One connection that a client made.
pub struct Connection {
    reader: BufReader<TcpStream>,
    /// Which connection of the server's it is, from 0.
    pub number: usize,
    shared: Arc<Shared>,
}

impl Connection {
    /// The next request, or `None` when the client closes.
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

    /// Writes bytes as they are.
    pub fn raw(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.reader.get_mut().write_all(bytes.as_ref()).is_ok()
    }

    /// Writes a whole answer; a header is a line such as `Retry-After: 1`.
    pub fn answer(&mut self, status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> bool {
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
        self.answer(
            200,
            &[],
            format!(r#"{{"message":"Success","data":{data}}}"#),
        )
    }

    /// Writes the head of an event stream.
    pub fn event_stream(&mut self) -> bool {
        self.raw("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
    }

    /// Ends the connection with a reset, where there is something unread; else with a close.
    pub fn reset(self) {
        drop(self);
    }

    pub fn close(self) {
        let _ = self.reader.get_ref().shutdown(Shutdown::Both);
    }

    /// Waits until the client closes; whether it did so in time.
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
    sockets: Mutex<Vec<TcpStream>>,
}

pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Runs `serve` for every connection, each on a thread of its own.
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
                let mut sockets = accepting.sockets.lock().unwrap();
                if let Ok(clone) = socket.try_clone() {
                    sockets.push(clone);
                }
                drop(sockets);
                let number = accepting.connections.fetch_add(1, Ordering::SeqCst);
                let (serve, shared) = (serve.clone(), accepting.clone());
                threads.push(std::thread::spawn(move || {
                    shared.open.fetch_add(1, Ordering::SeqCst);
                    serve(Connection {
                        reader: BufReader::new(socket),
                        number,
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

    /// Answers request after request on every connection; `answer` gets the request's number.
    pub fn answering(
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

    /// The requests since the last time.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.shared.requests.lock().unwrap())
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
        for socket in self.shared.sockets.lock().unwrap().iter() {
            let _ = socket.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits until something is so, for a bounded time.
#[track_caller]
pub fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "not in time: {what}");
        std::thread::yield_now();
    }
}
