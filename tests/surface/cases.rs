//! Calls to be made: every operation of the wire in every way that matters, with values that are
//! awkward to send. Bodies have Python's names; [`on_the_wire`] returns those of the wire.

use serde_json::{Map, Value, json};

use crate::wire::{flag, list, object, text, wire};

/// The two generations that the official SDK's releases 0.1.0 and 0.4.1 speak.
pub(crate) const GENERATIONS: [&str; 2] = ["0.1", "0.4"];

pub(crate) const STREAM: &str = "client.conversations.messages.stream";

/// What an entry of the wire is known by: `calls.list` and `messages.stream` have two each.
pub(crate) type Key = (String, String);

#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) python: String,
    pub(crate) method: String,
    /// As the wire writes it, with `{agent_id}`.
    pub(crate) path: String,
    pub(crate) generation: &'static str,
    pub(crate) variant: Variant,
    /// In their order in the path.
    pub(crate) ids: Vec<(String, String)>,
    pub(crate) query: Map<String, Value>,
    pub(crate) body: Option<Map<String, Value>>,
    /// Per-call options, under Python's names.
    pub(crate) options: Map<String, Value>,
    /// Whether Python takes the body as one argument.
    pub(crate) positional: bool,
    /// The envelope that a server returns.
    pub(crate) response: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Every id, query and body field, set to what is awkward.
    Full,
    /// Only what is required.
    Least,
    /// Every field set to what is empty, false, zero, or no known value.
    Bare,
    /// Every nullable field null.
    Null,
    /// Ids that are not a single segment of a path.
    Ids,
}

impl Case {
    pub(crate) fn key(&self) -> Key {
        (self.python.clone(), self.path.clone())
    }

    pub(crate) fn name(&self) -> String {
        let Case {
            python,
            generation,
            variant,
            ..
        } = self;
        format!("{python} ({generation}, {variant:?})")
    }

    /// A header that the caller of this case sets.
    pub(crate) fn own_header(&self, name: &str) -> Option<&str> {
        let headers = self.options.get("headers")?.as_object()?;
        let mut headers = headers.iter();
        let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        found.1.as_str()
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "python": self.python,
            "path": self.path,
            "ids": self.ids,
            "query": self.query,
            "body": self.body,
            "options": self.options,
            "positional": self.positional,
        })
    }
}

pub(crate) fn entries() -> &'static [Value] {
    list(&wire()["operations"])
}

pub(crate) fn key(entry: &Value) -> Key {
    let part = |name| text(entry, name).to_owned();
    (part("python"), part("path"))
}

pub(crate) fn cases(generation: &'static str) -> Vec<Case> {
    let wire = wire();
    let spoken = |entry: &&Value| list(&entry["generation"]).contains(&json!(generation));
    let entries = list(&wire["operations"]).iter().filter(spoken);
    let variants = [
        Variant::Full,
        Variant::Least,
        Variant::Bare,
        Variant::Null,
        Variant::Ids,
    ];
    entries
        .flat_map(|entry| variants.map(|variant| case(wire, entry, generation, variant)))
        .flatten()
        .collect()
}

/// `None` where a variant would say nothing that another has not said.
fn case(wire: &Value, entry: &Value, generation: &'static str, variant: Variant) -> Option<Case> {
    let first = generation == "0.1";
    let of_generation = |part: &str| {
        let own = format!("{part}_0_1");
        let name = if first && entry.get(&own).is_some() {
            own
        } else {
            part.to_owned()
        };
        &entry[name]
    };
    let (python, path) = key(entry);
    let body_fields = list(of_generation("body"));
    let query_fields: Vec<&Value> = list(&entry["query"])
        .iter()
        .filter(|field| text(field, "name") != "ticket" && !(first && is_later(entry, field)))
        .collect();
    let ids: Vec<(String, String)> = path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| (name.to_owned(), id(name, variant)))
        .collect();
    let wanted = |field: &&Value| match variant {
        Variant::Full | Variant::Bare => true,
        Variant::Null => flag(field, "required") || flag(field, "nullable"),
        Variant::Least | Variant::Ids => flag(field, "required"),
    };
    let set = |field: &Value| {
        let value = match variant {
            Variant::Null if flag(field, "nullable") => Value::Null,
            _ => value(wire, field, variant == Variant::Bare, 0),
        };
        (text(field, "name").to_owned(), value)
    };
    let body: Map<String, Value> = body_fields.iter().filter(wanted).map(set).collect();
    let query: Map<String, Value> = query_fields
        .iter()
        .copied()
        .filter(wanted)
        .map(set)
        .collect();
    let takes_options = of_generation("options") == &json!(true);
    let says_something = match variant {
        Variant::Full | Variant::Least => true,
        Variant::Bare => !body.is_empty() || !query.is_empty() || takes_options,
        Variant::Null => body.values().any(Value::is_null),
        Variant::Ids => !ids.is_empty(),
    };
    let options = match variant {
        Variant::Full if takes_options => json!({
            "idempotency_key": "key-1:&+%/\"{}",
            "timeout": 12.5,
            "headers": {"X-Own": "a, b; c=\"d\" &+% {}", "X-Empty": "",
                "X-Request-Id": "req-1:&+%/\"{}"},
        }),
        Variant::Bare if takes_options => json!({ "max_retries": 0 }),
        _ => json!({}),
    };
    says_something.then(|| Case {
        method: text(entry, "method").to_owned(),
        generation,
        variant,
        ids,
        query,
        body: (!body_fields.is_empty()).then_some(body),
        options: options.as_object().expect("an object").clone(),
        positional: flag(entry, "python_body_is_positional"),
        response: example_response(wire, text_of(of_generation("response"))),
        python,
        path,
    })
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether the first generation does not know a query parameter.
fn is_later(entry: &Value, field: &Value) -> bool {
    let name = text(field, "name");
    if let Some(first) = entry["query_0_1"].as_array() {
        return !first.contains(&json!(name));
    }
    // `enum_0_1` marks the one filter of conversations that it has.
    text(entry, "python") == "client.conversations.list"
        && !["page", "limit", "search", "channel"].contains(&name)
}

