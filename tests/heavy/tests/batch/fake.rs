//! An API of two operations that does what a test says, and remembers what it did.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bimpeai::agents::{CreateAgent, CreateKnowledgeBase};
use bimpeai::batch::{Batch, Report, RowError, Step};
use bimpeai::{Client, Error};
use serde_json::{Value, json};

use crate::support::{Connection, Request, Server};

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// It is performed, or its result replayed.
    Serve,
    /// It is performed, and the response lost with the connection.
    Lose,
    /// It is lost itself.
    LoseRequest,
    /// Refused before the idempotency key is looked at.
    Refuse(u16, &'static str),
    /// Refused, and the refusal is replayed to the same key.
    StoreRefusal(u16, &'static str),
    /// Performed, with this response body.
    Body(&'static str),
    /// Refused for its rate.
    TooFast(&'static str),
    /// Performed, without a response.
    Stall,
}

/// An API that performs each idempotency key once.
pub(crate) struct Fake {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Path and body of what was done.
    performed: Vec<(String, Value)>,
    stored: HashMap<String, (u16, String)>,
    forgetful: bool,
}

/// Decides what becomes of the request with this number, from 0.
type Script = dyn Fn(&Request, usize) -> Act + Send + Sync;

impl Fake {
    pub(crate) fn new(script: impl Fn(&Request, usize) -> Act + Send + Sync + 'static) -> Fake {
        let script: Box<Script> = Box::new(script);
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        let count = AtomicU32::new(0);
        let server = Server::start(move |mut connection| {
            while let Some(request) = connection.request() {
                let number = count.fetch_add(1, Ordering::SeqCst) as usize;
                let act = script(&request, number);
                if !serving.serve(&mut connection, &request, act) {
                    connection.reset();
                    return;
                }
            }
        });
        Fake { server, shared }
    }

    /// Serves everything.
    pub(crate) fn fair() -> Fake {
        Fake::new(|_, _| Act::Serve)
    }

    /// Does not remember any key.
    pub(crate) fn forgetful(self) -> Fake {
        self.shared.state.lock().unwrap().forgetful = true;
        self
    }

    /// A client that makes one attempt.
    pub(crate) fn client(&self) -> Client {
        self.server
            .builder()
            .share_rate_limit(false)
            .max_retries(0)
            .build()
            .unwrap()
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// How many agents and knowledge bases there are of each row.
    pub(crate) fn made(&self) -> HashMap<String, (usize, usize)> {
        let mut made: HashMap<String, (usize, usize)> = HashMap::new();
        for (path, body) in &self.shared.state.lock().unwrap().performed {
            if path.ends_with("/agents") {
                let name = body["name"].as_str().unwrap().to_owned();
                made.entry(name).or_default().0 += 1;
            } else {
                let row = path.split('/').rev().nth(1).unwrap();
                made.entry(row.trim_start_matches("agt-").to_owned())
                    .or_default()
                    .1 += 1;
            }
        }
        made
    }

    #[track_caller]
    pub(crate) fn assert_each_once(&self, rows: usize) {
        let made = self.made();
        assert_eq!(made.len(), rows, "{made:?}");
        assert!(made.values().all(|counts| *counts == (1, 1)), "{made:?}");
    }

    /// Returns the idempotency keys of all requests, in order.
    pub(crate) fn keys(&self) -> Vec<String> {
        let requests = self.server.requests();
        let keys = requests
            .iter()
            .filter_map(|request| request.header("idempotency-key"));
        keys.map(str::to_owned).collect()
    }
}

impl Shared {
    /// `false` where the connection is to be reset.
    fn serve(&self, connection: &mut Connection, request: &Request, act: Act) -> bool {
        let respond = |connection: &mut Connection, (status, body): (u16, String)| {
            connection.respond(status, &[], body)
        };
        match act {
            Act::Serve => respond(connection, self.once(request, None)),
            Act::Body(body) => {
                self.once(request, None);
                respond(connection, (201, body.to_owned()))
            }
            Act::Lose => {
                self.once(request, None);
                false
            }
            Act::LoseRequest => false,
            Act::Stall => {
                self.once(request, None);
                connection.closed_by_client();
                false
            }
            Act::Refuse(status, body) => respond(connection, (status, body.to_owned())),
            Act::StoreRefusal(status, body) => {
                respond(connection, self.once(request, Some((status, body))))
            }
            Act::TooFast(wait) => connection.respond(
                429,
                &[&format!("Retry-After: {wait}")],
                r#"{"code":"rate_limited","message":"slow"}"#,
            ),
        }
    }

    fn once(&self, request: &Request, refusal: Option<(u16, &str)>) -> (u16, String) {
        let mut state = self.state.lock().unwrap();
        let key = request.header("idempotency-key").unwrap_or("").to_owned();
        if let Some(stored) = state.stored.get(&key) {
            return stored.clone();
        }
        let response = match refusal {
            Some((status, body)) => (status, body.to_owned()),
            None => {
                let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
                let path = request.path().to_owned();
                let data = match path.ends_with("/agents") {
                    true => json!({
                        "id": format!("agt-{}", body["name"].as_str().unwrap()),
                        "name": body["name"],
                    }),
                    false => json!({"id": "kb-1", "name": body["name"]}),
                };
                state.performed.push((path, body));
                (201, json!({"message": "Created", "data": data}).to_string())
            }
        };
        if !key.is_empty() && !state.forgetful {
            state.stored.insert(key, response.clone());
        }
        response
    }
}

/// A folder for a journal that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // In memory where there is such a place: tests write thousands of synced records.
        let base = match Path::new("/dev/shm") {
            shm if shm.is_dir() => shm.to_owned(),
            _ => std::env::temp_dir(),
        };
        let path = base.join(format!("bimpeai-batch-{}-{count}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The lines of all files, without their headers.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for entry in std::fs::read_dir(&self.0).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "jsonl")
            {
                let text = std::fs::read_to_string(path).unwrap();
                lines.extend(text.lines().skip(1).map(str::to_owned));
            }
        }
        lines
    }

    /// How many records of this kind there are.
    pub(crate) fn count(&self, kind: &str) -> usize {
        let start = format!("{{\"{kind}\":");
        let lines = self.lines();
        lines.iter().filter(|line| line.starts_with(&start)).count()
    }

    /// Lets everything that was started have been started earlier.
    pub(crate) fn age(&self, by: Duration) {
        let path = self.0.join("0-of-1.jsonl");
        let mut text = String::new();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let mut record: Value = serde_json::from_str(line).unwrap();
            if let Some(at) = record.pointer_mut("/started/at") {
                *at = json!(at.as_u64().unwrap() - by.as_millis() as u64);
                text.push_str(&record.to_string());
            } else {
                text.push_str(line);
            }
            text.push('\n');
        }
        std::fs::write(path, text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn batch<'a>(folder: &Folder) -> Batch<'a> {
    Batch::new("job").journal(folder.path()).threads(2)
}

pub(crate) fn rows(count: usize) -> Vec<String> {
    (0..count).map(|row| format!("r{row}")).collect()
}

/// An agent with one knowledge base.
pub(crate) fn make(client: &Client, step: &Step<'_>, row: &str) -> Result<(), RowError> {
    let agent = step.send("agent", client.agents().create(CreateAgent::new(row)))?;
    let menu = CreateKnowledgeBase::text("Menu", row);
    step.send(
        "menu",
        client.agents().knowledge_bases().create(&agent.id, menu),
    )?;
    Ok(())
}

/// Runs the job of `make` on this number of rows.
pub(crate) fn run(batch: Batch<'_>, client: &Client, count: usize) -> Report {
    batch
        .run(client, rows(count), String::clone, |step, row| {
            make(client, step, row)
        })
        .unwrap()
}

pub(crate) fn is_status(error: &Error, status: u16) -> bool {
    error.status() == Some(status)
}
