//! `/agents`.

use serde_json::{Value, json};

use super::workflows::{self, RULE};
use super::{capabilities, channels, conversation_flows, knowledge_bases};
use crate::emulator::clock::to_text;
use crate::emulator::context::Context;
use crate::emulator::generation::Generation::{self, First};
use crate::emulator::ids;
use crate::emulator::options::Options;
use crate::emulator::pagination;
use crate::emulator::responder;
use crate::emulator::response::{ErrorResponse, HandlerResult, Object, Response, object};
use crate::emulator::schema::{ANY_LENGTH, Field, Kind, clearable, nullable, optional, required};
use crate::emulator::state::{Agent, State, patch, pick, text, touch};

const PERSONAS: Kind = Kind::Choice(&["professional", "friendly", "concise"]);
const STATUSES: Kind = Kind::Choice(&["development", "live", "paused"]);

/// The optional fields of both generations. The first accepts null to clear a field, and any text
/// as persona, logo and addresses.
macro_rules! with_common {
    ($persona:expr, $uri:expr, $email:expr; $($first:expr),* $(,)?) => {
        &[
            $($first,)*
            nullable("agent_workflow_id", Kind::Filled(50)).only(First),
            nullable("system_prompt", Kind::Text(ANY_LENGTH)).only(First),
            nullable("rules", Kind::List(&RULE)).only(First),
            clearable("language", Kind::Text(10)),
            clearable("persona", $persona),
            clearable("timezone", Kind::Text(64)),
            clearable("logo", $uri),
            clearable("business_name", Kind::Text(255)),
            clearable("business_address", Kind::Text(500)),
            clearable("business_email", $email),
            clearable("business_description", Kind::Text(2000)),
            clearable("escalation_email", $email),
        ]
    };
}

const FREE: Kind = Kind::Text(ANY_LENGTH);

/// The fields that an agent has in one generation only.
const FIRST_ONLY: [&str; 3] = ["agent_workflow_id", "system_prompt", "rules"];
const CURRENT_ONLY: [&str; 2] = ["workflow_id", "workflow"];

/// The fields that the detail of an agent has in one generation only, beside those.
const FIRST_DETAIL: [&str; 4] = ["integration", "channel", "conversation_flow", "actions"];
const CURRENT_DETAIL: [&str; 2] = ["integrations", "channels"];

/// A body with `workflow_id` is of the current generation.
pub(in crate::emulator) fn create_fields(
    generation: Generation,
    body: &Object,
) -> &'static [Field] {
    const CURRENT: &[Field] = with_common![
        PERSONAS, Kind::Uri, Kind::Email;
        required("workflow_id", Kind::Filled(50)),
        required("name", Kind::Filled(255)),
        required("description", Kind::Filled(2000)),
    ];
    const FIRST: &[Field] = with_common![
        FREE, FREE, FREE;
        required("name", Kind::Filled(255)),
        nullable("description", Kind::Text(2000)),
        optional("workflow_id", Kind::Filled(50)).only(Generation::Current),
    ];
    match generation {
        Generation::Both if body.contains_key("workflow_id") => CURRENT,
        Generation::Current => CURRENT,
        Generation::Both | First => FIRST,
    }
}

/// A body with a field of the first generation only is of the first generation.
pub(in crate::emulator) fn update_fields(
    generation: Generation,
    body: &Object,
) -> &'static [Field] {
    const FIRST: &[Field] = with_common![
        FREE, FREE, FREE;
        optional("workflow_id", Kind::Filled(50)).only(Generation::Current),
        optional("name", Kind::Filled(255)),
        nullable("description", Kind::Text(2000)),
    ];
    match generation {
        Generation::Both if FIRST_ONLY.iter().any(|name| body.contains_key(*name)) => FIRST,
        First => FIRST,
        Generation::Both | Generation::Current => UPDATE,
    }
}

const UPDATE: &[Field] = with_common![
    PERSONAS, Kind::Uri, Kind::Email;
    optional("workflow_id", Kind::Filled(50)),
    optional("name", Kind::Filled(255)),
    clearable("description", Kind::Text(2000)),
];

