//! The table in the docs of `guide::python`, and the names of this crate, against what Python
//! says of its own SDK (`tests/data/python_surface.json`, written by `tests/python/introspect.py`).

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use bimpeai::agents::*;
use bimpeai::calls::{CallStatus, MakeCallStatus};
use bimpeai::conversations::{ConversationChannel, MessageRole, StreamMessageRole};
use bimpeai::error::ErrorCode;
use bimpeai::phone_numbers::PhoneNumberRegion;
use bimpeai::workflows::{WorkflowScope, WorkflowVisibility};
use serde_json::Value;

use crate::cases::entries;
use crate::wire::{flag, list, text, wire};

const TABLES: &str = include_str!("../../src/guide/python.md");

fn surface() -> Value {
    serde_json::from_str(include_str!("../data/python_surface.json")).expect("JSON")
}

fn names(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(map) => map.keys().map(String::as_str).collect(),
        _ => list(value).iter().filter_map(Value::as_str).collect(),
    }
}

/// The rows of the tables: what Python calls it, and the cells beside.
fn rows() -> BTreeMap<String, Vec<String>> {
    let mut rows = BTreeMap::new();
    for line in TABLES.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<String> = line
            .trim_matches('|')
            .split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect();
        let name = cells[0].replace('`', "");
        let twice = rows.insert(name.clone(), cells[1..].to_vec());
        assert_eq!(twice, None, "{name} has two rows");
    }
    rows
}

/// The operations, the first generation's `calls.list` apart from its namesake.
fn operations() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in entries() {
        let mut name = text(entry, "python").to_owned();
        if text(entry, "path") == "/calls" {
            name.push_str(" (0.1.0)");
        }
        let generations = list(&entry["generation"]).iter().filter_map(Value::as_str);
        found
            .entry(name)
            .or_default()
            .extend(generations.map(str::to_owned));
    }
    found
}

#[test]
fn rows_match_the_names_of_the_python_sdk() {
    let surface = surface();
    let mut due: BTreeSet<String> = operations().into_keys().collect();
    for (release, python) in surface.as_object().expect("releases") {
        for method in names(&python["methods"]) {
            assert!(
                due.contains(method),
                "{release}: {method} is not an operation of the wire"
            );
            let options = &python["methods"][method]["parameters"];
            for option in ["idempotency_key", "timeout", "max_retries", "headers"] {
                if options.get(option).is_some() {
                    due.insert(format!("({option})"));
                }
            }
        }
        for part in [
            "exports",
            "models",
            "bodies",
            "enums",
            "aliases",
            "exceptions",
        ] {
            due.extend(names(&python[part]).into_iter().map(str::to_owned));
        }
        for option in names(&python["client"]) {
            due.insert(format!("BimpeAI({option})"));
        }
        for (exception, what) in python["exceptions"].as_object().expect("exceptions") {
            let attributes = names(&what["attributes"]).into_iter();
            due.extend(attributes.map(|it| format!("{exception}.{it}")));
        }
        for class in ["Page", "ApiResponse"] {
            let members = names(&python["members"][class]).into_iter();
            due.extend(members.map(|it| format!("{class}.{it}")));
        }
    }
    let rows = rows();
    let written: BTreeSet<String> = rows.keys().cloned().collect();
    let missing: Vec<_> = due.difference(&written).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    let unknown: Vec<_> = written.difference(&due).collect();
    assert!(unknown.is_empty(), "Python has no {unknown:?}");
    for (name, cells) in &rows {
        assert!(
            cells[0].contains("](crate::"),
            "{name} leads nowhere: {cells:?}"
        );
    }
    assert!(due.len() > 200, "{} names", due.len());
}

#[test]
fn each_operation_has_the_name_and_the_releases_that_the_table_says() {
    let rows = rows();
    for (name, generations) in operations() {
        let Some(cells) = rows.get(&name) else {
            panic!("no row for {name} in the guide for Python users");
        };
        let method = name
            .split(' ')
            .next()
            .and_then(|name| name.rsplit('.').next());
        let ours = if name.ends_with(')') {
            Some("list_all")
        } else {
            method
        };
        let link = cells[0]
            .split("::")
            .last()
            .map(|end| end.trim_end_matches(')'));
        assert_eq!(link, ours, "{name}");
        let first = generations.first().expect("a generation");
        let said = match (first.as_str(), generations.len()) {
            ("0.1", 1) => "0.1".to_owned(),
            ("0.1", _) => "all".to_owned(),
            (first, _) => format!("{first}+"),
        };
        assert_eq!(cells[1], said, "{name}");
    }
}

