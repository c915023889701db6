//! `/workflows`.

use serde_json::{Value, json};

use crate::emulator::clock::to_text;
use crate::emulator::context::Context;
use crate::emulator::generation::Generation;
use crate::emulator::pagination::{self, LIMIT, PAGE, SEARCH, SORT};
use crate::emulator::response::{ErrorResponse, HandlerResult, Object, Response, object};
use crate::emulator::schema::{ANY_LENGTH, Field, Kind, nullable, optional, required};
use crate::emulator::state::{State, patch, text, touch};

pub(in crate::emulator) const LIST_QUERY: &[Field] = &[
    PAGE,
    LIMIT,
    SEARCH,
    SORT,
    optional(
        "scope",
        Kind::ChoiceOf(&["owned", "public"], &["owned", "public", "accessible"]),
    ),
];

pub(in crate::emulator) const RULE: Kind = Kind::Object(&[
    required("id", Kind::Filled(100)),
    required("name", Kind::Filled(200)),
    required("trigger", Kind::Filled(500)),
    nullable("condition", Kind::Text(500)),
    required("response", Kind::Filled(2000)),
    nullable("action", Kind::Text(100)),
    required("enabled", Kind::Flag),
]);

const FLOW: Kind = Kind::Object(&[
    required("name", Kind::Filled(255)),
    nullable("description", Kind::Text(2000)),
    nullable("category", Kind::Text(100)),
    optional("priority", Kind::Whole(1, 10)),
    optional("is_active", Kind::Flag),
    optional(
        "trigger_keywords",
        Kind::List(&Kind::Object(&[
            required("keyword", Kind::Filled(200)),
            optional("weight", Kind::Choice(&["high", "medium", "low"])),
        ])),
    ),
    optional(
        "conversation_steps",
        Kind::List(&Kind::Object(&[
            required("type", Kind::Filled(ANY_LENGTH)),
            optional("content", Kind::Text(ANY_LENGTH)),
            optional("action", Kind::Text(ANY_LENGTH)),
            optional("followup", Kind::Text(ANY_LENGTH)),
        ])),
    ),
]);

const TEXTS: Kind = Kind::List(&Kind::Text(ANY_LENGTH));

const RULES: Field = optional("rules", Kind::List(&RULE));
const FLOWS: Field = optional("flows", Kind::List(&FLOW));
const DESCRIPTION: Field = optional("description", Kind::Text(2000));
const CATEGORY: Field = optional("category", Kind::Text(100));
const TAGS: Field = optional("tags", TEXTS);
const INTEGRATIONS: Field = optional("integrations", TEXTS).only(Generation::Current);
const CHANNELS: Field = optional("channels", TEXTS).only(Generation::Current);
const ACTIONS: Field = optional("actions", TEXTS).only(Generation::Current);
const GUIDE: Field = optional(
    "guide",
    Kind::Object(&[
        required("steps", TEXTS),
        optional("youtubeUrl", Kind::Text(ANY_LENGTH)),
    ]),
)
.only(Generation::Current);
const FAQ: Field = optional(
    "faq",
    Kind::List(&Kind::Object(&[
        required("question", Kind::Filled(ANY_LENGTH)),
        required("answer", Kind::Filled(ANY_LENGTH)),
    ])),
)
.only(Generation::Current);
const SETUP_STEPS: Field = optional(
    "setup_steps",
    Kind::List(&Kind::TextOr(&[
        optional("title", Kind::Text(ANY_LENGTH)),
        optional("description", Kind::Text(ANY_LENGTH)),
    ])),
)
.only(Generation::Current);
const SETUP_TIME: Field =
    optional("setup_time", Kind::Whole(1, i64::MAX)).only(Generation::Current);
const VIDEO_URL: Field = optional("video_url", Kind::Uri).only(Generation::Current);

const NAME: Kind = Kind::Filled(255);
const PROMPT: Kind = Kind::Filled(ANY_LENGTH);
const PROMPT_CONFIG: Field = optional("prompt_config", Kind::Open).only(Generation::First);
/// In the first generation flows are free-form objects.
const FREE_FLOWS: Field = optional("flows", Kind::List(&Kind::Open));

/// The given fields, then those that all bodies share.
macro_rules! with_common {
    ($($first:expr),*) => {
        &[
            $($first,)*
            DESCRIPTION,
            CATEGORY,
            RULES,
            TAGS,
            INTEGRATIONS,
            CHANNELS,
            ACTIONS,
            GUIDE,
            FAQ,
            SETUP_STEPS,
            SETUP_TIME,
            VIDEO_URL,
            PROMPT_CONFIG,
        ]
    };
}

/// A body with `prompt_config` is of the first generation, in which only the name is required.
pub(in crate::emulator) fn create_fields(
    generation: Generation,
    body: &Object,
) -> &'static [Field] {
    const CURRENT: &[Field] = with_common![
        required("name", NAME),
        required("system_prompt", PROMPT),
        FLOWS
    ];
    const FIRST: &[Field] = with_common![
        required("name", NAME),
        optional("system_prompt", PROMPT),
        FREE_FLOWS
    ];
    if is_first(generation, body) {
        FIRST
    } else {
        CURRENT
    }
}

pub(in crate::emulator) fn update_fields(
    generation: Generation,
    body: &Object,
) -> &'static [Field] {
    const CURRENT: &[Field] = with_common![
        optional("name", NAME),
        optional("system_prompt", PROMPT),
        FLOWS
    ];
    const FIRST: &[Field] = with_common![
        optional("name", NAME),
        optional("system_prompt", PROMPT),
        FREE_FLOWS
    ];
    if is_first(generation, body) {
        FIRST
    } else {
        CURRENT
    }
}

