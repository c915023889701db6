//! What the kinds of integrations share: connecting, listing, disconnecting and their limits.

use serde_json::{Value, json};

use crate::emulator::context::Context;
use crate::emulator::response::{ErrorResponse, HandlerResult, Object, Response};
use crate::emulator::schema::{ANY_LENGTH, Kind, optional};
use crate::emulator::state::{Integration, IntegrationKind, State, pick, text};
use crate::emulator::table::Table;

pub(super) const AUTH_TYPES: Kind = Kind::Choice(&["none", "bearer", "basic", "api_key", "custom"]);
pub(super) const ANY_TEXT: Kind = Kind::Text(ANY_LENGTH);
pub(super) const REQUIRED_TEXT: Kind = Kind::Filled(ANY_LENGTH);

pub(super) const AUTH_CONFIG: Kind = Kind::Object(&[
    optional("token", ANY_TEXT),
    optional("api_key", ANY_TEXT),
    optional("header_name", ANY_TEXT),
    optional("username", ANY_TEXT),
    optional("password", ANY_TEXT),
]);

/// The fields of a tool in a list.
pub(super) const TOOL: &[&str] = &[
    "id",
    "action_name",
    "name",
    "description",
    "category",
    "is_enabled",
];

/// Stores an integration and returns its id. A first-party integration or Pipedream app that is
/// configured again replaces the old one.
pub(super) fn connect(
    state: &mut State,
    agent: &str,
    kind: IntegrationKind,
    name: &str,
    config: Object,
    accepted: bool,
) -> Result<String, ErrorResponse> {
    let id = state.next_id();
    let integrations = &mut state.agent_mut(agent)?.integrations;
    if matches!(kind, IntegrationKind::Bimpeai | IntegrationKind::Pipedream) {
        let mut known = integrations.items().iter();
        let old = known.find(|integration| integration.kind == kind && integration.name == name);
        if let Some(old) = old.map(|old| old.id.clone()) {
            integrations.remove(&old);
        }
    }
    let integration = Integration {
        id: id.clone(),
        kind,
        name: name.to_owned(),
        config,
        accepted,
        tools: Table::default(),
    };
    integrations.add(&id, integration);
    Ok(id)
}

/// Configures an MCP server or HTTP API.
pub(super) fn configure(
    context: &mut Context<'_>,
    kind: IntegrationKind,
    config: Object,
) -> HandlerResult {
    let agent = context.id(0);
    require_workflow(context.state, &agent)?;
    require_room(context, &agent)?;
    let name = text(&config, "name").to_owned();
    let accepted = context.body.get("auth_config").is_none_or(is_accepted);
    let state = &mut *context.state;
    let id = connect(state, &agent, kind, &name, config.clone(), accepted)?;
    Ok(Response::created(json!({ "id": id, "config": config })))
}

pub(super) fn list_configured(context: &mut Context<'_>, kind: IntegrationKind) -> HandlerResult {
    let entries = integrations(context, kind)?;
    let entries = entries
        .iter()
        .map(|integration| json!({ "id": integration.id, "config": integration.config }));
    Ok(Response::ok(entries.collect::<Value>()))
}

pub(super) fn list_tools(context: &mut Context<'_>, kind: IntegrationKind) -> HandlerResult {
    let tools = integration(context, kind)?.tools.items().iter();
    let tools = tools.map(|tool| pick(tool, TOOL));
    Ok(Response::ok(tools.collect::<Value>()))
}

pub(super) fn disconnect(context: &mut Context<'_>, kind: IntegrationKind) -> HandlerResult {
    let id = integration(context, kind)?.id.clone();
    let agent = context.id(0);
    context.state.agent_mut(&agent)?.integrations.remove(&id);
    Ok(Response::deleted())
}

/// The agent's integrations of one kind. An agent without a workflow is refused.
pub(super) fn integrations<'a>(
    context: &'a Context<'_>,
    kind: IntegrationKind,
) -> Result<Vec<&'a Integration>, ErrorResponse> {
    let agent = context.id(0);
    require_workflow(context.state, &agent)?;
    let integrations = context.state.agent(&agent)?.integrations.items().iter();
    Ok(integrations
        .filter(|integration| integration.kind == kind)
        .collect())
}

/// The integration in the path, which must be of this kind.
pub(super) fn integration<'a>(
    context: &'a mut Context<'_>,
    kind: IntegrationKind,
) -> Result<&'a mut Integration, ErrorResponse> {
    let (agent, id) = (context.id(0), context.id(1));
    let found = context.state.agent_mut(&agent)?.integrations.get_mut(&id);
    let found = found.ok_or_else(|| ErrorResponse::not_found("Integration"))?;
    if found.kind == kind {
        Ok(found)
    } else {
        let message = format!("This integration is not of the {} family.", kind.name());
        Err(ErrorResponse::bad_request(message))
    }
}

/// The response that sends the caller to an onboarding page.
pub(super) fn onboarding(agent: &str, name: &str) -> Value {
    let url = format!("https://agent.bimpe.ai/agents/{agent}/integrations?connect={name}");
    json!({ "onboarding_url": url })
}

pub(super) fn require_workflow(state: &State, agent: &str) -> Result<(), ErrorResponse> {
    if state.agent(agent)?.workflow_id().is_some() {
        return Ok(());
    }
    Err(ErrorResponse::new(
        400,
        "workflow_required",
        "This agent has no workflow. Link a workflow first.",
    ))
}

pub(super) fn require_room(context: &Context<'_>, agent: &str) -> Result<(), ErrorResponse> {
    let connected = context.state.agent(agent)?.integrations.items().len();
    let limit = context.options.integration_limit;
    if limit.is_none_or(|limit| connected < limit) {
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

/// Whether the other side accepts these credentials: none of them contains "bad" or "invalid".
pub(super) fn is_accepted(credentials: &Value) -> bool {
    match credentials {
        Value::String(text) => !["bad", "invalid"].iter().any(|word| text.contains(word)),
        Value::Object(fields) => fields.values().all(is_accepted),
        _ => true,
    }
}
