//! `tests/data/wire.json`, and values of the types that it declares.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

pub fn wire() -> &'static Value {
    static WIRE: OnceLock<Value> = OnceLock::new();
    let parse = || serde_json::from_str(include_str!("../data/wire.json")).expect("JSON");
    WIRE.get_or_init(parse)
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

pub fn flag(value: &Value, key: &str) -> bool {
    value[key].as_bool().unwrap_or_default()
}

/// The fields of a response.
pub fn fields(wire: &Value, answer: &str) -> Vec<Value> {
    let fields = list(&wire["types"][answer]["fields"]);
    assert!(!fields.is_empty(), "{answer} has fields");
    fields.to_vec()
}

/// The fields of a body over both generations, each under its name on the wire. What only one
/// generation requires is not required, what one takes null for is nullable.
pub fn body_fields(wire: &Value, body: &str) -> Vec<Value> {
    let Some(operation) = list(&wire["operations"])
        .iter()
        .find(|operation| operation["python"] == body)
    else {
        let fields = list(&wire["input_types"][body]);
        assert!(!fields.is_empty(), "{body} has fields");
        return fields.iter().map(with_wire_name).collect();
    };
    let mut fields: Vec<Value> = list(&operation["body"])
        .iter()
        .map(with_wire_name)
        .collect();
    if let Some(first) = operation["body_0_1"].as_array() {
        for field in &mut fields {
            match first.iter().find(|old| old["name"] == field["name"]) {
                Some(old) => {
                    field["required"] = json!(flag(field, "required") && flag(old, "required"));
                    field["nullable"] = json!(flag(field, "nullable") || flag(old, "nullable"));
                }
                None => field["required"] = json!(false),
            }
        }
        for old in first {
            if !fields.iter().any(|field| field["name"] == old["name"]) {
                fields.push(old.clone());
            }
        }
    }
    fields
}

pub fn with_wire_name(field: &Value) -> Value {
    let mut field = field.clone();
    if let Some(name) = field.get("wire_name") {
        field["name"] = name.clone();
    }
    field
}

/// Returns a value of a declared type with every field set.
pub fn sample(wire: &Value, field: &Value, depth: usize) -> Value {
    if let Some(known) = list(&field["enum"]).first() {
        return known.clone();
    }
    let name = text(field, "name");
    let declared = text(field, "type");
    let of = |declared: &str| sample(wire, &json!({"name": name, "type": declared}), depth);
    match declared {
        "string" => json!(format!("{name}: é \"quoted\" \\ {{{{x}}}}\n& +% 🍕")),
        "string|list[string]" | "any" => json!("text"),
        "integer" => json!(7),
        "boolean" => json!(true),
        "object" => json!({"any": [1, {"null": null}], "12": 12.5}),
        "list[object]" => json!([{"name": "free", "nodes": [{"x": 1.5}]}]),
        "list[MessageAttachment{type,url}]" => of("list[MessageAttachment]"),
        "list[string|object]" | "list[string|object{title,description}]" => {
            json!(["plain", {"title": "Title", "description": "Text"}])
        }
        _ => match declared.strip_prefix("list[") {
            Some(item) => json!([of(item.trim_end_matches(']'))]),
            None if wire["types"][declared].is_object() => {
                object(wire, &fields(wire, declared), depth + 1)
            }
            None => object(wire, &body_fields(wire, declared), depth + 1),
        },
    }
}

pub fn object(wire: &Value, fields: &[Value], depth: usize) -> Value {
    // A parameter's items are parameters: the innermost have what is required and no more.
    fields
        .iter()
        .filter(|field| depth < 4 || flag(field, "required"))
        .map(|field| (text(field, "name").to_owned(), sample(wire, field, depth)))
        .collect::<Map<_, _>>()
        .into()
}

/// Compares values except for the order of fields and the form of numbers.
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        (a, b) => a == b,
    }
}