/// `tests/types.rs` and the table of operations hold this crate to the wire's document; this holds
/// the document to Python, so that no field of the SDK falls between the two.
#[test]
fn each_field_of_python_is_one_of_the_wire() {
    let (surface, wire) = (surface(), wire());
    let mut seen = 0;
    for (release, python) in surface.as_object().expect("releases") {
        let input = |name: &str| {
            let fields = list(&wire["input_types"][name]);
            (!fields.is_empty()).then_some(fields)
        };
        let answer = |name: &str| list(&wire["types"][name]["fields"]);
        for (name, fields) in python["models"].as_object().expect("models") {
            for field in names(fields) {
                let known = answer(name).iter().any(|it| text(it, "name") == field);
                // Python's name of the guide's film is wrong, and that is known.
                assert!(known || field == "youtube_url", "{release}: {name}.{field}");
                seen += 1;
            }
        }
        for (method, what) in python["methods"].as_object().expect("methods") {
            let spoken = |entry: &&Value| {
                let generation = &release[..3];
                text(entry, "python") == method
                    && list(&entry["generation"]).iter().any(|it| it == generation)
            };
            let entry = entries().iter().find(spoken).expect(method);
            let first = release == "0.1.0" && entry.get("body_0_1").is_some();
            let body = list(&entry[if first { "body_0_1" } else { "body" }]);
            let positional = what["parameters"]["body"]["type"].as_str();
            let Some(taken) = what["body"].as_str().or(positional) else {
                assert!(body.is_empty(), "{release}: {method} takes no body");
                continue;
            };
            // One of two bodies is all the fields of both.
            let parts: Vec<&str> = match python["aliases"][taken].as_str() {
                Some(union) => union.split(" | ").collect(),
                None => vec![taken],
            };
            for part in parts {
                for (field, type_) in python["bodies"][part].as_object().expect(part) {
                    let known = body.iter().find(|it| text(it, "name") == field);
                    let known = known.unwrap_or_else(|| panic!("{release}: {part}.{field}"));
                    if python["aliases"][taken].is_null() {
                        let (theirs, ours) = (flag(type_, "required"), flag(known, "required"));
                        assert_eq!(theirs, ours, "{release}: {part}.{field} is required");
                    }
                    seen += 1;
                }
            }
        }
        for (name, fields) in python["bodies"].as_object().expect("bodies") {
            let Some(known) = input(name) else { continue };
            let declared: BTreeSet<&str> = known.iter().map(|it| text(it, "name")).collect();
            let theirs: BTreeSet<&str> = names(fields).into_iter().collect();
            assert_eq!(declared, theirs, "{release}: {name}");
            seen += 1;
        }
    }
    assert!(seen > 500, "{seen} fields");
}

#[test]
fn each_parameter_of_python_is_one_of_the_wire() {
    const OPTIONS: [&str; 4] = ["idempotency_key", "timeout", "max_retries", "headers"];
    // Settings of the stream itself.
    const STREAM: [&str; 3] = ["reconnect", "max_retries", "timeout"];
    let surface = surface();
    for (release, python) in surface.as_object().expect("releases") {
        for (method, what) in python["methods"].as_object().expect("methods") {
            let entry = entries()
                .iter()
                .find(|entry| {
                    let generations = list(&entry["generation"]);
                    text(entry, "python") == method
                        && generations.iter().any(|it| it == &release[..3])
                })
                .expect(method);
            let path = text(entry, "path");
            let query = list(&entry["query"]);
            let is_stream = method.ends_with(".stream");
            let takes = if release == "0.1.0" {
                "options_0_1"
            } else {
                "options"
            };
            for (name, parameter) in what["parameters"].as_object().expect("parameters") {
                let known = path.contains(&format!("{{{name}}}"))
                    || query.iter().any(|it| text(it, "name") == name)
                    || (name == "body" && flag(entry, "python_body_is_positional"))
                    || (is_stream && STREAM.contains(&name.as_str()))
                    || (flag(entry, takes) && OPTIONS.contains(&name.as_str()));
                assert!(known, "{release}: {method}({name}) {parameter}");
            }
        }
    }
}

fn knows<T: FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

#[test]
fn each_value_of_pythons_enums_is_known() {
    let known: BTreeMap<&str, fn(&str) -> bool> = BTreeMap::from([
        ("AgentLiveStatusValue", knows::<AgentLiveStatusValue> as _),
        ("AgentPersona", knows::<AgentPersona> as _),
        (
            "BimpeaiIntegrationType",
            knows::<BimpeaiIntegrationType> as _,
        ),
        ("CallStatus", knows::<CallStatus> as _),
        ("ConversationChannel", knows::<ConversationChannel> as _),
        ("IntegrationAuthType", knows::<IntegrationAuthType> as _),
        ("MakeCallStatus", knows::<MakeCallStatus> as _),
        ("McpServerTransport", knows::<McpServerTransport> as _),
        ("MessageRole", knows::<MessageRole> as _),
        ("ParameterType", knows::<ParameterType> as _),
        ("PhoneNumberRegion", knows::<PhoneNumberRegion> as _),
        ("StreamMessageRole", knows::<StreamMessageRole> as _),
        ("ToolHttpMethod", knows::<ToolHttpMethod> as _),
        ("WorkflowScope", knows::<WorkflowScope> as _),
        ("WorkflowVisibility", knows::<WorkflowVisibility> as _),
    ]);
    for (release, python) in surface().as_object().expect("releases") {
        for (name, values) in python["enums"].as_object().expect("enums") {
            let known = known
                .get(name.as_str())
                .unwrap_or_else(|| panic!("no {name}"));
            for value in names(values) {
                assert!(known(value), "{release}: {name} {value}");
            }
        }
        for code in names(&python["error_codes"]) {
            assert!(knows::<ErrorCode>(code), "{release}: {code}");
        }
    }
}
