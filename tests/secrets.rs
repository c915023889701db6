//! No secret is printed: a canary goes through everything that can print, and must not come out.
//!
//! A binary of its own, for it installs a logger. Its tests take turns, for there is one logger.

mod support;

use std::error::Error as _;
use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bimpeai::agents::{
    BimpeaiConfigure, CreateAgent, CustomApiConfigure, CustomApiCreateTool, IntegrationAuthConfig,
    McpServerConfigure,
};
use bimpeai::conversations::SendMessage;
use bimpeai::emulator::Emulator;
use bimpeai::stream::StreamTicket;
use bimpeai::{Client, ClientBuilder, Error};
use serde_json::json;
use support::{Connection, Request, Server};

/// The common part of all canaries.
const CANARY: &str = "canary";
const KEY: &str = "sk_canary_k1";
const TICKET: &str = "canary_ticket";
const CONNECTOR: &str = "canary_connector";
const HEADER: &str = "canary_header";
const BODY: &str = "canary_body";

struct Recorder {
    records: Mutex<String>,
    /// Whether ureq's records at TRACE are taken too.
    all: AtomicBool,
}

static RECORDER: Recorder = Recorder {
    records: Mutex::new(String::new()),
    all: AtomicBool::new(false),
};

impl log::Log for Recorder {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        // The filter that the documentation shows: all of everything, but ureq at DEBUG.
        let of_ureq = metadata.target().starts_with("ureq");
        self.all.load(Ordering::SeqCst) || !of_ureq || metadata.level() <= log::Level::Debug
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let mut records = self.records.lock().unwrap();
            writeln!(
                records,
                "{} {} {}",
                record.level(),
                record.target(),
                record.args()
            )
            .unwrap();
        }
    }

    fn flush(&self) {}
}

/// Lets one test run at a time, and clears the records.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if log::set_logger(&RECORDER).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
    RECORDER.records.lock().unwrap().clear();
    RECORDER.all.store(false, Ordering::SeqCst);
    turn
}

fn records() -> String {
    RECORDER.records.lock().unwrap().clone()
}

/// Returns all texts that an error can print, and the message of a panic with it.
fn prints(error: &Error) -> String {
    let mut text = format!("{error}\n{error:?}\n{error:#?}\n");
    let mut source = error.source();
    while let Some(inner) = source {
        writeln!(text, "{inner}\n{inner:?}\n{inner:#?}").unwrap();
        source = inner.source();
    }
    match error {
        Error::User(inner) => writeln!(text, "{inner}\n{inner:?}\n{}", inner.message()),
        Error::Connection(inner) => writeln!(text, "{inner}\n{inner:?}"),
        Error::Timeout(inner) => writeln!(text, "{inner}\n{inner:?}"),
        Error::Api(inner) => writeln!(
            text,
            "{inner}\n{inner:?}\n{:?}\n{:?}\n{:?}\n{}",
            inner.kind(),
            inner.code(),
            inner.headers(),
            inner.message(),
        ),
        Error::Decode(inner) => writeln!(text, "{inner}\n{inner:?}\n{:?}", inner.headers()),
        Error::SkippedMessage(inner) => writeln!(text, "{inner}\n{inner:?}\n{inner:#?}"),
        Error::Cancelled(inner) => writeln!(text, "{inner}\n{inner:?}"),
        _ => panic!("a kind that this test does not know: {error}"),
    }
    .unwrap();
    writeln!(text, "{:?}", error.request_id()).unwrap();
    text
}

#[track_caller]
fn clean(what: &str, text: &str) {
    let at = text.to_lowercase().find(CANARY);
    if let Some(at) = at {
        let start = text[..at]
            .char_indices()
            .rev()
            .nth(200)
            .map_or(0, |(at, _)| at);
        let end = (start + 400).min(text.len());
        panic!(
            "{what} shows a secret: …{}…",
            String::from_utf8_lossy(&text.as_bytes()[start..end])
        );
    }
}