pub(in crate::emulator) const LIVE_STATUS_FIELDS: &[Field] = &[
    required("status", STATUSES),
    nullable("status_reason", Kind::Text(500)),
];

pub(in crate::emulator) fn list(context: &mut Context<'_>) -> HandlerResult {
    let agents = context.state.agents.items().iter().map(|agent| &agent.data);
    let searched = ["name", "description", "business_name"];
    let sorted = ["created_at", "updated_at", "name", "status"];
    let (data, meta) = pagination::page(agents, &context.query, &searched, &sorted)?;
    let shown = data.into_iter().map(|agent| match agent {
        Value::Object(agent) => Value::Object(shown(agent, context.options.generation)),
        other => other,
    });
    pagination::response((shown.collect(), meta))
}

pub(in crate::emulator) fn create(context: &mut Context<'_>) -> HandlerResult {
    let state = &mut *context.state;
    if context
        .options
        .agent_limit
        .is_some_and(|most| state.agents.items().len() >= most)
    {
        let message = "Agent limit reached for your plan. Please upgrade to create more agents.";
        let status = context.options.agent_limit_status;
        return Err(ErrorResponse::new(status, "agent_limit_reached", message));
    }
    let workflow = asked_workflow(&context.body)
        .map(|id| workflows::adopt(state, &id))
        .transpose()?;
    let (id, now) = (state.next_id(), to_text(state.now));
    let mut data = object! {
        "id": id,
        "name": null,
        "description": null,
        "language": "en",
        "persona": "friendly",
        "timezone": "UTC",
        "logo": null,
        "business_name": null,
        "business_address": null,
        "business_email": null,
        "business_description": null,
        "escalation_email": null,
        "system_prompt": null,
        "rules": null,
        "test_channel_code": null,
        "status": "development",
        "status_reason": null,
        "created_at": now,
        "updated_at": now,
    };
    patch(&mut data, &context.body, settable());
    let mut agent = Agent::new(data);
    agent.set_workflow(workflow.as_deref());
    state.agents.add(&id, agent);
    if context.options.first_conversation {
        first_conversation(state, &id, context.options)?;
    }
    let mut created = state.agent(&id)?.data.clone();
    let workflow = workflow.and_then(|id| state.workflows.get(&id));
    created.insert("workflow".to_owned(), json!(workflow));
    Ok(Response::created(shown(
        created,
        context.options.generation,
    )))
}

pub(in crate::emulator) fn retrieve(context: &mut Context<'_>) -> HandlerResult {
    let agent = context.state.agent(&context.id(0))?;
    let workflow = context.state.workflow_of(agent);
    let summary = |item: &Object| pick(item, &["id", "type", "name", "status", "is_connected"]);
    let integrations = capabilities::integrations(agent, workflow);
    let summaries: Value = integrations.iter().map(summary).collect();
    let channels = json!(channels::of(agent, workflow));
    let bases = agent.knowledge_bases.items().iter();
    let bases = bases
        .map(|base| pick(base, knowledge_bases::SUMMARY))
        .collect();
    let mut detail = agent.data.clone();
    for (name, value) in [
        ("knowledge_bases", bases),
        ("integrations", summaries),
        ("channels", channels.clone()),
        // The same under the names of the first generation.
        ("integration", json!(integrations)),
        ("channel", channels),
        ("conversation_flow", conversation_flows::of(workflow)),
        ("actions", json!(capabilities::actions(agent, workflow))),
    ] {
        detail.insert(name.to_owned(), value);
    }
    Ok(Response::ok(shown(detail, context.options.generation)))
}

pub(in crate::emulator) fn update(context: &mut Context<'_>) -> HandlerResult {
    let (id, now) = (context.id(0), context.state.now);
    let state = &mut *context.state;
    state.agent(&id)?;
    let unlink = context
        .body
        .get("agent_workflow_id")
        .is_some_and(Value::is_null);
    let workflow = asked_workflow(&context.body)
        .map(|id| workflows::adopt(state, &id))
        .transpose()?;
    let agent = state.agent_mut(&id)?;
    patch(&mut agent.data, &context.body, settable());
    if workflow.is_some() || unlink {
        agent.set_workflow(workflow.as_deref());
    }
    touch(&mut agent.data, now);
    let data = agent.data.clone();
    Ok(Response::ok(shown(data, context.options.generation)))
}

