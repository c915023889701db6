//! The operations of the API: one row for each.

use super::context::Context;
use super::http::Request;
use super::pagination;
use super::pattern::STREAM_PATHS;
use super::resources::{
    actions, agents, calls, channels, connectors, conversations, integrations, knowledge_bases,
    messages, phone_numbers, workflows,
};
use super::response::{HandlerResult, Object};
use super::schema::Field;

/// One operation: where it is, who may, what it takes, what it does.
pub(super) struct Route {
    method: &'static str,
    /// Relative to the prefix; `*` is an id.
    path: &'static str,
    pub(super) access: Access,
    pub(super) query: &'static [Field],
    pub(super) body: Body,
    pub(super) action: Action,
}

#[derive(Clone, Copy)]
pub(super) enum Access {
    /// An API key with this scope.
    Key(&'static str),
    /// A stream ticket.
    Ticket,
}

/// The fields of a body.
#[derive(Clone, Copy)]
pub(super) enum Body {
    None,
    Fields(&'static [Field]),
    /// They depend on what the body is: on its generation, or on its type.
    Either(fn(&Object) -> &'static [Field]),
}

#[derive(Clone, Copy)]
pub(super) enum Action {
    Handler(fn(&mut Context<'_>) -> HandlerResult),
    Stream,
}

const NO_QUERY: &[Field] = &[];

const fn get(
    path: &'static str,
    scope: &'static str,
    query: &'static [Field],
    handler: fn(&mut Context<'_>) -> HandlerResult,
) -> Route {
    let (access, action) = (Access::Key(scope), Action::Handler(handler));
    Route {
        method: "GET",
        path,
        access,
        query,
        body: Body::None,
        action,
    }
}

const fn stream(path: &'static str) -> Route {
    let (access, action) = (Access::Ticket, Action::Stream);
    Route {
        method: "GET",
        path,
        access,
        query: NO_QUERY,
        body: Body::None,
        action,
    }
}

/// A write without a body.
const fn act(
    method: &'static str,
    path: &'static str,
    scope: &'static str,
    handler: fn(&mut Context<'_>) -> HandlerResult,
) -> Route {
    let (access, action) = (Access::Key(scope), Action::Handler(handler));
    Route {
        method,
        path,
        access,
        query: NO_QUERY,
        body: Body::None,
        action,
    }
}

const fn write(
    method: &'static str,
    path: &'static str,
    scope: &'static str,
    body: Body,
    handler: fn(&mut Context<'_>) -> HandlerResult,
) -> Route {
    Route {
        body,
        ..act(method, path, scope, handler)
    }
}

const AGENTS: &str = "agents:read";
const AGENTS_WRITE: &str = "agents:write";
const WORKFLOWS: &str = "workflows:read";
const WORKFLOWS_WRITE: &str = "workflows:write";
const TALKS: &str = "conversations:read";
const TALKS_WRITE: &str = "conversations:write";

/// A literal segment stands before the id that it could be taken for.
#[rustfmt::skip]
static ROUTES: &[Route] = &[
    get("/agents", AGENTS, pagination::QUERY, agents::list),
    write("POST", "/agents", AGENTS_WRITE, Body::Either(agents::create_fields), agents::create),
    get("/agents/*", AGENTS, NO_QUERY, agents::retrieve),
    write("PATCH", "/agents/*", AGENTS_WRITE, Body::Either(agents::update_fields), agents::update),
    act("DELETE", "/agents/*", AGENTS_WRITE, agents::delete),
    write("PATCH", "/agents/*/live-status", AGENTS_WRITE, Body::Fields(agents::LIVE_STATUS_FIELDS), agents::update_live_status),
    get("/agents/*/deployment/agent-test-code", AGENTS, NO_QUERY, agents::get_test_code),
    get("/agents/*/conversation_flows", AGENTS, NO_QUERY, agents::list_conversation_flows),

    get("/agents/*/knowledge_bases", AGENTS, NO_QUERY, knowledge_bases::list),
    write("POST", "/agents/*/knowledge_bases", AGENTS_WRITE, Body::Either(knowledge_bases::create_fields), knowledge_bases::create),
    write("PATCH", "/agents/*/knowledge_bases/*", AGENTS_WRITE, Body::Fields(knowledge_bases::UPDATE_FIELDS), knowledge_bases::update),
    act("DELETE", "/agents/*/knowledge_bases/*", AGENTS_WRITE, knowledge_bases::delete),

    get("/agents/*/channels", AGENTS, NO_QUERY, channels::list),
    get("/agents/*/actions", AGENTS, NO_QUERY, actions::list),
    write("POST", "/agents/*/actions/enable", AGENTS_WRITE, Body::Fields(actions::SWITCH_FIELDS), actions::enable),
    write("POST", "/agents/*/actions/disable", AGENTS_WRITE, Body::Fields(actions::SWITCH_FIELDS), actions::disable),

    get("/agents/*/integrations", AGENTS, NO_QUERY, integrations::list),
    get("/agents/*/integrations/bimpeai", AGENTS, NO_QUERY, connectors::list_bimpeai),
    write("POST", "/agents/*/integrations/bimpeai/configure", AGENTS_WRITE, Body::Either(connectors::bimpeai_fields), connectors::configure_bimpeai),
    act("DELETE", "/agents/*/integrations/bimpeai/*", AGENTS_WRITE, connectors::disconnect_bimpeai),
    get("/agents/*/integrations/pipedream", AGENTS, NO_QUERY, connectors::list_pipedream),
    write("POST", "/agents/*/integrations/pipedream/configure", AGENTS_WRITE, Body::Fields(connectors::PIPEDREAM_FIELDS), connectors::configure_pipedream),
    act("DELETE", "/agents/*/integrations/pipedream/*", AGENTS_WRITE, connectors::disconnect_pipedream),
    get("/agents/*/integrations/mcp_server", AGENTS, NO_QUERY, connectors::list_mcp_server),
    write("POST", "/agents/*/integrations/mcp_server/configure", AGENTS_WRITE, Body::Fields(connectors::MCP_SERVER_FIELDS), connectors::configure_mcp_server),
    act("POST", "/agents/*/integrations/mcp_server/*/test", AGENTS_WRITE, connectors::test_mcp_server),
    act("POST", "/agents/*/integrations/mcp_server/*/discover", AGENTS_WRITE, connectors::discover_mcp_server),
    get("/agents/*/integrations/mcp_server/*/tools", AGENTS, NO_QUERY, connectors::list_mcp_server_tools),
    act("DELETE", "/agents/*/integrations/mcp_server/*", AGENTS_WRITE, connectors::disconnect_mcp_server),
    get("/agents/*/integrations/custom_api", AGENTS, NO_QUERY, connectors::list_custom_api),
    write("POST", "/agents/*/integrations/custom_api/configure", AGENTS_WRITE, Body::Fields(connectors::CUSTOM_API_FIELDS), connectors::configure_custom_api),
    get("/agents/*/integrations/custom_api/*/tools", AGENTS, NO_QUERY, connectors::list_custom_api_tools),
    write("POST", "/agents/*/integrations/custom_api/*/tools", AGENTS_WRITE, Body::Fields(connectors::TOOL_FIELDS), connectors::add_custom_api_tool),
    act("DELETE", "/agents/*/integrations/custom_api/*/tools/*", AGENTS_WRITE, connectors::delete_custom_api_tool),
    act("DELETE", "/agents/*/integrations/custom_api/*", AGENTS_WRITE, connectors::disconnect_custom_api),

    get("/workflows", WORKFLOWS, workflows::LIST_QUERY, workflows::list),
    write("POST", "/workflows", WORKFLOWS_WRITE, Body::Either(workflows::create_fields), workflows::create),
    write("POST", "/workflows/clone", WORKFLOWS_WRITE, Body::Fields(workflows::CLONE_FIELDS), workflows::clone),
    get("/workflows/*", WORKFLOWS, NO_QUERY, workflows::retrieve),
    write("PATCH", "/workflows/*", WORKFLOWS_WRITE, Body::Either(workflows::update_fields), workflows::update),
    act("DELETE", "/workflows/*", WORKFLOWS_WRITE, workflows::delete),

    get("/agents/*/conversations", TALKS, conversations::LIST_QUERY, conversations::list),
    write("POST", "/agents/*/conversations/messages", TALKS_WRITE, Body::Either(conversations::send_fields), conversations::send),
    get("/agents/*/conversations/*", TALKS, NO_QUERY, conversations::retrieve),
    write("PATCH", "/agents/*/conversations/*/ai-status", TALKS_WRITE, Body::Fields(conversations::AI_STATUS_FIELDS), conversations::set_ai_status),

    get("/agents/*/conversations/*/messages", TALKS, pagination::QUERY, messages::list),
    write("POST", "/agents/*/conversations/*/messages", TALKS_WRITE, Body::Fields(messages::SEND_FIELDS), messages::send),
    act("POST", "/agents/*/conversations/*/stream-ticket", TALKS, messages::stream_ticket),
    stream(STREAM_PATHS[0]),
    stream(STREAM_PATHS[1]),
    get("/agents/*/conversations/*/messages/*", TALKS, NO_QUERY, messages::retrieve),

    get("/agents/*/calls", TALKS, calls::LIST_QUERY, calls::list),
    write("POST", "/agents/*/calls", TALKS_WRITE, Body::Fields(calls::MAKE_FIELDS), calls::make),
    get("/agents/*/calls/*", TALKS, NO_QUERY, calls::retrieve),
    get("/calls", TALKS, NO_QUERY, calls::list_all),

    get("/phone-numbers", AGENTS, pagination::QUERY, phone_numbers::list),
    get("/phone-numbers/request", AGENTS, pagination::QUERY, phone_numbers::list_requests),
    write("POST", "/phone-numbers/request", AGENTS_WRITE, Body::Fields(phone_numbers::REQUEST_FIELDS), phone_numbers::request),
    get("/phone-numbers/*", AGENTS, NO_QUERY, phone_numbers::retrieve),
    write("PATCH", "/phone-numbers/*", AGENTS_WRITE, Body::Fields(phone_numbers::UPDATE_FIELDS), phone_numbers::update),
];

/// The operation that a request is for, and the ids in its path. `HEAD` is for what `GET` reads.
pub(super) fn find(request: &Request) -> Option<(&'static Route, Vec<String>)> {
    let path = request.segments()?;
    let serves = |route: &&Route| match request.method.as_str() {
        "HEAD" => route.method == "GET" && !matches!(route.action, Action::Stream),
        method => route.method == method,
    };
    ROUTES
        .iter()
        .filter(serves)
        .find_map(|route| Some((route, ids(route.path, &path)?)))
}

fn ids(pattern: &str, path: &[String]) -> Option<Vec<String>> {
    let mut segments = path.iter();
    let mut ids = Vec::new();
    for wanted in pattern.split('/').skip(1) {
        let segment = segments.next()?;
        if wanted == "*" && !segment.is_empty() {
            ids.push(segment.clone());
        } else if wanted != segment {
            return None;
        }
    }
    segments.next().is_none().then_some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_its_row() {
        assert_eq!(ROUTES.len(), 60);
    }
}
