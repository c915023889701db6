//! `/agents/{agent_id}/integrations/custom_api`: HTTP APIs, each call of them a tool.

use super::connection::{self, ANY_TEXT, AUTH_CONFIG, AUTH_TYPES, REQUIRED_TEXT, TOOL};
use crate::emulator::context::Context;
use crate::emulator::response::{ErrorResponse, HandlerResult, Response, object};
use crate::emulator::schema::{Field, Kind, optional, required};
use crate::emulator::state::{IntegrationKind, patch, pick, text};

const KIND: IntegrationKind = IntegrationKind::CustomApi;

pub(in crate::emulator) const CONFIGURE_FIELDS: &[Field] = &[
    required("name", REQUIRED_TEXT),
    optional("description", ANY_TEXT),
    optional("base_url", ANY_TEXT),
    optional("auth_type", AUTH_TYPES),
    optional("auth_config", AUTH_CONFIG),
    optional("test_endpoint", ANY_TEXT),
];

/// A parameter of type array or object contains parameters.
static PARAMETER: Kind = Kind::Object(&PARAMETER_FIELDS);
static PARAMETER_FIELDS: [Field; 6] = [
    required("name", REQUIRED_TEXT),
    required(
        "type",
        Kind::Choice(&["string", "number", "integer", "boolean", "array", "object"]),
    ),
    required("description", ANY_TEXT),
    optional("required", Kind::Flag),
    optional("items", Kind::Object(&PARAMETER_FIELDS)),
    optional("properties", Kind::Open),
];

pub(in crate::emulator) static TOOL_FIELDS: &[Field] = &[
    required("name", Kind::Filled(80)),
    required(
        "http_method",
        Kind::Choice(&["GET", "POST", "PUT", "DELETE", "PATCH"]),
    ),
    required("url_template", REQUIRED_TEXT),
    optional("description", Kind::Text(800)),
    optional("url_params", Kind::List(&PARAMETER)),
    optional("body_params", Kind::List(&PARAMETER)),
    optional("headers_template", Kind::Open),
    optional("body_template", Kind::Open),
    optional("auth_type", AUTH_TYPES),
    optional("auth_config", Kind::Open),
    optional(
        "response_mapping",
        Kind::Object(&[
            optional("path", ANY_TEXT),
            optional("success_message", ANY_TEXT),
            optional("error_message", ANY_TEXT),
        ]),
    ),
    optional("category", ANY_TEXT),
    optional("require_human_approval", Kind::Flag),
    optional("timeout", Kind::Whole(1000, 300_000)),
];

pub(in crate::emulator) fn list(context: &mut Context<'_>) -> HandlerResult {
    connection::list_configured(context, KIND)
}

pub(in crate::emulator) fn configure(context: &mut Context<'_>) -> HandlerResult {
    let mut config = object! { "auth_type": "none" };
    patch(
        &mut config,
        &context.body,
        ["name", "base_url", "auth_type"],
    );
    connection::configure(context, KIND, config)
}

pub(in crate::emulator) fn list_tools(context: &mut Context<'_>) -> HandlerResult {
    connection::list_tools(context, KIND)
}

pub(in crate::emulator) fn add_tool(context: &mut Context<'_>) -> HandlerResult {
    let id = context.state.next_id();
    let body = &context.body;
    let action_name: String = text(body, "name")
        .chars()
        .map(|c| {
            if c.is_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect();
    let mut tool = object! {
        "id": id,
        "action_name": action_name,
        "description": null,
        "category": "custom",
        "is_enabled": true,
    };
    patch(
        &mut tool,
        body,
        ["name", "description", "category", "require_human_approval"],
    );
    let response = Response::created(pick(&tool, TOOL));
    let api = connection::integration(context, KIND)?;
    api.tools.add(&id, tool);
    Ok(response)
}

pub(in crate::emulator) fn delete_tool(context: &mut Context<'_>) -> HandlerResult {
    let tool = context.id(2);
    let removed = connection::integration(context, KIND)?.tools.remove(&tool);
    removed
        .map(|_| Response::deleted())
        .ok_or_else(|| ErrorResponse::not_found("Tool"))
}

pub(in crate::emulator) fn disconnect(context: &mut Context<'_>) -> HandlerResult {
    connection::disconnect(context, KIND)
}
