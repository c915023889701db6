//! A server that records the request of each case, and returns the response that the case expects.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::cases::{Case, STREAM};
use crate::support::{Connection, KEY, Request, Server};

use bimpeai::Client;

/// The ticket of the stream, as awkward as the other values.
pub(crate) const TICKET: &str = "tkt é&+%=#/🍕";

/// A header that every call carries.
pub(crate) const TEAM: &str = "a, b; c=\"d\" &+% {}";

pub(crate) const PREFIX: &str = "/api/v1/console";

/// The requests of each caller's cases.
type Record = Arc<Mutex<HashMap<(String, usize), Vec<Request>>>>;

pub(crate) struct Recorder {
    server: Server,
    record: Record,
    pub(crate) cases: Arc<Vec<Case>>,
}

impl Recorder {
    pub(crate) fn new(cases: Vec<Case>) -> Recorder {
        let (cases, record) = (Arc::new(cases), Record::default());
        let (known, kept) = (cases.clone(), record.clone());
        let server = Server::start(move |mut connection| {
            while let Some(mut request) = connection.request() {
                let (who, number, target) = taken_apart(&request.target);
                request.target = target;
                let mut record = kept.lock().expect("no panic");
                record
                    .entry((who, number))
                    .or_default()
                    .push(request.clone());
                drop(record);
                if !respond(&mut connection, &request, &known[number]) {
                    return connection.close();
                }
            }
        });
        Recorder {
            server,
            record,
            cases,
        }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// A client of this crate that makes the calls of one case.
    pub(crate) fn client(&self, who: &str, number: usize) -> Client {
        Client::builder(KEY)
            .base_url(format!("{}/{who}/{number}", self.server.url()))
            .default_header("X-Team", TEAM)
            .build()
            .expect("a client")
    }

    /// What one case of one caller brought, in its order; targets begin after the API's prefix.
    pub(crate) fn requests(&self, who: &str, number: usize) -> Vec<Request> {
        let record = self.record.lock().expect("no panic");
        let key = (who.to_owned(), number);
        record.get(&key).cloned().unwrap_or_default()
    }
}

/// `/who/number/api/v1/console/…`: the caller, the case, and the rest of the target.
fn taken_apart(target: &str) -> (String, usize, String) {
    let mut parts = target.splitn(4, '/').skip(1);
    let mut next = || {
        parts
            .next()
            .unwrap_or_else(|| panic!("no case in {target}"))
    };
    let (who, number, rest) = (next(), next(), format!("/{}", next()));
    let rest = rest.strip_prefix(PREFIX).unwrap_or(&rest);
    (
        who.to_owned(),
        number.parse().expect("a number"),
        rest.to_owned(),
    )
}

/// Whether the connection can be used again.
fn respond(connection: &mut Connection, request: &Request, case: &Case) -> bool {
    if case.python != STREAM {
        let status = if request.method == "POST" { 201 } else { 200 };
        return connection.respond(status, &[], case.response.to_string());
    }
    if request.method == "POST" {
        return connection.data(&json!({ "ticket": TICKET, "expires_in": 60 }).to_string());
    }
    let data: &Value = &case.response["data"];
    let event = format!("id: m_1\nevent: message\ndata: {data}\n\n");
    connection.event_stream();
    connection.raw(event);
    false
}
