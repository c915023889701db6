//! `/agents/{agent_id}/integrations`: integrations of all kinds in one list.

pub(in crate::emulator) mod bimpeai;
mod connection;
pub(in crate::emulator) mod custom_api;
pub(in crate::emulator) mod mcp_server;
pub(in crate::emulator) mod pipedream;

use serde_json::Value;

use super::capabilities;
use crate::emulator::context::Context;
use crate::emulator::response::{ErrorResponse, HandlerResult, Response, object};
use crate::emulator::state::State;

pub(in crate::emulator) fn list(context: &mut Context<'_>) -> HandlerResult {
    let agent = context.state.agent(&context.id(0))?;
    let integrations = capabilities::integrations(agent, context.state.workflow_of(agent));
    let integrations = integrations.into_iter().map(Value::Object);
    Ok(Response::ok(integrations.collect::<Value>()))
}

/// Does what a customer does with an onboarding URL: connects a first-party integration or, by
/// any other name, a Pipedream app.
pub(in crate::emulator) fn onboard(
    state: &mut State,
    agent: &str,
    name: &str,
) -> Result<(), ErrorResponse> {
    if super::catalog::find(name).is_some() {
        bimpeai::connect(state, agent, name).map(drop)
    } else {
        pipedream::connect(state, agent, &object! { "app_slug": name })
    }
}
