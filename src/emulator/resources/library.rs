//! The public library of workflows that every emulator starts with.

use std::io;

use serde_json::{Value, json};

use super::workflows;
use crate::emulator::response::Object;
use crate::emulator::state::State;

const LIBRARY: &str = include_str!("library/workflows.json");

/// Adds the library. Its ids are the same in every run.
pub(in crate::emulator) fn add(state: &mut State, placeholders: bool) -> io::Result<()> {
    let library: Vec<Object> = serde_json::from_str(LIBRARY).map_err(io::Error::other)?;
    for mut entry in library {
        if placeholders {
            for name in ["rules", "flows", "faq"] {
                if let Some(Value::Array(items)) = entry.get_mut(name) {
                    items.push(json!([]));
                }
            }
        }
        workflows::publish(state, entry);
    }
    Ok(())
}
