//! Configuration of a client, and the errors of wrong use.

mod support;

use std::time::Duration;

use bimpeai::{Client, Error};
use support::{KEY, Server};

/// Whether this build speaks https, as the default base URL does.
const TLS: bool = cfg!(any(feature = "rustls", feature = "native-tls"));

/// A builder whose base URL needs no TLS.
fn plain() -> bimpeai::ClientBuilder {
    Client::builder(KEY).base_url("http://127.0.0.1:1")
}

fn refusal(result: Result<Client, Error>) -> String {
    match result {
        Err(error @ Error::User(_)) => error.to_string(),
        Err(other) => panic!("not a refusal: {other}"),
        Ok(client) => panic!("accepted: {client:?}"),
    }
}

#[test]
fn invalid_base_urls_are_refused_with_advice() {
    for (url, says) in [
        ("", "is not a URL"),
        ("api.bimpe.ai", "has no scheme"),
        ("/console", "has no scheme"),
        ("ftp://api.bimpe.ai", "must start with \"https://\""),
        ("https://sk_canary@api.bimpe.ai", "has user info in it"),
        ("https://api.bimpe.ai?x=1", "has a query"),
        ("https://api.bimpe.ai/a/../b", "segment in its path"),
        (
            "http://api.bimpe.ai",
            "ClientBuilder::allow_http(\"api.bimpe.ai\")",
        ),
        ("http://10.0.0.1:8080", "BIMPEAI_ALLOW_HTTP=10.0.0.1"),
        ("http://127.0.0.1.example.com", "plain http"),
        ("http://localhost.example.com", "plain http"),
    ] {
        let message = refusal(Client::builder(KEY).base_url(url).build());
        assert!(message.contains(says), "{url:?}: {message}");
        assert!(!message.contains("canary"), "{message}");
    }
}

#[test]
fn a_base_url_that_ends_in_a_part_of_the_prefix_is_completed() {
    let server = Server::responding(|connection, _, _| {
        connection.data("1");
    });
    for (path, expected) in [
        ("", ""),
        ("/", ""),
        ("/api", ""),
        ("/api/", ""),
        ("/api/v1", ""),
        ("/api/v1//", ""),
        ("/api/v1/console", ""),
        ("/api/v1/console/", ""),
        ("/gateway", "/gateway"),
        ("/gateway/api", "/gateway"),
        ("/gateway/api/v1/", "/gateway"),
        ("/gateway/api/v1/console", "/gateway"),
        ("/api/v1/console/api/v1/console", "/api/v1/console"),
        ("/my-api", "/my-api"),
        ("/api/v2", "/api/v2"),
        ("/api/v1/consoles", "/api/v1/consoles"),
        ("/v1", "/v1"),
    ] {
        let url = format!("{}{path}", server.url());
        let client = Client::builder(KEY).base_url(&url).build().unwrap();
        client.request("GET", "/agents").send().unwrap();
        let target = server.take_requests().remove(0).target;
        assert_eq!(
            target,
            format!("{expected}/api/v1/console/agents"),
            "{path}"
        );
    }
    // A host is not a part of the path.
    for (url, shown) in [
        ("http://api", "http://api"),
        ("http://api/", "http://api"),
        ("http://api/v1/console", "http://api/v1/console"),
        ("http://api/api/v1", "http://api"),
    ] {
        let builder = Client::builder(KEY).base_url(url).allow_http("api");
        let client = builder.build().expect(url);
        assert!(
            format!("{client:?}").contains(&format!("{shown:?}")),
            "{client:?}"
        );
    }
}

#[test]
fn plain_http_is_allowed_to_loopback_and_allowed_hosts() {
    for url in [
        "http://127.0.0.1:1",
        "http://127.9.9.9:1",
        "http://[::1]:1",
        "http://localhost:1",
        "http://LOCALHOST:1/",
    ] {
        Client::builder(KEY).base_url(url).build().expect(url);
    }
    Client::builder(KEY)
        .base_url("http://api.cluster.local:8080")
        .allow_http("API.cluster.local")
        .build()
        .unwrap();
    for (url, host) in [
        ("http://api.cluster.local.", "api.cluster.local"),
        ("http://api.cluster.local", "api.cluster.local."),
    ] {
        let builder = Client::builder(KEY).base_url(url).allow_http(host);
        builder.build().expect(url);
    }
}

#[test]
fn https_needs_a_build_with_tls() {
    for url in [
        "https://api.bimpe.ai///",
        "https://api.bimpe.ai/api/v1/console/",
        "https://gateway.example.com/bimpeai",
    ] {
        let result = Client::builder(KEY).base_url(url).build();
        assert_eq!(result.is_ok(), TLS, "{url}");
        if result.is_err() {
            let message = refusal(result);
            assert!(message.contains("this build has no TLS"), "{message}");
        }
    }
    // The default base URL is https.
    assert_eq!(Client::new(KEY).is_ok(), TLS);
}

#[test]
fn invalid_settings_are_refused() {
    for (builder, says) in [
        (plain().timeout(Duration::ZERO), "timeout must not be zero"),
        (
            plain().connect_timeout(Duration::ZERO),
            "timeout must not be zero",
        ),
        (
            plain().default_header("Authorization", "x"),
            "from its API key",
        ),
        (
            plain().default_header("Idempotency-Key", "x"),
            "belongs to one call",
        ),
        (plain().default_header("a b", "x"), "is not valid"),
        (
            plain().default_header("x", "a\r\nb: canary"),
            "control character",
        ),
        (plain().user_agent_suffix("a\nb"), "user agent suffix"),
        (plain().proxy("::::"), "the proxy URL has no scheme"),
        (
            plain().root_certificates("no pem"),
            match TLS {
                true => "hold no certificate",
                false => "this build has no TLS",
            },
        ),
    ] {
        let message = refusal(builder.build());
        assert!(message.contains(says), "{message}");
        assert!(!message.contains("canary"), "{message}");
    }
}

