//! Ids are data: whatever an id contains, it is one segment of the intended path, or nothing is sent.

use std::collections::BTreeSet;

use bimpeai::{Client, Error};
use percent_encoding::percent_decode_str;

use crate::cases::{Case, GENERATIONS, STREAM, Variant, cases, entries};
use crate::support::Server;
use crate::table::perform;
use crate::wire::text;

/// Every operation with an id in its path, with its required fields alone.
fn operations() -> Vec<Case> {
    let mut seen = BTreeSet::new();
    GENERATIONS
        .into_iter()
        .flat_map(cases)
        .filter(|case| case.variant == Variant::Least && !case.ids.is_empty())
        .filter(|case| seen.insert(case.key()))
        .collect()
}

/// The method and path of the first request that a case sends.
fn route(case: &Case) -> (&str, String) {
    if case.python != STREAM {
        return (&case.method, case.path.clone());
    }
    let path = case.path.replace("/messages/stream", "/stream");
    ("POST", path.replace("/stream", "/stream-ticket"))
}

fn with_ids(case: &Case, ids: &[&str]) -> Case {
    let mut case = case.clone();
    for ((_, id), new) in case.ids.iter_mut().zip(ids) {
        *id = (*new).to_owned();
    }
    case
}

fn server() -> Server {
    Server::responding(|connection, _, _| {
        connection.respond(404, &[], r#"{"message":"none"}"#);
    })
}

/// The ids in a path that follows the route, decoded; `None` where it is another path.
fn ids_in(path: &str, route: &str) -> Option<Vec<String>> {
    let path = path.strip_prefix("/api/v1/console")?;
    let mut segments = path.split('/');
    let mut ids = Vec::new();
    for expected in route.split('/') {
        let segment = segments.next()?;
        if expected.starts_with('{') {
            ids.push(percent_decode_str(segment).decode_utf8().ok()?.into_owned());
        } else if segment != expected {
            return None;
        }
    }
    segments.next().is_none().then_some(ids)
}

/// Sends one call. Returns what is wrong if it neither arrived as intended nor was refused unsent.
fn check(server: &Server, client: &Client, case: &Case, ids: &[&str]) -> Result<(), String> {
    let result = perform(client, &with_ids(case, ids));
    let requests = server.take_requests();
    let (method, route) = route(case);
    let shown: Vec<String> = ids.iter().map(|id| id.chars().take(60).collect()).collect();
    let describe = |what: &str| Err(format!("{method} {route} with {shown:?}: {what}"));
    match (&result, &requests[..]) {
        (Err(Error::User(_)), []) => Ok(()),
        (Err(Error::Api(_)), [request]) => {
            if request.method != method {
                return describe(&format!("was sent as {}", request.method));
            }
            let target = &request.target;
            if target.contains('?') && target != &format!("{}?page=1", request.path()) {
                return describe(&format!("has a query: {target}"));
            }
            match ids_in(request.path(), &route) {
                Some(received) if received == ids => Ok(()),
                _ => describe(&format!("went to {target}")),
            }
        }
        _ => describe(&format!("{result:?}, {} requests", requests.len())),
    }
}

/// Ids that a careless or hostile caller may pass.
const TRICKS: &[&str] = &[
    "",
    ".",
    "..",
    "...",
    "../..",
    "../agt_2",
    "%2e%2e",
    "%2E.",
    "..%2f",
    "a/b",
    "/",
    "//",
    "a?b=1",
    "a#b",
    "a&b",
    "a%2Fb",
    "%",
    "%%",
    "%00",
    "\0",
    "a\0b",
    "\r\nX: y",
    "a b",
    " ",
    "+",
    "\\",
    "..\\",
    "request",
    "clone",
    "configure",
    "messages",
    ";a=b",
    "@",
    "user@host",
    ":80",
    "é",
    "🍕",
    "\u{202e}",
    "..;/",
    "%c0%ae%c0%ae",
    "\u{ff0e}\u{ff0e}",
    "\u{2215}",
    "*",
    "~",
    "agt_1",
    "cmlqacdwm0001zovcpe6656cg",
];

/// A small generator of pseudo-random numbers, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % end
    }

    fn trick(&mut self) -> &'static str {
        TRICKS[self.below(TRICKS.len())]
    }

    /// A trick, several of them joined, or any characters.
    fn id(&mut self) -> String {
        match self.below(4) {
            0 => self.trick().to_owned(),
            1 => (0..2 + self.below(2)).map(|_| self.trick()).collect(),
            2 => (0..self.below(24))
                .map(|_| (b' ' + self.below(95) as u8) as char)
                .collect(),
            _ => (0..self.below(16))
                .filter_map(|_| char::from_u32(self.below(0x11_0000) as u32))
                .collect(),
        }
    }
}