/// Responds with every secret in all parts of a response.
fn echo(connection: &mut Connection, request: &Request, status: u16) {
    let bearer = request.header("authorization").unwrap_or("none").to_owned();
    let ticket = request.query("ticket").unwrap_or(TICKET).to_owned();
    let secrets = format!("{bearer} {ticket}");
    let key = bearer.trim_start_matches("Bearer ").to_owned();
    // A JSON string can be escaped in several ways.
    let escaped: String = key
        .chars()
        .map(|c| format!("\\u{:04x}", u32::from(c)))
        .collect();
    let body = match request.path().ends_with("/stream") {
        // The server of a stream quotes its ticket.
        true => format!(r#"{{"message":"no {ticket}","code":"{ticket}","request_id":"{ticket}"}}"#),
        false => format!(
            r#"{{"message":["{key}: {escaped}","x"],"code":"{key}","request_id":"{escaped}",
                "errors":[{{"path":"{key}","message":"{escaped}"}}],"data":"{BODY} {secrets}","sent":{}}}"#,
            json!(request.text())
        ),
    };
    let (id, ticket_id) = (
        format!("X-Request-Id: {key}"),
        format!("X-Request-Id: {ticket}"),
    );
    let headers = [
        if key == "none" {
            ticket_id.as_str()
        } else {
            id.as_str()
        },
        &format!("Location: https://elsewhere/{secrets}"),
        &format!("Set-Cookie: {secrets}"),
        &format!("X-Debug: {secrets}"),
        &format!("WWW-Authenticate: Bearer {secrets}"),
    ];
    connection.respond(status, &headers, body);
}

fn client(builder: ClientBuilder) -> Client {
    builder
        .max_retries(0)
        .default_header("X-Gateway", HEADER)
        .timeout(Duration::from_millis(150))
        .build()
        .unwrap()
}

/// Sends a read, writes whose bodies hold secrets, a list, and a stream. Returns the errors.
fn send_all(client: &Client, retries: u32) -> Vec<Error> {
    let integrations = client.agents().integrations();
    let auth = IntegrationAuthConfig::new()
        .token(CONNECTOR)
        .password(CONNECTOR);
    let tool = CustomApiCreateTool::new("n", "GET", "https://x")
        .headers_template(json!({ "X": CONNECTOR }))
        .auth_config(json!({ "token": CONNECTOR }));
    let custom = integrations.custom_api();
    let messages = client.conversations().messages();
    let results = [
        client
            .agents()
            .retrieve("agt_1")
            .max_retries(retries)
            .send()
            .err(),
        client.agents().create(CreateAgent::new(BODY)).send().err(),
        client.agents().list().search(BODY).send().err(),
        client
            .agents()
            .list()
            .prefetch()
            .into_iter()
            .next()
            .and_then(Result::err),
        client
            .agents()
            .delete("agt_1")
            .header("X-Own", HEADER)
            .send()
            .err(),
        integrations
            .bimpeai()
            .configure("agt_1", BimpeaiConfigure::bumpa(CONNECTOR))
            .send()
            .err(),
        integrations
            .mcp_server()
            .configure(
                "agt_1",
                McpServerConfigure::new("n", "https://x").auth_config(auth),
            )
            .send()
            .err(),
        custom.tools().add("agt_1", "i", tool).send().err(),
        messages
            .send("agt_1", "cnv_1", SendMessage::new(BODY))
            .send()
            .err(),
        client
            .request("POST", "/x")
            .query("q", BODY)
            .json(&json!({ "a": BODY }))
            .send()
            .err(),
        messages.stream_ticket("agt_1", "cnv_1").send().err(),
        messages
            .stream("agt_1", "cnv_1")
            .max_retries(retries)
            .header("X-Own", HEADER)
            .open()
            .err(),
        messages
            .stream("agt_1", "cnv_1")
            .reconnect(false)
            .into_iter()
            .find_map(Result::err),
    ];
    results.into_iter().flatten().collect()
}

type Serve = fn(&mut Connection, &Request);

