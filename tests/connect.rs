//! Connecting is bounded in time: slow bytes, several addresses, every kind of proxy.

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use bimpeai::{Client, ClientBuilder, Error};
use support::{Connection, KEY, Server, retrieve};

const SHORT: Duration = Duration::from_millis(300);
/// The time that a busy machine may add to a limit.
const SLACK: Duration = Duration::from_millis(1_500);

const AGENT: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n{\"data\":{\"id\":\"abc\"}}";

fn server() -> Server {
    Server::responding(|connection, _, _| {
        connection.data(r#"{"id":"abc"}"#);
    })
}

/// Reads a head, byte by byte, so that what follows it is left.
fn read_head(connection: &Connection) -> Option<String> {
    let mut socket = connection.stream();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// A proxy that writes `response` to every request, then runs `then`.
fn proxy(response: &'static str, then: fn(&mut Connection)) -> Server {
    Server::start(move |mut connection| {
        if read_head(&connection).is_some() {
            connection.raw(response);
            then(&mut connection);
        }
    })
}

/// Writes the bytes repeatedly until the client hangs up.
fn trickle(connection: &mut Connection, bytes: &str) {
    while connection.raw(bytes) {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The base URLs that this build can reach.
fn base_urls() -> impl Iterator<Item = &'static str> {
    let https = cfg!(any(feature = "rustls", feature = "native-tls")).then_some("https://api.test");
    https.into_iter().chain(["http://api.test"])
}

fn through(proxy: &Server, base_url: &str) -> ClientBuilder {
    Client::builder(KEY)
        .base_url(base_url)
        .allow_http("api.test")
        .proxy(format!("http://user:canary@{}", proxy.address()))
        .max_retries(0)
}

#[track_caller]
fn timed_out(result: Result<impl Sized, Error>, started: Instant, limit: Duration) -> Error {
    let passed = started.elapsed();
    let error = result.err().unwrap();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert!(passed >= limit.mul_f64(0.9), "too early: {passed:?}");
    assert!(passed < limit + SLACK, "too late: {passed:?}: {error}");
    assert!(!error.may_have_been_sent(), "{error}");
    error
}

#[test]
fn a_proxy_that_trickles_its_response_is_bounded_by_each_limit() {
    let header = proxy("HTTP/1.1 200 OK\r\nX: ", |connection| {
        trickle(connection, "y");
    });
    let headers = proxy("HTTP/1.1 200 OK\r\n", |connection| {
        trickle(connection, "X: y\r\n");
    });
    let interim = proxy("", |connection| {
        trickle(connection, "HTTP/1.1 103 Early Hints\r\n\r\n");
    });
    let silent = proxy("", |connection| {
        connection.closed_by_client();
    });
    let check = |proxy: &Server, url| {
        let builder = || through(proxy, url);
        let started = Instant::now();
        let error = timed_out(retrieve(builder().connect_timeout(SHORT)), started, SHORT);
        assert!(error.to_string().contains("connect_timeout"), "{error}");
        let started = Instant::now();
        timed_out(retrieve(builder().timeout(SHORT)), started, SHORT);
        let client = builder().build().unwrap();
        let get = client.agents().retrieve("a").deadline(SHORT);
        let started = Instant::now();
        let error = timed_out(get.send(), started, SHORT);
        assert!(error.to_string().contains("deadline"), "{error}");
    };
    std::thread::scope(|scope| {
        for proxy in [&header, &headers, &interim, &silent] {
            for url in base_urls() {
                scope.spawn(move || check(proxy, url));
            }
        }
    });
}

#[test]
fn connecting_for_a_stream_takes_no_longer_than_its_timeout() {
    // The ticket's connection is closed, and the tunnel of the next connection never opens.
    let proxy = Server::start(|mut connection| {
        if read_head(&connection).is_none() {
            return;
        }
        if connection.number > 0 {
            connection.raw("HTTP/1.1 200 OK\r\nX: ");
            return trickle(&mut connection, "y");
        }
        connection.raw("HTTP/1.1 200 OK\r\n\r\n");
        if connection.request().is_some() {
            let ticket = r#"{"data":{"ticket":"t","expires_in":60}}"#;
            connection.respond(201, &["Connection: close"], ticket);
        }
    });
    let client = through(&proxy, "http://api.test").build().unwrap();
    let stream = client.conversations().messages().stream("a", "c");
    let started = Instant::now();
    let stream = stream.timeout(SHORT).max_retries(0);
    timed_out(stream.open().map(|_| ()), started, SHORT);
    assert_eq!(proxy.connections(), 2);
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_tls_handshake_that_trickles_is_bounded() {
    // A record of 16 KiB, byte by byte.
    let serve = |mut connection: Connection| {
        connection.raw([0x16, 3, 3, 0x40, 0]);
        trickle(&mut connection, "\u{2}");
    };
    let direct = Server::start(serve);
    let url = format!("https://{}", direct.address());
    let builder = Client::builder(KEY).base_url(url).connect_timeout(SHORT);
    let started = Instant::now();
    timed_out(retrieve(builder.max_retries(0)), started, SHORT);
    // Through a tunnel.
    let tunnel = Server::start(move |mut connection| {
        if read_head(&connection).is_some() {
            connection.raw("HTTP/1.1 200 OK\r\n\r\n");
            serve(connection);
        }
    });
    let builder = through(&tunnel, "https://api.test").connect_timeout(SHORT);
    let started = Instant::now();
    timed_out(retrieve(builder), started, SHORT);
    // With the proxy itself.
    let builder = Client::builder(KEY)
        .base_url("https://api.test")
        .proxy(format!("https://{}", direct.address()))
        .connect_timeout(SHORT);
    let started = Instant::now();
    timed_out(retrieve(builder.max_retries(0)), started, SHORT);
}

#[test]
fn an_endless_proxy_header_fails() {
    let proxy = proxy("HTTP/1.1 200 OK\r\nX: ", |connection| {
        while connection.raw([b'y'; 4096]) {}
    });
    let started = Instant::now();
    let error = retrieve(through(&proxy, "http://api.test")).unwrap_err();
    assert!(started.elapsed() < SLACK, "{error}");
    assert!(matches!(error, Error::Connection(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains("headers of the proxy's response are larger than"),
        "{error}"
    );
    assert!(
        !error.may_have_been_sent() && !error.is_retryable(),
        "{error}"
    );
}

#[test]
fn any_2xx_opens_a_tunnel() {
    for response in [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200\r\n\r\n",
        "HTTP/1.1 201 Created\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nVia: 1.1 proxy\r\n\r\n",
        "HTTP/1.1 299 Odd\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Odd : y\r\n\r\n",
    ] {
        let proxy = proxy(response, |connection| {
            while read_head(connection).is_some() {
                connection.raw(AGENT);
            }
        });
        let client = through(&proxy, "http://api.test").build().unwrap();
        for _ in 0..2 {
            let agent = client.agents().retrieve("a").send().expect(response);
            assert_eq!(agent.id, "abc");
        }
        assert_eq!(proxy.connections(), 1, "{response}");
    }
}

#[test]
fn a_tunnel_response_may_arrive_in_pieces() {
    let proxy = proxy("", |connection| {
        for byte in "HTTP/1.1 200 OK\r\nVia: x\r\n\r\n".bytes() {
            connection.raw([byte]);
            std::thread::sleep(Duration::from_millis(1));
        }
        while read_head(connection).is_some() {
            connection.raw(AGENT);
        }
    });
    assert_eq!(
        retrieve(through(&proxy, "http://api.test")).unwrap().id,
        "abc"
    );
}

#[test]
fn a_refused_tunnel_error_names_the_status_and_explains_connect() {
    const FORBIDDEN: &str = "the proxy refused to connect to the host: 403 Forbidden";
    const PLAIN: &str =
        "; plain http goes by CONNECT too, which many proxies allow for port 443 only";
    for (response, says, retryable) in [
        ("HTTP/1.1 403 Forbidden\r\n\r\n", FORBIDDEN, false),
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "asks for a user and password: 407 Proxy Authentication Required; give the right ones",
            false,
        ),
        ("HTTP/1.1 404\r\n\r\n", "host: 404", false),
        ("HTTP/1.1 302 Found\r\n\r\n", "302 Found", false),
        ("HTTP/1.1 429 Slow down\r\n\r\n", "429 Slow down", true),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "502 Bad Gateway", true),
        ("HTTP/1.1 503 \u{1b}[31m\r\n\r\n", "", false),
        (
            "SSH-2.0-OpenSSH\r\n\r\n",
            "the proxy's response is not HTTP",
            false,
        ),
        (
            "HTTP/1.1 20 OK\r\n\r\n",
            "the proxy's response is malformed: its status line \"HTTP/1.1 20 OK\" is invalid",
            false,
        ),
        (
            "",
            "the proxy closed the connection without a response",
            true,
        ),
    ] {
        for url in base_urls() {
            let proxy = proxy(response, |connection| connection.shut());
            let error = retrieve(through(&proxy, url)).unwrap_err();
            let line = error.to_string();
            assert!(matches!(error, Error::Connection(_)), "{line}");
            assert!(line.contains(says), "{line}");
            if says == FORBIDDEN {
                let plain = format!("{FORBIDDEN}{PLAIN} (");
                let https = format!("{FORBIDDEN} (");
                let expected = if url.starts_with("http:") {
                    plain
                } else {
                    https
                };
                assert!(line.contains(&expected), "{line}");
            }
            assert!(
                line.contains(&format!("by the proxy {}", proxy.address())),
                "{line}"
            );
            assert!(
                !line.contains(['\u{1b}', '\n']) && !line.contains("canary"),
                "{line}"
            );
            assert_eq!(error.is_retryable(), retryable, "{line}");
            assert!(!error.may_have_been_sent(), "{line}");
        }
    }
}

/// An address that neither accepts nor refuses connections: its queue is full.
struct BlackHole {
    address: SocketAddr,
    _held: Vec<TcpStream>,
    _listener: socket2::Socket,
}

fn black_hole() -> BlackHole {
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
    let held = std::iter::from_fn(|| connect().ok()).collect();
    BlackHole {
        address,
        _held: held,
        _listener: listener,
    }
}

fn at(addresses: &[SocketAddr]) -> ClientBuilder {
    Client::builder(KEY)
        .base_url("http://api.test")
        .allow_http("api.test")
        .resolve("api.test", addresses.iter().copied())
        .max_retries(0)
}

#[test]
fn an_address_that_drops_packets_delays_only_the_first_call() {
    let (first, second, server) = (black_hole(), black_hole(), server());
    let client = at(&[first.address, second.address, server.address()])
        .build()
        .unwrap();
    let get = client.agents().retrieve("a");
    let started = Instant::now();
    assert_eq!(get.send().unwrap().id, "abc");
    let passed = started.elapsed();
    assert!(passed >= Duration::from_millis(450), "{passed:?}");
    assert!(passed < Duration::from_millis(500) + SLACK, "{passed:?}");
    // A stream makes a connection of its own: the address that worked is tried first.
    let started = Instant::now();
    let stream = client.conversations().messages().stream("a", "c");
    let _ = stream.max_retries(0).open();
    assert!(
        started.elapsed() < Duration::from_millis(240),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(server.connections(), 2);
}

#[test]
fn an_address_that_refuses_causes_no_delay() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = unused.local_addr().unwrap();
    drop(unused);
    let server = server();
    let started = Instant::now();
    let agent = retrieve(at(&[refused, refused, server.address()])).unwrap();
    assert_eq!(agent.id, "abc");
    assert!(
        started.elapsed() < Duration::from_millis(240),
        "{:?}",
        started.elapsed()
    );
    let error = retrieve(at(&[refused, refused])).unwrap_err();
    assert!(error.to_string().contains("connection refused"), "{error}");
    assert!(
        error.is_retryable() && !error.may_have_been_sent(),
        "{error}"
    );
}

#[test]
fn addresses_that_all_drop_packets_end_with_the_connect_timeout() {
    let (first, second) = (black_hole(), black_hole());
    let builder = at(&[first.address, second.address]).connect_timeout(2 * SHORT);
    let started = Instant::now();
    timed_out(retrieve(builder), started, 2 * SHORT);
}

#[test]
fn an_address_that_stops_working_is_replaced() {
    let (first, second) = (server(), server());
    let client = at(&[first.address(), second.address()]).build().unwrap();
    let get = client.agents().retrieve("a");
    get.send().unwrap();
    drop(first);
    // The pooled connection has died; the new one is refused at the old address.
    assert_eq!(get.send().unwrap().id, "abc");
    assert_eq!(second.requests().len(), 1);
}

/// Run by the next test, in a process that can start no thread.
#[test]
#[ignore = "is run by a_dns_lookup_that_cannot_start_a_thread_fails_normally"]
fn in_a_process_without_threads() {
    let host = format!("{}.test", "a".repeat(64));
    let client = Client::builder(KEY)
        .base_url(format!("http://{host}"))
        .allow_http(host)
        .no_proxy()
        .max_retries(0)
        .build()
        .unwrap();
    let error = client.agents().retrieve("a").send().unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
    assert!(!error.may_have_been_sent(), "{error}");
    println!("{error}");
}

#[test]
fn a_dns_lookup_that_cannot_start_a_thread_fails_normally() {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "in_a_process_without_threads", "--ignored"])
        .args(["--test-threads=1", "--nocapture"])
        // No stack of this size fits into memory.
        .env("RUST_MIN_STACK", (1_u64 << 46).to_string());
    let output = child.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{failed}");
    assert!(printed.contains("the host"), "{printed}");
}

#[test]
fn an_early_response_is_returned_when_the_request_cannot_be_written() {
    const REFUSAL: &str =
        "HTTP/1.1 413 Too Large\r\nContent-Length: 23\r\n\r\n{\"message\":\"too large\"}\n";
    // Keeps the connection open without reading further.
    let server = Server::start(|mut connection| {
        if read_head(&connection).is_some() {
            connection.raw(REFUSAL);
            connection.stream().flush().unwrap();
            std::thread::sleep(Duration::from_secs(4));
        }
    });
    let client = server.builder().max_retries(0).build().unwrap();
    let body = serde_json::json!({ "text": "x".repeat(16 << 20) });
    let limit = Duration::from_millis(1_000);
    let request = client.request("POST", "/x").json(&body).timeout(limit);
    let started = Instant::now();
    let error = request.send().unwrap_err();
    assert_eq!(error.status(), Some(413), "{error}");
    assert!(error.to_string().contains("too large"), "{error}");
    assert!(started.elapsed() < limit + SLACK, "{:?}", started.elapsed());
}
