//! The message of an I/O failure ends with the system's own message, once.

mod support;

use std::error::Error as _;
use std::io::ErrorKind;
use std::net::TcpListener;

use bimpeai::{Client, ClientBuilder, Error};
use support::{KEY, Server, retrieve};

/// Checks the end of the line, and that it occurs nowhere else.
#[track_caller]
fn ends_with(error: &Error, words: &str) {
    let line = error.to_string();
    assert!(line.ends_with(&format!(": {words}")), "{line}");
    // As reports print an error with its sources.
    let mut report = line.clone();
    let mut source = error.source();
    while let Some(cause) = source {
        report.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    assert_eq!(report.matches(words).count(), 1, "{report}");
    assert!(!report.contains("uncategorized"), "{report}");
    let Error::Connection(error) = error else {
        panic!("{line}")
    };
    assert_eq!(error.to_string(), line);
    assert_eq!(error.clone().to_string(), line);
    let io = error.io_error().unwrap();
    assert_eq!(io.to_string(), words);
    // The source is of the same kind, where that says something.
    if let Some(source) = error.source() {
        let source = source.downcast_ref::<std::io::Error>().unwrap();
        assert_eq!(source.kind(), io.kind());
    }
}

#[track_caller]
fn kind(error: &Error) -> Option<ErrorKind> {
    let Error::Connection(error) = error else {
        panic!("{error}")
    };
    error.io_error().map(std::io::Error::kind)
}

fn unused_address() -> String {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap();
    unused.local_addr().unwrap().to_string()
}

/// The schemes of a proxy's URL that this build knows.
const SCHEMES: &[&str] = match cfg!(any(feature = "rustls", feature = "native-tls")) {
    true => &["http", "https"],
    false => &["http"],
};

fn to(base_url: impl Into<String>) -> ClientBuilder {
    Client::builder(KEY)
        .base_url(base_url)
        .no_proxy()
        .max_retries(0)
}

#[cfg(unix)]
#[test]
fn a_refused_connection_reports_the_system_error() {
    let refused =
        std::io::Error::from_raw_os_error(if cfg!(target_os = "linux") { 111 } else { 61 });
    let error = retrieve(to(format!("http://{}", unused_address()))).unwrap_err();
    ends_with(&error, &refused.to_string());
    assert_eq!(kind(&error), Some(ErrorKind::ConnectionRefused));
    // After retries the line ends in the same way.
    let error = retrieve(to(format!("http://{}", unused_address())).max_retries(1)).unwrap_err();
    ends_with(&error, &refused.to_string());
    // The proxy's too.
    for scheme in SCHEMES {
        let builder = to("http://api.test").allow_http("api.test");
        let error =
            retrieve(builder.proxy(format!("{scheme}://{}", unused_address()))).unwrap_err();
        ends_with(&error, &refused.to_string());
    }
    // And a stream's.
    let client = to(format!("http://{}", unused_address())).build().unwrap();
    let stream = client.conversations().messages().stream("a", "c");
    let error = stream.max_retries(0).open().unwrap_err();
    ends_with(&error, &refused.to_string());
}

#[cfg(unix)]
#[test]
fn a_reset_reports_the_system_error() {
    let server = Server::start(|mut connection| {
        let _ = connection.request();
        connection.reset();
    });
    let error = retrieve(server.builder().max_retries(0)).unwrap_err();
    let reset = std::io::Error::from_raw_os_error(if cfg!(target_os = "linux") { 104 } else { 54 });
    ends_with(&error, &reset.to_string());
    assert_eq!(kind(&error), Some(ErrorKind::ConnectionReset));
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_failed_dns_lookup_reports_the_resolver_error() {
    let host = format!("{}.test", "a".repeat(64));
    let words = "failed to lookup address information: Name or service not known";
    let builder = to(format!("http://{host}")).allow_http(&host);
    ends_with(&retrieve(builder).unwrap_err(), words);
    for scheme in SCHEMES {
        let builder = to("http://api.test").allow_http("api.test");
        let error = retrieve(builder.proxy(format!("{scheme}://{host}"))).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("the proxy's host does not exist"),
            "{error}"
        );
        ends_with(&error, words);
    }
}

#[test]
fn a_closed_connection_is_not_a_system_error() {
    let server = Server::start(|mut connection| {
        let _ = connection.request();
        connection.close();
    });
    let error = retrieve(server.builder().max_retries(0)).unwrap_err();
    assert_eq!(kind(&error), None);
    assert!(error.to_string().ends_with(')'), "{error}");
}

/// Run by the next test in a child process, because it uses up the files of its process.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "is run by a_process_without_files_says_so"]
fn in_a_process_without_files() {
    let url = std::env::var("TEST_URL").unwrap();
    let plain = || to("http://api.test").allow_http("api.test");
    let proxied = plain().proxy(url.as_str()).build().unwrap();
    let several = plain()
        .resolve(
            "api.test",
            [([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into()],
        )
        .build()
        .unwrap();
    let direct = to(url).build().unwrap();
    let mut held = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        held.push(file);
    }
    let errors = [direct, proxied, several].map(|client| {
        let result = client.agents().retrieve("a").send();
        result.unwrap_err()
    });
    drop(held);
    for error in errors {
        ends_with(&error, "Too many open files (os error 24)");
        assert!(
            error.is_retryable() && !error.may_have_been_sent(),
            "{error}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_without_files_says_so() {
    let server = Server::responding(|connection, _, _| {
        connection.data("{}");
    });
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let output = child
        .args([
            "--exact",
            "in_a_process_without_files",
            "--ignored",
            "--test-threads=1",
        ])
        .env("TEST_URL", server.url())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("1 passed"), "{printed}");
}
