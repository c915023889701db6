//! The operations of the API: one row for each.

use serde_json::Value;

use super::context::Context;
use super::generation::Generation::{self, Current, First};
use super::http::Request;
use super::pagination;
use super::pattern::STREAM_PATHS;
use super::resources::integrations::{self, bimpeai, custom_api, mcp_server, pipedream};
use super::resources::{
    actions, agents, calls, channels, conversation_flows, conversations, knowledge_bases, messages,
    phone_numbers, workflows,
};
use super::response::{ErrorResponse, HandlerResult, Object};
use super::schema::{Field, check, typed_query};

/// An operation: its path, access, query, body and handler.
#[derive(Clone, Copy)]
pub(super) struct Route {
    method: &'static str,
    /// Path below the prefix. `*` is an id.
    path: &'static str,
    pub(super) access: Access,
    query: &'static [Field],
    body: Body,
    pub(super) action: Action,
    generation: Generation,
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
enum Body {
    None,
    Fields(&'static [Field]),
    /// The fields depend on the body's generation or type.
    Either(fn(Generation, &Object) -> &'static [Field]),
}

#[derive(Clone, Copy)]
pub(super) enum Action {
    Handler(fn(&mut Context<'_>) -> HandlerResult),
    Stream,
}

impl Route {
    /// Returns the operation as one that only this generation has.
    const fn only(self, generation: Generation) -> Self {
        Route { generation, ..self }
    }

    /// The query and body of a request, checked by the route's tables.
    pub(super) fn parse(
        &self,
        request: &Request,
        generation: Generation,
    ) -> Result<(Object, Object), ErrorResponse> {
        let query = typed_query(self.query, request.query_pairs());
        check(self.query, &query, generation)?;
        if matches!(self.body, Body::None) {
            return Ok((query, Object::new()));
        }
        let body = if request.body.is_empty() {
            Object::new()
        } else {
            match serde_json::from_slice(&request.body) {
                Ok(Value::Object(body)) => body,
                Ok(_) => return Err(ErrorResponse::invalid("body", "must be an object")),
                Err(_) => {
                    let message = "The request body is not valid JSON.";
                    return Err(ErrorResponse::bad_request(message));
                }
            }
        };
        match self.body {
            Body::None => {}
            Body::Fields(fields) => check(fields, &body, generation)?,
            Body::Either(choose) => check(choose(generation, &body), &body, generation)?,
        }
        Ok((query, body))
    }
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
        generation: Generation::Both,
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
        generation: Generation::Both,
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
        generation: Generation::Both,
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

/// A literal segment comes before an id in the same place.
#[rustfmt::skip]
static ROUTES: &[Route] = &[
    get("/agents", AGENTS, pagination::QUERY, agents::list),
    write("POST", "/agents", AGENTS_WRITE, Body::Either(agents::create_fields), agents::create),
    get("/agents/*", AGENTS, NO_QUERY, agents::retrieve),
    write("PATCH", "/agents/*", AGENTS_WRITE, Body::Either(agents::update_fields), agents::update),
    act("DELETE", "/agents/*", AGENTS_WRITE, agents::delete).only(Current),
    write("PATCH", "/agents/*/live-status", AGENTS_WRITE, Body::Fields(agents::LIVE_STATUS_FIELDS), agents::update_live_status).only(Current),
    get("/agents/*/deployment/agent-test-code", AGENTS, NO_QUERY, agents::get_test_code).only(Current),
    get("/agents/*/conversation_flows", AGENTS, NO_QUERY, conversation_flows::list).only(First),

    get("/agents/*/knowledge_bases", AGENTS, NO_QUERY, knowledge_bases::list),
    write("POST", "/agents/*/knowledge_bases", AGENTS_WRITE, Body::Either(knowledge_bases::create_fields), knowledge_bases::create),
    write("PATCH", "/agents/*/knowledge_bases/*", AGENTS_WRITE, Body::Fields(knowledge_bases::UPDATE_FIELDS), knowledge_bases::update),
    act("DELETE", "/agents/*/knowledge_bases/*", AGENTS_WRITE, knowledge_bases::delete),

    get("/agents/*/channels", AGENTS, NO_QUERY, channels::list),
    get("/agents/*/actions", AGENTS, NO_QUERY, actions::list),
    write("POST", "/agents/*/actions/enable", AGENTS_WRITE, Body::Fields(actions::SWITCH_FIELDS), actions::enable).only(Current),
    write("POST", "/agents/*/actions/disable", AGENTS_WRITE, Body::Fields(actions::SWITCH_FIELDS), actions::disable).only(Current),

    get("/agents/*/integrations", AGENTS, NO_QUERY, integrations::list),
    get("/agents/*/integrations/bimpeai", AGENTS, NO_QUERY, bimpeai::list).only(Current),
    write("POST", "/agents/*/integrations/bimpeai/configure", AGENTS_WRITE, Body::Either(bimpeai::configure_fields), bimpeai::configure).only(Current),
    act("DELETE", "/agents/*/integrations/bimpeai/*", AGENTS_WRITE, bimpeai::disconnect).only(Current),
    get("/agents/*/integrations/pipedream", AGENTS, NO_QUERY, pipedream::list).only(Current),
    write("POST", "/agents/*/integrations/pipedream/configure", AGENTS_WRITE, Body::Fields(pipedream::CONFIGURE_FIELDS), pipedream::configure).only(Current),
    act("DELETE", "/agents/*/integrations/pipedream/*", AGENTS_WRITE, pipedream::disconnect).only(Current),
    get("/agents/*/integrations/mcp_server", AGENTS, NO_QUERY, mcp_server::list).only(Current),
    write("POST", "/agents/*/integrations/mcp_server/configure", AGENTS_WRITE, Body::Fields(mcp_server::CONFIGURE_FIELDS), mcp_server::configure).only(Current),
    act("POST", "/agents/*/integrations/mcp_server/*/test", AGENTS_WRITE, mcp_server::test).only(Current),
    act("POST", "/agents/*/integrations/mcp_server/*/discover", AGENTS_WRITE, mcp_server::discover).only(Current),
    get("/agents/*/integrations/mcp_server/*/tools", AGENTS, NO_QUERY, mcp_server::list_tools).only(Current),
    act("DELETE", "/agents/*/integrations/mcp_server/*", AGENTS_WRITE, mcp_server::disconnect).only(Current),
    get("/agents/*/integrations/custom_api", AGENTS, NO_QUERY, custom_api::list).only(Current),
    write("POST", "/agents/*/integrations/custom_api/configure", AGENTS_WRITE, Body::Fields(custom_api::CONFIGURE_FIELDS), custom_api::configure).only(Current),
    get("/agents/*/integrations/custom_api/*/tools", AGENTS, NO_QUERY, custom_api::list_tools).only(Current),
    write("POST", "/agents/*/integrations/custom_api/*/tools", AGENTS_WRITE, Body::Fields(custom_api::TOOL_FIELDS), custom_api::add_tool).only(Current),
    act("DELETE", "/agents/*/integrations/custom_api/*/tools/*", AGENTS_WRITE, custom_api::delete_tool).only(Current),
    act("DELETE", "/agents/*/integrations/custom_api/*", AGENTS_WRITE, custom_api::disconnect).only(Current),

    get("/workflows", WORKFLOWS, workflows::LIST_QUERY, workflows::list),
    write("POST", "/workflows", WORKFLOWS_WRITE, Body::Either(workflows::create_fields), workflows::create),
    write("POST", "/workflows/clone", WORKFLOWS_WRITE, Body::Fields(workflows::CLONE_FIELDS), workflows::clone).only(Current),
    get("/workflows/*", WORKFLOWS, NO_QUERY, workflows::retrieve),
    write("PATCH", "/workflows/*", WORKFLOWS_WRITE, Body::Either(workflows::update_fields), workflows::update),
    act("DELETE", "/workflows/*", WORKFLOWS_WRITE, workflows::delete),

    get("/agents/*/conversations", TALKS, conversations::LIST_QUERY, conversations::list),
    write("POST", "/agents/*/conversations/messages", TALKS_WRITE, Body::Either(conversations::send_fields), conversations::send).only(Current),
    get("/agents/*/conversations/*", TALKS, NO_QUERY, conversations::retrieve),
    write("PATCH", "/agents/*/conversations/*/ai-status", TALKS_WRITE, Body::Fields(conversations::AI_STATUS_FIELDS), conversations::set_ai_status).only(Current),

    get("/agents/*/conversations/*/messages", TALKS, pagination::QUERY, messages::list),
    write("POST", "/agents/*/conversations/*/messages", TALKS_WRITE, Body::Fields(messages::SEND_FIELDS), messages::send),
    act("POST", "/agents/*/conversations/*/stream-ticket", TALKS, messages::stream_ticket),
    stream(STREAM_PATHS[0]).only(Current),
    stream(STREAM_PATHS[1]),
    get("/agents/*/conversations/*/messages/*", TALKS, NO_QUERY, messages::retrieve).only(Current),

    get("/agents/*/calls", TALKS, calls::LIST_QUERY, calls::list).only(Current),
    write("POST", "/agents/*/calls", TALKS_WRITE, Body::Fields(calls::MAKE_FIELDS), calls::make).only(Current),
    get("/agents/*/calls/*", TALKS, NO_QUERY, calls::retrieve).only(Current),
    get("/calls", TALKS, NO_QUERY, calls::list_all).only(First),

    get("/phone-numbers", AGENTS, pagination::QUERY, phone_numbers::list).only(Current),
    get("/phone-numbers/request", AGENTS, pagination::QUERY, phone_numbers::list_requests).only(Current),
    write("POST", "/phone-numbers/request", AGENTS_WRITE, Body::Fields(phone_numbers::REQUEST_FIELDS), phone_numbers::request).only(Current),
    get("/phone-numbers/*", AGENTS, NO_QUERY, phone_numbers::retrieve).only(Current),
    write("PATCH", "/phone-numbers/*", AGENTS_WRITE, Body::Fields(phone_numbers::UPDATE_FIELDS), phone_numbers::update).only(Current),
];

/// Returns the operation of a request and the ids in its path. `HEAD` has the operation of `GET`.
pub(super) fn find(
    request: &Request,
    generation: Generation,
) -> Option<(&'static Route, Vec<String>)> {
    let path = request.segments()?;
    let serves = |route: &&Route| {
        let is_method = match request.method.as_str() {
            "HEAD" => route.method == "GET" && !matches!(route.action, Action::Stream),
            method => route.method == method,
        };
        is_method && generation.has(route.generation)
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
