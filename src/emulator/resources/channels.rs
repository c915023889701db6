//! `/agents/{agent_id}/channels`.

use serde_json::Value;

use crate::emulator::context::Context;
use crate::emulator::response::{HandlerResult, Object, Response, object};
use crate::emulator::state::{Agent, array};

pub(in crate::emulator) fn list(context: &mut Context<'_>) -> HandlerResult {
    let agent = context.state.agent(&context.id(0))?;
    let channels = of(agent, context.state.workflow_of(agent));
    Ok(Response::ok(
        channels.into_iter().map(Value::Object).collect::<Value>(),
    ))
}

/// The channels of the workflow, then other connected ones.
pub(super) fn of(agent: &Agent, workflow: Option<&Object>) -> Vec<Object> {
    let wanted = workflow
        .map(|workflow| array(workflow, "channels"))
        .unwrap_or_default();
    let wanted: Vec<&str> = wanted.iter().filter_map(Value::as_str).collect();
    let beside = agent
        .channels
        .keys()
        .map(String::as_str)
        .filter(|kind| !wanted.contains(kind));
    let kinds: Vec<&str> = wanted.iter().copied().chain(beside).collect();
    let show = |kind: &str| {
        let id = agent.channels.get(kind);
        object! {
            "id": id.cloned().unwrap_or_else(|| format!("channel_{kind}")),
            "type": kind,
            "name": title(kind),
            "status": if id.is_some() { "enabled" } else { "pending" },
            "is_connected": id.is_some(),
        }
    };
    kinds.into_iter().map(show).collect()
}

fn title(kind: &str) -> String {
    match kind {
        "whatsapp" => "WhatsApp".to_owned(),
        _ => {
            let mut letters = kind.chars();
            letters
                .next()
                .map(|first| first.to_uppercase().chain(letters).collect())
                .unwrap_or_default()
        }
    }
}
