//! API keys, routes, headers, errors and the log of requests.

use std::io::ErrorKind;
use std::time::Duration;

use bimpeai::emulator::{Emulator, Fault};
use serde_json::{Value, json};

use crate::support::{PREFIX, RESTAURANT, api, eventually, parse, quiet, start};

#[test]
fn each_api_key_gets_its_response() {
    let api = start(
        quiet()
            .expired_key("sk_old")
            .scoped_key("sk_few", ["agents:read"]),
    );
    let code = |name: &str, value: &str| api.send("POST", "/agents", &[(name, value)], "").code();
    assert_eq!(
        code("Authorization", ""),
        (401, "api_key_missing".to_owned())
    );
    assert_eq!(
        code("Authorization", "Bearer sk_no"),
        (401, "api_key_invalid".to_owned())
    );
    assert_eq!(
        code("X-Api-Key", "sk_old"),
        (401, "api_key_expired".to_owned())
    );
    assert_eq!(
        code("X-Api-Key", "sk_few"),
        (403, "insufficient_scope".to_owned())
    );
    assert_eq!(
        code("X-Api-Key", api.api_key()),
        (400, "validation_error".to_owned())
    );

    let refused = api
        .send("POST", "/agents", &[("X-Api-Key", "sk_few")], "")
        .json();
    assert_eq!(
        refused["message"],
        "This API key is missing the required scope: agents:write."
    );
    assert_eq!(
        api.send("GET", "/agents", &[("X-Api-Key", "sk_few")], "")
            .status,
        200
    );
}

#[test]
fn every_response_has_its_headers() {
    let api = api();
    for path in ["/agents", "/nowhere"] {
        let reply = api.send("GET", path, &[("X-Request-Id", "mine/1")], "");
        assert_eq!(reply.header("X-Request-Id"), Some("mine/1"));
        assert_eq!(
            reply.header("Content-Type"),
            Some("application/json; charset=utf-8")
        );
        assert!(reply.header("Date").unwrap().ends_with("GMT"));
    }
    assert_eq!(api.get("/agents").header("X-Request-Id").unwrap().len(), 36);
}

#[test]
fn errors_have_the_reference_form() {
    let reply = api().send("GET", "/agents/none", &[("X-Request-Id", "r")], "");
    let body = json!({
        "message": "Agent not found",
        "error": "Not Found",
        "code": "not_found",
        "statusCode": 404,
        "request_id": "r",
    });
    assert_eq!((reply.status, reply.json()), (404, body));
}

#[test]
fn validation_errors_have_two_forms() {
    let body =
        json!({ "workflow_id": RESTAURANT, "name": " ", "description": "d", "persona": "rude" });
    let refused = api().post("/agents", body.clone());
    assert_eq!(refused.code(), (400, "validation_error".to_owned()));
    let messages = json!([
        "name: must not be empty",
        "persona: must be one of the following values: professional, friendly, concise",
    ]);
    assert_eq!(refused.json()["message"], messages);

    let refused = start(quiet().guide_errors(true))
        .post("/agents", body)
        .json();
    assert_eq!(refused["message"], "Request validation failed.");
    assert_eq!(
        refused["errors"][0],
        json!({ "path": "name", "message": "must not be empty" })
    );
    assert_eq!(refused.get("statusCode"), None);
}

#[test]
fn ids_are_decoded_and_never_another_route() {
    let api = api();
    let agent = api.agent();
    for path in [
        format!("/agents/{agent}/knowledge_bases/%2e%2e"),
        format!("/agents/{agent}/knowledge_bases/.."),
        format!("/agents/{agent}%2Fknowledge_bases"),
        "/agents/a%2Fb".to_owned(),
        format!("/agents/{agent}/"),
        "/agents/".to_owned(),
        "/nowhere".to_owned(),
    ] {
        assert_eq!(
            api.delete(&path).code(),
            (404, "not_found".to_owned()),
            "{path}"
        );
    }
    assert_eq!(
        api.get(&format!("/agents/{}", agent.replace('c', "%63")))
            .status,
        200
    );
}

#[test]
fn bodies_that_are_not_objects_are_refused() {
    let api = api();
    for (body, code) in [
        ("{", "bad_request"),
        ("[]", "validation_error"),
        ("", "validation_error"),
    ] {
        assert_eq!(
            api.send("POST", "/agents", &[], body).code(),
            (400, code.to_owned()),
            "{body}"
        );
    }
}

#[test]
fn chunked_bodies_and_kept_connections_are_read() {
    use std::io::{Read, Write};
    let api = api();
    let mut socket = api.connect();
    let head = format!(
        "X-Api-Key: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        api.api_key()
    );
    for name in ["One", "Two"] {
        let body = json!({ "name": name }).to_string();
        let (first, rest) = body.split_at(3);
        let chunks = format!(
            "3\r\n{first}\r\n{:x};x=y\r\n{rest}\r\n0\r\n\r\n",
            rest.len()
        );
        write!(socket, "POST {PREFIX}/agents HTTP/1.1\r\n{head}{chunks}").unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}")
            || parse(&answer)
                .header("Content-Length")
                .is_none_or(|length| parse(&answer).body.len() < length.parse().unwrap())
        {
            let mut space = [0; 4096];
            let read = socket.read(&mut space).unwrap();
            assert!(read > 0);
            answer.extend_from_slice(&space[..read]);
        }
        assert_eq!(parse(&answer).data()["name"], name);
    }
    assert_eq!(api.accepted_connections(), 1);
}

