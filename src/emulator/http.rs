//! HTTP/1.1 as far as a test server needs it: reads requests, writes responses.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use percent_encoding::percent_decode_str;

/// The prefix of every path of the API.
pub(super) const PREFIX: &str = "/api/v1/console";

const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 128;
const MAX_BODY: usize = 8 * 1024 * 1024;

/// A request as received.
#[derive(Clone, Default)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path as sent: escaped, with the API's prefix.
    pub(super) path: String,
    /// Query as sent, without the question mark.
    pub(super) query: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) keep_alive: bool,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub(super) fn is_read(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD")
    }

    /// The path without the API's prefix, as sent; `None` for a path outside of the API.
    pub(super) fn api_path(&self) -> Option<&str> {
        let mut rest = self.path.as_str();
        for wanted in PREFIX.split('/').skip(1) {
            let inner = rest.strip_prefix('/')?;
            let end = inner.find('/').unwrap_or(inner.len());
            if decode(&inner[..end], false) != wanted {
                return None;
            }
            rest = &inner[end..];
        }
        Some(rest)
    }

    /// The path that patterns and the log use: without the API's prefix, if it has that.
    pub(super) fn short_path(&self) -> &str {
        self.api_path().unwrap_or(&self.path)
    }

    /// The segments of the path below the API's prefix, each decoded after splitting: an escaped
    /// slash is part of an id.
    pub(super) fn segments(&self) -> Option<Vec<String>> {
        let segments = self.api_path()?.split('/').skip(1);
        Some(segments.map(|segment| decode(segment, false)).collect())
    }

    /// The decoded pairs of the query.
    pub(super) fn query_pairs(&self) -> Vec<(String, String)> {
        query_pairs(&self.query)
    }
}

pub(super) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

pub(super) fn query_pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, true), decode(value, true))
        })
        .collect()
}

