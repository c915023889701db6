//! `/agents/{agent_id}/integrations/{family}`: the four families of connectors.

use serde_json::{Value, json};

use super::catalog;
use crate::emulator::context::Context;
use crate::emulator::response::{ErrorResponse, HandlerResult, Object, Response, object};
use crate::emulator::schema::{ANY_LENGTH, Field, Kind, nullable, optional, required};
use crate::emulator::state::{Connector, Family, State, patch, pick, text};
use crate::emulator::table::Table;

const AUTH_TYPES: Kind = Kind::Choice(&["none", "bearer", "basic", "api_key", "custom"]);
const ANY_TEXT: Kind = Kind::Text(ANY_LENGTH);
const SAID: Kind = Kind::Filled(ANY_LENGTH);

const AUTH_CONFIG: Kind = Kind::Object(&[
    optional("token", ANY_TEXT),
    optional("api_key", ANY_TEXT),
    optional("header_name", ANY_TEXT),
    optional("username", ANY_TEXT),
    optional("password", ANY_TEXT),
]);

/// The tools that every emulated MCP server offers.
const MCP_TOOLS: &[(&str, &str, &str)] = &[
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

impl Family {
    /// The family's name in paths.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Family::Bimpeai => "bimpeai",
            Family::Pipedream => "pipedream",
            Family::McpServer => "mcp_server",
            Family::CustomApi => "custom_api",
        }
    }
}

// bimpeai: the five first-party integrations.

pub(in crate::emulator) fn bimpeai_fields(body: &Object) -> &'static [Field] {
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
    const TOKEN: &[Field] = &[TYPE, required("token", SAID)];
    const KEYS: &[Field] = &[
        TYPE,
        required("public_key", SAID),
        required("secret_key", SAID),
        required("currency", SAID),
    ];
    const URL: &[Field] = &[TYPE];
    match text(body, "type") {
        "bumpa" => TOKEN,
        "paystack" | "stripe" => KEYS,
        _ => URL,
    }
}

pub(in crate::emulator) fn list_bimpeai(context: &mut Context<'_>) -> HandlerResult {
    let connectors = connectors(context, Family::Bimpeai)?;
    let entries = catalog::FIRST_PARTY.iter().map(|entry| {
        let connector = connectors
            .iter()
            .find(|connector| connector.kind == entry.kind);
        json!({
            "id": connector.map(|connector| &connector.id),
            "type": entry.kind,
            "name": entry.name,
            "status": if connector.is_some() { "enabled" } else { "disconnected" },
            "is_connected": connector.is_some(),
        })
    });
    Ok(Response::ok(entries.collect::<Value>()))
}

pub(in crate::emulator) fn configure_bimpeai(context: &mut Context<'_>) -> HandlerResult {
    let agent = context.id(0);
    let kind = text(&context.body, "type").to_owned();
    require_workflow(context.state, &agent)?;
    require_room(context, &agent)?;
    if !accepted(&Value::Object(context.body.clone())) {
        let name = catalog::find(&kind).map_or(kind.as_str(), |entry| entry.name);
        let message = format!("Invalid {name} API keys");
        return Err(ErrorResponse::new(
            400,
            "integration_connection_failed",
            message,
        ));
    }
    if kind.starts_with("google_") {
        if !context.options.manual_onboarding {
            connect(
                context.state,
                &agent,
                Family::Bimpeai,
                &kind,
                Object::new(),
                true,
            )?;
        }
        return Ok(Response::ok(onboarding(&agent, &kind)));
    }
    let id = connect(
        context.state,
        &agent,
        Family::Bimpeai,
        &kind,
        Object::new(),
        true,
    )?;
    Ok(Response::created(
        json!({ "success": true, "channel_id": id }),
    ))
}

pub(in crate::emulator) fn disconnect_bimpeai(context: &mut Context<'_>) -> HandlerResult {
    disconnect(context, Family::Bimpeai)
}

// pipedream: apps that are connected by following a URL.

pub(in crate::emulator) const PIPEDREAM_FIELDS: &[Field] = &[
    required("app_slug", SAID),
    nullable("app_name", ANY_TEXT),
    nullable("app_icon", ANY_TEXT),
];

pub(in crate::emulator) fn list_pipedream(context: &mut Context<'_>) -> HandlerResult {
    let entries = connectors(context, Family::Pipedream)?;
    let entries = entries.iter().map(|connector| {
        json!({ "id": connector.id, "channel_type": "mcp_server", "config": connector.config })
    });
    Ok(Response::ok(entries.collect::<Value>()))
}

pub(in crate::emulator) fn configure_pipedream(context: &mut Context<'_>) -> HandlerResult {
    let agent = context.id(0);
    require_workflow(context.state, &agent)?;
    require_room(context, &agent)?;
    let slug = text(&context.body, "app_slug").to_owned();
    if !context.options.manual_onboarding {
        connect_pipedream(context.state, &agent, &context.body)?;
    }
    Ok(context.ok_or_bodyless(onboarding(&agent, &slug)))
}

