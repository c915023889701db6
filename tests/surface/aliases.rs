//! The names of the TypeScript and Python SDKs find the items of this crate in the search of its
//! docs: a name that differs is a `#[doc(alias)]`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::cases::entries;
use crate::ids::source_files;
use crate::wire::text;

/// The public methods and types of the source, each with its aliases.
#[derive(Default)]
struct Source {
    methods: BTreeMap<String, BTreeSet<String>>,
    types: BTreeMap<String, BTreeSet<String>>,
}

impl Source {
    fn read() -> Source {
        let mut source = Source::default();
        for file in source_files("src") {
            source.add(&std::fs::read_to_string(file).unwrap());
        }
        source
    }

    fn add(&mut self, text: &str) {
        let mut aliases = BTreeSet::new();
        for line in text.lines().map(str::trim) {
            if let Some(alias) = line.strip_prefix("#[doc(alias = \"") {
                aliases.extend(alias.strip_suffix("\")]").map(str::to_owned));
            } else if let Some((is_method, name)) = item(line) {
                let items = if is_method {
                    &mut self.methods
                } else {
                    &mut self.types
                };
                items.entry(name).or_default().append(&mut aliases);
            } else if !line.starts_with("//") && !line.starts_with("#[") {
                aliases.clear();
            }
        }
    }
}

/// Returns the name of the public item that a line declares, and whether it is a method.
fn item(line: &str) -> Option<(bool, String)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    // Types that share their fields are declared by a macro, as `Call {`.
    let named = line.strip_suffix(" {").or(line.strip_suffix(" {}"));
    if let Some(name) = named
        .filter(|name| name.starts_with(|c: char| c.is_uppercase()) && name.chars().all(is_word))
    {
        return Some((false, name.to_owned()));
    }
    let (kind, rest) = line.strip_prefix("pub ")?.split_once(' ')?;
    let is_method = match kind {
        "fn" => true,
        "struct" | "enum" | "type" => false,
        _ => return None,
    };
    Some((
        is_method,
        rest.chars().take_while(|&c| is_word(c)).collect(),
    ))
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        camel += &first.to_uppercase();
        camel += rest;
    }
    camel
}

#[test]
fn typescript_names_of_operations_are_search_aliases() {
    let source = Source::read();
    let mut checked = BTreeSet::new();
    let mut missing = BTreeSet::new();
    for entry in entries() {
        // A resource and an operation are both methods: `knowledge_bases`, `get_test_code`.
        for method in text(entry, "python").split('.').skip(1) {
            let name = camel_case(method);
            if name == method {
                continue;
            }
            let aliases = source.methods.get(method);
            if !aliases.is_some_and(|aliases| aliases.contains(&name)) {
                missing.insert(format!("{name} of {method}"));
            }
            checked.insert(name);
        }
    }
    assert!(missing.is_empty(), "no alias {missing:?}");
    assert!(checked.contains("updateLiveStatus") && checked.contains("knowledgeBases"));
    assert!(checked.len() > 5, "{checked:?}");
}

#[test]
fn python_names_of_types_are_types_or_search_aliases() {
    let source = Source::read();
    let known: BTreeSet<&String> = source
        .types
        .keys()
        .chain(source.types.values().flatten())
        .chain(source.methods.values().flatten())
        .collect();
    let surface: Value =
        serde_json::from_str(include_str!("../data/python_surface.json")).expect("JSON");
    let mut checked = BTreeSet::new();
    for python in surface.as_object().expect("releases").values() {
        for part in ["models", "bodies", "enums", "aliases"] {
            let names = python[part].as_object().into_iter().flatten();
            checked.extend(names.map(|(name, _)| name));
        }
    }
    let missing: Vec<_> = checked.difference(&known).collect();
    assert!(
        missing.is_empty(),
        "neither a type nor an alias: {missing:?}"
    );
    assert!(checked.len() > 70, "{checked:?}");
}

/// The names of items and the search aliases of the whole source, in lower case.
fn searchable() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in source_files("src") {
        let text = std::fs::read_to_string(file).unwrap();
        for part in text.split("#[doc(alias").skip(1) {
            let list = part.split(")]").next().unwrap_or_default();
            names.extend(list.split('"').skip(1).step_by(2).map(str::to_lowercase));
        }
        let items = text.lines().filter_map(|line| item(line.trim()));
        names.extend(items.map(|(_, name)| name.to_lowercase()));
    }
    names
}

#[test]
fn python_names_of_exceptions_and_clients_are_items_or_search_aliases() {
    let known = searchable();
    let surface: Value =
        serde_json::from_str(include_str!("../data/python_surface.json")).expect("JSON");
    let releases = surface.as_object().expect("releases").values();
    let mut names: BTreeSet<&str> = releases
        .flat_map(|python| python["exceptions"].as_object().expect("exceptions").keys())
        .map(String::as_str)
        .collect();
    assert!(names.contains("APIConnectionError"), "{names:?}");
    names.extend(["BimpeAI", "AsyncBimpeAI", "AsyncPage"]);
    names.retain(|name| !known.contains(&name.to_lowercase()));
    assert!(names.is_empty(), "neither an item nor an alias: {names:?}");
}

#[test]
fn words_that_users_search_for_find_an_item() {
    let known = searchable();
    let words = [
        "authentication",
        "backoff",
        "cancel",
        "descending",
        "DNS lookup",
        "duplicate",
        "idempotency",
        "jitter",
        "mTLS",
        "pagination",
        "rate limit",
        "response",
        "resume",
        "retry",
        "timeout",
    ];
    // The search of rustdoc finds a part of a name, and does not tell `_` from nothing.
    let finds = |word: &str| known.iter().any(|name| name.contains(&word.to_lowercase()));
    let lost: Vec<_> = words.into_iter().filter(|word| !finds(word)).collect();
    assert!(lost.is_empty(), "nothing is found for {lost:?}");
}