fn is_first(generation: Generation, body: &Object) -> bool {
    match generation {
        Generation::Both => body.contains_key("prompt_config"),
        generation => generation == Generation::First,
    }
}

pub(in crate::emulator) const CLONE_FIELDS: &[Field] =
    &[required("source_workflow_id", Kind::Filled(ANY_LENGTH))];

pub(in crate::emulator) fn list(context: &mut Context<'_>) -> HandlerResult {
    let scope = text(&context.query, "scope");
    let in_scope = |workflow: &&Object| match scope {
        "owned" => is_owned(workflow),
        "public" => text(workflow, "visibility") == "public",
        _ => true,
    };
    let workflows = context.state.workflows.items().iter().filter(in_scope);
    let searched = ["name", "description", "category", "tags"];
    let sorted = ["created_at", "updated_at", "name", "category", "setup_time"];
    pagination::response(pagination::page(
        workflows,
        &context.query,
        &searched,
        &sorted,
    )?)
}

pub(in crate::emulator) fn create(context: &mut Context<'_>) -> HandlerResult {
    let state = &mut *context.state;
    let id = state.next_id();
    let mut workflow = empty(&id);
    patch(&mut workflow, &context.body, settable());
    own(&mut workflow, &to_text(state.now));
    state.workflows.add(&id, workflow.clone());
    Ok(Response::created(workflow))
}

pub(in crate::emulator) fn clone(context: &mut Context<'_>) -> HandlerResult {
    let source = text(&context.body, "source_workflow_id").to_owned();
    let id = copy(context.state, &source)?;
    Ok(Response::created(json!(context.state.workflows.get(&id))))
}

pub(in crate::emulator) fn retrieve(context: &mut Context<'_>) -> HandlerResult {
    let workflow = context.state.workflows.get(&context.id(0));
    Ok(Response::ok(
        workflow
            .ok_or_else(|| ErrorResponse::not_found("Workflow"))?
            .clone(),
    ))
}

pub(in crate::emulator) fn update(context: &mut Context<'_>) -> HandlerResult {
    let (id, now) = (context.id(0), context.state.now);
    let workflow = context
        .state
        .workflows
        .get_mut(&id)
        .filter(|workflow| is_owned(workflow));
    let workflow = workflow.ok_or_else(|| ErrorResponse::not_found("Workflow"))?;
    patch(workflow, &context.body, settable());
    touch(workflow, now);
    Ok(Response::ok(workflow.clone()))
}

pub(in crate::emulator) fn delete(context: &mut Context<'_>) -> HandlerResult {
    let (id, state) = (context.id(0), &mut *context.state);
    if !state.workflows.get(&id).is_some_and(is_owned) {
        return Err(ErrorResponse::not_found("Workflow"));
    }
    state.workflows.remove(&id);
    for agent in state.agents.items_mut() {
        if agent.workflow_id() == Some(&id) {
            agent.set_workflow(None);
        }
    }
    Ok(Response::deleted())
}

/// Returns the id of a workflow that an agent can use: the same id if the team owns the workflow,
/// else that of a copy.
pub(super) fn adopt(state: &mut State, id: &str) -> Result<String, ErrorResponse> {
    match state.workflows.get(id) {
        Some(workflow) if is_owned(workflow) => Ok(id.to_owned()),
        _ => copy(state, id),
    }
}

/// Adds a workflow of the public library.
pub(in crate::emulator) fn publish(state: &mut State, entry: Object) {
    let id = text(&entry, "id").to_owned();
    let mut workflow = empty(&id);
    workflow.extend(entry);
    workflow.insert("visibility".to_owned(), "public".into());
    workflow.insert("is_owner".to_owned(), false.into());
    state.workflows.add(&id, workflow);
}

fn copy(state: &mut State, source: &str) -> Result<String, ErrorResponse> {
    let original = state.workflows.get(source);
    let mut workflow = original
        .ok_or_else(|| ErrorResponse::not_found("Workflow"))?
        .clone();
    let id = state.next_id();
    workflow.insert("id".to_owned(), id.as_str().into());
    workflow.insert("source_workflow_id".to_owned(), source.into());
    own(&mut workflow, &to_text(state.now));
    state.workflows.add(&id, workflow);
    Ok(id)
}

fn own(workflow: &mut Object, now: &str) {
    workflow.extend(object! {
        "visibility": "private",
        "is_owner": true,
        "created_at": now,
        "updated_at": now,
    });
}

fn is_owned(workflow: &Object) -> bool {
    workflow
        .get("is_owner")
        .and_then(Value::as_bool)
        .unwrap_or_default()
}

fn empty(id: &str) -> Object {
    object! {
        "id": id,
        "name": null,
        "description": null,
        "category": null,
        "system_prompt": null,
        "rules": [],
        "flows": [],
        "tags": [],
        "integrations": null,
        "channels": null,
        "actions": null,
        "guide": null,
        "faq": null,
        "setup_steps": [],
        "setup_time": null,
        "video_url": null,
    }
}

/// The fields that are copied from a body unchanged.
fn settable() -> impl Iterator<Item = &'static str> {
    create_fields(Generation::Both, &Object::new())
        .iter()
        .map(|field| field.name)
}
