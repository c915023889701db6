//! Permanent failures are reported immediately and are not retryable.

mod support;

use bimpeai::agents::CreateAgent;
use bimpeai::{Client, Error};
use support::{KEY, Server};

#[track_caller]
fn permanent(result: Result<(), Error>, says: &str) -> Error {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
    assert!(error.to_string().contains(says), "{error}");
    assert_eq!(error.attempts(), 1, "{error}");
    assert!(!error.is_retryable(), "{error}");
    error
}

fn create(client: &Client) -> Result<(), Error> {
    let create = client.agents().create(CreateAgent::new("n"));
    create.send().map(|_| ())
}

/// A label of more than 63 characters: the resolver refuses it without a DNS query.
fn no_such_host() -> String {
    format!("{}.test", "a".repeat(64))
}

#[cfg(any(
    windows,
    target_os = "macos",
    all(target_os = "linux", target_env = "gnu")
))]
#[test]
fn a_host_that_does_not_exist_is_looked_up_once() {
    let host = no_such_host();
    let client = Client::builder(KEY)
        .base_url(format!("http://{host}"))
        .allow_http(host)
        .no_proxy()
        .build()
        .unwrap();
    let error = permanent(create(&client), "the host does not exist");
    assert!(!error.may_have_been_sent(), "{error}");
}

#[test]
fn a_wrong_proxy_password_is_tried_once() {
    let proxy = Server::responding(|connection, _, _| {
        connection.raw("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    });
    let client = Client::builder(KEY)
        .base_url("http://api.test")
        .allow_http("api.test")
        .proxy(format!("http://user:wrong@{}", proxy.address()))
        .build()
        .unwrap();
    let error = permanent(create(&client), "asks for a user and password");
    assert!(!error.may_have_been_sent(), "{error}");
    assert_eq!(proxy.requests().len(), 1);
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_server_without_tls_is_tried_once() {
    let plain = Server::start(|mut connection| {
        connection.raw("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        connection.closed_by_client();
    });
    let url = format!("https://{}", plain.address());
    let client = Client::builder(KEY).base_url(url).build().unwrap();
    let error = permanent(create(&client), "TLS failed");
    assert!(!error.may_have_been_sent(), "{error}");
    assert_eq!(plain.connections(), 1);
}

#[test]
fn a_request_that_is_too_long_is_not_repeated() {
    let server = Server::responding(|connection, _, _| {
        // Longer than any line that fits into a stream's output buffer.
        connection.ticket(&"t".repeat(30_000));
    });
    let stream = server.client().conversations().messages().stream("a", "c");
    let error = stream.open().unwrap_err();
    assert!(error.to_string().contains("too long to be sent"), "{error}");
    assert!(!error.is_retryable(), "{error}");
    assert_eq!(server.tickets().len(), 1, "one ticket was bought");
    assert!(server.streams().is_empty());
}

#[test]
fn a_non_http_response_is_not_retried_and_the_write_may_have_happened() {
    let server = Server::responding(|connection, _, _| {
        connection.raw("SSH-2.0-OpenSSH_9.2\r\n\r\n");
    });
    let error = permanent(create(&server.client()), "is not HTTP");
    assert!(error.may_have_been_sent(), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn refused_and_lost_connections_stay_retryable() {
    let closing = Server::start(|mut connection| {
        let _ = connection.request();
        connection.close();
    });
    let error = create(&closing.client()).unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(error.attempts(), 3, "{error}");
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", unused.local_addr().unwrap());
    drop(unused);
    let client = Client::builder(KEY).base_url(url).max_retries(0);
    let error = create(&client.build().unwrap()).unwrap_err();
    assert!(error.is_retryable(), "{error}");
}