#[test]
fn a_client_and_its_builder_print_no_secret() {
    let builder = Client::builder("sk_canary")
        .default_header("x-gateway", "canary")
        .proxy("http://user:canary@127.0.0.1:1");
    let shown = format!("{builder:?}");
    let builder = builder.base_url("http://api.test").allow_http("api.test");
    let text = format!("{shown} {:?}", builder.build().unwrap());
    assert!(!text.contains("canary"), "{text}");
    assert!(text.contains("http://api.test"), "{text}");
    // The default base URL is shown too.
    assert_eq!(shown.contains("https://api.bimpe.ai"), TLS, "{shown}");
}

#[test]
fn a_builder_does_not_print_a_base_url_that_may_hold_a_secret() {
    for url in [
        "https://user:canary@host",
        "https://host?key=canary",
        "canary",
    ] {
        let text = format!("{:?}", Client::builder(KEY).base_url(url));
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn an_unreachable_server_is_a_connection_error_with_advice() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let client = Client::builder(KEY)
        .base_url(format!("http://{unused}"))
        .max_retries(0)
        .build()
        .unwrap();
    let error = client.request("GET", "/agents").send().unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, Error::Connection(_)), "{message}");
    assert!(
        message.starts_with("GET /agents: connection refused"),
        "{message}"
    );
    assert!(
        message.contains("is the server running, and is the base URL right?"),
        "{message}"
    );
    assert!(message.contains(&unused.to_string()), "{message}");
    assert!(!error.may_have_been_sent());
    assert!(error.is_retryable());
    let source = std::error::Error::source(&error).unwrap();
    let io = source.downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(io.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn every_request_has_the_documented_form() {
    let server = Server::responding(|connection, _, _| {
        connection.data("{}");
    });
    let client = server
        .builder()
        .default_header("X-Team", "blue")
        .user_agent_suffix("my-tool/1.2")
        .build()
        .unwrap();
    client
        .request("GET", "/agents")
        .query("search", "a b&c=d/é")
        .send()
        .unwrap();
    let body = serde_json::json!({ "name": "x" });
    client
        .request("POST", "/agents")
        .json(&body)
        .header("x-own", "1")
        .send()
        .unwrap();
    let [get, post] = &server.requests()[..] else {
        panic!("{:?}", server.requests());
    };
    assert_eq!(get.method, "GET");
    assert_eq!(
        get.target,
        "/api/v1/console/agents?search=a%20b%26c%3Dd%2F%C3%A9"
    );
    for request in [get, post] {
        assert_eq!(
            request.header("authorization").unwrap(),
            format!("Bearer {KEY}")
        );
        assert_eq!(request.header("accept").unwrap(), "application/json");
        assert_eq!(request.header("x-team").unwrap(), "blue");
        assert!(
            request
                .header("user-agent")
                .unwrap()
                .starts_with("bimpeai-rust/")
        );
        assert!(
            request
                .header("user-agent")
                .unwrap()
                .ends_with(" my-tool/1.2")
        );
        assert_eq!(request.header("x-request-id").unwrap().len(), 36);
    }
    assert_eq!(get.header("idempotency-key"), None);
    assert_eq!(get.header("content-type"), None);
    assert_eq!(post.header("content-type").unwrap(), "application/json");
    assert_eq!(post.header("idempotency-key").unwrap().len(), 36);
    assert_eq!(post.header("x-own").unwrap(), "1");
    assert_eq!(post.text(), r#"{"name":"x"}"#);
    assert_eq!(server.connections(), 1);
}

#[test]
fn the_escape_hatch_stays_below_the_prefix() {
    let server = Server::responding(|connection, _, _| {
        connection.data("1");
    });
    let client = server.client();
    for path in [
        "agents",
        "",
        "//evil.example.com/agents",
        "/../../admin",
        "/agents/..",
        "/agents/%2e%2E/x",
        "/agents/.",
        "/agents//x",
        "/agents?x=1",
        "/agents#x",
        "/agents/a b",
        "/agents/\r\nx: y",
        "/agents/é",
        "/agents\\..\\x",
        "/api/v1/console/agents",
        "/api/v1/agents",
        "/api/v1/",
        "/api/v1",
        "https://evil.example.com/agents",
    ] {
        let error = client.request("GET", path).send().unwrap_err();
        assert!(matches!(error, Error::User(_)), "{path:?}: {error}");
    }
    for method in [
        "GE T",
        "",
        " GET",
        "GET ",
        "GET\r\nX: y",
        "GÉT",
        "GET/",
        "G(E)T",
        "CONNECT",
        "connect",
        "TRACE",
        "Trace",
        "PRI",
    ] {
        let error = client.request(method, "/agents").send().unwrap_err();
        assert!(matches!(error, Error::User(_)), "{method:?}: {error}");
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
    assert_eq!(server.requests().len(), 0);
    assert_eq!(client.request("get", "/agents/a%2Fb").send().unwrap(), 1);
    assert_eq!(
        client
            .request("GET", "/agents")
            .decode_as::<u8>()
            .send()
            .unwrap(),
        1
    );
    let raw = client.request("GET", "/agents").raw().send().unwrap();
    assert_eq!(raw, br#"{"message":"Success","data":1}"#);
    client
        .request("DELETE", "/agents")
        .discard_body()
        .send()
        .unwrap();
    assert_eq!(server.requests()[0].target, "/api/v1/console/agents/a%2Fb");
}