pub(in crate::emulator) fn delete(context: &mut Context<'_>) -> HandlerResult {
    let id = context.id(0);
    context
        .state
        .agents
        .remove(&id)
        .ok_or_else(|| ErrorResponse::not_found("Agent"))?;
    for number in context.state.phone_numbers.items_mut() {
        if text(number, "agent_id") == id {
            number.insert("agent_id".to_owned(), Value::Null);
        }
    }
    Ok(Response::deleted())
}

pub(in crate::emulator) fn update_live_status(context: &mut Context<'_>) -> HandlerResult {
    let (id, now) = (context.id(0), context.state.now);
    let agent = context.state.agent_mut(&id)?;
    agent.data.insert("status_reason".to_owned(), Value::Null);
    patch(&mut agent.data, &context.body, ["status", "status_reason"]);
    touch(&mut agent.data, now);
    Ok(Response::ok(pick(
        &agent.data,
        &["status", "status_reason"],
    )))
}

/// A read that creates the code if there is none.
pub(in crate::emulator) fn get_test_code(context: &mut Context<'_>) -> HandlerResult {
    let id = context.id(0);
    let agent = context.state.agent_mut(&id)?;
    if agent
        .data
        .get("test_channel_code")
        .is_none_or(Value::is_null)
    {
        agent
            .data
            .insert("test_channel_code".to_owned(), ids::test_code().into());
    }
    let code = text(&agent.data, "test_channel_code");
    let start = format!("start {code}");
    Ok(Response::ok(json!({
        "code": code,
        "channels": {
            "whatsapp": {
                "is_enabled": true,
                "start_message": start,
                "phone_number": "+14155552671",
                "url": format!("https://wa.me/14155552671?text=start%20{code}"),
            },
            "instagram": {
                "is_enabled": true,
                "start_message": start,
                "username": "bimpeaiagent",
                "url": format!("https://ig.me/m/bimpeaiagent?text=start%20{code}"),
            },
            "messenger": {
                "is_enabled": false,
                "start_message": start,
                "page": "bimpeai",
                "url": format!("https://m.me/bimpeai?text=start%20{code}"),
            },
            "telephony": { "is_enabled": true },
        },
    })))
}

/// An agent as a generation of the API returns it.
fn shown(mut agent: Object, generation: Generation) -> Object {
    let hidden = match generation {
        Generation::Both => return agent,
        First => [&CURRENT_ONLY[..], &CURRENT_DETAIL],
        Generation::Current => [&FIRST_ONLY[..], &FIRST_DETAIL],
    };
    for name in hidden.into_iter().flatten() {
        agent.remove(*name);
    }
    agent
}

/// The workflow id in a body, under either generation's name.
fn asked_workflow(body: &Object) -> Option<String> {
    let asked = body
        .get("workflow_id")
        .or_else(|| body.get("agent_workflow_id"));
    asked.and_then(Value::as_str).map(str::to_owned)
}

/// The fields that are copied from a body unchanged.
fn settable() -> impl Iterator<Item = &'static str> {
    UPDATE
        .iter()
        .map(|field| field.name)
        .filter(|name| !name.ends_with("workflow_id"))
}

/// Opens a test conversation in which a customer has written and the agent has greeted them.
fn first_conversation(
    state: &mut State,
    agent: &str,
    options: &Options,
) -> Result<(), ErrorResponse> {
    let visitor = ids::uuid();
    let opened = state.open_conversation(agent, "webchat", true, Some(&visitor), Some("Ada"))?;
    if options.customer_writes {
        state.say(agent, &opened, "user", responder::CUSTOMER_HELLO)?;
        let greeting = responder::greeting(&state.agent(agent)?.data);
        state.say(agent, &opened, "assistant", &greeting)?;
        state.conversation_mut(agent, &opened)?.customer_waits = true;
    }
    Ok(())
}