#[test]
fn ten_thousand_ids_each_reach_the_intended_route_or_nothing() {
    let server = server();
    let client = server.builder().max_retries(0).build().unwrap();
    let operations = operations();
    let mut random = Random(1);
    for _ in 0..10_000 {
        let case = &operations[random.below(operations.len())];
        let ids: Vec<String> = case.ids.iter().map(|_| random.id()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        check(&server, &client, case, &ids).unwrap();
    }
}

#[test]
fn no_id_leaves_its_segment_on_any_operation() {
    let server = server();
    let client = server.builder().max_retries(0).build().unwrap();
    for operation in &operations() {
        let count = operation.ids.len();
        for trick in [
            "..",
            ".",
            "",
            "../../agt_2",
            "a?limit=1",
            "a#x",
            "x/conversations/messages",
        ] {
            for at in 0..count {
                let mut ids = vec!["agt_1"; count];
                ids[at] = trick;
                check(&server, &client, operation, &ids).unwrap();
            }
        }
        // And an escaped id is escaped again: it is data to the last percent sign.
        check(&server, &client, operation, &vec!["a%2Fb"; count]).unwrap();
    }
}

#[test]
fn ids_of_ten_kilobytes_are_sent_in_full_or_refused() {
    let server = server();
    let client = server.builder().max_retries(0).build().unwrap();
    for operation in &operations() {
        let count = operation.ids.len();
        for unit in ["a", "%", "🍕"] {
            let id = unit.repeat(10_240 / unit.len());
            check(&server, &client, operation, &vec![id.as_str(); count]).unwrap();
        }
    }
    let long = "a".repeat(10_240);
    let retrieve = client
        .conversations()
        .messages()
        .retrieve(&long, &long, &long);
    assert!(
        matches!(retrieve.send(), Err(Error::Api(_))),
        "30 kB fit, and are sent"
    );
    let long = "🍕".repeat(2_560);
    let retrieve = client
        .conversations()
        .messages()
        .retrieve(&long, &long, &long);
    let error = retrieve.send().unwrap_err().to_string();
    assert!(
        error.contains("bytes long, and 65534 is the most"),
        "{error}"
    );
}

#[test]
fn a_refused_id_is_named_with_the_reason() {
    let server = server();
    let client = server.client();
    for (result, says) in [
        (
            client.agents().delete("").send(),
            "DELETE /agents/: not sent: agent_id is empty; an id is needed here",
        ),
        (
            client
                .agents()
                .knowledge_bases()
                .delete("agt_1", "..")
                .send(),
            "not sent: kb_id is \"..\", which is a step in a path and no id",
        ),
        (
            client.phone_numbers().retrieve("request").send().map(drop),
            "not sent: phone_number_id is \"request\", which is another route of the API",
        ),
    ] {
        let error = result.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.may_have_been_sent());
        assert_eq!(error.attempts(), 0);
    }
    assert!(server.requests().is_empty());
}

#[test]
fn every_documented_route_with_an_id_is_declared() {
    // The route in the documentation of each operation.
    let mut documented = BTreeSet::new();
    for entry in source_files("src") {
        let text = std::fs::read_to_string(entry).unwrap();
        for line in text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("/// `"))
        {
            let Some((route, _)) = line.split_once('`') else {
                continue;
            };
            let Some((method, path)) = route.split_once(' ') else {
                continue;
            };
            let is_route = ["GET", "POST", "PATCH", "DELETE", "PUT"].contains(&method);
            if is_route && path.starts_with('/') && path.contains('{') {
                documented.insert(route.to_owned());
            }
        }
    }
    let declared: BTreeSet<String> = entries()
        .iter()
        .map(|entry| format!("{} {}", text(entry, "method"), text(entry, "path")))
        .collect();
    let missing: Vec<_> = documented.difference(&declared).collect();
    assert!(documented.len() > 40, "{documented:?}");
    assert!(missing.is_empty(), "{missing:?}");
}

pub(crate) fn source_files(folder: &str) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(source_files(path.to_str().unwrap()));
        } else {
            files.push(path);
        }
    }
    files
}
