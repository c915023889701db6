//! Limits of time, size and depth, with servers that are slow, silent or endless.

#[cfg(feature = "gzip")]
#[path = "support/gzip.rs"]
mod gzip_support;
#[path = "../../support/mod.rs"]
mod support;

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use bimpeai::agents::CreateAgent;
use bimpeai::{Client, Error};
use support::{KEY, Server};

const SHORT: Duration = Duration::from_millis(150);
/// The time that a busy machine may add to a limit.
const SLACK: Duration = Duration::from_millis(1_500);

/// Writes the head, then the body one byte at a time and without end.
fn trickling(head: &'static str, body: &'static str) -> Server {
    Server::start(move |mut connection| {
        while connection.request().is_some() {
            connection.raw(head);
            for byte in body.bytes().cycle() {
                if !connection.raw([byte]) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    })
}

/// Reads requests and does not respond.
fn silent() -> Server {
    Server::start(|mut connection| {
        let _ = connection.request();
        connection.closed_by_client();
    })
}

#[track_caller]
fn timed_out(send: impl FnOnce() -> Result<(), Error>, within: Duration, says: &str) -> Error {
    let started = Instant::now();
    let error = send().unwrap_err();
    let passed = started.elapsed();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert!(error.to_string().contains(says), "{error}");
    assert!(passed >= within.mul_f64(0.9), "too early: {passed:?}");
    assert!(passed < within + SLACK, "too late: {passed:?}");
    assert!(error.is_retryable());
    error
}

#[test]
fn a_timeout_limits_a_whole_attempt_with_its_trickled_body() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    const CLOSE: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    for (server, says) in [
        (
            trickling(HEAD, "x"),
            "the response was not complete in time; the limit is 150ms",
        ),
        (
            trickling(CHUNKED, "1\r\nx\r\n"),
            "the response was not complete in time",
        ),
        (
            trickling(CLOSE, "x"),
            "the response was not complete in time",
        ),
        (
            trickling("", "HTTP/1.1 200 OK\r\nX: "),
            "the response was not complete in time",
        ),
        (
            trickling("", "HTTP/1.1 103 X\r\n\r\n"),
            "the response was not complete in time",
        ),
        (
            silent(),
            "no response was received in time; the limit is 150ms, raise it with `timeout`",
        ),
    ] {
        let client = server.builder().max_retries(0).build().unwrap();
        let get = client.agents().retrieve("a").timeout(SHORT);
        let error = timed_out(|| get.send().map(|_| ()), SHORT, says);
        assert!(error.may_have_been_sent());
        // By the client's own timeout, and for a write.
        let client = server
            .builder()
            .timeout(SHORT)
            .max_retries(0)
            .build()
            .unwrap();
        let create = client.agents().create(CreateAgent::new("n"));
        timed_out(|| create.send().map(|_| ()), SHORT, says);
        let Error::Timeout(error) = error else {
            panic!()
        };
        assert_eq!(error.limit(), Some(SHORT));
    }
}

#[test]
fn a_deadline_bounds_all_attempts_and_delays_of_a_call() {
    let server = silent();
    let client = server
        .builder()
        .timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let get = client.agents().retrieve("a").max_retries(100);
    let limit = Duration::from_millis(300);
    let send = || get.clone().deadline(limit).send().map(|_| ());
    let started = Instant::now();
    let error = send().unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert!(started.elapsed() < limit + SLACK);
    // If the deadline expires during the first attempt, the error names the deadline.
    let client = server.client();
    let get = client.agents().retrieve("a").deadline(SHORT);
    let says = "GET /agents/a: not done within its deadline of 150ms";
    let error = timed_out(|| get.send().map(|_| ()), SHORT, says);
    assert_eq!(error.attempts(), 1);
    let error = client
        .agents()
        .retrieve("a")
        .deadline(Duration::ZERO)
        .send()
        .unwrap_err();
    assert_eq!(
        (error.attempts(), error.may_have_been_sent()),
        (0, false),
        "{error}"
    );
}

#[test]
fn a_connect_timeout_says_which_limit_was_exceeded() {
    // The queue is full, so the system accepts no further connection.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let address: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&address.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let _full: Vec<_> = (0..4)
        .map(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)))
        .collect();
    let builder = || {
        Client::builder(KEY)
            .base_url(format!("http://{address}"))
            .max_retries(0)
    };
    let client = builder().connect_timeout(SHORT).build().unwrap();
    let get = client.agents().retrieve("a");
    let says = "no connection was established in time; the limit is 150ms, raise it with \
                ClientBuilder::connect_timeout";
    let error = timed_out(|| get.send().map(|_| ()), SHORT, says);
    assert!(!error.may_have_been_sent());
    let get = builder().build().unwrap().agents().retrieve("a");
    let says = "no connection was established in time; the limit is 150ms, raise it with `timeout`";
    let error = timed_out(
        || get.clone().timeout(SHORT).send().map(|_| ()),
        SHORT,
        says,
    );
    assert!(!error.may_have_been_sent());
    let says = "not done within its deadline of 150ms";
    let error = timed_out(
        || get.clone().deadline(SHORT).send().map(|_| ()),
        SHORT,
        says,
    );
    assert!(!error.may_have_been_sent());
}