fn id(name: &str, variant: Variant) -> String {
    match variant {
        Variant::Full => format!("{name} é'\"&+=;,@:$!*(){{}}[]|^~🍕"),
        Variant::Ids => format!("..%2F{name}/../x?limit=1#y%"),
        _ => format!("{name}-1"),
    }
}

/// A value for a field of a body or query; its bare form, or one in which everything is set.
fn value(wire: &Value, field: &Value, bare: bool, depth: usize) -> Value {
    let name = text(field, "name");
    let declared = text(field, "type");
    if let Some(known) = list(&field["enum"]).first() {
        return if bare {
            json!("neu é&+% 🍕")
        } else {
            known.clone()
        };
    }
    let of = |declared: &str| {
        let inner = json!({"name": name, "type": declared});
        value(wire, &inner, bare, depth)
    };
    match declared {
        // An empty `after` is none; this one fits into a header, the other does not.
        "string" if bare && name == "after" => json!("msg_1 &+%\"?"),
        "string" if bare => json!(""),
        "string" => json!(format!(
            "{name}: é \"quoted\" 'x' \\ {{{{y}}}}\r\n\t& + % %41 ?#/;= <b> \u{7f} 🍕"
        )),
        "integer" if bare => json!(0),
        "integer" => field.get("maximum").cloned().unwrap_or(json!(7)),
        "boolean" => json!(!bare),
        "object" if bare => json!({}),
        "object" => json!({
            "é \"k\"": [1, {"null": null}, [], "& +% 🍕\n"], "12": 12.5, "no": false,
        }),
        _ if declared.starts_with("list[") && bare => json!([]),
        "list[object]" => json!([{"name": "free", "nodes": [{"x": 1.5, "é": null}]}]),
        "list[MessageAttachment{type,url}]" => json!([
            {"type": "image", "url": "https://a.example/é?x=1&y=+%"},
            {"type": "neu", "url": ""},
        ]),
        "list[string|object{title,description}]" => json!([
            "plain é & 🍕", {"title": "Title\n", "description": "\"Text\""}, {"step": 1}, [], null,
        ]),
        _ => match declared.strip_prefix("list[") {
            Some(item) => json!([
                of(item.trim_end_matches(']')),
                of(item.trim_end_matches(']'))
            ]),
            None => input(wire, declared, bare, depth + 1),
        },
    }
}

fn input(wire: &Value, declared: &str, bare: bool, depth: usize) -> Value {
    let fields = list(&wire["input_types"][declared]);
    assert!(!fields.is_empty(), "{declared} is an input type");
    fields
        .iter()
        // A parameter's items are parameters: the innermost have what is required and no more.
        .filter(|field| flag(field, "required") || (!bare && depth < 4))
        .map(|field| {
            let value = value(wire, field, bare, depth);
            (text(field, "name").to_owned(), value)
        })
        .collect::<Map<_, _>>()
        .into()
}

/// A success with data of the type that an operation returns.
fn example_response(wire: &Value, response: &str) -> Value {
    // "A | B" and "A (its 0.1 shape)" are an A.
    let response = response.split(' ').next().unwrap_or_default();
    let one = |name: &str| {
        let fields = list(&wire["types"][name]["fields"]);
        assert!(!fields.is_empty(), "{name} is a type");
        object(wire, fields, 0)
    };
    let inner = |kind: &str| response.strip_prefix(kind)?.strip_suffix(']');
    let data = if response == "none" {
        Value::Null
    } else if let Some(item) = inner("Page[").or_else(|| inner("list[")) {
        json!([one(item), one(item)])
    } else if let Some(item) = inner("stream[") {
        one(item)
    } else {
        one(response)
    };
    let mut envelope = json!({ "message": "Success", "data": data });
    if response.starts_with("Page[") {
        envelope["meta"] = json!({"total_count": 2, "page_count": 1, "current_page": 1, "limit": 20,
            "has_next_page": false, "has_previous_page": false});
    }
    envelope
}

/// The same with the names of the wire: only the guide's film has another one in Python.
pub(crate) fn on_the_wire(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(guide) = body.get_mut("guide").and_then(Value::as_object_mut) {
        if let Some(film) = guide.remove("youtube_url") {
            guide.insert("youtubeUrl".to_owned(), film);
        }
    }
    body
}

/// One segment of a path, as RFC 3986 has it: all but the unreserved characters escaped.
pub(crate) fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// A part of a URL, decoded; `+` is a space in a query.
pub(crate) fn unescaped(text: &str, in_query: bool) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let hex = |byte: &u8| char::from(*byte).to_digit(16);
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if hex(high).is_some() && hex(low).is_some() => {
                bytes.extend(hex(high).zip(hex(low)).map(|(h, l)| (h * 16 + l) as u8));
                rest = after;
            }
            (b'+', _) if in_query => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The parameters of a target's query, in the order of their names.
pub(crate) fn query_of(target: &str) -> Vec<(String, String)> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (unescaped(name, true), unescaped(value, true)))
        .collect();
    pairs.sort();
    pairs
}

/// A value as it is written in a query.
pub(crate) fn in_query(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
