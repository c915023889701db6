//! Hosts that move and lookups that take time, by resolvers of the tests' own. What a caller sees is
//! in tests/connect.rs.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::super::resolver;
use super::super::tests::support::{self, Connection, Request, Server};
use super::super::tls::TlsSettings;
use super::*;
use crate::client::Client;

/// Serves connections one after the other: the first request of each gets these bytes, and the next
/// one a response of its own.
fn serve(first: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut bytes = first;
            let (mut head, mut byte) = (Vec::new(), [0]);
            while socket.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
                if head.ends_with(b"\r\n\r\n") {
                    head.clear();
                    let _ = socket.write_all(bytes.as_bytes());
                    bytes = OK;
                }
            }
        }
    });
    address
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Writes this to every connection and closes it.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn greet(greeting: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let _ = socket.write_all(greeting.as_bytes());
            let _ = socket.read(&mut [0; 1024]);
        }
    });
    address
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn agent(lookup: super::super::resolver::Lookup, proxy: Option<&str>) -> ureq::Agent {
    let proxy = proxy.map(|url| ureq::Proxy::new(url).unwrap());
    let resolver = Resolver::new(Vec::new(), lookup);
    let config = ureq::Agent::config_builder().proxy(proxy.clone());
    let mut config = config.timeout_connect(Some(Duration::from_secs(10)));
    if let Some(tls) = TlsSettings::default().resolve() {
        config = tls.apply(config);
    }
    Arc::new(Connector::new(resolver, proxy)).agent(config.build())
}

/// Where a name is, as a resolver of the tests says, and how often it was asked.
struct Zone {
    addresses: Mutex<Vec<SocketAddr>>,
    asked: AtomicUsize,
}

impl Zone {
    const fn new() -> Self {
        Zone {
            addresses: Mutex::new(Vec::new()),
            asked: AtomicUsize::new(0),
        }
    }

    fn moves_to(&self, addresses: &[SocketAddr]) {
        *self.addresses.lock().unwrap() = addresses.to_vec();
    }

    fn result(&self) -> io::Result<Vec<SocketAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.addresses.lock().unwrap().clone())
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Checks that the host is looked up again after each of these connections has failed.
#[track_caller]
fn looked_up_again(zone: &Zone, agent: impl Fn() -> ureq::Agent, url: &str, broken: &[SocketAddr]) {
    for address in broken {
        zone.moves_to(&[*address]);
        let asked = zone.asked();
        let agent = agent();
        for _ in 0..2 {
            agent.get(url).call().unwrap_err();
        }
        assert_eq!(zone.asked(), asked + 2);
    }
}

