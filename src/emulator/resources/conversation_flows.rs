//! `/agents/{agent_id}/conversation_flows` (API 0.1 only). The flows are now part of the workflow.

use serde_json::{Value, json};

use crate::emulator::context::Context;
use crate::emulator::response::{HandlerResult, Object, Response};
use crate::emulator::state::{array, text};

pub(in crate::emulator) fn list(context: &mut Context<'_>) -> HandlerResult {
    let agent = context.state.agent(&context.id(0))?;
    Ok(Response::ok(of(context.state.workflow_of(agent))))
}

/// The flows of a workflow, in the form of the first generation.
pub(super) fn of(workflow: Option<&Object>) -> Value {
    let flows = workflow
        .map(|workflow| array(workflow, "flows"))
        .unwrap_or_default();
    let flows = flows.iter().filter_map(Value::as_object).map(|flow| {
        json!({
            "name": text(flow, "name"),
            "description": flow.get("description"),
            "category": flow.get("category"),
            "priority": flow.get("priority").filter(|v| v.is_number()).cloned().unwrap_or(json!(5)),
            "is_active": flow.get("is_active").and_then(Value::as_bool).unwrap_or(true),
        })
    });
    flows.collect()
}
