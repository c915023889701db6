//! Which URLs of a proxy are accepted, and what the refusal of the others says.

mod support;

use bimpeai::{Client, ClientBuilder, Error};
use support::KEY;

/// Whether this build speaks https.
const TLS: bool = cfg!(any(feature = "rustls", feature = "native-tls"));

/// A client of a server that needs no TLS, by a proxy.
fn through(proxy: impl Into<String>) -> ClientBuilder {
    let builder = Client::builder(KEY).base_url("http://api.test");
    builder.allow_http("api.test").proxy(proxy)
}

#[track_caller]
fn refusal(url: &str) -> String {
    let builder = through(url);
    let printed = format!("{builder:?}");
    match builder.build() {
        Err(error @ Error::User(_)) => format!("{error} {error:?} {printed}"),
        other => panic!("{url}: {other:?}"),
    }
}

#[test]
fn misleading_proxy_urls_are_refused_without_showing_the_password() {
    const PORT: &str = "has a port that is not a number from 1 to 65535";
    const ENCODE: &str = "in its user name or password; percent-encode it as %2F, %3F, %23 or %40";
    const SCHEME: &str = "has no scheme; it looks like \"http://proxy.example.com:3128\"";
    const HOST: &str = "has an invalid host";
    const PATH: &str = "has a path, query or fragment";
    for (url, says) in [
        ("http://u:canary@proxy.test:99999", PORT),
        ("http://u:canary@proxy.test:65536", PORT),
        ("http://u:canary@proxy.test:0", PORT),
        ("http://u:canary@proxy.test:", PORT),
        ("http://u:canary@proxy.test:+80", PORT),
        ("http://u:canary@proxy.test:-1", PORT),
        ("http://u:canary@proxy.test:3128x", PORT),
        ("http://u:canary@proxy.test: 3128", PORT),
        ("http://u:canary@[::1]:x", PORT),
        ("http://u:can#ary@proxy.test:3128", ENCODE),
        ("http://u:can/ary@proxy.test:3128", ENCODE),
        ("http://u:can?ary@proxy.test:3128", ENCODE),
        ("http://u:can@ary@proxy.test:3128", ENCODE),
        ("http://u/canary@proxy.test:3128", ENCODE),
        ("https://u:can#ary@proxy.test", ENCODE),
        ("http://u:c nary@proxy.test:3128", "percent-encode it"),
        ("http://u:cänary@proxy.test:3128", "percent-encode it"),
        ("http://u:can\nary@proxy.test:3128", "percent-encode it"),
        ("http://u:can<ary@proxy.test:3128", "percent-encode special"),
        (
            "http://u:%ffcanary@proxy.test:3128",
            "percent-encode special",
        ),
        ("", SCHEME),
        ("canary", SCHEME),
        ("canary.test:3128", SCHEME),
        ("u:canary@proxy.test:3128", SCHEME),
        ("//canary.test:3128", SCHEME),
        ("http:canary.test:3128", SCHEME),
        ("127.0.0.1:3128", SCHEME),
        (
            "gopher://canary:1",
            "has an unknown scheme; use http, https, socks4",
        ),
        ("://canary:1", "has an unknown scheme"),
        ("http://", "has no host"),
        ("http:///canary", "has no host"),
        ("http://u:canary@", "has no host"),
        ("http://u:canary@:3128", "has no host"),
        ("http://can ary", HOST),
        ("http://cänary", HOST),
        ("http://canary:1:2", HOST),
        ("http://::1:3128", HOST),
        ("http://[::1", HOST),
        ("http://[canary]:1", HOST),
        ("http://proxy.test:3128/canary", PATH),
        ("http://proxy.test:3128?canary", PATH),
        ("http://proxy.test:3128/#canary", PATH),
        ("http://proxy.test#canary", PATH),
    ] {
        if !TLS && url.starts_with("https:") {
            continue;
        }
        let line = refusal(url);
        assert!(line.starts_with("the proxy URL "), "{url}: {line}");
        assert!(line.contains(says), "{url}: {line}");
        assert!(!line.contains("ary") && !line.contains("can"), "{line}");
    }
}

#[test]
fn valid_proxy_urls_are_accepted() {
    for url in [
        "http://proxy.test",
        "HTTP://proxy.test:3128",
        "http://proxy.test:3128/",
        "http://10.0.0.1:1",
        "http://[fd00::1]",
        "http://[fd00::1]:65535",
        "http://my_proxy.corp.test.:3128",
        "http://u@proxy.test:3128",
        "http://u:@proxy.test:3128",
        "http://u:p%40%2F%23ss:w0rd!$&'()*+,;=%25@proxy.test:3128",
    ] {
        through(url).build().expect(url);
    }
    for scheme in ["socks", "socks4", "socks4a", "socks5", "socks5h", "SOCKS5"] {
        let builder = through(format!("{scheme}://u:canary@127.0.0.1:1"));
        let refused = builder.build().err().map(|error| error.to_string());
        assert_eq!(refused.is_none(), cfg!(feature = "socks"), "{scheme}");
        if let Some(line) = refused {
            assert!(line.contains("enable the feature `socks`"), "{line}");
        }
    }
    let refused = through("https://u:p@proxy.test:3128").build().err();
    assert_eq!(refused.is_none(), TLS, "{refused:?}");
}

#[test]
fn the_port_of_a_base_url_must_be_a_number() {
    for port in ["", "0", "+80", "-1", "65536", "99999", "80x", "http"] {
        let url = format!("http://127.0.0.1:{port}");
        let error = Client::builder(KEY).base_url(&url).build().unwrap_err();
        let line = error.to_string();
        assert!(
            line.contains("has a port that is not") || line.contains("is not a URL"),
            "{line}"
        );
    }
    for port in ["1", "080", "65535"] {
        let url = format!("http://127.0.0.1:{port}");
        Client::builder(KEY).base_url(&url).build().expect(&url);
    }
}
