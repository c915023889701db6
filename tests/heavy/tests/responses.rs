//! Responses of a server and what the client makes of them: the right result, or an error that keeps
//! the status, the request id and the body.

#[path = "../../support/mod.rs"]
mod support;

use std::time::Duration;

use bimpeai::agents::{BimpeaiConfigure, PipedreamConfigure, UpdateAgent};
use bimpeai::error::{ApiErrorKind, ErrorCode};
use bimpeai::{Client, Error};
use httpmock::prelude::*;
use serde_json::{Value, json};
use support::{KEY, Server};

/// A server that returns this response to every request.
fn giving(status: u16, headers: &'static [&'static str], body: impl AsRef<[u8]>) -> Server {
    let body = body.as_ref().to_vec();
    Server::responding(move |connection, _, _| {
        connection.respond(status, headers, &body);
    })
}

/// A server that writes these bytes and closes the connection.
fn writing(bytes: impl AsRef<[u8]>) -> Server {
    let bytes = bytes.as_ref().to_vec();
    Server::start(move |mut connection| {
        if connection.request().is_some() {
            connection.raw(&bytes);
            connection.shut();
            connection.closed_by_client();
        }
    })
}

fn fails(server: &Server) -> Error {
    let builder = server.builder().max_retries(0);
    let client = builder.max_retry_wait(Duration::ZERO).build().unwrap();
    client.agents().retrieve("agt_1").send().unwrap_err()
}

const ID: &[&str] = &["X-Request-Id: req_7"];

/// The error keeps the response.
#[track_caller]
fn keeps(error: &Error, status: u16, body: &[u8]) {
    assert_eq!(error.status(), Some(status), "{error}");
    assert_eq!(error.request_id(), Some("req_7"), "{error}");
    let kept = match error {
        Error::Api(error) => error.body(),
        Error::Decode(error) => error.body(),
        other => panic!("{other}"),
    };
    assert_eq!(kept, body, "{error}");
    assert!(error.may_have_been_sent());
    assert_eq!(error.to_string().lines().count(), 1);
    assert!(error.to_string().contains("req_7"), "{error}");
}

#[test]
fn a_success_without_a_body_is_a_success() {
    for raw in [
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n \r\n\t",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"data\":null}",
        "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"message\":\"x\"}",
    ] {
        let server = writing(raw);
        let client = server.client();
        client.agents().delete("agt_1").send().expect(raw);
        client
            .agents()
            .actions()
            .enable("agt_1", ["a"])
            .send()
            .expect(raw);
        let integrations = client.agents().integrations();
        integrations
            .mcp_server()
            .test("agt_1", "i")
            .send()
            .expect(raw);
        integrations
            .mcp_server()
            .discover("agt_1", "i")
            .send()
            .expect(raw);
        let slack = PipedreamConfigure::new("slack");
        integrations
            .pipedream()
            .configure("agt_1", slack)
            .send()
            .expect(raw);
        client
            .request("POST", "/x")
            .discard_body()
            .send()
            .expect(raw);
        assert_eq!(client.request("POST", "/x").send().expect(raw), Value::Null);
    }
}

