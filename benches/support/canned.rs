//! Canned responses of the current API, with three unknown fields in each agent.

use std::fmt::Write as _;
use std::time::Duration;

use super::server::{Response, Route};

pub const PREFIX: &str = "/api/v1/console";

/// Agents on the page that is listed.
pub const PAGE: usize = 100;

/// The number of pages to iterate over, and the delay of each.
pub const WALK_PAGES: usize = 20;
pub const WALK_WAIT: Duration = Duration::from_millis(20);

/// One canned stream.
#[derive(Clone, Copy)]
pub struct Stream {
    /// The conversation that it is under.
    pub conversation: &'static str,
    /// Bytes of text in a message.
    pub text: usize,
    pub messages: usize,
    pub framing: Framing,
}

/// How the body of a stream is cut into chunks.
#[derive(Clone, Copy, PartialEq)]
pub enum Framing {
    /// Every 16 KiB, wherever that is.
    Blocks,
    /// One chunk an event, as a server that writes event by event sends it.
    Events,
}

pub fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nX-Request-Id: \
         req_01HZY3V5T8M2Q4\r\nX-RateLimit-Limit: 600\r\nX-RateLimit-Remaining: 599\r\n\
         X-RateLimit-Reset: 1780646460\r\nDate: Fri, 05 Jun 2026 08:00:00 GMT\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn agent_fields(number: usize) -> String {
    format!(
        r#""id":"agt_{number:08}","name":"Restaurant assistant {number}","description":"Takes orders and books tables for the restaurant at the harbour.","workflow_id":"wf_01HZY3V5T8M2","language":"en","persona":"friendly","timezone":"Europe/Lisbon","logo":null,"business_name":"Harbour Kitchen","business_address":"Rua da Praia 12, 8000-001 Faro","business_email":"hello@harbour.example","business_description":null,"test_channel_code":"TEST-{number:06}","status":"live","status_reason":null,"escalation_email":"owner@harbour.example","created_at":"2026-06-05T08:00:00.000Z","updated_at":"2026-06-05T09:30:00.000Z","region":"eu-west-1","seats":42,"labels":["harbour","dinner"]"#
    )
}

pub fn agent() -> String {
    format!(
        r#"{{"success":true,"message":"OK","data":{{{},"knowledge_bases":[{{"id":"kb_1","type":"text","name":"Menu","description":null}}],"integrations":[],"channels":[{{"id":"ch_1","type":"whatsapp","name":"WhatsApp","status":"active","is_connected":true}}]}}}}"#,
        agent_fields(1)
    )
}

pub fn created() -> String {
    format!(
        r#"{{"success":true,"message":"OK","data":{{{}}}}}"#,
        agent_fields(2)
    )
}

/// A page of agents.
pub fn page(items: usize, current: usize, pages: usize) -> String {
    let mut text = String::from(r#"{"success":true,"message":"OK","data":["#);
    for number in 0..items {
        let comma = if number > 0 { "," } else { "" };
        // Pages of one list have different agents.
        let number = (current - 1) * items + number;
        let _ = write!(text, "{comma}{{{}}}", agent_fields(number));
    }
    let _ = write!(
        text,
        r#"],"meta":{{"total_count":{},"page_count":{pages},"current_page":{current},"limit":{items},"has_next_page":{},"has_previous_page":{}}}}}"#,
        items * pages,
        current < pages,
        current > 1,
    );
    text
}

pub fn ticket() -> String {
    r#"{"success":true,"message":"OK","data":{"ticket":"tk_0123456789abcdef0123456789abcdef","expires_in":60}}"#
        .to_owned()
}

/// The JSON of a message.
pub fn message(number: usize, text: usize) -> String {
    let text = "The table at the window is free from seven. "
        .bytes()
        .cycle()
        .take(text)
        .map(char::from)
        .collect::<String>();
    format!(
        r#"{{"id":"msg_{number:08}","conversation_id":"cnv_01HZY3V5T8M2","role":"user","message":"{text}","message_type":"text","created_at":"2026-06-05T08:00:00.000Z"}}"#
    )
}

pub fn event(number: usize, text: usize) -> String {
    format!(
        "event: message\nid: msg_{number:08}\ndata: {}\n\n",
        message(number, text)
    )
}

pub const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nDate: Fri, 05 Jun 2026 08:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n";

pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

pub fn stream(stream: Stream) -> Vec<u8> {
    let mut bytes = STREAM_HEAD.as_bytes().to_vec();
    let events = (0..stream.messages).map(|number| event(number, stream.text));
    match stream.framing {
        Framing::Events => events.for_each(|event| bytes.extend(chunk(event.as_bytes()))),
        Framing::Blocks => {
            let body = events.collect::<String>();
            let blocks = body.as_bytes().chunks(16 * 1024);
            blocks.for_each(|block| bytes.extend(chunk(block)));
        }
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

pub fn list_route(items: usize, page: usize) -> String {
    format!("GET {PREFIX}/agents?page={page}&limit={items} ")
}

/// Everything but what is live.
pub fn routes(streams: &[Stream]) -> Vec<Route> {
    let bytes = |body: &str| Response::Bytes(ok(body));
    let mut routes = vec![
        Route::new(format!("GET {PREFIX}/agents/agt_1 "), bytes(&agent())),
        Route::new(format!("POST {PREFIX}/agents "), bytes(&created())),
        Route::new(list_route(PAGE, 1), bytes(&page(PAGE, 1, 1))),
    ];
    for number in 1..=WALK_PAGES {
        let body = ok(&page(5, number, WALK_PAGES));
        routes.push(Route::new(
            list_route(5, number),
            Response::Late(WALK_WAIT, body),
        ));
    }
    for item in streams {
        let path = format!("{PREFIX}/agents/agt_1/conversations/{}", item.conversation);
        routes.push(Route::new(
            format!("POST {path}/stream-ticket "),
            bytes(&ticket()),
        ));
        routes.push(Route::new(
            format!("GET {path}/stream?"),
            Response::Bytes(stream(*item)),
        ));
    }
    routes
}
