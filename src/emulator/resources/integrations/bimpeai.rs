//! `/agents/{agent_id}/integrations/bimpeai`: the five first-party integrations.

use serde_json::{Value, json};

use super::super::catalog;
use super::connection::{self, REQUIRED_TEXT};
use crate::emulator::context::Context;
use crate::emulator::generation::Generation;
use crate::emulator::response::{ErrorResponse, HandlerResult, Object, Response};
use crate::emulator::schema::{Field, Kind, required};
use crate::emulator::state::{IntegrationKind, State, text};

pub(in crate::emulator) fn configure_fields(_: Generation, body: &Object) -> &'static [Field] {
    const TYPE: Field = required(
        "type",
        Kind::Choice(&[
            "bumpa",
            "google_calendar",
            "google_sheets",
            "paystack",
            "stripe",
        ]),
    );
    const TOKEN: &[Field] = &[TYPE, required("token", REQUIRED_TEXT)];
    const KEYS: &[Field] = &[
        TYPE,
        required("public_key", REQUIRED_TEXT),
        required("secret_key", REQUIRED_TEXT),
        required("currency", REQUIRED_TEXT),
    ];
    const URL: &[Field] = &[TYPE];
    match text(body, "type") {
        "bumpa" => TOKEN,
        "paystack" | "stripe" => KEYS,
        _ => URL,
    }
}

pub(in crate::emulator) fn list(context: &mut Context<'_>) -> HandlerResult {
    let integrations = connection::integrations(context, IntegrationKind::Bimpeai)?;
    let entries = catalog::FIRST_PARTY.iter().map(|entry| {
        let integration = integrations
            .iter()
            .find(|integration| integration.name == entry.kind);
        json!({
            "id": integration.map(|integration| &integration.id),
            "type": entry.kind,
            "name": entry.name,
            "status": if integration.is_some() { "enabled" } else { "disconnected" },
            "is_connected": integration.is_some(),
        })
    });
    Ok(Response::ok(entries.collect::<Value>()))
}

/// The Google types return an onboarding URL, the others are connected at once.
pub(in crate::emulator) fn configure(context: &mut Context<'_>) -> HandlerResult {
    let agent = context.id(0);
    let name = text(&context.body, "type").to_owned();
    connection::require_workflow(context.state, &agent)?;
    connection::require_room(context, &agent)?;
    if !connection::is_accepted(&Value::Object(context.body.clone())) {
        let shown = catalog::find(&name).map_or(name.as_str(), |entry| entry.name);
        let message = format!("Invalid {shown} API keys");
        return Err(ErrorResponse::new(
            400,
            "integration_connection_failed",
            message,
        ));
    }
    if name.starts_with("google_") {
        if !context.options.manual_onboarding {
            connect(context.state, &agent, &name)?;
        }
        return Ok(Response::ok(connection::onboarding(&agent, &name)));
    }
    let id = connect(context.state, &agent, &name)?;
    Ok(Response::created(
        json!({ "success": true, "channel_id": id }),
    ))
}

pub(in crate::emulator) fn disconnect(context: &mut Context<'_>) -> HandlerResult {
    connection::disconnect(context, IntegrationKind::Bimpeai)
}

/// Connects a first-party integration and returns its id.
pub(super) fn connect(state: &mut State, agent: &str, name: &str) -> Result<String, ErrorResponse> {
    let kind = IntegrationKind::Bimpeai;
    connection::connect(state, agent, kind, name, Object::new(), true)
}
