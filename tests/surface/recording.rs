//! A server that writes down what comes for each case, and answers what the case expects.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::cases::{Case, STREAM};
use crate::support::{Connection, KEY, Request, Server};

use bimpeai::Client;

/// What opens the stream, as awkward as the rest.
pub(crate) const TICKET: &str = "tkt é&+%=#/🍕";

/// A header that every call carries.
pub(crate) const TEAM: &str = "a, b; c=\"d\" &+% {}";

pub(crate) const PREFIX: &str = "/api/v1/console";

pub(crate) struct Recorder {
    server: Server,
    pub(crate) cases: Arc<Vec<Case>>,
}

impl Recorder {
    pub(crate) fn new(cases: Vec<Case>) -> Recorder {
        let cases = Arc::new(cases);
        let known = cases.clone();
        let server = Server::start(move |mut connection| {
            while let Some(request) = connection.request() {
                // `/who/number/api/v1/console/…`
                let number = request.path().split('/').nth(2);
                let number: usize = number.and_then(|n| n.parse().ok()).expect("a case");
                if !answer(&mut connection, &request, &known[number]) {
                    return connection.close();
                }
            }
        });
        Recorder { server, cases }
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
        let prefix = format!("/{who}/{number}{PREFIX}");
        let stripped = |mut request: Request| {
            request.target = request.target.strip_prefix(&prefix)?.to_owned();
            Some(request)
        };
        self.server
            .requests()
            .into_iter()
            .filter_map(stripped)
            .collect()
    }
}

/// Whether the connection is good for more.
fn answer(connection: &mut Connection, request: &Request, case: &Case) -> bool {
    if case.python != STREAM {
        let status = if request.method == "POST" { 201 } else { 200 };
        return connection.answer(status, &[], case.answer.to_string());
    }
    if request.method == "POST" {
        return connection.data(&json!({ "ticket": TICKET, "expires_in": 60 }).to_string());
    }
    let data: &Value = &case.answer["data"];
    let event = format!("id: m_1\nevent: message\ndata: {data}\n\n");
    connection.event_stream();
    connection.raw(event);
    false
}