#[test]
fn a_success_that_is_not_an_envelope_keeps_status_id_and_body() {
    for (body, says) in [
        ("<html><body>login</body></html>", "an HTML page, not JSON"),
        ("welcome", "not valid JSON"),
        ("[1,2]", "expected an object with `data`, got an array"),
        ("7", "expected an envelope (an object) at the top"),
        (r#"{"data":{"id":"#, "truncated JSON"),
        (r#"{"data":{"id":"a"}} {}"#, "not valid JSON"),
        ("", "empty response body; expected `data`"),
        ("{}", "`data` is missing or null"),
        (
            r#"{"message":"ok","data":null}"#,
            "`data` is missing or null",
        ),
        (
            r#"{"message":"ok","data":[]}"#,
            "expected an object (AgentDetail) at data",
        ),
        (
            r#"{"message":"ok","data":{"name":"a"}}"#,
            "missing field `id` at data",
        ),
        (
            r#"{"data":{"id":{"canary":1}}}"#,
            "expected an identifier at data.id",
        ),
    ] {
        let error = fails(&giving(200, ID, body));
        keeps(&error, 200, body.as_bytes());
        let line = error.to_string();
        assert!(
            line.starts_with("GET /agents/agt_1: 200 response: "),
            "{line}"
        );
        assert!(line.contains(says), "{body}: {line}");
        assert!(!error.is_retryable());
    }
}

#[test]
fn meta_is_read_only_for_lists() {
    let server = giving(
        200,
        ID,
        r#"{"data":{"id":"agt_1"},"meta":{"total_count":"nine"}}"#,
    );
    let agent = server.client().agents().retrieve("agt_1").send().unwrap();
    assert_eq!(agent.id, "agt_1");
    let body = r#"{"data":[],"meta":{"total_count":"nine"}}"#;
    let error = giving(200, ID, body).client().agents().list().send();
    keeps(&error.unwrap_err(), 200, body.as_bytes());
}

#[test]
fn configuring_a_first_party_connector_has_two_responses_and_both_are_successes() {
    for body in [
        r#"{"message":"ok","data":{"success":true,"channel_id":"c1"}}"#,
        r#"{"message":"ok","data":{"onboarding_url":"https://x"}}"#,
    ] {
        let server = giving(201, &[], body);
        let bimpeai = server.client().agents().integrations().bimpeai();
        let result = bimpeai
            .configure("agt_1", BimpeaiConfigure::bumpa("t"))
            .send()
            .unwrap();
        assert_eq!(
            result.onboarding_url(),
            body.contains("https").then_some("https://x")
        );
    }
}

#[test]
fn undocumented_values_spoil_neither_the_item_nor_the_page() {
    let body = r#"{"message":"ok","data":[
        {"id":"a","persona":"sarcastic","status":"asleep","description":null},
        {"id":7,"name":"numeric"},
        {"id":"c","unknown":{"deep":[1]}}],"meta":{}}"#;
    let page = giving(200, &[], body)
        .client()
        .agents()
        .list()
        .send()
        .unwrap();
    assert_eq!(page.data[0].persona.as_ref().unwrap().as_str(), "sarcastic");
    assert_eq!(page.data[1].id, "7");
    assert_eq!(page.data[2].extra["unknown"], json!({"deep": [1]}));
    assert!(!page.has_next_page());
    let body = r#"{"message":"ok","data":{"id":"c","duration_seconds":12.5,"status":"weird"}}"#;
    let call = giving(200, &[], body)
        .client()
        .calls()
        .retrieve("a", "c")
        .send()
        .unwrap();
    assert_eq!(call.duration_seconds, Some(12.5));
    let body = r#"{"data":{"id":"w","rules":null,"flows":[[],{"name":"f"}],"setup_time":1.5}}"#;
    let workflow = giving(200, &[], body)
        .client()
        .workflows()
        .retrieve("w")
        .send()
        .unwrap();
    assert_eq!(workflow.flows.len(), 1);
    // A missing required field is a decode error that keeps all known details.
    let error = fails(&giving(200, ID, r#"{"data":{"name":"no id"}}"#));
    keeps(&error, 200, br#"{"data":{"name":"no id"}}"#);
    let server = giving(200, &[], r#"{"message":"ok","data":null}"#);
    let error = server.client().agents().list().send().unwrap_err();
    assert!(error.to_string().contains("expected a list"), "{error}");
}

#[test]
fn the_guides_key_is_the_wires_both_ways() {
    use bimpeai::workflows::Workflow;
    let body = r#"{"data":{"id":"w","guide":{"youtubeUrl":"https://y","steps":["s"]}}}"#;
    let server = giving(200, &[], body);
    let workflow: Workflow = server.client().workflows().retrieve("w").send().unwrap();
    assert_eq!(
        workflow.guide.as_ref().unwrap().youtube_url.as_deref(),
        Some("https://y")
    );
    let written = serde_json::to_value(&workflow).unwrap();
    assert_eq!(written["guide"]["youtubeUrl"], "https://y");
}

#[test]
fn raw_control_characters_and_broken_text_in_strings_are_read() {
    let body = b"{\"message\":\"ok\",\"data\":{\"id\":\"a\",\"name\":\"one\ntwo\t\x01\xff\\\\\"}}";
    let agent = giving(200, &[], body)
        .client()
        .agents()
        .retrieve("a")
        .send()
        .unwrap();
    assert_eq!(agent.name, "one\ntwo\t\u{1}\u{fffd}\\");
    // In an error's body too.
    let body = b"{\"message\":\"no\nsuch \xff thing\",\"code\":\"not_found\",\"statusCode\":404}";
    let error = fails(&giving(404, ID, body));
    keeps(&error, 404, body);
    assert_eq!(
        error.to_string(),
        "GET /agents/agt_1: 404 not_found: no such \u{fffd} thing; check the ids (request req_7)"
    );
}

#[test]
fn field_errors_are_read_from_both_shapes_at_400_and_422() {
    for status in [400, 422] {
        for body in [
            r#"{"code":"validation_error","message":["name: too long","rules.0.id: missing","odd"]}"#,
            r#"{"code":"validation_error","message":"bad","errors":[{"path":"name","message":"too long"},
                {"path":"rules.0.id","message":"missing"},"odd"]}"#,
        ] {
            let Error::Api(error) = fails(&giving(status, ID, body)) else {
                panic!()
            };
            let ApiErrorKind::Validation { field_errors } = error.kind() else {
                panic!("{status}: {:?}", error.kind());
            };
            let fields: Vec<_> = field_errors
                .iter()
                .map(|one| (one.path.as_str(), one.message.as_str()))
                .collect();
            assert_eq!(
                fields,
                [("name", "too long"), ("rules.0.id", "missing"), ("", "odd")]
            );
            let line = error.to_string();
            assert!(
                line.contains("too long") && line.contains("missing"),
                "{line}"
            );
        }
    }
}

#[test]
fn a_success_carries_status_id_headers_and_rate_limit() {
    let server = MockServer::start();
    server.mock(|when, then| {
        when.method(GET)
            .path("/api/v1/console/agents")
            .query_param("page", "1");
        then.status(200)
            .header("X-Request-Id", "req_9")
            .header("X-RateLimit-Limit", "120")
            .header("X-RateLimit-Remaining", "119")
            .header("X-RateLimit-Reset", "1789000000.25")
            .header("Retry-After", "1.5")
            .json_body(json!({"message": "ok", "data": [{"id": "a"}], "meta": {}}));
    });
    let client = Client::builder(KEY)
        .base_url(server.base_url())
        .build()
        .unwrap();
    let response = client.agents().list().send_with_response().unwrap();
    assert_eq!(response.data.data[0].id, "a");
    assert_eq!(response.data.request_id.as_deref(), Some("req_9"));
    assert_eq!(response.request_id.as_deref(), Some("req_9"));
    assert_eq!((response.status, response.attempts), (200, 1));
    assert_eq!(response.headers.get("x-ratelimit-LIMIT"), Some("120"));
    assert_eq!(response.rate_limit.limit, Some(120));
    assert_eq!(response.rate_limit.remaining, Some(119));
    assert_eq!(
        response.rate_limit.reset_at,
        Some(1_789_000_001),
        "rounded up, never early"
    );
    assert_eq!(response.rate_limit.retry_after.unwrap().as_secs_f64(), 1.5);
}

#[test]
fn a_rate_limit_error_has_its_four_figures() {
    let server = MockServer::start();
    server.mock(|when, then| {
        when.method(POST)
            .path("/api/v1/console/x")
            .header_exists("idempotency-key");
        then.status(429)
            .header("X-RateLimit-Limit", "120")
            .header("X-RateLimit-Remaining", "0")
            .header("X-RateLimit-Reset", "1789000000")
            .header("Retry-After", "7.5")
            .json_body(json!({"message": "slow down", "code": "rate_limited", "statusCode": 429}));
    });
    let client = Client::builder(KEY)
        .base_url(server.base_url())
        .max_retry_wait(Duration::ZERO)
        .build()
        .unwrap();
    let error = client.request("POST", "/x").send().unwrap_err();
    let Error::Api(api) = &error else {
        panic!("{error}")
    };
    let ApiErrorKind::RateLimit(limit) = api.kind() else {
        panic!("{error}")
    };
    assert_eq!((limit.limit, limit.remaining), (Some(120), Some(0)));
    assert_eq!(limit.reset_at, Some(1_789_000_000));
    assert_eq!(limit.retry_after, error.retry_after());
    assert_eq!(error.retry_after().unwrap().as_secs_f64(), 7.5);
    assert!(
        error
            .to_string()
            .contains("429 rate_limited: slow down; retry in 7.5s"),
        "{error}"
    );
}

#[test]
fn updates_take_options_and_none_of_them_lands_in_the_body() {
    let server = MockServer::start();
    let mock = server.mock(|when, then| {
        when.method("PATCH")
            .path("/api/v1/console/agents/a")
            .header("idempotency-key", "k")
            .header("x-request-id", "r")
            .json_body(json!({"name": "x"}));
        then.status(200)
            .json_body(json!({"message": "ok", "data": {"id": "a"}}));
    });
    let client = Client::builder(KEY)
        .base_url(server.base_url())
        .build()
        .unwrap();
    client
        .agents()
        .update("a", UpdateAgent::new().name("x"))
        .idempotency_key("k")
        .request_id("r")
        .timeout(std::time::Duration::from_secs(3))
        .max_retries(0)
        .send()
        .unwrap();
    mock.assert();
}

#[test]
fn every_status_maps_to_its_error_kind_and_message() {
    for (status, code, kind, advice) in [
        (400, "bad_request", ApiErrorKind::BadRequest, ""),
        (400, "workflow_required", ApiErrorKind::BadRequest, ""),
        (
            401,
            "api_key_invalid",
            ApiErrorKind::Authentication,
            "; check the key",
        ),
        (
            401,
            "api_key_expired",
            ApiErrorKind::Authentication,
            "; create a new key",
        ),
        (
            403,
            "insufficient_scope",
            ApiErrorKind::PermissionDenied,
            "; use a key with that scope",
        ),
        (404, "not_found", ApiErrorKind::NotFound, "; check the ids"),
        (409, "conflict", ApiErrorKind::Conflict, ""),
        (409, "integration_limit_reached", ApiErrorKind::Conflict, ""),
        (413, "", ApiErrorKind::Other, ""),
        (422, "odd", ApiErrorKind::Other, ""),
        (
            429,
            "too_many_streams",
            ApiErrorKind::RateLimit(Default::default()),
            "",
        ),
        (500, "internal_error", ApiErrorKind::InternalServer, ""),
        (501, "not_implemented", ApiErrorKind::NotImplemented, ""),
        (503, "", ApiErrorKind::InternalServer, ""),
        (599, "agent_limit_reached", ApiErrorKind::InternalServer, ""),
        (418, "tea", ApiErrorKind::Other, ""),
        (600, "", ApiErrorKind::Other, ""),
    ] {
        let body = json!({"message": "why", "code": code, "statusCode": status}).to_string();
        let error = fails(&giving(status, ID, &body));
        keeps(&error, status, body.as_bytes());
        let Error::Api(api) = &error else {
            panic!("{error}")
        };
        assert_eq!(api.kind(), &kind, "{status}");
        assert_eq!(api.code().map(ErrorCode::as_str).unwrap_or_default(), code);
        assert_eq!(api.message(), "why");
        let code = if code.is_empty() {
            String::new()
        } else {
            format!(" {code}")
        };
        let line = error.to_string();
        assert!(
            line.starts_with(&format!("GET /agents/agt_1: {status}{code}: why{advice}")),
            "{line}"
        );
        assert!(line.ends_with(" (request req_7)"), "{line}");
        assert_eq!(format!("{error:?}"), line);
        assert_eq!(format!("{error:#?}"), line);
    }
}

#[test]
fn an_error_without_a_usable_body_describes_its_status() {
    for (status, body, line) in [
        (502, "", "502: Bad Gateway"),
        (
            502,
            "<!doctype html><h1>canary</h1>",
            "502: Bad Gateway (an HTML page: from a gateway, not from the API)",
        ),
        (500, "canary, not JSON", "500: Internal Server Error"),
        (500, r#""canary""#, "500: Internal Server Error"),
        (
            500,
            r#"{"error":"Internal Server Error","canary":1}"#,
            "500: Internal Server Error",
        ),
        (500, r#"{"message":{"canary":1},"error":"Odd"}"#, "500: Odd"),
        (500, r#"{"message":[]}"#, "500: Internal Server Error"),
        (599, "", "599"),
    ] {
        let error = fails(&giving(status, ID, body));
        keeps(&error, status, body.as_bytes());
        assert_eq!(
            error.to_string(),
            format!("GET /agents/agt_1: {line}; retry later (request req_7)")
        );
    }
}

#[test]
fn server_text_in_errors_is_one_bounded_line() {
    let long = "x".repeat(5_000);
    let body = json!({
        "message": format!("a\nb\r\u{1b}[31m\u{2028}\u{202e}{long}"),
        "code": format!("c\n{long}"),
        "request_id": format!("r\n{long}"),
    });
    let error = fails(&giving(500, &[], body.to_string()));
    let line = error.to_string();
    assert!(line.chars().count() < 900, "{line}");
    assert!(
        line.chars()
            .all(|c| !c.is_control() && c != '\u{2028}' && c != '\u{202e}'),
        "{line:?}"
    );
    let Error::Api(api) = error else { panic!() };
    assert!(
        api.message().len() > 5_000,
        "the accessor returns the full message"
    );
}

#[test]
fn the_request_id_is_taken_from_header_then_body_then_request() {
    let send = |server: &Server| {
        let client = server.builder().max_retries(0).build().unwrap();
        client
            .agents()
            .retrieve("a")
            .request_id("sent")
            .send()
            .unwrap_err()
    };
    let body = r#"{"message":"m","request_id":"in-body"}"#;
    assert_eq!(send(&giving(500, ID, body)).request_id(), Some("req_7"));
    assert_eq!(send(&giving(500, &[], body)).request_id(), Some("in-body"));
    assert_eq!(send(&giving(500, &[], "{}")).request_id(), Some("sent"));
    assert_eq!(
        send(&giving(500, &["X-Request-Id:"], "{}")).request_id(),
        Some("sent")
    );
    assert_eq!(send(&giving(200, &[], "{}")).request_id(), Some("sent"));
    let unused = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let client = Client::builder(KEY)
        .base_url(format!("http://{unused}"))
        .max_retries(0)
        .build();
    let error = client
        .unwrap()
        .agents()
        .retrieve("a")
        .request_id("sent")
        .send()
        .unwrap_err();
    assert_eq!(error.request_id(), Some("sent"));
}

#[test]
fn debug_of_headers_shows_the_request_id_unless_it_quotes_the_key() {
    let headers = &["X-Request-Id: req_7", "Set-Cookie: session"];
    let error = fails(&giving(500, headers, "{}"));
    let Error::Api(api) = &error else { panic!() };
    let shown = format!("{:?}", api.headers());
    assert!(shown.contains(r#""x-request-id": "req_7""#), "{shown}");
    assert!(shown.contains(r#""set-cookie": "[redacted]""#), "{shown}");

    let headers = &["X-Request-Id: for sk_test_canary", "Server: sk_test_canary"];
    assert!(headers.iter().all(|header| header.contains(KEY)));
    let error = fails(&giving(500, headers, "{}"));
    let Error::Api(api) = &error else { panic!() };
    let shown = format!("{:?} {error}", api.headers());
    assert!(!shown.contains(KEY), "{shown}");
    assert!(shown.contains(r#""x-request-id": "[redacted]""#), "{shown}");
    // The accessor still returns it.
    assert_eq!(api.headers().get("server"), Some(KEY));
}

#[test]
fn valid_json_with_a_wrong_content_type_is_accepted() {
    let body = r#"{"message":"ok","data":{"id":"a"}}"#;
    for header in [
        "Content-Type: text/html",
        "Content-Type: ",
        "Content-Type: ;;;",
    ] {
        let headers: &'static [&'static str] = Vec::leak(vec![header]);
        giving(200, headers, body)
            .client()
            .agents()
            .retrieve("a")
            .send()
            .expect(header);
    }
    let error = fails(&giving(
        200,
        &["Content-Type: text/csv", "X-Request-Id: req_7"],
        "a,b",
    ));
    keeps(&error, 200, b"a,b");
    assert!(
        error
            .to_string()
            .contains("expected JSON, got \"text/csv\""),
        "{error}"
    );
}

#[test]
fn interim_responses_are_skipped() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{\"data\":{\"id\":\"aaaa\"}}";
    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let server = writing(format!("{interim}{}", ok.replace("21", "22")));
        let client = server.builder().max_retries(0).build().unwrap();
        assert_eq!(
            client.agents().retrieve("a").send().expect(interim).id,
            "aaaa"
        );
        let body = UpdateAgent::new().name("x");
        assert_eq!(
            client.agents().update("a", body).send().expect(interim).id,
            "aaaa"
        );
    }
    // A final 101 response is an error.
    let error = fails(&writing(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    ));
    assert_eq!(error.status(), Some(101), "{error}");
}

#[test]
fn chunked_bodies_are_assembled_from_any_pieces() {
    let server = Server::responding(|connection, _, _| {
        connection.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for byte in br#"{"data":{"id":"abc"}}"# {
            connection.raw([b"1;x=y\r\n", &[*byte][..], b"\r\n"].concat());
        }
        connection.raw("0\r\nTrailer: x\r\n\r\n");
    });
    let client = server.client();
    for _ in 0..3 {
        assert_eq!(client.agents().retrieve("a").send().unwrap().id, "abc");
    }
}

#[test]
fn a_damaged_chunked_body_is_a_connection_error_that_says_so() {
    for body in ["zz\r\n", "5\r\nabcdefgh\r\n", "ffffffffffffffffffff\r\n"] {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let error = fails(&writing(format!("{head}{body}")));
        assert!(matches!(error, Error::Connection(_)), "{error}");
        assert!(
            error.to_string().contains("the response's body is damaged"),
            "{error}"
        );
    }
}

#[test]
fn unrequested_compression_is_named_in_the_error() {
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3];
    let headers = &["Content-Encoding: br", "X-Request-Id: req_7"];
    let error = fails(&giving(200, headers, gzip));
    keeps(&error, 200, &gzip);
    assert!(
        error
            .to_string()
            .contains("unexpected content encoding \"br\""),
        "{error}"
    );
    #[cfg(not(feature = "gzip"))]
    {
        let server = giving(200, &["Content-Encoding: gzip"], gzip);
        assert!(
            fails(&server)
                .to_string()
                .contains("content encoding \"gzip\"")
        );
        assert_eq!(
            server.requests()[0].header("accept-encoding"),
            Some("identity")
        );
    }
    // An error still keeps its status.
    let error = fails(&giving(503, headers, gzip));
    keeps(&error, 503, &gzip);
}

#[test]
fn a_truncated_body_without_length_is_retried_then_an_error_with_its_text() {
    let whole = r#"{"data":{"id":"abc"}}"#;
    let head = "HTTP/1.1 200 OK\r\nX-Request-Id: req_7\r\nConnection: close\r\n\r\n";
    for end in 1..whole.len() {
        let error = fails(&writing(format!("{head}{}", &whole[..end])));
        keeps(&error, 200, &whole.as_bytes()[..end]);
        assert!(
            error
                .to_string()
                .contains("closed before the body was complete"),
            "{error}"
        );
    }
    let agent = writing(format!("{head}{whole}"))
        .client()
        .agents()
        .retrieve("a")
        .send()
        .unwrap();
    assert_eq!(agent.id, "abc");
    // The second response is complete.
    let server = Server::start(move |mut connection| {
        let _ = connection.request();
        let body = if connection.number == 0 {
            &whole[..7]
        } else {
            whole
        };
        connection.raw(format!("{head}{body}"));
        connection.close();
    });
    let response = server
        .client()
        .agents()
        .retrieve("a")
        .send_with_response()
        .unwrap();
    assert_eq!(response.attempts, 2);
    // Raw bytes are not silently truncated either.
    let server = writing(format!("{head}{}", &whole[..7]));
    let client = server.builder().max_retries(0).build().unwrap();
    let raw = client.request("GET", "/x").raw().send();
    assert!(matches!(raw, Err(Error::Decode(_))), "{raw:?}");
}

#[test]
fn a_body_with_a_length_that_ends_early_is_a_connection_error_at_every_byte() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{\"data\":{\"id\":\"abc\"}}";
    for end in 0..whole.len() {
        let error = fails(&writing(&whole[..end]));
        assert!(matches!(error, Error::Connection(_)), "{end}: {error}");
        assert!(error.may_have_been_sent() && error.is_retryable());
        let says = if end == 0 {
            "without a response"
        } else {
            "in the middle of the response"
        };
        assert!(error.to_string().contains(says), "{end}: {error}");
    }
    let agent = writing(whole)
        .client()
        .agents()
        .retrieve("a")
        .send()
        .unwrap();
    assert_eq!(agent.id, "abc");
}

#[test]
fn a_response_sent_before_the_request_was_read_is_returned() {
    let server = Server::start(|mut connection| {
        // Only the head of the request is read, not the megabytes of its body.
        let mut socket = connection.stream();
        let _ = std::io::Read::read(&mut socket, &mut [0; 512]);
        connection.respond(
            413,
            &["Connection: close", "X-Request-Id: req_7"],
            r#"{"message":"too big"}"#,
        );
        std::thread::sleep(std::time::Duration::from_millis(50));
        connection.reset();
    });
    let client = server.builder().max_retries(0).build().unwrap();
    let body = json!({"text": "x".repeat(8 << 20)});
    let error = client.request("POST", "/x").json(&body).send().unwrap_err();
    match error.status() {
        Some(413) => assert_eq!(error.request_id(), Some("req_7")),
        // The reset may overtake the response; then the error says only that the connection broke.
        _ => assert!(
            matches!(error, Error::Connection(_)) && error.may_have_been_sent(),
            "{error}"
        ),
    }
}

#[test]
fn a_response_that_is_not_http_is_named() {
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/2 200\r\n\r\n",
    ] {
        let error = fails(&writing(bytes));
        assert!(matches!(error, Error::Connection(_)), "{error}");
        assert!(
            error.to_string().contains("the response is not HTTP"),
            "{error}"
        );
    }
}

#[test]
fn json_of_any_depth_is_read_or_refused() {
    let deep = format!(
        r#"{{"data":{}1{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let error = giving(200, ID, &deep)
        .client()
        .request("GET", "/x")
        .send()
        .unwrap_err();
    assert!(
        error.to_string().contains("the JSON is nested too deeply"),
        "{error}"
    );
    keeps(&error, 200, deep.as_bytes());
    // The data of a delete is ignored.
    giving(200, &[], &deep)
        .client()
        .agents()
        .delete("a")
        .send()
        .unwrap();
    let error = fails(&giving(500, ID, &deep));
    keeps(&error, 500, deep.as_bytes());
    let deep = format!(
        r#"{{"data":{{"id":"a","x":{}1{}}}}}"#,
        "[".repeat(90),
        "]".repeat(90)
    );
    giving(200, &[], &deep)
        .client()
        .agents()
        .retrieve("a")
        .send()
        .unwrap();
}

#[test]
fn an_error_message_is_short_with_many_invalid_fields() {
    let errors: Vec<String> = (0..5000)
        .map(|n| format!(r#"{{"path":"rules.{n}.id","message":"must not be empty, {n}"}}"#))
        .collect();
    let body = format!(
        r#"{{"code":"validation_error","message":"Request validation failed.","errors":[{}]}}"#,
        errors.join(",")
    );
    let server = Server::responding(move |connection, _, _| {
        connection.respond(400, &[], &body);
    });
    let error = server.client().agents().retrieve("a").send().unwrap_err();
    let line = error.to_string();
    assert!(
        line.contains("; rules.9.id: must not be empty, 9; and 4990 more"),
        "{line}"
    );
    assert!(line.len() < 1000, "{line}");
}