pub(in crate::emulator) fn disconnect_pipedream(context: &mut Context<'_>) -> HandlerResult {
    disconnect(context, Family::Pipedream)
}

// mcp_server: MCP servers by their URL.

pub(in crate::emulator) const MCP_SERVER_FIELDS: &[Field] = &[
    required("name", SAID),
    required("server_url", SAID),
    optional("transport", Kind::Choice(&["http_sse", "streamable_http"])),
    optional("auth_type", AUTH_TYPES),
    optional("auth_config", AUTH_CONFIG),
];

pub(in crate::emulator) fn list_mcp_server(context: &mut Context<'_>) -> HandlerResult {
    list_configured(context, Family::McpServer)
}

pub(in crate::emulator) fn configure_mcp_server(context: &mut Context<'_>) -> HandlerResult {
    let mut config = object! { "transport": "streamable_http", "auth_type": "none" };
    patch(
        &mut config,
        &context.body,
        ["name", "server_url", "transport", "auth_type"],
    );
    configure(context, Family::McpServer, config)
}

pub(in crate::emulator) fn test_mcp_server(context: &mut Context<'_>) -> HandlerResult {
    let server = connector(context, Family::McpServer)?;
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
        "tools_count": MCP_TOOLS.len(),
    })))
}

/// The first time creates the server's tools, every later one finds them again.
pub(in crate::emulator) fn discover_mcp_server(context: &mut Context<'_>) -> HandlerResult {
    let ids: Vec<String> = MCP_TOOLS.iter().map(|_| context.state.next_id()).collect();
    let server = connector(context, Family::McpServer)?;
    let found = MCP_TOOLS.len();
    let known = server.tools.items().len();
    if known == 0 {
        for (id, (action_name, name, description)) in ids.iter().zip(MCP_TOOLS) {
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

pub(in crate::emulator) fn list_mcp_server_tools(context: &mut Context<'_>) -> HandlerResult {
    list_tools(context, Family::McpServer)
}

pub(in crate::emulator) fn disconnect_mcp_server(context: &mut Context<'_>) -> HandlerResult {
    disconnect(context, Family::McpServer)
}

// custom_api: HTTP APIs, tool by tool.

pub(in crate::emulator) const CUSTOM_API_FIELDS: &[Field] = &[
    required("name", SAID),
    optional("description", ANY_TEXT),
    optional("base_url", ANY_TEXT),
    optional("auth_type", AUTH_TYPES),
    optional("auth_config", AUTH_CONFIG),
    optional("test_endpoint", ANY_TEXT),
];

/// A parameter may hold another one.
static PARAMETER: Kind = Kind::Object(&PARAMETER_FIELDS);
static PARAMETER_FIELDS: [Field; 6] = [
    required("name", SAID),
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
    required("url_template", SAID),
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

pub(in crate::emulator) fn list_custom_api(context: &mut Context<'_>) -> HandlerResult {
    list_configured(context, Family::CustomApi)
}

pub(in crate::emulator) fn configure_custom_api(context: &mut Context<'_>) -> HandlerResult {
    let mut config = object! { "auth_type": "none" };
    patch(
        &mut config,
        &context.body,
        ["name", "base_url", "auth_type"],
    );
    configure(context, Family::CustomApi, config)
}

pub(in crate::emulator) fn list_custom_api_tools(context: &mut Context<'_>) -> HandlerResult {
    list_tools(context, Family::CustomApi)
}

pub(in crate::emulator) fn add_custom_api_tool(context: &mut Context<'_>) -> HandlerResult {
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
    connector(context, Family::CustomApi)?.tools.add(&id, tool);
    Ok(response)
}

pub(in crate::emulator) fn delete_custom_api_tool(context: &mut Context<'_>) -> HandlerResult {
    let tool = context.id(2);
    let removed = connector(context, Family::CustomApi)?.tools.remove(&tool);
    removed
        .map(|_| Response::deleted())
        .ok_or_else(|| ErrorResponse::not_found("Tool"))
}

pub(in crate::emulator) fn disconnect_custom_api(context: &mut Context<'_>) -> HandlerResult {
    disconnect(context, Family::CustomApi)
}

// What the families have in common.

const TOOL: &[&str] = &[
    "id",
    "action_name",
    "name",
    "description",
    "category",
    "is_enabled",
];

/// What a customer does with an onboarding URL; `false` when there is no such thing to connect.
pub(in crate::emulator) fn onboard(
    state: &mut State,
    agent: &str,
    what: &str,
) -> Result<(), ErrorResponse> {
    if catalog::find(what).is_some() {
        connect(state, agent, Family::Bimpeai, what, Object::new(), true).map(drop)
    } else {
        connect_pipedream(state, agent, &object! { "app_slug": what })
    }
}

fn connect_pipedream(state: &mut State, agent: &str, app: &Object) -> Result<(), ErrorResponse> {
    let slug = text(app, "app_slug").to_owned();
    let mut config = object! { "app_name": slug, "app_icon": null };
    config.insert(
        "server_url".to_owned(),
        "https://remote.mcp.pipedream.net".into(),
    );
    patch(&mut config, app, ["app_slug", "app_icon"]);
    if !text(app, "app_name").is_empty() {
        patch(&mut config, app, ["app_name"]);
    }
    connect(state, agent, Family::Pipedream, &slug, config, true).map(drop)
}

fn onboarding(agent: &str, what: &str) -> Value {
    let url = format!("https://agent.bimpe.ai/agents/{agent}/integrations?connect={what}");
    json!({ "onboarding_url": url })
}

fn configure(context: &mut Context<'_>, family: Family, config: Object) -> HandlerResult {
    let agent = context.id(0);
    require_workflow(context.state, &agent)?;
    require_room(context, &agent)?;
    let name = text(&config, "name").to_owned();
    let accepted = context.body.get("auth_config").is_none_or(accepted);
    let id = connect(
        context.state,
        &agent,
        family,
        &name,
        config.clone(),
        accepted,
    )?;
    Ok(Response::created(json!({ "id": id, "config": config })))
}

fn list_configured(context: &mut Context<'_>, family: Family) -> HandlerResult {
    let entries = connectors(context, family)?;
    let entries = entries
        .iter()
        .map(|connector| json!({ "id": connector.id, "config": connector.config }));
    Ok(Response::ok(entries.collect::<Value>()))
}

fn list_tools(context: &mut Context<'_>, family: Family) -> HandlerResult {
    let tools = connector(context, family)?.tools.items().iter();
    Ok(Response::ok(
        tools.map(|tool| pick(tool, TOOL)).collect::<Value>(),
    ))
}

fn disconnect(context: &mut Context<'_>, family: Family) -> HandlerResult {
    let id = connector(context, family)?.id.clone();
    let agent = context.id(0);
    context.state.agent_mut(&agent)?.connectors.remove(&id);
    Ok(Response::deleted())
}

/// The agent's connectors of one family; an agent without a workflow has none to speak of.
fn connectors<'a>(
    context: &'a Context<'_>,
    family: Family,
) -> Result<Vec<&'a Connector>, ErrorResponse> {
    let agent = context.id(0);
    require_workflow(context.state, &agent)?;
    let connectors = context.state.agent(&agent)?.connectors.items().iter();
    Ok(connectors
        .filter(|connector| connector.family == family)
        .collect())
}

/// The connector in the path, which must be of this family.
fn connector<'a>(
    context: &'a mut Context<'_>,
    family: Family,
) -> Result<&'a mut Connector, ErrorResponse> {
    let (agent, id) = (context.id(0), context.id(1));
    let found = context.state.agent_mut(&agent)?.connectors.get_mut(&id);
    let found = found.ok_or_else(|| ErrorResponse::not_found("Integration"))?;
    if found.family == family {
        Ok(found)
    } else {
        let message = format!("This integration is not of the {} family.", family.kind());
        Err(ErrorResponse::bad_request(message))
    }
}