#[test]
fn no_error_record_or_panic_shows_a_secret() {
    let _turn = turn();
    let hook = std::panic::take_hook();
    let servers: &[(&str, Serve)] = &[
        ("400", |c, r| echo(c, r, 400)),
        ("401", |c, r| echo(c, r, 401)),
        ("404", |c, r| echo(c, r, 404)),
        ("422", |c, r| echo(c, r, 422)),
        ("500", |c, r| echo(c, r, 500)),
        ("307", |c, r| echo(c, r, 307)),
        ("success that is none", |c, r| echo(c, r, 200)),
        ("an envelope of the wrong type", |c, r| {
            let text = json!([
                format!("{}, expected canary at line 1", r.text()),
                KEY,
                BODY
            ]);
            c.respond(
                200,
                &[],
                format!(r#"{{"data":{{"id":{text},"ticket":{text}}}}}"#),
            );
        }),
        ("broken JSON", |c, _| {
            c.respond(
                200,
                &[],
                format!(r#"{{"data":{{"id":"{KEY}","name":"{BODY}" "x"}}}}"#),
            );
        }),
        ("HTML", |c, _| {
            c.respond(
                502,
                &["Content-Type: text/html"],
                format!("<h1>{KEY} {BODY}</h1>"),
            );
        }),
        ("not HTTP", |c, r| {
            c.raw(format!("{KEY} {BODY} {}\r\n\r\n", r.text()));
        }),
        ("cut", |c, _| {
            c.raw(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{KEY} {BODY}"
            ));
            c.shut();
        }),
        ("silence", |_, _| {}),
        ("too large", |c, _| {
            c.raw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            while c.raw(KEY.repeat(10_000)) {}
        }),
        ("a stream, and then its error", |c, r| {
            if r.path().ends_with("/stream-ticket") {
                c.ticket(TICKET);
            } else {
                echo(c, r, 403);
            }
        }),
        ("a stream that reports an error", |c, r| {
            if r.path().ends_with("/stream-ticket") {
                c.ticket(TICKET);
            } else if r.path().ends_with("/stream") {
                c.event_stream();
                c.raw(format!("event: error\ndata: {KEY} {TICKET}\n\n"));
                c.shut();
            } else {
                echo(c, r, 400);
            }
        }),
        ("a stream that breaks", |c, r| {
            if r.path().ends_with("/stream-ticket") {
                c.ticket(TICKET);
            } else if r.path().ends_with("/stream") {
                c.event_stream();
                c.raw(format!(
                    "id: 1\nevent: message\ndata: {{\"{BODY}\": \"{KEY}\"\n\ndata: {BODY}"
                ));
                c.shut();
            } else {
                echo(c, r, 400);
            }
        }),
    ];
    let mut kinds = std::collections::BTreeSet::new();
    for (what, serve) in servers {
        let serve = *serve;
        let server = Server::responding(move |connection, request, _| serve(connection, request));
        let client = client(Client::builder(KEY).base_url(server.url()));
        // Once with records of retries, which takes longer.
        let errors = send_all(&client, u32::from(*what == "500"));
        assert!(errors.len() >= 5, "{what}: {}", errors.len());
        for error in errors {
            kinds.insert(kind(&error));
            clean(what, &prints(&error));
            // The output of a script that unwraps the error.
            std::panic::set_hook(Box::new(|_| {}));
            #[allow(clippy::unnecessary_literal_unwrap)]
            let unwrap = std::panic::AssertUnwindSafe(|| Err::<(), _>(error).unwrap());
            let panic = std::panic::catch_unwind(unwrap).unwrap_err();
            clean(what, panic.downcast_ref::<String>().expect("a message"));
        }
        clean(what, &records());
    }
    // Nothing listens on this port.
    let unused = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let nobody = client(Client::builder(KEY).base_url(format!("http://{unused}")));
    for error in send_all(&nobody, 0) {
        kinds.insert(kind(&error));
        clean("nobody listens", &prints(&error));
    }
    std::panic::set_hook(hook);
    let all = records();
    clean("the records", &all);
    assert!(
        all.contains("DEBUG bimpeai GET /agents/agt_1: 500"),
        "this crate's records were taken"
    );
    assert!(all.contains("DEBUG ureq::run"), "and ureq's");
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        ["Api", "Connection", "Decode", "SkippedMessage", "Timeout"]
    );
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::User(_) => "User",
        Error::Connection(_) => "Connection",
        Error::Timeout(_) => "Timeout",
        Error::Api(_) => "Api",
        Error::Decode(_) => "Decode",
        Error::SkippedMessage(_) => "SkippedMessage",
        Error::Cancelled(_) => "Cancelled",
        _ => "another",
    }
}

