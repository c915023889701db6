//! `/agents/{agent_id}/integrations/pipedream`: apps that a customer connects by an onboarding URL.

use serde_json::{Value, json};

use super::connection::{self, ANY_TEXT, REQUIRED_TEXT};
use crate::emulator::context::Context;
use crate::emulator::response::{ErrorResponse, HandlerResult, Object, Response, object};
use crate::emulator::schema::{Field, nullable, required};
use crate::emulator::state::{IntegrationKind, State, patch, text};

pub(in crate::emulator) const CONFIGURE_FIELDS: &[Field] = &[
    required("app_slug", REQUIRED_TEXT),
    nullable("app_name", ANY_TEXT),
    nullable("app_icon", ANY_TEXT),
];

pub(in crate::emulator) fn list(context: &mut Context<'_>) -> HandlerResult {
    let entries = connection::integrations(context, IntegrationKind::Pipedream)?;
    let entries = entries.iter().map(|integration| {
        json!({
            "id": integration.id,
            "channel_type": "mcp_server",
            "config": integration.config,
        })
    });
    Ok(Response::ok(entries.collect::<Value>()))
}

pub(in crate::emulator) fn configure(context: &mut Context<'_>) -> HandlerResult {
    let agent = context.id(0);
    connection::require_workflow(context.state, &agent)?;
    connection::require_room(context, &agent)?;
    let slug = text(&context.body, "app_slug").to_owned();
    if !context.options.manual_onboarding {
        connect(context.state, &agent, &context.body)?;
    }
    Ok(context.ok_or_bodyless(connection::onboarding(&agent, &slug)))
}

pub(in crate::emulator) fn disconnect(context: &mut Context<'_>) -> HandlerResult {
    connection::disconnect(context, IntegrationKind::Pipedream)
}

/// Connects the app that `app_slug`, `app_name` and `app_icon` describe.
pub(super) fn connect(state: &mut State, agent: &str, app: &Object) -> Result<(), ErrorResponse> {
    let slug = text(app, "app_slug").to_owned();
    let mut config = object! {
        "app_name": slug,
        "app_icon": null,
        "server_url": "https://remote.mcp.pipedream.net",
    };
    patch(&mut config, app, ["app_slug", "app_icon"]);
    if !text(app, "app_name").is_empty() {
        patch(&mut config, app, ["app_name"]);
    }
    connection::connect(
        state,
        agent,
        IntegrationKind::Pipedream,
        &slug,
        config,
        true,
    )
    .map(drop)
}
