//! SOCKS proxies: a small SOCKS 5 server refuses or delays connections.
#![cfg(feature = "socks")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bimpeai::{Client, ClientBuilder, Error};
use support::{Connection, KEY, Server, retrieve};

const SHORT: Duration = Duration::from_millis(300);
/// The time that a busy machine may add to a limit.
const SLACK: Duration = Duration::from_millis(1_500);

/// What follows the greeting: a status for the password, then one for the connection.
#[derive(Clone, Copy)]
struct Says {
    password: u8,
    connect: u8,
}

/// Reads exactly `amount` bytes. Returns `None` if the client hangs up.
fn read(socket: &mut &TcpStream, amount: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; amount];
    socket.read_exact(&mut bytes).ok().map(|()| bytes)
}

/// Speaks SOCKS 5 with a password; whatever host is asked for is the one server that it knows.
fn speak(connection: &Connection, server: SocketAddr, says: Says) -> Option<()> {
    let mut socket = connection.stream();
    let methods = read(&mut socket, 2)?[1];
    read(&mut socket, methods.into())?;
    socket.write_all(&[5, 2]).ok()?;
    let user = read(&mut socket, 2)?[1];
    read(&mut socket, user.into())?;
    let password = read(&mut socket, 1)?[0];
    read(&mut socket, password.into())?;
    socket.write_all(&[1, says.password]).ok()?;
    if says.password != 0 {
        return None;
    }
    let request = read(&mut socket, 5)?;
    let rest = match request[3] {
        1 => 5,
        4 => 17,
        _ => usize::from(request[4]) + 2,
    };
    read(&mut socket, rest)?;
    socket
        .write_all(&[5, says.connect, 0, 1, 127, 0, 0, 1, 0, 0])
        .ok()?;
    if says.connect != 0 {
        return None;
    }
    let mut forth = TcpStream::connect(server).ok()?;
    let (mut back, mut client) = (forth.try_clone().ok()?, socket.try_clone().ok()?);
    std::thread::spawn(move || std::io::copy(&mut back, &mut client));
    let _ = std::io::copy(&mut socket, &mut forth);
    Some(())
}

fn proxy(server: SocketAddr, says: Says) -> Server {
    Server::start(move |connection| {
        speak(&connection, server, says);
    })
}

fn through(proxy: &Server) -> ClientBuilder {
    Client::builder(KEY)
        .base_url("http://api.test")
        .allow_http("api.test")
        .proxy(format!("socks5h://user:canary@{}", proxy.address()))
}

const WORKS: Says = Says {
    password: 0,
    connect: 0,
};

fn server() -> Server {
    Server::responding(|connection, _, _| {
        connection.data(r#"{"id":"abc"}"#);
    })
}

#[test]
fn a_socks_proxy_carries_calls() {
    let server = server();
    let proxy = proxy(server.address(), WORKS);
    let client = through(&proxy).build().unwrap();
    for _ in 0..3 {
        assert_eq!(client.agents().retrieve("a").send().unwrap().id, "abc");
    }
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn a_permanent_socks_refusal_is_not_retried() {
    let server = server();
    for (says, words, attempts) in [
        (
            Says {
                password: 1,
                ..WORKS
            },
            "password authentication failed",
            1,
        ),
        (
            Says {
                connect: 2,
                ..WORKS
            },
            "connection not allowed by ruleset",
            1,
        ),
        (
            Says {
                connect: 1,
                ..WORKS
            },
            "general SOCKS server failure",
            2,
        ),
        (
            Says {
                connect: 5,
                ..WORKS
            },
            "connection refused",
            2,
        ),
    ] {
        let proxy = proxy(server.address(), says);
        let error = retrieve(through(&proxy).max_retries(1)).unwrap_err();
        let line = error.to_string();
        assert!(matches!(error, Error::Connection(_)), "{line}");
        assert!(
            line.contains(&format!("refused to connect to the host: {words}")),
            "{line}"
        );
        assert!(!line.contains("canary"), "{line}");
        assert_eq!(error.attempts(), attempts, "{line}");
        assert_eq!(error.is_retryable(), attempts > 1, "{line}");
        assert!(!error.may_have_been_sent(), "{line}");
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_socks_handshake_that_trickles_is_bounded() {
    // The address in the response has 255 bytes, and they arrive one by one.
    let proxy = Server::start(|mut connection| {
        let mut socket = connection.stream();
        let _ = read(&mut socket, 4);
        let _ = socket.write_all(&[5, 0]);
        let _ = read(&mut socket, 15);
        let _ = socket.write_all(&[5, 0, 0, 3, 255]);
        while connection.raw([0]) {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let builder = through(&proxy).connect_timeout(SHORT).max_retries(0);
    let started = Instant::now();
    let error = retrieve(builder).unwrap_err();
    let passed = started.elapsed();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert!(
        passed >= SHORT.mul_f64(0.9) && passed < SHORT + SLACK,
        "{passed:?}"
    );
}

#[test]
fn a_socks_proxy_is_reached_by_its_other_addresses() {
    let server = server();
    let proxy = proxy(server.address(), WORKS);
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = unused.local_addr().unwrap();
    drop(unused);
    let builder = Client::builder(KEY)
        .base_url("http://api.test")
        .allow_http("api.test")
        .resolve("proxy.test", [refused, proxy.address()])
        .proxy("socks5h://user:canary@proxy.test");
    assert_eq!(retrieve(builder).unwrap().id, "abc");
}
