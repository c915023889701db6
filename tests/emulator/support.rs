//! A client that sends and returns the bytes on the wire.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ops::Deref;
use std::time::{Duration, Instant};

use bimpeai::emulator::{Emulator, EmulatorBuilder};
use serde_json::{Value, json};

/// Bound of every wait.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) const PREFIX: &str = "/api/v1/console";

/// An emulator with a client for it.
pub(crate) struct Api(Emulator);

impl Deref for Api {
    type Target = Emulator;

    fn deref(&self) -> &Emulator {
        &self.0
    }
}

/// A response.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn data(&self) -> Value {
        assert!(self.status < 300, "{self:?}");
        self.json()["data"].clone()
    }

    pub(crate) fn code(&self) -> (u16, String) {
        (
            self.status,
            self.json()["code"].as_str().unwrap_or_default().to_owned(),
        )
    }
}

/// An emulator without a customer who writes on their own, and with immediate replies.
pub(crate) fn quiet() -> EmulatorBuilder {
    Emulator::builder()
        .customer_writes(false)
        .reply_delay(Duration::ZERO)
}

pub(crate) fn api() -> Api {
    start(quiet())
}

pub(crate) fn start(builder: EmulatorBuilder) -> Api {
    Api(builder.start().unwrap())
}

impl Api {
    pub(crate) fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.base_url().trim_start_matches("http://")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// Sends bytes on a new connection and reads to its end.
    pub(crate) fn raw(&self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut socket = self.connect();
        socket.write_all(bytes)?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).map(|_| answer)
    }

    /// A request as text, with the main API key unless a header has another.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> String {
        let mut text =
            format!("{method} {PREFIX}{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        let authorizes =
            |name: &str| ["authorization", "x-api-key"].contains(&name.to_lowercase().as_str());
        if !headers.iter().any(|(name, _)| authorizes(name)) {
            text.push_str(&format!("Authorization: Bearer {}\r\n", self.api_key()));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n",
                body.len()
            ));
        }
        text + "\r\n" + body
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        parse(
            &self
                .raw(self.request(method, path, headers, body).as_bytes())
                .unwrap(),
        )
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "")
    }

    pub(crate) fn post(&self, path: &str, body: Value) -> Reply {
        self.send("POST", path, &[], &body.to_string())
    }

    pub(crate) fn patch(&self, path: &str, body: Value) -> Reply {
        self.send("PATCH", path, &[], &body.to_string())
    }

    pub(crate) fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &[], "")
    }

    /// Creates an agent on a public workflow and returns its id.
    pub(crate) fn agent(&self) -> String {
        let body = json!({ "name": "Ada", "agent_workflow_id": RESTAURANT });
        id(&self.post("/agents", body).data())
    }

    /// Creates an agent and returns its id and that of its first conversation.
    pub(crate) fn conversation(&self) -> (String, String) {
        let agent = self.agent();
        let conversations = self.get(&format!("/agents/{agent}/conversations")).data();
        (agent, id(&conversations[0]))
    }

    pub(crate) fn ticket(&self, agent: &str, conversation: &str) -> String {
        let path = format!("/agents/{agent}/conversations/{conversation}/stream-ticket");
        let data = self.send("POST", &path, &[], "").data();
        data["ticket"].as_str().unwrap().to_owned()
    }

    /// Opens a stream with a new ticket. A `query` starts with `&`.
    pub(crate) fn stream(&self, agent: &str, conversation: &str, query: &str) -> Stream {
        self.stream_with(agent, conversation, query, "")
    }

    pub(crate) fn stream_with(
        &self,
        agent: &str,
        conversation: &str,
        query: &str,
        headers: &str,
    ) -> Stream {
        let ticket = self.ticket(agent, conversation);
        let path = format!("{PREFIX}/agents/{agent}/conversations/{conversation}/stream");
        let text = format!(
            "GET {path}?ticket={ticket}{query} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
        );
        let mut socket = self.connect();
        socket.write_all(text.as_bytes()).unwrap();
        Stream::new(socket)
    }
}

/// The restaurant workflow of the public library.
pub(crate) const RESTAURANT: &str = "cmpubrestaurantorders0000";

pub(crate) fn id(data: &Value) -> String {
    data["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no id in {data}"))
        .to_owned()
}

pub(crate) fn parse(bytes: &[u8]) -> Reply {
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(bytes)));
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_owned(), value.to_owned())
    };
    Reply {
        status,
        headers: lines.map(header).collect(),
        body: bytes[end + 4..].to_vec(),
    }
}

/// An open stream, decoded from its chunks.
pub(crate) struct Stream {
    reader: BufReader<TcpStream>,
    pub(crate) status: u16,
    pub(crate) headers: Vec<String>,
    chunked: bool,
    text: String,
}

/// An event, or how the stream ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    Event {
        id: String,
        event: String,
        data: String,
    },
    /// A clean end.
    End,
    /// An end in the middle of this text.
    Cut(String),
    Reset,
}

impl Stream {
    fn new(socket: TcpStream) -> Self {
        let mut reader = BufReader::new(socket);
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            headers.push(line.trim().to_owned());
        }
        let status = headers
            .remove(0)
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let chunked = headers
            .iter()
            .any(|line| line == "Transfer-Encoding: chunked");
        Stream {
            reader,
            status,
            headers,
            chunked,
            text: String::new(),
        }
    }

    pub(crate) fn next(&mut self) -> Next {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = block
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .unwrap_or_default();
                    line.to_owned()
                };
                let next = Next::Event {
                    id: field("id: "),
                    event: field("event: "),
                    data: field("data: "),
                };
                self.text = rest.to_owned();
                return next;
            }
            match self.more() {
                Ok(Some(text)) => self.text.push_str(&text),
                Ok(None) if self.text.is_empty() => return Next::End,
                Ok(None) => return Next::Cut(std::mem::take(&mut self.text)),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Next::Reset,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Next::Cut(std::mem::take(&mut self.text));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Returns whether nothing arrives for this time.
    pub(crate) fn waits_for(&mut self, time: Duration) -> bool {
        if !self.text.is_empty() || !self.reader.buffer().is_empty() {
            return false;
        }
        self.reader.get_ref().set_read_timeout(Some(time)).unwrap();
        let waited = self.reader.fill_buf().map(<[u8]>::len);
        waited
            .is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// Returns the texts of the next messages.
    pub(crate) fn messages(&mut self, count: usize) -> Vec<String> {
        (0..count)
            .map(|_| self.message()["message"].as_str().unwrap().to_owned())
            .collect()
    }

    pub(crate) fn message(&mut self) -> Value {
        match self.next() {
            Next::Event { event, data, .. } if event == "message" => {
                serde_json::from_str(&data).unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    fn more(&mut self) -> std::io::Result<Option<String>> {
        if !self.chunked {
            let mut space = [0; 4096];
            let read = self.reader.read(&mut space)?;
            return Ok((read > 0).then(|| String::from_utf8_lossy(&space[..read]).into_owned()));
        }
        let mut size = String::new();
        if self.reader.read_line(&mut size)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut chunk = vec![0; size];
        let mut filled = 0;
        while filled < size {
            match self.reader.read(&mut chunk[filled..])? {
                0 => {
                    self.text
                        .push_str(&String::from_utf8_lossy(&chunk[..filled]));
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                read => filled += read,
            }
        }
        self.reader.read_line(&mut String::new())?;
        Ok((size > 0).then(|| String::from_utf8(chunk).unwrap()))
    }
}

/// Waits, up to a bound, until a condition holds.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} in {PATIENCE:?}");
        std::thread::yield_now();
    }
}
