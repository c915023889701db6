//! The same call, made by the official Python SDK and by this crate, is the same request.
//!
//! `tests/data/python_requests.json` holds what the SDK sends for the cases of both generations.
//! `.ci/python` has the SDK send it again, to the same server that this crate is recorded by
//! (`BIMPEAI_PYTHON` is the folder of the virtual environments, one for each release).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::cases::{Case, GENERATIONS, STREAM, Variant, cases, entries, query_of, unescaped};
use crate::recording::{Recorder, TEAM};
use crate::support::{KEY, Request};
use crate::table::{SUPERSEDED, perform};
use crate::wire::equal;

/// An intended difference: what differs, in which cases, and why.
struct Purposeful {
    what: &'static str,
    when: fn(&Case, &Value) -> bool,
    why: &'static str,
}

/// All intended differences between the SDK's requests and ours.
const DIFFERENCES: &[Purposeful] = &[
    Purposeful {
        what: "path",
        when: |case, _| case.variant == Variant::Ids,
        why: "an id is data, one escaped segment; the SDK pastes it into the path, where `/`, `..`, \
              `?` and `#` lead to another operation",
    },
    Purposeful {
        what: "query",
        when: |case, _| case.variant == Variant::Ids,
        why: "what follows a `?` in an id is part of the id here, and of the query there",
    },
    Purposeful {
        what: "path",
        when: |case, ours| SUPERSEDED.contains(&(&*case.python, &*case.path)) && is_stream(ours),
        why: "the stream's path of the first releases is superseded; both generations of callers \
              get the current one",
    },
    Purposeful {
        what: "body /guide/youtubeUrl",
        when: |case, _| case.python.starts_with("client.workflows."),
        why: "the wire says youtubeUrl",
    },
    Purposeful {
        what: "body /guide/youtube_url",
        when: |case, _| case.python.starts_with("client.workflows."),
        why: "the SDK sends the guide's film under a name that the API does not know",
    },
    Purposeful {
        what: "header idempotency-key",
        when: |case, _| case.options.contains_key("max_retries"),
        why: "a write carries a key always; the SDK's has none when it may not retry, and then \
              nothing tells a repeat by the network or by the caller from a second write",
    },
    Purposeful {
        what: "header last-event-id",
        when: |case, ours| case.variant == Variant::Bare && is_stream(ours),
        why: "documented beside `after`, and what a proxy understands; sent where a header can \
              hold it",
    },
    Purposeful {
        what: "header cache-control",
        when: |_, ours| is_stream(ours),
        why: "no-cache, as the standard has it for event streams, so that no proxy answers from \
              its store",
    },
    Purposeful {
        what: "header user-agent",
        when: |_, _| true,
        why: "each says who it is",
    },
    Purposeful {
        what: "header accept-encoding",
        when: |_, _| true,
        why: "compression is asked for with the feature `gzip` only, and never on a stream, where \
              it holds events back; httpx always asks",
    },
    Purposeful {
        what: "header connection",
        when: |_, _| true,
        why: "HTTP/1.1 keeps connections without being told; httpx tells",
    },
];

fn is_stream(request: &Value) -> bool {
    request["headers"]["accept"] == "text/event-stream"
}

/// The release of the SDK that speaks a generation.
fn release(generation: &str) -> String {
    format!("{generation}.{}", if generation == "0.1" { 0 } else { 1 })
}

/// A request without what is random, of one machine, or the frame of its body.
fn recorded(request: &Request, case: &Case) -> Value {
    let mut headers = Map::new();
    for (name, value) in &request.headers {
        let name = name.to_ascii_lowercase();
        let value = match name.as_str() {
            "host" | "content-length" => continue,
            "x-request-id" if case.own_header(&name).is_none() => "a random one".to_owned(),
            "idempotency-key" if !case.options.contains_key("idempotency_key") => {
                "a random one".to_owned()
            }
            // Python's depends on what else is installed.
            "accept-encoding" if value != "identity" => "compressed".to_owned(),
            "user-agent" => value.split(' ').next().unwrap_or_default().to_owned(),
            _ => value.clone(),
        };
        let before = headers.insert(name.clone(), json!(value));
        assert_eq!(before, None, "{}: duplicate {name}", case.name());
    }
    let mut recorded = json!({
        "method": request.method,
        "target": request.target,
        "headers": headers,
    });
    if !request.body.is_empty() {
        recorded["body"] = serde_json::from_slice(&request.body).expect("JSON");
    }
    recorded
}