#[test]
fn bytes_that_are_not_http_are_refused() {
    let api = api();
    assert_eq!(
        parse(&api.raw(b"\x01\x02nonsense\r\n\r\n").unwrap()).status,
        400
    );
    let long = format!("GET / HTTP/1.1\r\nX-Long: {}\r\n", "a".repeat(80_000));
    assert_eq!(parse(&api.raw(long.as_bytes()).unwrap()).status, 431);
    let big = format!("POST {PREFIX}/agents HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n");
    assert_eq!(parse(&api.raw(big.as_bytes()).unwrap()).status, 413);
}

#[test]
fn pages_are_counted() {
    let api = api();
    for n in 0..5 {
        api.post("/agents", json!({ "name": format!("Agent {n}") }));
    }
    let page = api.get("/agents?page=2&limit=2").json();
    assert_eq!(page["data"][0]["name"], "Agent 2");
    let meta = json!({
        "total_count": 5,
        "page_count": 3,
        "current_page": 2,
        "limit": 2,
        "has_next_page": true,
        "has_previous_page": true,
    });
    assert_eq!(page["meta"], meta);
    let names = |query: &str| -> Vec<Value> {
        let data = api.get(&format!("/agents?{query}")).data();
        data.as_array()
            .unwrap()
            .iter()
            .map(|agent| agent["name"].clone())
            .collect()
    };
    assert_eq!(names("sort=-created_at&limit=1"), ["Agent 4"]);
    assert_eq!(names("search=GENT%203"), ["Agent 3"]);
    assert_eq!(names("page=9"), Vec::<Value>::new());
    assert_eq!(
        api.get("/agents?search=none").json()["meta"]["page_count"],
        0
    );
}

#[test]
fn queries_are_validated() {
    let api = api();
    let (agent, _) = api.conversation();
    for query in [
        "/agents?page=0".to_owned(),
        "/agents?page=x".to_owned(),
        "/agents?page=1.5".to_owned(),
        "/agents?limit=101".to_owned(),
        "/agents?limit=0".to_owned(),
        "/agents?sort=colour".to_owned(),
        format!("/agents?search={}", "x".repeat(256)),
        "/workflows?scope=mine".to_owned(),
        format!("/agents/{agent}/conversations?channel=voice"),
        format!("/agents/{agent}/conversations?needs_attention=1"),
        format!("/agents/{agent}/calls?status=over"),
    ] {
        assert_eq!(
            api.get(&query).code(),
            (400, "validation_error".to_owned()),
            "{query}"
        );
    }
    assert_eq!(
        api.get(&format!("/agents?search={}", "%C3%A9".repeat(255)))
            .status,
        200
    );
}

#[test]
fn requests_are_recorded_as_sent() {
    let api = api();
    api.clear_requests();
    api.send(
        "GET",
        "/agents?search=a%26b+c&page=1",
        &[("X-Mine", "é")],
        "",
    );
    api.post("/agents/a%2Fb/calls", json!({ "destination": "no" }));
    let requests = api.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].method, "GET");
    assert_eq!(requests[0].path, "/agents");
    assert_eq!(requests[0].full_path(), format!("{PREFIX}/agents"));
    assert_eq!(requests[0].raw_query, "search=a%26b+c&page=1");
    assert_eq!(requests[0].query_value("search").as_deref(), Some("a&b c"));
    assert_eq!(requests[0].header("x-mine"), Some("é"));
    assert_eq!(requests[1].path, "/agents/a%2Fb/calls");
    assert_eq!(requests[1].json(), Some(json!({ "destination": "no" })));
    assert_eq!(requests[1].connection, requests[0].connection + 1);
}

#[test]
fn a_path_outside_the_api_is_recorded_in_full() {
    let api = api();
    for path in ["/health", "/api/v1/consoles/agents", PREFIX, "/agents"] {
        let text = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n");
        assert_eq!(parse(&api.raw(text.as_bytes()).unwrap()).status, 404);
        assert_eq!(api.requests().last().unwrap().full_path(), path);
    }
    let paths: Vec<String> = api.requests().into_iter().map(|r| r.path).collect();
    assert_eq!(paths, ["/health", "/api/v1/consoles/agents", "", "/agents"]);
}