#[test]
fn no_refusal_and_no_cancellation_shows_a_secret() {
    let _turn = turn();
    let builder = || Client::builder(KEY);
    let bad_key = format!("{KEY}\n");
    let refusals = [
        Client::new(&bad_key).err(),
        Client::new(KEY.repeat(1_000)).err(),
        Client::new(format!("Bearer {KEY}")).err(),
        builder()
            .base_url(format!("https://user:{KEY}@x"))
            .build()
            .err(),
        builder()
            .base_url(format!("https://x?key={KEY}"))
            .build()
            .err(),
        builder().base_url(format!("{KEY}://x")).build().err(),
        builder().default_header("Authorization", KEY).build().err(),
        builder()
            .default_header(format!("Authorization: Bearer {KEY}"), "")
            .build()
            .err(),
        builder()
            .default_header("X", format!("{HEADER}\n"))
            .build()
            .err(),
        builder()
            .user_agent_suffix(format!("{HEADER}\n"))
            .build()
            .err(),
        builder()
            .proxy(format!("http://user:{KEY}@:x:"))
            .build()
            .err(),
        builder()
            .proxy(format!("gopher://user:{KEY}@x"))
            .build()
            .err(),
        builder().root_certificates(KEY).build().err(),
        builder()
            .root_certificates(format!("-----BEGIN CERTIFICATE-----\n{KEY}"))
            .build()
            .err(),
        builder().client_certificate(KEY, KEY).build().err(),
    ];
    for error in refusals {
        let error = error.expect("a refusal");
        assert!(matches!(error, Error::User(_)), "{error}");
        clean("a refusal", &prints(&error));
    }
    let server = Server::responding(|_, _, _| {});
    let client = client(Client::builder(KEY).base_url(server.url()));
    let post = || client.request("POST", "/x").json(&json!({ "a": BODY }));
    for request in [
        post().idempotency_key(format!("{HEADER} ")),
        post().request_id(format!("{HEADER}\n")),
        post().header("Authorization", KEY),
        post().header(format!("Authorization: {KEY}"), ""),
        post().header("X", format!("{HEADER}\0")),
    ] {
        let error = request.send().unwrap_err();
        assert!(matches!(error, Error::User(_)), "{error}");
        clean("a refused option", &prints(&error));
    }
    let stream = client
        .conversations()
        .messages()
        .stream("a", "c")
        .header("X-Own", HEADER);
    let handle = stream.handle();
    handle.cancel();
    let error = stream.open().unwrap_err();
    assert!(matches!(error, Error::Cancelled(_)), "{error}");
    clean("a cancellation", &prints(&error));
    clean("the records", &records());
}

