//! Error messages end with advice.

mod support;

use std::time::Duration;

use bimpeai::agents::CreateAgent;
use bimpeai::{Client, Error};
use support::{KEY, Server};

const REPEAT: &str = "; the write may have happened; sending this request again is safe, because \
                      it keeps its idempotency key";

fn giving(status: u16, headers: &'static [&'static str], body: &'static str) -> Server {
    Server::responding(move |connection, _, _| {
        connection.respond(status, headers, body);
    })
}

fn client(server: &Server) -> Client {
    let builder = server.builder().max_retries(0);
    builder.max_retry_wait(Duration::ZERO).build().unwrap()
}

fn read(client: &Client) -> Error {
    let request = client.agents().retrieve("agt_1").request_id("r");
    request.send().unwrap_err()
}

fn write(client: &Client) -> Error {
    let request = client.agents().create(CreateAgent::new("n"));
    request.request_id("r").send().unwrap_err()
}

#[track_caller]
fn line(error: &Error) -> String {
    let line = error.to_string();
    assert_eq!(line.lines().count(), 1, "{line}");
    line.strip_suffix(" (request r)")
        .unwrap_or(&line)
        .to_owned()
}

#[test]
fn a_404_advises_to_check_the_ids_or_the_base_url() {
    const JSON: &str = r#"{"message":"no","code":"not_found"}"#;
    for (body, by_id, list, create) in [
        (
            JSON,
            "; check the ids",
            "; check the base URL",
            "; check the base URL, and the ids in the request body",
        ),
        (
            "{}",
            "; check the ids",
            "; check the base URL",
            "request body",
        ),
        // A body that is not a JSON object is not from the API.
        (
            "<!doctype html><title>404</title>",
            "; check the base URL and the ids",
            "; check the base URL",
            "request body",
        ),
        (
            "\u{feff}<html>",
            "; check the base URL and the ids",
            "; check the base URL",
            "body",
        ),
        (
            "404 page not found",
            "; check the base URL and the ids",
            "; check the base URL",
            "body",
        ),
        (
            "",
            "; check the base URL and the ids",
            "; check the base URL",
            "body",
        ),
        (
            "[]",
            "; check the base URL and the ids",
            "; check the base URL",
            "body",
        ),
    ] {
        let server = giving(404, &[], body);
        let client = client(&server);
        for (error, end) in [
            (read(&client), by_id),
            (
                client.agents().list().request_id("r").send().unwrap_err(),
                list,
            ),
            (
                client
                    .request("GET", "/agents")
                    .request_id("r")
                    .send()
                    .unwrap_err(),
                list,
            ),
            (
                client
                    .request("GET", "/agents/a")
                    .request_id("r")
                    .send()
                    .unwrap_err(),
                by_id,
            ),
            (write(&client), create),
        ] {
            let line = line(&error);
            assert!(line.ends_with(end), "{body}: {line}");
        }
    }
}

#[test]
fn a_401_advises_checking_the_api_key_only_if_it_was_sent() {
    for body in [
        "{}",
        r#"{"code":"api_key_missing","message":"no key"}"#,
        "<html>",
    ] {
        let server = Server::streaming(move |connection, _, _| {
            connection.respond(401, &[], body);
        });
        let client = client(&server);
        let line = line(&read(&client));
        assert!(
            line.ends_with("; check the key, usually in BIMPEAI_API_KEY"),
            "{line}"
        );

        let messages = client.conversations().messages();
        let stream = messages.stream("a", "c").max_retries(0).open();
        let line = stream.unwrap_err().to_string();
        assert!(line.contains("/stream: 401"), "{line}");
        assert!(!line.contains("key, usually"), "{line}");
        assert!(
            line.contains("; the ticket of the stream has expired or was used"),
            "{line}"
        );
    }
}