/// A second configuration of the same thing replaces the first.
fn connect(
    state: &mut State,
    agent: &str,
    family: Family,
    kind: &str,
    config: Object,
    accepted: bool,
) -> Result<String, ErrorResponse> {
    let id = state.next_id();
    let connectors = &mut state.agent_mut(agent)?.connectors;
    if matches!(family, Family::Bimpeai | Family::Pipedream) {
        let old = connectors
            .items()
            .iter()
            .find(|c| c.family == family && c.kind == kind);
        if let Some(old) = old.map(|old| old.id.clone()) {
            connectors.remove(&old);
        }
    }
    let (kind, tools) = (kind.to_owned(), Table::default());
    connectors.add(
        &id,
        Connector {
            id: id.clone(),
            family,
            kind,
            config,
            accepted,
            tools,
        },
    );
    Ok(id)
}

fn require_workflow(state: &State, agent: &str) -> Result<(), ErrorResponse> {
    if state.agent(agent)?.workflow_id().is_some() {
        return Ok(());
    }
    Err(ErrorResponse::new(
        400,
        "workflow_required",
        "This agent has no workflow. Link a workflow first.",
    ))
}

fn require_room(context: &Context<'_>, agent: &str) -> Result<(), ErrorResponse> {
    let connected = context.state.agent(agent)?.connectors.items().len();
    if context
        .options
        .integration_limit
        .is_none_or(|most| connected < most)
    {
        return Ok(());
    }
    let message =
        "Integration limit reached for your plan. Please upgrade to add more integrations.";
    Err(ErrorResponse::new(
        409,
        "integration_limit_reached",
        message,
    ))
}

/// The other side refuses what calls itself bad or invalid.
fn accepted(secrets: &Value) -> bool {
    match secrets {
        Value::String(text) => !["bad", "invalid"].iter().any(|word| text.contains(word)),
        Value::Object(fields) => fields.values().all(accepted),
        _ => true,
    }
}
