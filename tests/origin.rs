//! Requests and their headers: the API key is sent only to the configured origin.

mod support;

use bimpeai::agents::CreateAgent;
use bimpeai::conversations::SendMessage;
use bimpeai::{Client, Error};
use support::{KEY, Server};

#[test]
fn redirects_are_not_followed_and_the_key_is_not_sent_on() {
    let elsewhere = Server::responding(|connection, _, _| {
        connection.data("{}");
    });
    let target = elsewhere.url();
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: {target}/agents?secret=1");
        let server = Server::responding(move |connection, _, _| {
            connection.respond(status, &[&location], "<html>moved</html>");
        });
        for result in [
            server
                .client()
                .agents()
                .retrieve("agt_1")
                .send()
                .map(|_| ()),
            server
                .client()
                .agents()
                .create(CreateAgent::new("n"))
                .send()
                .map(|_| ()),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.status(), Some(status));
            assert!(!error.is_retryable());
            let line = error.to_string();
            assert!(
                line.contains("redirects are not followed: check the base URL"),
                "{line}"
            );
            assert!(!line.contains("secret"), "{line}");
        }
        assert_eq!(server.requests().len(), 2);
        // A stream does not follow a redirect with its ticket either.
        let stream = server.client().conversations().messages().stream("a", "c");
        assert!(stream.max_retries(0).open().is_err());
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn a_redirect_without_body_or_location_is_an_error_response() {
    let server = Server::responding(|connection, _, number| {
        connection.raw(match number {
            0 => "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /x\r\n\r\n",
            _ => "HTTP/1.1 304 Not Modified\r\n\r\n",
        });
    });
    let client = server.client();
    for status in [302, 304] {
        let error = client.agents().retrieve("agt_1").send().unwrap_err();
        assert_eq!(error.status(), Some(status), "{error}");
    }
}

#[test]
fn the_stream_request_carries_the_ticket_and_never_the_key() {
    let server = Server::streaming(|connection, _, _| {
        connection.respond(404, &[], "{}");
    });
    let client = server
        .builder()
        .default_header("X-Api-Key", "sk_other")
        .build()
        .unwrap();
    let messages = client.conversations().messages();
    assert!(messages.stream("agt_1", "cnv_1").open().is_err());
    let [ticket, stream] = &server.requests()[..] else {
        panic!("{:?}", server.requests());
    };
    assert_eq!(
        ticket.header("authorization").unwrap(),
        format!("Bearer {KEY}")
    );
    assert_eq!(stream.header("authorization"), None);
    assert!(
        stream
            .headers
            .iter()
            .all(|(_, value)| !value.contains("sk_")),
        "{stream:?}"
    );
    assert_eq!(stream.query("ticket"), Some("ticket-0"));
}

#[test]
fn a_key_or_a_base_url_that_cannot_work_is_refused_before_anything_is_sent() {
    for key in ["sk\n1", "sk 1", "sk_1 ", "", "sk_é"] {
        assert!(matches!(Client::new(key), Err(Error::User(_))), "{key:?}");
    }
    let long = "k".repeat(5_000);
    assert!(matches!(Client::new(&long), Err(Error::User(_))));
    for url in [
        "ftp://api.bimpe.ai",
        "api.bimpe.ai",
        "https://api.bimpe.ai:99999",
        "https://api.bimpe.ai:x",
        "https://api.bimpe.ai:",
        "https://",
    ] {
        let result = Client::builder(KEY).base_url(url).build();
        assert!(matches!(result, Err(Error::User(_))), "{url}: {result:?}");
    }
}

#[test]
fn callers_headers_cannot_replace_what_the_client_and_the_connection_set() {
    let server = Server::responding(|connection, _, _| {
        connection.data("1");
    });
    let client = server.client();
    for name in [
        "Authorization",
        "HOST",
        "content-length",
        "Transfer-Encoding",
        "connection",
        "Expect",
        "EXPECT",
        "TE",
        "Upgrade",
        "HTTP2-Settings",
        "Keep-Alive",
        "keep-alive",
        "Proxy-Connection",
        "Proxy-Authorization",
        "Trailer",
    ] {
        let request = client.request("POST", "/agents").header(name, "canary");
        let messages = client.conversations().messages();
        for error in [
            request.send().unwrap_err(),
            client
                .agents()
                .list()
                .header(name, "canary")
                .send()
                .unwrap_err(),
            messages
                .stream("a", "c")
                .header(name, "canary")
                .open()
                .unwrap_err(),
            server
                .builder()
                .default_header(name, "canary")
                .build()
                .unwrap_err(),
        ] {
            assert!(matches!(error, Error::User(_)), "{name}: {error}");
            let line = error.to_string();
            assert!(line.contains(&name.to_lowercase()), "{line}");
            assert!(!line.contains("canary"), "{line}");
        }
    }
    for (name, value) in [
        ("Authorization: Bearer canary", ""),
        ("a b", "canary"),
        ("", "canary"),
        ("x-é", "canary"),
        ("x", "canary\r\nHost: evil"),
        ("x", "canary\n"),
        ("x", "canary\0"),
        ("x", &"canary".repeat(2_000)),
        ("Idempotency-Key", ""),
        ("Idempotency-Key", "canary canary"),
        ("X-Request-Id", "canaré"),
        ("X-Request-Id", &"canary".repeat(50)),
    ] {
        let error = client
            .request("POST", "/agents")
            .header(name, value)
            .send()
            .unwrap_err();
        assert!(matches!(error, Error::User(_)), "{name}: {value}");
        assert!(
            error.to_string().starts_with("POST /agents: not sent: "),
            "{error}"
        );
        assert!(!error.to_string().contains("canar"), "{error}");
    }
    assert!(server.requests().is_empty());
    // The two that are options are those options, whatever their case.
    client
        .request("POST", "/agents")
        .header("idempotency-KEY", "once")
        .header("x-request-ID", "mine")
        .header("X-Own", "é\u{7f}".trim_end_matches('\u{7f}'))
        .send()
        .unwrap();
    let request = &server.requests()[0];
    assert_eq!(request.header("idempotency-key"), Some("once"));
    assert_eq!(request.header("x-request-id"), Some("mine"));
    assert_eq!(
        request
            .headers
            .iter()
            .filter(|(name, _)| name == "idempotency-key")
            .count(),
        1
    );
}

