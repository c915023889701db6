//! A server that does nothing but write prepared bytes: what is measured is the client.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// The response to a request line that starts with `start`.
pub struct Route {
    pub start: String,
    pub response: Response,
}

pub enum Response {
    /// These bytes, at once.
    Bytes(Vec<u8>),
    /// These bytes, after this delay.
    Late(Duration, Vec<u8>),
    /// Whatever this writes.
    Live(fn(&mut TcpStream) -> io::Result<()>),
}

impl Route {
    pub fn new(start: impl Into<String>, response: Response) -> Route {
        Route {
            start: start.into(),
            response,
        }
    }
}

/// Serves until the process ends. Returns the base URL.
pub fn start(routes: Vec<Route>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    let address = listener.local_addr().expect("its address");
    let routes: Arc<[Route]> = routes.into();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let routes = routes.clone();
            std::thread::spawn(move || {
                // A client may disconnect at any time.
                let _ = serve(stream, &routes);
            });
        }
    });
    format!("http://{address}")
}

fn serve(mut stream: TcpStream, routes: &[Route]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut filled = 0;
    loop {
        let length = loop {
            if let Some(length) = request_length(&buffer[..filled]) {
                break length;
            }
            match stream.read(&mut buffer[filled..])? {
                0 => return stream.shutdown(Shutdown::Both),
                read => filled += read,
            }
        };
        let route = routes
            .iter()
            .find(|route| buffer.starts_with(route.start.as_bytes()));
        match route.map(|route| &route.response) {
            Some(Response::Bytes(bytes)) => stream.write_all(bytes)?,
            Some(Response::Late(wait, bytes)) => {
                std::thread::sleep(*wait);
                stream.write_all(bytes)?;
            }
            Some(Response::Live(write)) => write(&mut stream)?,
            None => {
                let line = buffer.split(|byte| *byte == b'\r').next();
                let line = String::from_utf8_lossy(line.unwrap_or_default()).into_owned();
                eprintln!("the canned server has no response to {line:?}");
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            }
        }
        buffer.copy_within(length..filled, 0);
        filled -= length;
    }
}

/// Returns the length of the first request, once it is complete.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let body = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0);
    (bytes.len() >= end + body).then_some(end + body)
}