#[test]
fn a_server_error_says_whether_to_retry_and_whether_a_write_happened() {
    for status in [408, 500, 502, 503, 504, 599] {
        let server = giving(status, &[], r#"{"message":"why"}"#);
        let client = client(&server);
        assert_eq!(
            line(&read(&client)),
            format!("GET /agents/agt_1: {status}: why; retry later")
        );
        assert_eq!(
            line(&write(&client)),
            format!("POST /agents: {status}: why; retry later{REPEAT}")
        );
        let server = giving(status, &["Retry-After: 7"], r#"{"message":"why"}"#);
        let client = self::client(&server);
        assert_eq!(
            line(&read(&client)),
            format!("GET /agents/agt_1: {status}: why; retry in 7s")
        );
        assert_eq!(
            line(&write(&client)),
            format!("POST /agents: {status}: why{REPEAT}; retry in 7s")
        );
    }
}

#[test]
fn other_statuses_have_advice_too() {
    const AFTER: &[&str] = &["Retry-After: 7"];
    for (status, headers, body, end) in [
        (
            409,
            &[][..],
            "{}",
            "; check the current state, and use an idempotency key for one request only",
        ),
        (
            409,
            &[],
            r#"{"code":"integration_limit_reached"}"#,
            "; delete an integration, or change the plan",
        ),
        (
            403,
            &[],
            r#"{"code":"agent_limit_reached"}"#,
            "; delete an agent, or change the plan",
        ),
        (413, &[], "{}", "; send a smaller request body"),
        (429, &[], "{}", "; wait, and send fewer requests at a time"),
        (429, AFTER, "{}", "429: Too Many Requests; retry in 7s"),
        (
            429,
            &[],
            r#"{"code":"too_many_streams"}"#,
            "; close another stream of the team first",
        ),
        (501, &[], "{}", "; the API does not support this yet"),
        (
            401,
            &[],
            r#"{"code":"api_key_expired"}"#,
            "; create a new key in the console",
        ),
        (
            403,
            &[],
            r#"{"code":"insufficient_scope"}"#,
            "; use a key with that scope",
        ),
        (400, &[], r#"{"message":"why"}"#, "400: why"),
        (
            302,
            &[],
            "",
            "; redirects are not followed: check the base URL",
        ),
    ] {
        let server = giving(status, headers, body);
        let line = line(&write(&client(&server)));
        assert!(line.ends_with(end), "{line}");
    }
}

#[test]
fn a_409_caused_by_an_earlier_attempt_says_so() {
    let server = Server::responding(|connection, _, number| {
        connection.respond(
            if number == 0 { 503 } else { 409 },
            &[],
            r#"{"message":"busy"}"#,
        );
    });
    let client = server.builder().max_retries(1).build().unwrap();
    let line = write(&client).to_string();
    assert!(
        line.contains(
            "409: busy; an earlier attempt may still be in progress; send this request again later"
        ),
        "{line}"
    );
}

#[test]
fn a_lost_response_says_whether_to_retry() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\n";
    for response in [
        String::new(),
        HEAD.to_owned(),
        format!("{HEAD}Content-Length: 99\r\n\r\n{{\"da"),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\n{{\"da"),
        // Without a length, the JSON is truncated.
        format!("{HEAD}Connection: close\r\n\r\n{{\"da"),
    ] {
        let bytes = response.clone();
        let server = Server::start(move |mut connection| {
            let _ = connection.request();
            connection.raw(&bytes);
            connection.close();
        });
        let client = client(&server);
        let (read, write) = (line(&read(&client)), line(&write(&client)));
        assert!(read.ends_with("; retry"), "{response:?}: {read}");
        assert!(write.ends_with(REPEAT), "{response:?}: {write}");
    }
    let server = Server::start(|mut connection| {
        let _ = connection.request();
        connection.reset();
    });
    let client = client(&server);
    // The system's message follows.
    let (read, write) = (line(&read(&client)), line(&write(&client)));
    assert!(read.contains("; retry"), "{read}");
    assert!(write.contains(REPEAT), "{write}");
}

#[test]
fn a_write_timeout_says_that_the_write_may_have_happened() {
    for response in ["", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"da"] {
        let server = Server::start(move |mut connection| {
            let _ = connection.request();
            connection.raw(response);
            connection.closed_by_client();
        });
        let limit = Duration::from_millis(100);
        let client = server.builder().timeout(limit).max_retries(0);
        let client = client.build().unwrap();
        let error = write(&client);
        assert!(matches!(error, Error::Timeout(_)), "{error}");
        assert!(line(&error).ends_with(REPEAT), "{error}");
        let error = read(&client);
        assert!(!line(&error).contains("write"), "{error}");

        let client = server.client();
        let request = client.agents().create(CreateAgent::new("n"));
        let error = request.request_id("r").deadline(limit).send().unwrap_err();
        assert!(line(&error).contains("deadline"), "{error}");
        assert!(line(&error).ends_with(REPEAT), "{error}");
    }
}

#[test]
fn a_write_that_was_not_sent_did_not_happen() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", unused.local_addr().unwrap());
    drop(unused);
    let client = Client::builder(KEY).base_url(url).max_retries(0).build();
    let error = write(&client.unwrap());
    assert!(!error.may_have_been_sent());
    assert!(!line(&error).contains("may have happened"), "{error}");
}