#[test]
fn a_proxy_that_moved_is_found_after_one_failure() {
    static ZONE: Zone = Zone::new();
    fn lookup(host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        assert_eq!(host, "proxy.test");
        ZONE.result()
    }
    let through = || agent(lookup, Some("http://proxy.test:3128"));
    let broken = [
        nobody(),
        serve("HTTP/1.1 502 Bad Gateway\r\n\r\n"),
        serve("no HTTP\r\n\r\n"),
    ];
    looked_up_again(&ZONE, through, "http://api.test/", &broken);
    let agent = through();
    ZONE.moves_to(&[nobody()]);
    agent.get("http://api.test/").call().unwrap_err();
    ZONE.moves_to(&[serve(OK)]);
    let asked = ZONE.asked();
    for _ in 0..3 {
        agent.get("http://api.test/").call().unwrap();
    }
    assert_eq!(ZONE.asked(), asked + 1, "an address that works is kept");
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_host_whose_tls_fails_is_looked_up_again() {
    static ZONE: Zone = Zone::new();
    fn lookup(host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        assert!(matches!(host, "api.test" | "proxy.test"), "{host}");
        ZONE.result()
    }
    let broken = [nobody(), greet("no TLS"), greet("")];
    looked_up_again(&ZONE, || agent(lookup, None), "https://api.test/", &broken);
    let through = || agent(lookup, Some("https://proxy.test"));
    looked_up_again(&ZONE, through, "http://api.test/", &broken);
}

#[cfg(feature = "socks")]
#[test]
fn a_socks_proxy_that_moved_is_found_after_one_failure() {
    static ZONE: Zone = Zone::new();
    fn lookup(host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        assert_eq!(host, "proxy.test");
        ZONE.result()
    }
    let through = || agent(lookup, Some("socks5h://proxy.test"));
    looked_up_again(&ZONE, through, "http://api.test/", &[nobody()]);
}

#[test]
fn the_lookup_takes_part_of_the_time_of_the_connection() {
    fn slow(_: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        std::thread::sleep(Duration::from_millis(350));
        // Nobody accepts more than its queue holds, and reads it never.
        static SILENT: Mutex<Option<TcpListener>> = Mutex::new(None);
        let mut silent = SILENT.lock().unwrap();
        let listener = silent.get_or_insert_with(|| TcpListener::bind("127.0.0.1:0").unwrap());
        Ok(vec![listener.local_addr()?])
    }
    let proxy = Some("http://proxy.test");
    let limit = Duration::from_millis(400);
    let request = agent(slow, proxy).get("http://api.test/").config();
    let started = Instant::now();
    let result = request.timeout_connect(Some(limit)).build().call();
    let passed = started.elapsed();
    assert!(matches!(result, Err(ureq::Error::Timeout(_))), "{result:?}");
    assert!(
        passed >= limit && passed < limit + Duration::from_millis(300),
        "{passed:?}"
    );
}

fn failed_lookup(words: &str) -> io::Result<Vec<SocketAddr>> {
    let text = format!("failed to lookup address information: {words}");
    Err(io::Error::other(text))
}

const NO_SUCH_HOST: &str = "Name or service not known";
const TRY_AGAIN: &str = "Temporary failure in name resolution";

#[cfg(not(windows))]
#[test]
fn a_host_that_does_not_exist_ends_a_call_and_a_failed_lookup_does_not() {
    let server = Server::responding(|connection, _, _| {
        connection.data(r#"{"id":"abc"}"#);
    });
    let found = || Ok(vec![server.address()]);
    resolver::tests::script("comes.test", vec![failed_lookup(TRY_AGAIN), found()]);
    resolver::tests::script("never.test", vec![failed_lookup(NO_SUCH_HOST)]);
    let retrieve = |host: &str| {
        let client = Client::builder("sk_1").base_url(format!("http://{host}"));
        let client = client.allow_http(host).build().unwrap();
        client.agents().retrieve("a").send_with_response()
    };
    assert_eq!(retrieve("comes.test").unwrap().attempts, 2);
    let error = retrieve("never.test").unwrap_err();
    assert_eq!(error.attempts(), 1, "{error}");
    assert!(!error.is_retryable(), "{error}");
}

#[cfg(not(windows))]
#[test]
fn a_stream_that_was_connected_once_survives_lookups_that_fail() {
    let serve = |connection: &mut Connection, _: &Request, number: usize| {
        connection.event_stream();
        connection.raw("retry: 1\n\n");
        connection.raw(support::message(&format!("m{number}"), "text"));
    };
    let (first, second) = (Server::streaming(serve), Server::streaming(serve));
    resolver::tests::script(
        "moves.test",
        vec![
            Ok(vec![first.address()]),
            failed_lookup(NO_SUCH_HOST),
            failed_lookup(TRY_AGAIN),
            failed_lookup(NO_SUCH_HOST),
            Ok(vec![second.address()]),
        ],
    );
    let client = Client::builder("sk_1").base_url("http://moves.test");
    let client = client.allow_http("moves.test").build().unwrap();
    let stream = client.conversations().messages().stream("a", "c");
    let mut stream = stream.open().unwrap();
    assert!(stream.next().unwrap().is_ok());
    // Its address refuses from now on, and is looked up again.
    drop(first);
    // The message there has the id of the first one, so nothing is delivered.
    while second.streams().is_empty() {
        let next = stream.recv_timeout(Duration::from_millis(10));
        assert!(next.is_ok(), "{next:?}");
    }
    // One that was never connected ends at once.
    resolver::tests::script("unknown.test", vec![failed_lookup(NO_SUCH_HOST)]);
    let client = Client::builder("sk_1").base_url("http://unknown.test");
    let client = client.allow_http("unknown.test").build().unwrap();
    let stream = client.conversations().messages().stream("a", "c");
    let error = stream.open().unwrap_err();
    assert_eq!(error.attempts(), 1, "{error}");
}