#[test]
fn limits_can_be_disabled() {
    let server = Server::responding(|connection, _, _| {
        connection.data(r#"{"id":"a"}"#);
    });
    let client = server
        .builder()
        .timeout(Duration::MAX)
        .connect_timeout(Duration::MAX)
        .max_retry_wait(Duration::MAX)
        .build()
        .unwrap();
    let get = client.agents().retrieve("a");
    get.send().unwrap();
    get.clone()
        .timeout(Duration::MAX)
        .deadline(Duration::MAX)
        .send()
        .unwrap();
    get.timeout(Duration::from_nanos(1))
        .max_retries(0)
        .send()
        .unwrap_err();
}

#[test]
fn a_server_that_reads_slowly_is_bounded_too() {
    let server = Server::start(|connection| {
        let mut socket = connection.stream();
        let mut buffer = [0; 256];
        for _ in 0..100 {
            let _ = socket.read(&mut buffer);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let client = server.builder().max_retries(0).build().unwrap();
    let body = serde_json::json!({ "text": "x".repeat(16 << 20) });
    let limit = Duration::from_millis(300);
    let post = client.request("POST", "/x").json(&body).timeout(limit);
    let started = Instant::now();
    let error = post.send().unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert!(error.may_have_been_sent());
    assert!(
        started.elapsed() < 3 * limit + SLACK,
        "{:?}",
        started.elapsed()
    );
}

fn body_of(length: usize) -> String {
    let envelope = r#"{"data":{"id":""}}"#;
    format!(
        r#"{{"data":{{"id":"{}"}}}}"#,
        "x".repeat(length - envelope.len())
    )
}

#[test]
fn a_body_is_limited_and_the_error_says_how_to_raise_the_limit() {
    const LIMIT: usize = 10_000;
    for chunked in [false, true] {
        for (length, fits) in [(LIMIT, true), (LIMIT + 1, false), (50 * LIMIT, false)] {
            let server = Server::responding(move |connection, _, _| {
                let body = body_of(length);
                if chunked {
                    connection.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                    for piece in body.as_bytes().chunks(7_000) {
                        connection.raw(format!("{:x}\r\n", piece.len()));
                        connection.raw(piece);
                        connection.raw("\r\n");
                    }
                    connection.raw("0\r\n\r\n");
                } else {
                    connection.respond(200, &[], body);
                }
            });
            let client = server.builder().max_response_size(LIMIT).build().unwrap();
            let result = client.agents().retrieve("a").send();
            if fits {
                result.unwrap();
                continue;
            }
            let error = result.unwrap_err();
            assert!(matches!(error, Error::Decode(_)), "{error}");
            assert_eq!((error.status(), error.attempts()), (Some(200), 1));
            let line = error.to_string();
            assert!(
                line.contains("the response body is larger than 10000 bytes"),
                "{line}"
            );
            assert!(line.contains("ClientBuilder::max_response_size"), "{line}");
            assert_eq!(server.requests().len(), 1, "not tried again");
            let client = server
                .builder()
                .max_response_size(usize::MAX)
                .build()
                .unwrap();
            client.agents().retrieve("a").send().unwrap();
        }
    }
}

#[test]
fn an_endless_body_ends_at_the_limit_and_its_connection_is_closed() {
    let server = Server::start(|mut connection| {
        while connection.request().is_some() {
            connection.raw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            while connection.raw([b'x'; 65_536]) {}
        }
    });
    let started = Instant::now();
    let error = server.client().agents().retrieve("a").send().unwrap_err();
    assert!(
        error.to_string().contains("larger than 16777216 bytes"),
        "{error}"
    );
    assert!(started.elapsed() < Duration::from_secs(10));
    support::eventually("the connection is closed", || {
        server.open_connections() == 0
    });
}

#[test]
fn an_error_body_is_truncated_and_its_status_kept() {
    let server = Server::start(|mut connection| {
        while connection.request().is_some() {
            connection.raw("HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\n");
            while connection.raw([b'x'; 65_536]) {}
        }
    });
    let error = server.client().agents().retrieve("a").send().unwrap_err();
    let Error::Api(error) = error else {
        panic!("{error}")
    };
    assert_eq!((error.status(), error.body().len()), (400, 1 << 20));
    // If the body is truncated or missing, the status is enough.
    let server = Server::start(|mut connection| {
        while connection.request().is_some() {
            connection.raw("HTTP/1.1 404 Not Found\r\nContent-Length: 50\r\n\r\n{\"mess");
            connection.shut();
        }
    });
    let error = server.client().agents().retrieve("a").send().unwrap_err();
    assert_eq!(error.status(), Some(404));
    let server = Server::start(|mut connection| {
        while connection.request().is_some() {
            connection.raw("HTTP/1.1 404 Not Found\r\nContent-Length: 50\r\n\r\n{\"mess");
        }
    });
    let error = server
        .client()
        .agents()
        .retrieve("a")
        .timeout(SHORT)
        .send()
        .unwrap_err();
    assert_eq!(error.status(), Some(404));
}

#[cfg(feature = "gzip")]
#[test]
fn a_gzip_bomb_is_limited_after_decompression() {
    for (status, expected) in [(200, 1), (500, 0)] {
        let server = Server::responding(move |connection, request, _| {
            assert_eq!(request.header("accept-encoding"), Some("gzip"));
            connection.respond(
                status,
                &["Content-Encoding: gzip"],
                gzip_support::gzip_bomb(200 << 20),
            );
        });
        let client = server.builder().max_retries(0).build().unwrap();
        let started = Instant::now();
        let error = client.agents().retrieve("a").send().unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(10));
        assert_eq!(error.status(), Some(status), "{error}");
        let says = if expected == 1 {
            "larger than 16777216 bytes"
        } else {
            "500"
        };
        assert!(error.to_string().contains(says), "{error}");
        if let Error::Api(error) = error {
            assert_eq!(error.body().len(), 1 << 20);
        }
    }
    let packed = gzip_support::gzip(br#"{"data":{"id":"abc"}}"#);
    let server = Server::responding(move |connection, _, number| {
        let end = if number == 0 {
            packed.len()
        } else {
            packed.len() - 9
        };
        connection.respond(200, &["Content-Encoding: gzip"], &packed[..end]);
    });
    let client = server.builder().max_retries(0).build().unwrap();
    assert_eq!(client.agents().retrieve("a").send().unwrap().id, "abc");
    let error = client.agents().retrieve("a").send().unwrap_err();
    assert!(!matches!(error, Error::User(_)), "{error}");
}

#[test]
fn headers_are_bounded_in_size_and_number() {
    for (head, says) in [
        (
            format!("X: {}\r\n", "x".repeat(70_000)),
            "headers are larger than 65536 bytes",
        ),
        (
            "X-Y: z\r\n".repeat(200),
            "the response has too many headers",
        ),
    ] {
        let server = Server::start(move |mut connection| {
            while connection.request().is_some() {
                connection.raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n");
                connection.raw(&head);
                connection.raw("\r\n{}");
            }
        });
        let client = server.builder().max_retries(0).build().unwrap();
        let error = client.agents().retrieve("a").send().unwrap_err();
        assert!(matches!(error, Error::Connection(_)), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    // And one without an end.
    let server = Server::start(|mut connection| {
        let _ = connection.request();
        connection.raw("HTTP/1.1 200 OK\r\nX: ");
        while connection.raw([b'x'; 4096]) {}
    });
    let client = server.builder().max_retries(0).build().unwrap();
    let error = client.agents().retrieve("a").send().unwrap_err();
    assert!(
        error.to_string().contains("headers are larger than"),
        "{error}"
    );
}

#[test]
fn headers_and_urls_up_to_their_limits_are_sent_in_full() {
    let server = Server::streaming(|connection, _, _| {
        connection.respond(404, &[], "{}");
    });
    let value = "v".repeat(8 * 1024);
    let client = Client::builder("k".repeat(4096))
        .base_url(server.url())
        .default_header("x-long", &value)
        .build()
        .unwrap();
    let long = "a".repeat(20_000);
    let get = client
        .conversations()
        .messages()
        .retrieve(&long, &long, "m");
    assert_eq!(
        get.header("x-own", &value).send().unwrap_err().status(),
        Some(404)
    );
    // The small buffers of a stream accept it too.
    let stream = client.conversations().messages().stream(&long, &long);
    let error = stream
        .header("x-own", &value)
        .max_retries(0)
        .open()
        .unwrap_err();
    assert_eq!(error.status(), Some(404), "{error}");
    for request in server.requests() {
        assert_eq!(request.header("x-long"), Some(value.as_str()));
        assert_eq!(request.header("x-own"), Some(value.as_str()));
    }
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_dead_pooled_connection_is_replaced_without_a_retry() {
    // The server closes each connection after its response, without announcing it.
    let server = Server::start(|mut connection| {
        if connection.request().is_some() {
            connection.data(r#"{"id":"a"}"#);
        }
    });
    let client = server.builder().max_retries(0).build().unwrap();
    for _ in 0..20 {
        let response = client
            .agents()
            .create(CreateAgent::new("n"))
            .send_with_response()
            .unwrap();
        assert_eq!(response.attempts, 1);
    }
    let keys: std::collections::HashSet<_> = server
        .requests()
        .iter()
        .map(|request| request.header("idempotency-key").unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), 20, "a repeat has the key of its call");
}

#[test]
fn unsolicited_bytes_are_never_the_response_to_the_next_call() {
    let server = Server::responding(|connection, request, _| {
        let id = request.path().rsplit('/').next().unwrap();
        connection.data(&format!(r#"{{"id":"{id}"}}"#));
        // A second response, before any request.
        let mut socket = connection.stream();
        let _ = socket.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n{\"data\":{\"id\":\"forged\"}}",
        );
    });
    let client = server.client();
    for id in ["a", "b", "c", "d"] {
        assert_eq!(client.agents().retrieve(id).send().unwrap().id, id);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn bodies_of_any_size_arrive_as_they_are() {
    let server = Server::start(
        |mut connection| while connection.request().is_some() && connection.data("{}") {},
    );
    let client = server.client();
    // Around the size of the output buffer, where head and body no longer go out together.
    let sizes = [0, 1, 100, 65_536, 400_000];
    for size in sizes.into_iter().chain((126_000..132_000).step_by(500)) {
        let text = "abcdefg".repeat(size / 7 + 1);
        let body = serde_json::json!(&text[..size]);
        client.request("POST", "/x").json(&body).send().unwrap();
        let request = server.take_requests().pop().unwrap();
        assert_eq!(request.text(), body.to_string(), "{size}");
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_head_of_any_size_arrives_before_its_body() {
    let server = Server::start(
        |mut connection| {
            while connection.request().is_some() && connection.data("{}") {}
        },
    );
    let client = server.client();
    let value = "v".repeat(8000);
    // Up to twice the size of the output buffer.
    for headers in [1, 15, 16, 17, 32] {
        let mut request = client.request("POST", "/x").json(&"body");
        for number in 0..headers {
            request = request.header(format!("x-long-{number}"), &value);
        }
        request.send().unwrap();
        let request = server.take_requests().pop().unwrap();
        assert_eq!(request.text(), "\"body\"", "{headers}");
        let last = format!("x-long-{}", headers - 1);
        assert_eq!(request.header(&last), Some(&value[..]), "{headers}");
    }
}