#[test]
fn no_debug_of_a_public_type_shows_a_secret() {
    let _turn = turn();
    let server = Server::streaming(|connection, request, _| {
        if request.path().ends_with("/stream") {
            connection.event_stream();
            connection.raw("event: heartbeat\ndata: {\"ts\":1}\n\n");
            connection.closed_by_client();
        } else {
            let headers = [
                format!("X-Debug: {KEY}"),
                format!("Set-Cookie: {KEY}"),
                format!("X-Request-Id: {KEY}"),
            ];
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            connection.respond(
                200,
                &headers,
                r#"{"data":[{"id":"a"}],"meta":{"current_page":1,"has_next_page":true}}"#,
            );
        }
    });
    let text = std::cell::RefCell::new(String::new());
    let show = |value: &dyn Debug| {
        let mut text = text.borrow_mut();
        writeln!(text, "{value:?}\n{value:#?}").unwrap();
    };
    let builder = || {
        Client::builder(KEY)
            .base_url(server.url())
            .default_header("X-Gateway", HEADER)
            .proxy(format!("http://user:{HEADER}@127.0.0.1:9"))
            .client_certificate(CONNECTOR, CONNECTOR)
            .user_agent_suffix("my-tool/1")
    };
    show(&builder());
    let client = client(Client::builder(KEY).base_url(server.url()));
    show(&client);
    show(&client.agents());
    show(&client.agents().knowledge_bases());
    show(&client.agents().channels());
    show(&client.agents().actions());
    show(&client.agents().conversation_flows());
    let integrations = client.agents().integrations();
    show(&integrations);
    show(&integrations.bimpeai());
    show(&integrations.pipedream());
    show(&integrations.mcp_server());
    show(&integrations.mcp_server().tools());
    show(&integrations.custom_api());
    show(&integrations.custom_api().tools());
    show(&client.workflows());
    show(&client.conversations());
    let messages = client.conversations().messages();
    show(&messages);
    show(&client.calls());
    show(&client.phone_numbers());
    show(&client.phone_numbers().requests());
    // Requests and what they give.
    let create = client
        .agents()
        .create(CreateAgent::new(BODY))
        .header("X", HEADER);
    show(&create.idempotency_key(HEADER));
    show(
        &client
            .request("POST", "/x")
            .query("q", BODY)
            .json(&json!({ "a": BODY })),
    );
    let list = client.agents().list().search(BODY).header("X", HEADER);
    show(&list);
    let response = list.send_with_response().unwrap();
    show(&response);
    show(&response.headers);
    show(&response.rate_limit);
    show(&list.clone().pages());
    show(&response.data.into_iter());
    // Streams.
    let request = messages.stream("a", "c").header("X", HEADER).after(BODY);
    show(&request);
    show(&request.handle());
    let mut stream = request.open().unwrap();
    show(&stream);
    let _ = stream.try_recv();
    show(&stream);
    show(&messages.stream("a", "c").lifecycle());
    let ticket: StreamTicket = serde_json::from_value(json!({"ticket": TICKET})).unwrap();
    assert_eq!(ticket.ticket.expose(), TICKET);
    show(&ticket);
    // Bodies with connectors' secrets, at any depth.
    let auth = || {
        IntegrationAuthConfig::new()
            .token(CONNECTOR)
            .api_key(CONNECTOR)
            .password(CONNECTOR)
            .header_name("X")
            .username("u")
    };
    show(&auth());
    show(&BimpeaiConfigure::bumpa(CONNECTOR));
    show(&BimpeaiConfigure::paystack("pk", CONNECTOR, "NGN"));
    show(&BimpeaiConfigure::stripe("pk", CONNECTOR, "GBP"));
    show(&McpServerConfigure::new("n", "https://x").auth_config(auth()));
    show(&CustomApiConfigure::new("n").auth_config(auth()));
    show(
        &CustomApiCreateTool::new("n", "GET", "https://x")
            .auth_config(json!({ "token": CONNECTOR }))
            .headers_template(json!({ "X": { "y": CONNECTOR } }))
            .body_template(json!([CONNECTOR])),
    );
    show(
        &integrations
            .bimpeai()
            .configure("a", BimpeaiConfigure::bumpa(CONNECTOR)),
    );
    clean("a Debug", &text.borrow());
    clean("the records", &records());
}

#[test]
fn emulator_records_show_no_secret() {
    let _turn = turn();
    let emulator = Emulator::builder().api_key(KEY).start().unwrap();
    let client = emulator.client_builder().build().unwrap();
    let agent = client.agents().create(CreateAgent::new(BODY)).send();
    let id = agent.map_or_else(|_| "agt_1".to_owned(), |agent| agent.id.clone());
    let conversation = emulator.add_conversation(&id, "whatsapp");
    let messages = client.conversations().messages();
    let stream = messages.stream(&id, &conversation).max_retries(0).open();
    let _ = messages
        .send(&id, &conversation, SendMessage::new(BODY))
        .send();
    drop(stream);
    drop(emulator);
    let all = records();
    assert!(all.contains("/stream -> stream"), "{all}");
    clean("the emulator's records", &all);
}

/// What the documentation warns of is true, and so is that its filter helps: the tests above use it.
#[test]
fn ureq_at_trace_prints_whole_requests_and_the_filter_stops_it() {
    let _turn = turn();
    let server = Server::streaming(|connection, _, _| {
        connection.respond(404, &[], "{}");
    });
    let client = client(Client::builder(KEY).base_url(server.url()));
    RECORDER.all.store(true, Ordering::SeqCst);
    assert!(
        client
            .conversations()
            .messages()
            .stream("a", "c")
            .open()
            .is_err()
    );
    // It prints rows of sixteen bytes, as figures and as text.
    let text: String = records()
        .lines()
        .filter(|line| line.starts_with("TRACE ureq_proto"))
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(_, row)| row)
        .collect();
    assert!(text.contains(KEY), "the key");
    // And its records at DEBUG hold the URL as soon as TRACE is on.
    let debug: String = records()
        .lines()
        .filter(|line| line.starts_with("DEBUG ureq"))
        .collect();
    assert!(debug.contains("ticket=ticket-0"), "the ticket");
}