fn all_recorded(recorder: &Recorder, who: &str, number: usize) -> Vec<Value> {
    let case = &recorder.cases[number];
    let requests = recorder.requests(who, number);
    requests.iter().map(|it| recorded(it, case)).collect()
}

/// The requests of the SDK, by release and case.
type Theirs = BTreeMap<String, BTreeMap<String, Vec<Value>>>;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/python_requests.json")
}

fn from_file() -> Theirs {
    let text = std::fs::read_to_string(file()).unwrap_or_else(|_| "{}".to_owned());
    serde_json::from_str(&text).expect("JSON")
}

/// One line for each case, so that a change can be read.
fn to_file(theirs: &Theirs) {
    let releases: Vec<String> = theirs
        .iter()
        .map(|(release, cases)| {
            let rows: Vec<String> = cases
                .iter()
                .map(|(name, requests)| format!("  {}: {}", json!(name), json!(requests)))
                .collect();
            format!(" {}: {{\n{}\n }}", json!(release), rows.join(",\n"))
        })
        .collect();
    std::fs::write(file(), format!("{{\n{}\n}}\n", releases.join(",\n"))).expect("it is written");
}

/// Has the SDK make the calls of all cases, by both of its clients.
fn from_python(environments: &Path, recorder: &Recorder) -> Theirs {
    let mut theirs = Theirs::new();
    for generation in GENERATIONS {
        let release = release(generation);
        let numbered = recorder.cases.iter().enumerate();
        let own: Vec<(usize, &Case)> = numbered
            .filter(|(_, case)| case.generation == generation)
            .collect();
        let settings = json!({
            "key": KEY,
            "default_headers": { "X-Team": TEAM },
            "cases": own.iter().map(|(n, case)| json!([n, case.to_json()])).collect::<Value>(),
        });
        let path = environments.join(format!("cases-{release}.json"));
        std::fs::write(&path, settings.to_string()).expect("the cases are written");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let output = Command::new(environments.join(&release).join("bin/python"))
            .arg(root.join("tests/python/peer.py"))
            .arg(recorder.url())
            .arg(path)
            .output()
            .expect("Python runs");
        assert!(
            output.status.success(),
            "bimpeai {release}:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let sent = own.iter().map(|(number, case)| {
            let requests = all_recorded(recorder, "sync", *number);
            let again = all_recorded(recorder, "async", *number);
            assert_eq!(requests, again, "{}: its two clients differ", case.name());
            assert!(!requests.is_empty(), "{}", case.name());
            (case.name(), requests)
        });
        theirs.insert(release, sent.collect());
    }
    theirs
}

/// Returns each place in which two requests differ.
fn differences(ours: &Value, theirs: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut note = |what: String, same: bool| {
        if !same {
            found.insert(what);
        }
    };
    let target = |request: &Value| request["target"].as_str().expect("a target").to_owned();
    let (our_target, their_target) = (target(ours), target(theirs));
    let segments = |target: &str| -> Vec<String> {
        let path = target.split('?').next().unwrap_or_default();
        path.split('/').map(|part| unescaped(part, false)).collect()
    };
    note("method".to_owned(), ours["method"] == theirs["method"]);
    note(
        "path".to_owned(),
        segments(&our_target) == segments(&their_target),
    );
    note(
        "query".to_owned(),
        query_of(&our_target) == query_of(&their_target),
    );
    let names = |request: &Value| -> BTreeSet<String> {
        let headers = request["headers"].as_object().expect("headers");
        headers.keys().cloned().collect()
    };
    for name in &names(ours) | &names(theirs) {
        let same = ours["headers"].get(&name) == theirs["headers"].get(&name);
        note(format!("header {name}"), same);
    }
    bodies("body ", ours.get("body"), theirs.get("body"), &mut found);
    found
}

fn bodies(place: &str, ours: Option<&Value>, theirs: Option<&Value>, found: &mut BTreeSet<String>) {
    match (ours, theirs) {
        (Some(Value::Object(ours)), Some(Value::Object(theirs))) => {
            let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
            for name in names {
                let place = format!("{place}/{name}");
                bodies(&place, ours.get(name), theirs.get(name), found);
            }
        }
        (Some(ours), Some(theirs)) if equal(ours, theirs) => {}
        (None, None) => {}
        _ => {
            found.insert(place.to_owned());
        }
    }
}

