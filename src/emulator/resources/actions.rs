//! `/agents/{agent_id}/actions`.

use serde_json::{Value, json};

use super::capabilities;
use crate::emulator::context::Context;
use crate::emulator::response::{HandlerResult, Response};
use crate::emulator::schema::{ANY_LENGTH, Field, Kind, required};
use crate::emulator::state::{ActionState, array};

pub(in crate::emulator) const SWITCH_FIELDS: &[Field] = &[required(
    "action_ids",
    Kind::Some(&Kind::Filled(ANY_LENGTH)),
)];

pub(in crate::emulator) fn list(context: &mut Context<'_>) -> HandlerResult {
    let agent = context.state.agent(&context.id(0))?;
    let actions = capabilities::actions(agent, context.state.workflow_of(agent));
    let actions = actions.into_iter().map(Value::Object);
    Ok(Response::ok(actions.collect::<Value>()))
}

pub(in crate::emulator) fn enable(context: &mut Context<'_>) -> HandlerResult {
    switch(context, true)
}

pub(in crate::emulator) fn disable(context: &mut Context<'_>) -> HandlerResult {
    switch(context, false)
}

/// Ids that are not of the agent's actions are ignored.
fn switch(context: &mut Context<'_>, on: bool) -> HandlerResult {
    let id = context.id(0);
    let agent = context.state.agent(&id)?;
    let wanted: Vec<&str> = array(&context.body, "action_ids")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let mut keys = Vec::new();
    for group in capabilities::groups(agent, context.state.workflow_of(agent)) {
        for action in group.actions {
            if wanted.contains(&action.key.as_str()) || wanted.contains(&action.id(agent)) {
                keys.push(action.key);
            }
        }
    }
    let updated = keys.len();
    for key in keys {
        let new = context.state.next_id();
        let actions = &mut context.state.agent_mut(&id)?.actions;
        let state = actions.entry(key).or_insert(ActionState {
            id: new,
            is_enabled: on,
        });
        state.is_enabled = on;
    }
    Ok(context.ok_or_bodyless(json!({ "updated_count": updated })))
}
