//! TLS with a real server of a private authority: which certificates the client trusts and sends, and
//! what its errors say. The tests are the same for rustls and for the system's library, except for the
//! library's own words.
#![cfg(any(feature = "rustls", feature = "native-tls"))]

#[path = "../../support/mod.rs"]
mod support;
#[path = "support/tls.rs"]
mod tls_support;

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bimpeai::{Client, Error};
use support::{KEY, retrieve};
use tls_support::{
    ANSWER, Authority, config, config_of, config_with_client_certificates, proxy, read_head, serve,
    serve_early,
};

/// The words of rustls, which the errors quote; none of a system's library, which has its own.
fn quoted(words: &'static str) -> &'static str {
    match cfg!(feature = "rustls") {
        true => words,
        false => "",
    }
}

/// The advice about a certificate whose authority is not trusted.
const UNTRUSTED: &str = "; if the server has a private authority, trust it with \
                         ClientBuilder::root_certificates";
const OTHER_NAME: &str = "; check the host in the URL, and whether something intercepts";
const OUT_OF_DATE: &str = "; check the clock of this machine, or have the certificate renewed";

#[test]
fn a_private_root_is_trusted_only_by_the_client_that_has_it() {
    let authority = Authority::new("one");
    let server = serve(config(&authority.leaf(&["api.test"])), ANSWER, true);
    // The warning comes first: trusting any certificate is not a solution.
    let says = [
        "TLS failed: the certificate is not trusted, so something may intercept the connection, \
         such as a proxy or a virus scanner: ",
        quoted("a virus scanner: invalid peer certificate: UnknownIssuer; if the server has"),
        UNTRUSTED,
    ];
    server.refused(server.builder(), &says);
    let other = Authority::new("two").pem();
    server.refused(server.builder().root_certificates(other), &says);
    server.accepts(server.builder().root_certificates(authority.pem()));
    // Among others, and on every connection.
    let both = server
        .builder()
        .root_certificates(Authority::new("two").pem());
    let client = both.root_certificates(authority.pem()).build().unwrap();
    for _ in 0..3 {
        client.agents().retrieve("a").send().unwrap();
        client
            .agents()
            .retrieve("a")
            .timeout(Duration::from_secs(5))
            .send()
            .unwrap();
    }
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new("one");
    let server = serve(config(&authority.leaf(&["other.test"])), ANSWER, true);
    let builder = server.builder().root_certificates(authority.pem());
    let words = quoted("certificate not valid for name \"api.test\"");
    server.refused(builder, &[words, OTHER_NAME]);
}

#[test]
fn an_expired_or_future_certificate_is_refused() {
    let authority = Authority::new("one");
    let expired = serve(
        config(&authority.leaf_of_years(&["api.test"], 2001, 2002)),
        ANSWER,
        true,
    );
    let builder = expired.builder().root_certificates(authority.pem());
    expired.refused(builder, &[quoted("certificate expired"), OUT_OF_DATE]);
    let early = serve(
        config(&authority.leaf_of_years(&["api.test"], 2090, 2091)),
        ANSWER,
        true,
    );
    let builder = early.builder().root_certificates(authority.pem());
    early.refused(builder, &[quoted("certificate not valid yet"), OUT_OF_DATE]);
}

#[test]
fn certificates_for_ip_addresses_are_accepted() {
    let authority = Authority::new("one");
    let server = serve(config(&authority.leaf(&["127.0.0.1"])), ANSWER, true);
    let by_address = format!("https://127.0.0.1:{}", server.port);
    server.accepts(
        server
            .builder()
            .base_url(by_address)
            .root_certificates(authority.pem()),
    );
    let by_name = format!("https://localhost:{}", server.port);
    let builder = server
        .builder()
        .base_url(by_name)
        .root_certificates(authority.pem());
    let line = retrieve(builder).unwrap_err().to_string();
    let words = quoted("not valid for name \"localhost\"");
    assert!(line.contains(words) && line.contains(OTHER_NAME), "{line}");
}

#[test]
fn a_client_certificate_is_sent_when_requested() {
    let authority = Authority::new("one");
    let leaf = authority.leaf(&["api.test"]);
    let server = serve(
        config_with_client_certificates(&leaf, &authority),
        ANSWER,
        true,
    );
    let builder = || server.builder().root_certificates(authority.pem());
    let own = authority.leaf(&["me"]);
    server.accepts(builder().client_certificate(own.chain_pem(), own.key_pem()));
    // Without one, or with one of somebody else's. With TLS 1.3 the client learns of it when the
    // request is on its way.
    let foreign = Authority::new("two").leaf(&["me"]);
    for (builder, says) in [
        (builder(), "give one with ClientBuilder::client_certificate"),
        (
            builder().client_certificate(foreign.chain_pem(), foreign.key_pem()),
            "TLS failed: ",
        ),
    ] {
        let error = retrieve(builder).unwrap_err();
        assert!(matches!(error, Error::Connection(_)), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);
}

#[test]
fn a_rejected_certificate_is_not_retried() {
    let authority = Authority::new("one");
    let leaf = authority.leaf(&["api.test"]);
    let trusted = config(&leaf);
    let other_name = config(&authority.leaf(&["other.test"]));
    let expired = config(&authority.leaf_of_years(&["api.test"], 2001, 2002));
    let wants_one = config_with_client_certificates(&leaf, &authority);
    for (config, trusts, says) in [
        (trusted, false, UNTRUSTED),
        (other_name, true, OTHER_NAME),
        (expired, true, OUT_OF_DATE),
        (wants_one, true, "the server wants a certificate"),
    ] {
        let server = serve(config, ANSWER, true);
        let mut builder = server.builder().max_retries(2);
        if trusts {
            builder = builder.root_certificates(authority.pem());
        }
        let error = retrieve(builder).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.attempts(), 1, "{error}");
        assert!(!error.is_retryable(), "{error}");
    }
}

#[test]
fn a_connection_lost_in_the_handshake_is_retried() {
    let server = support::Server::start(|connection| connection.close());
    let builder = Client::builder(KEY).base_url(server.url().replace("http:", "https:"));
    let error = retrieve(builder.max_retries(1)).unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
    let line = error.to_string();
    let says = "the connection was lost during the TLS handshake";
    assert!(line.contains(says), "{line}");
    assert!(error.is_retryable(), "{line}");
    assert_eq!(error.attempts(), 2, "{line}");
    assert!(!error.may_have_been_sent(), "{line}");
}

#[test]
fn bytes_that_are_not_tls_after_the_handshake_are_a_tls_failure() {
    let authority = Authority::new("one");
    let config = Arc::new(config(&authority.leaf(&["127.0.0.1"])));
    // Instead of the response, and in the middle of its body.
    for encrypted in ["", &ANSWER[..ANSWER.len() - 9]] {
        let config = config.clone();
        let server = support::Server::start(move |mut connection| {
            let tls = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::StreamOwned::new(tls, connection.stream());
            if read_head(&mut stream).is_some() {
                stream.write_all(encrypted.as_bytes()).unwrap();
                stream.flush().unwrap();
                connection.raw(ANSWER);
                connection.closed_by_client();
            }
        });
        let builder = Client::builder(KEY)
            .base_url(server.url().replace("http:", "https:"))
            .root_certificates(authority.pem());
        let error = retrieve(builder).unwrap_err();
        assert!(matches!(error, Error::Connection(_)), "{error}");
        assert!(error.to_string().contains("TLS failed: "), "{error}");
        assert!(!error.is_retryable(), "{error}");
        assert_eq!(error.attempts(), 1, "{error}");
        assert!(error.may_have_been_sent(), "{error}");
    }
}

#[test]
fn keys_in_other_formats_than_pkcs8_need_rustls() {
    let own = Authority::new("one").leaf(&["a"]);
    let builder = Client::builder(KEY).client_certificate(own.chain_pem(), own.key_pem());
    builder.build().unwrap();
    let sec1 = own.key_pem_of_sec1();
    let result = Client::builder(KEY)
        .client_certificate(own.chain_pem(), sec1)
        .build();
    match result {
        Ok(_) => assert_ne!(quoted("rustls"), "", "the format is accepted"),
        Err(error) => {
            assert_eq!(quoted("rustls"), "", "{error}");
            let says = "the feature `native-tls` reads keys in PKCS#8 only";
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}

#[test]
fn the_builder_refuses_invalid_certificates_and_keys() {
    let authority = Authority::new("one");
    let (own, other) = (authority.leaf(&["a"]), authority.leaf(&["b"]));
    let builder = || Client::builder(KEY);
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (builder, says) in [
        (builder().root_certificates(""), "hold no certificate"),
        (
            builder().root_certificates(own.key_pem()),
            "hold no certificate",
        ),
        (builder().root_certificates(garbage), "is not valid"),
        (
            builder().client_certificate(own.chain_pem(), other.key_pem()),
            "do not belong together",
        ),
        (
            builder().client_certificate(garbage, own.key_pem()),
            "do not belong together",
        ),
        (
            builder().client_certificate(own.chain_pem(), "no key"),
            "is not valid PEM",
        ),
        (
            builder().client_certificate("", own.key_pem()),
            "hold no certificate",
        ),
    ] {
        let error = builder.build().unwrap_err();
        assert!(matches!(error, Error::User(_)), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn mixing_up_http_and_https_is_named_in_the_error() {
    let plain = support::Server::start(|mut connection| {
        connection.raw("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        connection.closed_by_client();
    });
    let url = format!("https://127.0.0.1:{}", plain.address().port());
    let client = Client::builder(KEY)
        .base_url(url)
        .max_retries(0)
        .build()
        .unwrap();
    let error = client.agents().retrieve("a").send().unwrap_err();
    assert!(error.to_string().contains("TLS failed: "), "{error}");
    assert!(!error.may_have_been_sent());
    let authority = Authority::new("one");
    let server = serve(config(&authority.leaf(&["api.test"])), ANSWER, true);
    let url = format!("http://127.0.0.1:{}", server.port);
    let client = Client::builder(KEY)
        .base_url(url)
        .max_retries(0)
        .build()
        .unwrap();
    let error = client.agents().retrieve("a").send().unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
    assert!(
        error.to_string().contains("does it speak plain http?"),
        "{error}"
    );
}

#[test]
fn a_handshake_that_stalls_is_bounded_by_the_connect_timeout() {
    let silent = support::Server::start(|mut connection| {
        connection.closed_by_client();
    });
    let url = format!("https://127.0.0.1:{}", silent.address().port());
    let client = Client::builder(KEY)
        .base_url(url)
        .connect_timeout(Duration::from_millis(200))
        .max_retries(0)
        .build()
        .unwrap();
    let started = std::time::Instant::now();
    let error = client.agents().retrieve("a").send().unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains("the limit is 200ms, raise it with ClientBuilder::connect"),
        "{error}"
    );
    assert!(!error.may_have_been_sent());
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[test]
fn an_early_response_is_returned_when_the_request_cannot_be_written() {
    let authority = Authority::new("one");
    let refusal = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}";
    let server = serve_early(config(&authority.leaf(&["api.test"])), refusal);
    let client = server.builder().root_certificates(authority.pem());
    let client = client.build().unwrap();
    let body = serde_json::json!({ "text": "x".repeat(16 << 20) });
    let limit = Duration::from_secs(1);
    let started = std::time::Instant::now();
    let post = client.request("POST", "/x").json(&body).timeout(limit);
    let error = post.send().unwrap_err();
    assert_eq!(error.status(), Some(413), "{error}");
    assert!(started.elapsed() < 3 * limit, "{:?}", started.elapsed());
}

#[test]
fn an_https_proxy_carries_plain_http_and_tls() {
    let authority = Authority::new("one");
    let of_proxy = config(&authority.leaf(&["localhost"]));
    let of_server = Arc::new(config(&authority.leaf(&["api.test"])));
    let port = proxy(of_proxy, move |mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        // Plain http begins with a letter, and a TLS handshake with a record of type 22.
        let mut first = [0];
        let _ = stream.read(&mut first);
        if first != [22] {
            let _ = read_head(&mut stream);
            let _ = stream.write_all(ANSWER.as_bytes());
            let _ = stream.flush();
            return;
        }
        let mut connection = rustls::ServerConnection::new(of_server.clone()).unwrap();
        connection.read_tls(&mut &first[..]).unwrap();
        let mut inner = rustls::StreamOwned::new(connection, stream);
        let _ = read_head(&mut inner);
        let _ = inner.write_all(ANSWER.as_bytes());
        let _ = inner.flush();
    });
    for url in ["http://api.test", "https://api.test"] {
        let builder = || {
            Client::builder(KEY)
                .base_url(url)
                .allow_http("api.test")
                .proxy(format!("https://localhost:{port}"))
                .max_retries(0)
        };
        let agent = retrieve(builder().root_certificates(authority.pem())).unwrap();
        assert_eq!(agent.id, "abc", "{url}");
        let error = retrieve(builder()).unwrap_err();
        let line = error.to_string();
        assert!(line.contains("TLS with the proxy failed: "), "{line}");
        assert!(
            !error.is_retryable() && !error.may_have_been_sent(),
            "{line}"
        );
    }
}

#[test]
fn an_https_proxy_that_trickles_its_response_is_bounded() {
    let authority = Authority::new("one");
    let port = proxy(config(&authority.leaf(&["localhost"])), |mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ");
        while stream.write_all(b"y").and_then(|()| stream.flush()).is_ok() {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let limit = Duration::from_millis(400);
    let builder = Client::builder(KEY)
        .base_url("https://api.test")
        .proxy(format!("https://localhost:{port}"))
        .root_certificates(authority.pem())
        .connect_timeout(limit)
        .max_retries(0);
    let started = std::time::Instant::now();
    let error = retrieve(builder).unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert!(!error.may_have_been_sent(), "{error}");
    assert!(started.elapsed() < 4 * limit, "{:?}", started.elapsed());
}

#[test]
fn a_body_without_tls_close_is_truncated() {
    const HEAD_AND_HALF: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"data\":{\"id\"";
    const TEXT: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfirst line";
    let authority = Authority::new("one");
    // Without a TLS close, the body may be truncated. TLS 1.2 and 1.3 close in different ways.
    for version in rustls::ALL_VERSIONS {
        for (response, orderly, whole) in [
            (HEAD_AND_HALF, false, false),
            (TEXT, false, false),
            (TEXT, true, true),
        ] {
            let config = config_of(&authority.leaf(&["api.test"]), &[*version]);
            let server = serve(config, response, orderly);
            let client = server
                .builder()
                .root_certificates(authority.pem())
                .build()
                .unwrap();
            let result = client.request("GET", "/x").raw().send();
            assert_eq!(result.is_ok(), whole, "{version:?}: {result:?}");
            if let Err(error) = result {
                let says = "the connection closed before the body was complete";
                assert!(error.to_string().contains(says), "{error}");
                assert!(error.is_retryable(), "{error}");
            }
        }
    }
}
