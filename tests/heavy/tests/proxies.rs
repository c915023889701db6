//! Proxies: a small one in this file, and real ones if `.ci/network` has started them.

#[path = "../../support/mod.rs"]
mod support;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[path = "support/tls.rs"]
mod tls_support;

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use bimpeai::{Client, Error};
use support::{KEY, Server, retrieve};

/// Speaks just enough of HTTP to be a proxy: whatever host is asked for is the one server it knows.
struct Proxy {
    address: SocketAddr,
    /// The heads of the requests to the proxy itself.
    heads: Arc<Mutex<Vec<String>>>,
}

fn proxy(target: SocketAddr, response: &'static str) -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = heads.clone();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let seen = seen.clone();
            std::thread::spawn(move || -> io::Result<()> {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte)? == 1 {
                    head.push(byte[0]);
                }
                seen.lock()
                    .unwrap()
                    .push(String::from_utf8_lossy(&head).into_owned());
                client.write_all(format!("HTTP/1.1 {response}\r\n\r\n").as_bytes())?;
                if !response.starts_with("200") {
                    return Ok(());
                }
                let mut server = TcpStream::connect(target)?;
                let (mut back, mut forth) = (server.try_clone()?, client.try_clone()?);
                std::thread::spawn(move || {
                    let _ = io::copy(&mut back, &mut client);
                });
                io::copy(&mut forth, &mut server)?;
                Ok(())
            });
        }
    });
    Proxy { address, heads }
}