#[test]
fn each_request_equals_the_request_of_the_official_sdk() {
    let recorder = Recorder::new(GENERATIONS.into_iter().flat_map(cases).collect());
    for (number, case) in recorder.cases.iter().enumerate() {
        let client = recorder.client("ours", number);
        perform(&client, case).unwrap_or_else(|error| panic!("{}: {error}", case.name()));
    }

    let known = from_file();
    let environments = std::env::var_os("BIMPEAI_PYTHON").map(PathBuf::from);
    let theirs = match &environments {
        None => known,
        Some(environments) => {
            let now = from_python(environments, &recorder);
            if std::env::var_os("BIMPEAI_PYTHON_WRITE").is_some() {
                to_file(&now);
            } else {
                let stale = "is not what the SDK sends now; write it with BIMPEAI_PYTHON_WRITE=1";
                assert!(now == known, "{} {stale}", file().display());
            }
            now
        }
    };

    let mut operations = BTreeSet::new();
    let mut compared = 0;
    let mut used = BTreeSet::new();
    let mut unmeant = Vec::new();
    for (number, case) in recorder.cases.iter().enumerate() {
        let name = case.name();
        let ours = all_recorded(&recorder, "ours", number);
        let theirs = theirs
            .get(&release(case.generation))
            .and_then(|cases| cases.get(&name))
            .unwrap_or_else(|| panic!("no recorded request of {name}: `.ci/python --write`"));
        assert_eq!(ours.len(), theirs.len(), "{name}: {ours:?} {theirs:?}");
        for (ours, theirs) in ours.iter().zip(theirs) {
            for what in differences(ours, theirs) {
                let meant = DIFFERENCES
                    .iter()
                    .position(|it| it.what == what && (it.when)(case, ours));
                match meant {
                    Some(at) => drop(used.insert(at)),
                    None => unmeant.push(format!(
                        "{name}: {what}\n  ours   {ours}\n  theirs {theirs}"
                    )),
                }
            }
            compared += 1;
        }
        operations.insert(case.key());
    }
    assert!(unmeant.is_empty(), "{}", unmeant.join("\n"));
    for (at, difference) in DIFFERENCES.iter().enumerate() {
        assert!(
            used.contains(&at),
            "nothing differs in {:?} any more, which was so because {}",
            difference.what,
            difference.why
        );
    }
    assert_eq!(operations.len(), entries().len());
    let clients = if environments.is_some() { 2 } else { 1 };
    println!(
        "peer: {} operations, {} requests of the SDK compared, {} purposeful differences",
        operations.len(),
        compared * clients,
        DIFFERENCES.len()
    );
}

/// The comparison detects differences.
#[test]
fn a_difference_is_found_wherever_it_is() {
    let request = json!({
        "method": "POST",
        "target": "/agents/a%20b?x=1&y=a+b",
        "headers": {"accept": "application/json"},
        "body": {"name": "x", "deep": {"list": [1, {"a": null}]}},
    });
    assert!(differences(&request, &request).is_empty());
    let mut same = request.clone();
    same["target"] = json!("/agents/a%20b?y=a%20b&x=1");
    same["body"]["deep"]["list"][0] = json!(1.0);
    assert!(differences(&request, &same).is_empty());
    for (pointer, value, what) in [
        ("/method", json!("PUT"), "method"),
        ("/target", json!("/agents/a%2Fb?x=1&y=a+b"), "path"),
        ("/target", json!("/agents/a/b?x=1&y=a+b"), "path"),
        ("/target", json!("/agents/a%20b?x=1&y=a%2Bb"), "query"),
        ("/headers/accept", json!("*/*"), "header accept"),
        ("/body/deep/list/1", json!({}), "body /deep/list"),
        ("/body/name", json!(null), "body /name"),
    ] {
        let mut other = request.clone();
        *other.pointer_mut(pointer).expect("a place") = value;
        let expected: BTreeSet<String> = [what.to_owned()].into();
        assert_eq!(differences(&request, &other), expected);
    }
    let mut other = request.clone();
    let headers = other["headers"].as_object_mut().expect("headers");
    headers.insert("x".to_owned(), json!("1"));
    let expected: BTreeSet<String> = ["header x".to_owned()].into();
    assert_eq!(differences(&request, &other), expected);
    assert_eq!(STREAM.split('.').count(), 4);
}
