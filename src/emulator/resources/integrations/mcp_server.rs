//! `/agents/{agent_id}/integrations/mcp_server`: MCP servers, each with its URL.

use serde_json::json;

use super::connection::{self, AUTH_CONFIG, AUTH_TYPES, REQUIRED_TEXT};
use crate::emulator::context::Context;
use crate::emulator::response::{ErrorResponse, HandlerResult, object};
use crate::emulator::schema::{Field, Kind, optional, required};
use crate::emulator::state::{IntegrationKind, patch};

const KIND: IntegrationKind = IntegrationKind::McpServer;

/// The tools that every emulated MCP server offers.
const TOOLS: &[(&str, &str, &str)] = &[
    (
        "search_documents",
        "Search documents",
        "Find documents by their words.",
    ),
    ("get_document", "Get a document", "Read one document."),
    (
        "create_ticket",
        "Create a ticket",
        "Open a ticket for a colleague.",
    ),
];

pub(in crate::emulator) const CONFIGURE_FIELDS: &[Field] = &[
    required("name", REQUIRED_TEXT),
    required("server_url", REQUIRED_TEXT),
    optional("transport", Kind::Choice(&["http_sse", "streamable_http"])),
    optional("auth_type", AUTH_TYPES),
    optional("auth_config", AUTH_CONFIG),
];

pub(in crate::emulator) fn list(context: &mut Context<'_>) -> HandlerResult {
    connection::list_configured(context, KIND)
}

pub(in crate::emulator) fn configure(context: &mut Context<'_>) -> HandlerResult {
    let mut config = object! { "transport": "streamable_http", "auth_type": "none" };
    patch(
        &mut config,
        &context.body,
        ["name", "server_url", "transport", "auth_type"],
    );
    connection::configure(context, KIND, config)
}

pub(in crate::emulator) fn test(context: &mut Context<'_>) -> HandlerResult {
    let server = connection::integration(context, KIND)?;
    if !server.accepted {
        let message = "The MCP server refused the connection.";
        return Err(ErrorResponse::new(
            400,
            "integration_connection_failed",
            message,
        ));
    }
    Ok(context.ok_or_bodyless(json!({
        "success": true,
        "message": "Connection successful",
        "tools_count": TOOLS.len(),
    })))
}

/// The first call creates the server's tools, later calls find them again.
pub(in crate::emulator) fn discover(context: &mut Context<'_>) -> HandlerResult {
    let ids: Vec<String> = TOOLS.iter().map(|_| context.state.next_id()).collect();
    let server = connection::integration(context, KIND)?;
    let found = TOOLS.len();
    let known = server.tools.items().len();
    if known == 0 {
        for (id, (action_name, name, description)) in ids.iter().zip(TOOLS) {
            let tool = object! {
                "id": id,
                "action_name": action_name,
                "name": name,
                "description": description,
                "category": "mcp",
                "is_enabled": true,
            };
            server.tools.add(id, tool);
        }
    }
    Ok(context.ok_or_bodyless(json!({
        "discovered": found,
        "created": found - known,
        "updated": known,
        "disabled": 0,
    })))
}

pub(in crate::emulator) fn list_tools(context: &mut Context<'_>) -> HandlerResult {
    connection::list_tools(context, KIND)
}

pub(in crate::emulator) fn disconnect(context: &mut Context<'_>) -> HandlerResult {
    connection::disconnect(context, KIND)
}