#[test]
fn recorded_requests_are_selected_by_method_and_path() {
    let api = api();
    let (agent, conversation) = api.conversation();
    api.get(&format!("/agents/{agent}/calls?page=2"));
    let messages = format!("/agents/{agent}/conversations/{conversation}/messages");
    api.post(&messages, json!({ "message": "Hello" }));
    let paths = |method: &str, path: &str| -> Vec<String> {
        let found = api.requests_to(method, path).into_iter();
        found.map(|request| request.path).collect()
    };
    assert_eq!(
        paths("GET", "/agents/*/calls"),
        [format!("/agents/{agent}/calls")]
    );
    assert_eq!(paths("*", &messages).len(), 1);
    assert_eq!(paths("get", "/agents/**").len(), 2);
    assert_eq!(paths("POST", "/**"), ["/agents".to_owned(), messages]);
    assert_eq!(paths("DELETE", "/**"), [""; 0]);
    // A recorded path is a pattern for itself.
    for request in api.requests() {
        assert!(
            !paths(&request.method, &request.path).is_empty(),
            "{request:?}"
        );
    }
}

#[test]
fn a_response_to_head_has_the_length_of_get_and_no_body() {
    let api = api();
    api.agent();
    for path in ["/agents", "/agents/none"] {
        let (get, head) = (api.get(path), api.send("HEAD", path, &[], ""));
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.body, b"", "{path}");
        assert_eq!(
            head.header("Content-Length"),
            Some(get.body.len().to_string().as_str()),
            "{path}"
        );
        assert_eq!(head.header("Content-Type"), get.header("Content-Type"));
    }
    let large = format!("HEAD {PREFIX}/agents HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n");
    let refused = parse(&api.raw(large.as_bytes()).unwrap());
    assert_eq!((refused.status, refused.body.as_slice()), (413, &b""[..]));
}

#[test]
fn a_connection_stays_open_after_a_response_to_head() {
    let api = api();
    let request = |method: &str, path: &str| {
        let text = api.request(method, path, &[], "");
        text.replace("Connection: close\r\n", "")
    };
    let (head, last) = (
        request("HEAD", "/agents"),
        api.request("GET", "/calls", &[], ""),
    );
    let bytes = api.raw(format!("{head}{head}{last}").as_bytes()).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let statuses: Vec<&str> = text.split("HTTP/1.1 ").skip(1).map(|r| &r[..3]).collect();
    assert_eq!(statuses, ["200", "200", "501"]);
    assert!(text.contains("\r\n\r\nHTTP/1.1 501"), "{text}");
}

#[test]
fn a_fault_response_to_head_has_no_body() {
    let api = api();
    let many = Duration::from_millis(1);
    for (fault, status) in [
        (Fault::status(503), 503),
        (Fault::html(200), 200),
        (Fault::json(404, &json!({})), 404),
        (Fault::truncate(5), 200),
        (Fault::trickle(1, many), 200),
    ] {
        api.fault(fault);
        let head = api.send("HEAD", "/agents", &[], "");
        assert_eq!((head.status, head.body.as_slice()), (status, &b""[..]));
        assert_ne!(head.header("Content-Length"), Some("0"));
    }
    api.fault(Fault::reset_after_headers());
    let reset = api.raw(api.request("HEAD", "/agents", &[], "").as_bytes());
    assert_eq!(reset.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_status_without_a_body_is_sent_without_one() {
    let api = api();
    for status in [204, 304] {
        api.fault(Fault::json(status, &json!({ "message": "not to be sent" })));
        let reply = api.get("/agents");
        assert_eq!((reply.status, reply.body.as_slice()), (status, &b""[..]));
    }
}

#[test]
fn debug_shows_no_secret() {
    let api = api();
    api.send(
        "GET",
        "/agents?ticket=tick3t",
        &[("X-Api-Key", "sk_secret")],
        "",
    );
    api.post("/agents", json!({ "name": "B0dy" }));
    let shown = format!("{:?} {:#?}", api.clone(), api.requests());
    for secret in [api.api_key(), "sk_secret", "tick3t", "B0dy"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(!format!("{:?}", Emulator::builder().api_key("sk_mine")).contains("sk_mine"));
}

#[test]
fn dropping_the_last_handle_stops_the_emulator() {
    let api = api();
    let (agent, conversation) = api.conversation();
    let mut stream = api.stream(&agent, &conversation, "");
    let idle = api.connect();
    eventually("connections are taken", || api.accepted_connections() >= 4);
    let address = api.base_url().trim_start_matches("http://").to_owned();
    drop(api);
    stream.next();
    assert!(std::net::TcpStream::connect(address).is_err());
    drop(idle);
}

#[test]
fn two_emulators_share_nothing() {
    let (one, two) = (api(), api());
    one.agent();
    assert_ne!(one.api_key(), two.api_key());
    assert_eq!(two.get("/agents").json()["meta"]["total_count"], 0);
    let taken = one.base_url().rsplit_once(':').unwrap().1.parse().unwrap();
    assert!(quiet().port(taken).start().is_err());
}

#[test]
fn the_library_is_public_and_the_same_in_every_run() {
    let api = api();
    let found = api.get("/workflows?scope=public&search=restaurant").data();
    assert_eq!(found[0]["id"], RESTAURANT);
    assert!(api.get("/workflows?scope=public").json()["meta"]["total_count"].as_u64() >= Some(10));
    assert_eq!(
        api.get("/workflows?scope=owned").json()["meta"]["total_count"],
        0
    );
}