#[test]
fn idempotency_keys_and_request_ids_have_1_to_255_visible_characters() {
    let server = Server::responding(|connection, _, _| {
        connection.data("1");
    });
    let client = server.client();
    let longest = "x".repeat(255);
    let post = || client.request("POST", "/agents");
    post()
        .idempotency_key(&longest)
        .request_id(&longest)
        .send()
        .unwrap();
    post().idempotency_key("~!").request_id("0").send().unwrap();
    let too_long = "x".repeat(256);
    for bad in ["", " ", "a b", "a\t", "é", "a\r\nb: c", too_long.as_str()] {
        assert!(
            matches!(post().idempotency_key(bad).send(), Err(Error::User(_))),
            "{bad:?}"
        );
        assert!(
            matches!(post().request_id(bad).send(), Err(Error::User(_))),
            "{bad:?}"
        );
    }
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_request_sent_twice_reuses_its_idempotency_key() {
    let server = Server::responding(|connection, _, _| {
        connection.data(r#"{"id":"x"}"#);
    });
    let messages = server.client().conversations().messages();
    let request = messages.send("a", "c", SendMessage::new("m"));
    request.send().unwrap();
    request.send().unwrap();
    request.clone().send().unwrap();
    let requests = server.requests();
    let keys: std::collections::HashSet<_> = requests
        .iter()
        .map(|request| request.header("idempotency-key").unwrap())
        .collect();
    assert_eq!((requests.len(), keys.len()), (3, 1), "it is done once");
}

#[test]
fn every_call_has_its_own_idempotency_key_and_request_id() {
    let server = Server::responding(|connection, _, _| {
        connection.data(r#"{"id":"x"}"#);
    });
    let client = server.client();
    let messages = client.conversations().messages();
    for _ in 0..3 {
        messages
            .send("a", "c", SendMessage::new("m"))
            .send()
            .unwrap();
    }
    client.agents().retrieve("a").send().unwrap();
    let requests = server.requests();
    let mut seen = std::collections::HashSet::new();
    for request in &requests {
        assert!(seen.insert(request.header("x-request-id").unwrap().to_owned()));
        if request.method == "POST" {
            assert!(seen.insert(request.header("idempotency-key").unwrap().to_owned()));
        }
    }
    assert_eq!(seen.len(), 7);
    for id in seen {
        // RFC 9562, version 4.
        let bytes = id.as_bytes();
        assert_eq!((id.len(), bytes[8], bytes[14]), (36, b'-', b'4'), "{id}");
        assert!(b"89ab".contains(&bytes[19]), "{id}");
    }
    assert_eq!(
        requests[3].header("idempotency-key"),
        None,
        "a read needs none"
    );
}

#[test]
fn localhost_never_depends_on_the_resolver() {
    let server = Server::responding(|connection, _, _| {
        connection.data("1");
    });
    let port = server.address().port();
    let client = Client::builder(KEY)
        .base_url(format!("http://LocalHost:{port}"))
        .build()
        .unwrap();
    assert_eq!(client.request("GET", "/agents").send().unwrap(), 1);
}

#[test]
fn addresses_of_a_host_can_be_configured() {
    let server = Server::responding(|connection, _, _| {
        connection.data("1");
    });
    let builder = || {
        Client::builder(KEY)
            .base_url(format!(
                "http://Api.Example.com:{}",
                server.address().port()
            ))
            .allow_http("api.example.com")
    };
    let client = builder()
        .resolve("API.example.com", [server.address()])
        .build()
        .unwrap();
    assert_eq!(client.request("GET", "/agents").send().unwrap(), 1);
    let host = server.requests()[0].header("host").unwrap().to_lowercase();
    assert_eq!(host, format!("api.example.com:{}", server.address().port()));
    let refused = builder()
        .resolve("api.example.com", [])
        .build()
        .unwrap_err();
    assert!(
        refused.to_string().contains("no address at all"),
        "{refused}"
    );
}

#[test]
fn ipv6_addresses_are_accepted() {
    let Ok(listener) = std::net::TcpListener::bind("[::1]:0") else {
        println!("did not run: this machine has no [::1]");
        return;
    };
    let server = Server::on(listener, |mut connection| {
        while connection.request().is_some() {
            connection.data("1");
        }
    });
    let client = Client::builder(KEY)
        .base_url(format!("http://[::1]:{}", server.address().port()))
        .build()
        .unwrap();
    assert_eq!(client.request("GET", "/agents").send().unwrap(), 1);
}