fn decode(text: &str, plus_is_space: bool) -> String {
    let text = if plus_is_space {
        text.replace('+', " ")
    } else {
        text.to_owned()
    };
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

/// Why a request could not be read.
pub(super) enum Unreadable {
    /// The connection is closed.
    Closed,
    /// The bytes are refused with this status and message.
    Refused(u16, &'static str),
}

impl From<io::Error> for Unreadable {
    fn from(_: io::Error) -> Self {
        Unreadable::Closed
    }
}

/// The server's side of a connection.
///
/// The last byte received stays unread in the kernel until [`Wire::settle`]: closing a socket
/// with unread data is the only way to send a reset with std.
pub(super) struct Wire {
    socket: TcpStream,
    buffer: Vec<u8>,
    held: bool,
    /// The method of the request that is being read, as soon as it is known.
    method: String,
}

impl Wire {
    pub(super) fn new(socket: TcpStream) -> Self {
        Wire {
            socket,
            buffer: Vec::new(),
            held: false,
            method: String::new(),
        }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Waits for the next request.
    pub(super) fn next_request(&mut self) -> Result<Request, Unreadable> {
        // A large body must not hold its memory while the connection is idle.
        self.buffer.shrink_to(MAX_HEAD);
        self.method.clear();
        let (mut request, head) = self.read_head()?;
        self.method.clone_from(&request.method);
        self.buffer.drain(..head);
        let chunked = request
            .header("transfer-encoding")
            .is_some_and(|value| value.to_ascii_lowercase().contains("chunked"));
        request.body = if chunked {
            self.read_chunks()?
        } else {
            let length = match request
                .header("content-length")
                .map(|v| v.trim().parse::<usize>())
            {
                None => 0,
                Some(Ok(length)) => length,
                Some(Err(_)) => return Err(Unreadable::Refused(400, "Malformed Content-Length")),
            };
            self.take(length)?
        };
        Ok(request)
    }

    /// What is known of a request that could not be read. It is the last of its connection.
    pub(super) fn refused(&self) -> Request {
        Request {
            method: self.method.clone(),
            ..Request::default()
        }
    }

    fn read_head(&mut self) -> Result<(Request, usize), Unreadable> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut parsed = httparse::Request::new(&mut headers);
            match parsed.parse(&self.buffer) {
                Ok(httparse::Status::Complete(head)) => return Ok((describe(&parsed), head)),
                Ok(httparse::Status::Partial) if self.buffer.len() > MAX_HEAD => {
                    return Err(Unreadable::Refused(431, "Request header fields too large"));
                }
                Ok(httparse::Status::Partial) => self.fill()?,
                Err(httparse::Error::TooManyHeaders) => {
                    return Err(Unreadable::Refused(431, "Too many request header fields"));
                }
                Err(_) => return Err(Unreadable::Refused(400, "Malformed HTTP request")),
            }
        }
    }

    fn read_chunks(&mut self) -> Result<Vec<u8>, Unreadable> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16)
                .map_err(|_| Unreadable::Refused(400, "Malformed chunk"))?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            if body.len().saturating_add(size) > MAX_BODY {
                return Err(Unreadable::Refused(413, "Request body too large"));
            }
            body.extend(self.take(size)?);
            self.line()?;
        }
    }

    fn line(&mut self) -> Result<String, Unreadable> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(Unreadable::Refused(400, "Malformed chunk"));
            }
            self.fill()?;
        }
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, Unreadable> {
        if length > MAX_BODY {
            return Err(Unreadable::Refused(413, "Request body too large"));
        }
        while self.buffer.len() < length {
            self.fill()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Waits for data and adds it to the buffer. The end of the connection is an error.
    fn fill(&mut self) -> io::Result<()> {
        self.settle()?;
        let mut space = [0; 16 * 1024];
        let arrived = loop {
            match self.socket.peek(&mut space) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        if arrived == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.socket.read_exact(&mut space[..arrived - 1])?;
        self.buffer.extend_from_slice(&space[..arrived]);
        self.held = true;
        Ok(())
    }

    /// Reads the byte that was left in the kernel, so that closing the socket sends no reset.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        if self.held {
            self.held = false;
            self.socket.read_exact(&mut [0])?;
        }
        Ok(())
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// Waits until the client, or the emulator's shutdown, closes the connection.
    pub(super) fn wait_for_close(&mut self) {
        while self.fill().is_ok() {
            self.buffer.clear();
        }
    }
}

fn describe(parsed: &httparse::Request<'_, '_>) -> Request {
    let target = parsed.path.unwrap_or("/");
    // The client of a proxy sends the whole URL.
    let target = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<(String, String)> = parsed
        .headers
        .iter()
        .map(|h| {
            (
                h.name.to_owned(),
                String::from_utf8_lossy(h.value).into_owned(),
            )
        })
        .collect();
    let connection = header(&headers, "connection")
        .unwrap_or_default()
        .to_ascii_lowercase();
    Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        keep_alive: parsed.version == Some(1) && !connection.contains("close"),
        headers,
        body: Vec::new(),
    }
}

/// Encodes the status line and headers of a response, with the empty line after them.
pub(super) fn head(status: u16, headers: &[(String, String)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for (name, value) in headers {
        // A value from outside, such as an echoed request id, must not add a header.
        let clean: String = value
            .chars()
            .filter(|c| !matches!(c, '\r' | '\n' | '\0'))
            .collect();
        text.push_str(&format!("{name}: {clean}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Payload Too Large",
        418 => "I'm a Teapot",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn memory_of_a_large_body_is_released() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut wire = Wire::new(listener.accept().unwrap().0);
        let large = 1_000_000;
        let writer = std::thread::spawn(move || {
            write!(client, "POST / HTTP/1.1\r\nContent-Length: {large}\r\n\r\n").unwrap();
            client.write_all(&vec![b'x'; large]).unwrap();
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        });
        let mut next = || wire.next_request().ok().map(|request| request.body.len());
        assert_eq!(next(), Some(large));
        assert_eq!(next(), Some(0));
        writer.join().unwrap();
        assert!(wire.buffer.capacity() <= MAX_HEAD);
    }
}
