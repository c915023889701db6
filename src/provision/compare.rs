//! What a specification names and the server has otherwise.

use serde::Serialize;
use serde_json::{Map, Value};

/// Returns the fields of a body as they are sent.
pub(super) fn fields(body: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(body) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// Returns the wanted fields that differ from the current ones.
pub(super) fn difference(
    wanted: Map<String, Value>,
    current: &Map<String, Value>,
) -> Map<String, Value> {
    wanted
        .into_iter()
        .filter(|(name, value)| !includes(current.get(name).unwrap_or(&Value::Null), value))
        .collect()
}

/// Returns whether `current` has everything that `wanted` names.
///
/// Objects may have more fields. Lists have the same length and order, because a list is replaced as
/// a whole. What a server writes for an empty value (`null`, nothing, `""`, `[]`) is the same.
fn includes(current: &Value, wanted: &Value) -> bool {
    match (current, wanted) {
        (Value::Object(current), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, value)| includes(current.get(name).unwrap_or(&Value::Null), value)),
        (Value::Array(current), Value::Array(wanted)) => {
            current.len() == wanted.len()
                && current
                    .iter()
                    .zip(wanted)
                    .all(|(current, wanted)| includes(current, wanted))
        }
        (Value::Number(current), Value::Number(wanted)) => current.as_f64() == wanted.as_f64(),
        // Servers trim what they store.
        (Value::String(current), Value::String(wanted)) => current.trim() == wanted.trim(),
        _ => current == wanted || (is_empty(current) && is_empty(wanted)),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_named_fields_are_compared() {
        for (current, wanted) in [
            (json!({"a": 1, "b": 2}), json!({"a": 1.0})),
            (json!({"a": null}), json!({"a": [], "b": "", "c": null})),
            (
                json!({"a": [{"id": "r", "new": true}]}),
                json!({"a": [{"id": "r"}]}),
            ),
            (json!({"a": "text"}), json!({"a": "text\n"})),
        ] {
            assert!(includes(&current, &wanted), "{current} {wanted}");
        }
        for (current, wanted) in [
            (json!({"a": 1}), json!({"a": 2})),
            (json!({"a": false}), json!({"a": null})),
            (json!({}), json!({"a": false})),
            (json!({"a": ["x", "y"]}), json!({"a": ["x"]})),
            (json!({"a": ["x", "y"]}), json!({"a": ["y", "x"]})),
            (json!({"a": ["x"]}), json!({"a": []})),
            (json!({"a": {"b": 1}}), json!({"a": {"b": 1, "c": 2}})),
        ] {
            assert!(!includes(&current, &wanted), "{current} {wanted}");
        }
    }
}
