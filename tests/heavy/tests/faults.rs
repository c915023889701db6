//! What can go wrong on a connection, met by a read, a write and a stream: the right kind of error,
//! in time, and no thread or socket left.
//!
//! `cargo test --test faults -- --nocapture` prints the table.

#[cfg(feature = "gzip")]
#[path = "support/gzip.rs"]
mod gzip_support;
#[path = "../../support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bimpeai::agents::CreateAgent;
use bimpeai::{Client, Error};
use support::{Connection, KEY, Request, Server};

const TIMEOUT: Duration = Duration::from_millis(250);
/// The time that a busy machine may add.
const SLACK: Duration = Duration::from_millis(1_500);

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n{\"data\":{\"id\":\"abc\"}}";
const STREAM: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\n\r\n";

#[derive(Clone, Copy, PartialEq)]
enum By {
    Read,
    Write,
    Stream,
}

const ALL: [By; 3] = [By::Read, By::Write, By::Stream];

/// Causes the fault after the request was read, then closes the connection.
type Harm = Box<dyn Fn(&mut Connection, &Request) + Send + Sync>;

enum Faulty {
    /// Nothing listens.
    Nobody,
    /// What happens to a connection before anything is read of it.
    Early(fn(Connection)),
    /// What happens after the request.
    Late(Harm),
}

struct Row {
    fault: String,
    server: Faulty,
    /// The kinds of error that a read, a write and a stream end with; `-` where there is no such
    /// fault.
    kinds: [&'static str; 3],
}

fn late(
    fault: impl Into<String>,
    kinds: [&'static str; 3],
    harm: impl Fn(&mut Connection, &Request) + Send + Sync + 'static,
) -> Row {
    Row {
        fault: fault.into(),
        server: Faulty::Late(Box::new(harm)),
        kinds,
    }
}

fn for_ever(connection: &mut Connection, bytes: &str, pause: u64) {
    while connection.raw(bytes) {
        std::thread::sleep(Duration::from_millis(pause));
    }
}

/// The head of a success, for a read or a stream.
fn head(request: &Request) -> &'static str {
    match request.path().ends_with("/stream") {
        true => "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n",
        false => "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
    }
}

fn rows() -> Vec<Row> {
    const CONNECTION: [&str; 3] = ["Connection"; 3];
    const TIMEOUT: [&str; 3] = ["Timeout"; 3];
    let mut rows = vec![
        Row {
            fault: "nobody listens".into(),
            server: Faulty::Nobody,
            kinds: CONNECTION,
        },
        Row {
            fault: "accepts, and never reads or writes".into(),
            server: Faulty::Early(|connection| {
                std::thread::sleep(2 * self::TIMEOUT);
                drop(connection);
            }),
            kinds: TIMEOUT,
        },
        Row {
            fault: "reset at once".into(),
            server: Faulty::Early(Connection::reset),
            kinds: CONNECTION,
        },
        Row {
            fault: "closed at once".into(),
            server: Faulty::Early(Connection::close),
            kinds: CONNECTION,
        },
        late("reads, and says nothing", TIMEOUT, |connection, _| {
            connection.closed_by_client();
        }),
        late("reset after the request", CONNECTION, |connection, _| {
            connection.reset_now()
        }),
        late("reset within the head", CONNECTION, |connection, _| {
            connection.raw(&OK[..30]);
            std::thread::sleep(Duration::from_millis(20));
            connection.reset_now();
        }),
        late(
            "reset within the body",
            CONNECTION,
            |connection, request| {
                connection.raw(format!("{}Content-Length: 99\r\n\r\n{{\"da", head(request)));
                std::thread::sleep(Duration::from_millis(20));
                connection.reset_now();
            },
        ),
        late(
            "reset within a body without length",
            ["Decode", "Decode", "Connection"],
            |connection, request| {
                connection.raw(format!("{}Connection: close\r\n\r\n{{\"da", head(request)));
                std::thread::sleep(Duration::from_millis(20));
                connection.reset_now();
            },
        ),
        late(
            "headers without end, one in 20 ms",
            TIMEOUT,
            |connection, _| {
                connection.raw("HTTP/1.1 200 OK\r\n");
                for_ever(connection, "X-Slow: y\r\n", 20);
            },
        ),
        late("no HTTP, one byte in 20 ms", CONNECTION, |connection, _| {
            for_ever(connection, "H", 20)
        }),
        late("interim responses without end", TIMEOUT, |connection, _| {
            for_ever(connection, "HTTP/1.1 103 Early Hints\r\n\r\n", 5);
        }),
        late(
            "a body of one byte in 20 ms",
            ["Timeout", "Timeout", "-"],
            |connection, request| {
                connection.raw(format!("{}Content-Length: 9999\r\n\r\n", head(request)));
                for_ever(connection, "x", 20);
            },
        ),
        late("a body that stops", TIMEOUT, |connection, request| {
            connection.raw(format!(
                "{}Content-Length: 9999\r\n\r\n{{\"da",
                head(request)
            ));
            connection.closed_by_client();
        }),
        late("headers of 1 MiB", CONNECTION, |connection, _| {
            connection.raw(format!(
                "HTTP/1.1 200 OK\r\nX: {}\r\n\r\n",
                "x".repeat(1 << 20)
            ));
        }),
        late(
            "a body without end",
            ["Decode", "Decode", "-"],
            |connection, request| {
                connection.raw(format!("{}Connection: close\r\n\r\ndata: ", head(request)));
                for_ever(connection, &"x".repeat(1 << 16), 0);
            },
        ),
        late(
            "an event of 2 MiB",
            ["-", "-", "SkippedMessage"],
            |connection, request| {
                connection.raw(format!(
                    "{}Connection: close\r\n\r\nid: 1\ndata: ",
                    head(request)
                ));
                connection.raw("x".repeat(2 << 20));
                connection.raw("\n\n");
                connection.closed_by_client();
            },
        ),
        late("a damaged chunk", CONNECTION, |connection, request| {
            connection.raw(format!(
                "{}Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                head(request)
            ));
        }),
        late("no HTTP", CONNECTION, |connection, _| {
            connection.raw("SSH-2.0-OpenSSH_9.2\r\n\r\n");
        }),
        late("HTML with 200", ["Decode"; 3], |connection, _| {
            connection.respond(200, &["Content-Type: text/html"], "<html></html>");
        }),
        late("HTML with 502", ["Api"; 3], |connection, _| {
            connection.respond(502, &["Content-Type: text/html"], "<html></html>");
        }),
    ];
    for end in 0..OK.len() {
        let cut = format!("cut after byte {end} of {}", OK.len());
        rows.push(late(
            cut,
            ["Connection", "Connection", "-"],
            move |connection, _| {
                connection.raw(&OK[..end]);
                connection.shut();
            },
        ));
    }
    for end in 0..STREAM.len() {
        let cut = format!("cut after byte {end} of {}", STREAM.len());
        rows.push(late(cut, ["-", "-", "Connection"], move |connection, _| {
            connection.raw(&STREAM[..end]);
            connection.shut();
        }));
    }
    #[cfg(feature = "gzip")]
    {
        let bomb = gzip_support::gzip_bomb(64 << 20);
        let kinds = ["Decode", "Decode", "-"];
        rows.push(late(
            "a bomb of 64 MiB, packed",
            kinds,
            move |connection, _| {
                connection.respond(200, &["Content-Encoding: gzip"], &bomb);
            },
        ));
    }
    rows
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::Connection(_) => "Connection",
        Error::Timeout(_) => "Timeout",
        Error::Api(_) => "Api",
        Error::Decode(_) => "Decode",
        Error::SkippedMessage(_) => "SkippedMessage",
        _ => "another",
    }
}

/// Sends one call and returns its outcome.
fn meet(client: &Client, by: By) -> Result<(), Error> {
    match by {
        By::Read => client.agents().retrieve("a").send().map(|_| ()),
        By::Write => client
            .agents()
            .create(CreateAgent::new("n"))
            .send()
            .map(|_| ()),
        By::Stream => {
            let messages = client.conversations().messages();
            let stream = messages
                .stream("a", "c")
                .max_retries(0)
                .idle_timeout(TIMEOUT);
            stream.into_iter().find_map(Result::err).map_or(Ok(()), Err)
        }
    }
}

/// Entries of a folder in /proc: the threads and the open files of this process.
fn entries(folder: &str) -> Option<usize> {
    Some(std::fs::read_dir(folder).ok()?.count())
}

fn threads_and_files() -> Option<(usize, usize)> {
    Some((entries("/proc/self/task")?, entries("/proc/self/fd")?))
}

#[test]
fn every_fault_ends_in_its_error_in_time_without_leaks() {
    let mut table = String::new();
    writeln!(
        table,
        "{:40} {:>18} {:>18} {:>18}",
        "fault (timeout 250 ms, no retries)", "read", "write", "stream"
    )
    .unwrap();
    let mut wrong = Vec::new();
    let (mut cuts, mut slowest_cut) = (0, Duration::ZERO);
    for Row {
        fault,
        server,
        kinds,
    } in rows()
    {
        let before = threads_and_files();
        let is_cut = fault.starts_with("cut after");
        let (server, url) = match server {
            Faulty::Nobody => {
                let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                (None, format!("http://{}", unused.local_addr().unwrap()))
            }
            Faulty::Early(early) => {
                let server = Server::start(early);
                let url = server.url();
                (Some(server), url)
            }
            Faulty::Late(harm) => {
                let server = Server::start(move |mut connection| {
                    while let Some(request) = connection.request() {
                        if !request.path().ends_with("/stream-ticket") {
                            return harm(&mut connection, &request);
                        }
                        connection.ticket("t");
                    }
                });
                let url = server.url();
                (Some(server), url)
            }
        };
        let client = Client::builder(KEY)
            .base_url(url)
            .timeout(TIMEOUT)
            .max_retries(0)
            .max_response_size(1 << 20);
        let client = client.build().unwrap();
        let mut line = format!("{fault:40}");
        for (by, expected) in ALL.into_iter().zip(kinds) {
            if expected == "-" {
                write!(line, " {:>18}", "-").unwrap();
                continue;
            }
            let started = Instant::now();
            let result = meet(&client, by);
            let passed = started.elapsed();
            let found = result.as_ref().err().map_or("success", kind);
            write!(
                line,
                " {:>18}",
                format!("{found} {} ms", passed.as_millis())
            )
            .unwrap();
            if found != expected {
                wrong.push(format!("{line}\n   expected {expected}, got {result:?}"));
            }
            // An endless body fails by its size, independent of the time.
            if passed > TIMEOUT + SLACK {
                wrong.push(format!("{line}\n   too late"));
            }
            if is_cut {
                cuts += 1;
                slowest_cut = slowest_cut.max(passed);
            }
        }
        drop(client);
        drop(server);
        if let (Some(before), false) = (before, is_cut) {
            let until = Instant::now() + SLACK;
            while threads_and_files() > Some(before) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            let after = threads_and_files().unwrap();
            if after.0 > before.0 || after.1 > before.1 {
                wrong.push(format!(
                    "{line}\n   threads and files: {before:?}, then {after:?}"
                ));
            }
        }
        if !is_cut {
            writeln!(table, "{line}").unwrap();
        }
    }
    writeln!(
        table,
        "{cuts} responses truncated, each at a different byte: Connection, the slowest in {} ms",
        slowest_cut.as_millis()
    )
    .unwrap();
    match threads_and_files() {
        Some((threads, files)) => {
            writeln!(
                table,
                "threads and open files at the end: {threads}, {files}"
            )
            .unwrap();
        }
        None => writeln!(table, "threads and open files were not counted: no /proc").unwrap(),
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{}\n{table}", wrong.join("\n"));
}