fn server() -> Server {
    Server::responding(|connection, _, _| {
        connection.data(r#"{"id":"abc"}"#);
    })
}

fn heads(proxy: &Proxy) -> Vec<String> {
    proxy.heads.lock().unwrap().clone()
}

#[test]
fn a_proxy_receives_only_the_host_and_its_own_password() {
    let server = server();
    let proxy = proxy(server.address(), "200 OK");
    let client = Client::builder(KEY)
        .base_url("http://api.test")
        .allow_http("api.test")
        .proxy(format!("http://us%20er:p%40ss@{}", proxy.address))
        .build()
        .unwrap();
    for _ in 0..3 {
        assert_eq!(client.agents().retrieve("a").send().unwrap().id, "abc");
    }
    let heads = heads(&proxy);
    assert_eq!(heads.len(), 1, "one connection for three calls");
    let head = &heads[0];
    assert!(
        head.starts_with("CONNECT api.test:80 HTTP/1.1\r\nHost: api.test:80\r\n"),
        "{head}"
    );
    let credentials = base64::prelude::BASE64_STANDARD.encode("us er:p@ss");
    assert!(
        head.contains(&format!("Proxy-Authorization: Basic {credentials}\r\n")),
        "{head}"
    );
    assert!(!head.contains(KEY) && !head.contains("agents"), "{head}");
    for request in server.requests() {
        assert_eq!(request.header("proxy-authorization"), None);
        assert_eq!(request.header("host"), Some("api.test"));
    }
}

#[test]
fn a_proxy_refusal_is_a_connection_error_without_the_password() {
    let server = server();
    let unused = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for (address, says) in [
        (
            proxy(server.address(), "407 Proxy Authentication Required").address,
            "asks for a user and password",
        ),
        (
            proxy(server.address(), "403 Forbidden").address,
            "the proxy refused to connect to the host",
        ),
        (
            proxy(server.address(), "502 Bad Gateway").address,
            "the proxy refused to connect to the host",
        ),
        (unused, "connection refused"),
    ] {
        let client = Client::builder(KEY)
            .base_url(server.url())
            .proxy(format!("http://user:canary@{address}"))
            .max_retries(0)
            .build()
            .unwrap();
        let error = client.agents().retrieve("a").send().unwrap_err();
        let line = format!("{error} {:?}", client);
        assert!(matches!(error, Error::Connection(_)), "{line}");
        assert!(
            line.contains(says) && line.contains(&format!("by the proxy {address}")),
            "{line}"
        );
        assert!(!line.contains("canary"), "{line}");
        assert!(!error.may_have_been_sent());
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_proxy_that_stalls_is_bounded_by_the_connect_timeout() {
    let silent = Server::start(|mut connection| {
        connection.closed_by_client();
    });
    let client = Client::builder(KEY)
        .base_url("http://127.0.0.1:1")
        .proxy(format!("http://{}", silent.address()))
        .connect_timeout(Duration::from_millis(150))
        .max_retries(0)
        .build()
        .unwrap();
    let error = client.agents().retrieve("a").send().unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert!(!error.may_have_been_sent(), "{error}");
}

/// Run by the next test in child processes, because all threads share one environment.
#[test]
#[ignore = "is run by the_environment_says_which_proxy"]
fn in_an_environment() {
    let port: u16 = std::env::var("TEST_TARGET").unwrap().parse().unwrap();
    let client = Client::builder(KEY)
        .base_url(std::env::var("TEST_URL").unwrap())
        .allow_http("api.test")
        .resolve("api.test", [([127, 0, 0, 1], port).into()])
        .build()
        .unwrap();
    assert_eq!(client.agents().retrieve("a").send().unwrap().id, "abc");
}

#[test]
fn environment_proxies_are_used_except_for_loopback() {
    let server = server();
    let port = server.address().port();
    let by_name = format!("http://api.test:{port}");
    let by_address = server.url();
    for (url, variables, proxied) in [
        (&by_name, &["HTTP_PROXY"][..], true),
        (&by_name, &["http_proxy"], true),
        (&by_name, &["ALL_PROXY"], true),
        (&by_name, &["HTTPS_PROXY"], false),
        (&by_name, &["HTTP_PROXY", "NO_PROXY=.test"], false),
        (&by_name, &["HTTP_PROXY", "no_proxy=api.test"], false),
        (&by_name, &["HTTP_PROXY", "NO_PROXY=other.test"], true),
        (&by_address, &["HTTP_PROXY", "ALL_PROXY"], false),
    ] {
        let proxy = proxy(server.address(), "200 OK");
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child
            .args(["--exact", "in_an_environment", "--ignored"])
            .env_clear();
        child
            .env("TEST_URL", url)
            .env("TEST_TARGET", port.to_string());
        for variable in variables {
            match variable.split_once('=') {
                Some((name, value)) => child.env(name, value),
                None => child.env(variable, format!("http://{}", proxy.address)),
            };
        }
        let output = child.output().unwrap();
        assert!(
            output.status.success(),
            "{variables:?}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        assert_eq!(
            heads(&proxy).len(),
            usize::from(proxied),
            "{url} {variables:?}"
        );
    }
    assert_eq!(server.requests().len(), 8);
}

/// The address of a real proxy, or a line that says why the test did not run.
fn real(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        println!("did not run: {variable} is not set; .ci/network sets it");
    }
    url
}

/// Goes through a real proxy to a plain server, and to one with TLS.
fn through(url: &str) {
    let server = server();
    let builder = || Client::builder(KEY).proxy(url).max_retries(0);
    let client = builder().base_url(server.url()).build().unwrap();
    for _ in 0..2 {
        assert_eq!(client.agents().retrieve("a").send().unwrap().id, "abc");
    }
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    {
        let authority = tls_support::Authority::new("one");
        let config = tls_support::config(&authority.leaf(&["localhost"]));
        let port = tls_support::serve(config, tls_support::ANSWER, true).port;
        let secure = || builder().base_url(format!("https://localhost:{port}"));
        let trusting = secure().root_certificates(authority.pem());
        assert_eq!(retrieve(trusting).unwrap().id, "abc");
        let error = retrieve(secure()).unwrap_err();
        assert!(error.to_string().contains("TLS failed: "), "{error}");
    }
    // The proxy cannot connect to the server.
    let unused = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let client = builder()
        .base_url(format!("http://{unused}"))
        .build()
        .unwrap();
    let error = client.agents().retrieve("a").send().unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
    assert!(!error.may_have_been_sent(), "{error}");
    assert!(
        error.to_string().contains("by the proxy 127.0.0.1:"),
        "{error}"
    );
}

/// The same proxy without a password, and with a wrong password.
fn refused(url: &str) {
    let server = server();
    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, address) = rest.split_once('@').unwrap();
    for url in [
        format!("{scheme}://{address}"),
        format!("{scheme}://user:canary@{address}"),
    ] {
        let builder = Client::builder(KEY)
            .base_url(server.url())
            .proxy(url)
            .max_retries(0);
        let error = retrieve(builder).unwrap_err();
        println!("{error}");
        assert!(matches!(error, Error::Connection(_)), "{error}");
        assert!(
            !error.may_have_been_sent() && !error.to_string().contains("canary"),
            "{error}"
        );
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_real_http_proxy() {
    if let Some(url) = real("BIMPEAI_TEST_PROXY") {
        through(&url);
    }
}

#[test]
fn a_real_http_proxy_with_a_password() {
    if let Some(url) = real("BIMPEAI_TEST_PROXY_WITH_PASSWORD") {
        through(&url);
        refused(&url);
    }
}

#[cfg(feature = "socks")]
#[test]
fn a_real_socks_proxy() {
    if let Some(url) = real("BIMPEAI_TEST_SOCKS") {
        through(&url);
        through(&url.replace("socks5:", "socks5h:"));
    }
}

#[cfg(feature = "socks")]
#[test]
fn a_real_socks_proxy_with_a_password() {
    if let Some(url) = real("BIMPEAI_TEST_SOCKS_WITH_PASSWORD") {
        through(&url);
        refused(&url);
    }
}
