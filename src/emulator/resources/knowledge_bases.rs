//! `/agents/{agent_id}/knowledge_bases`.

use serde_json::Value;

use crate::emulator::clock::to_text;
use crate::emulator::context::Context;
use crate::emulator::generation::Generation;
use crate::emulator::response::{ErrorResponse, HandlerResult, Object, Response, object};
use crate::emulator::schema::{Field, Kind, clearable, optional, required};
use crate::emulator::state::{patch, pick, text, touch};

pub(super) const SUMMARY: &[&str] = &["id", "type", "name", "description"];
const SHOWN: &[&str] = &[
    "id",
    "type",
    "name",
    "description",
    "url",
    "content",
    "created_at",
    "updated_at",
];

pub(in crate::emulator) fn create_fields(_: Generation, body: &Object) -> &'static [Field] {
    const TEXT: &[Field] = &[
        required("type", Kind::Choice(&["text", "url"])),
        required("name", Kind::Filled(255)),
        clearable("description", Kind::Text(1000)),
        required("content", Kind::Filled(2500)),
        optional("url", Kind::Uri),
    ];
    const URL: &[Field] = &[
        required("type", Kind::Choice(&["text", "url"])),
        required("name", Kind::Filled(255)),
        clearable("description", Kind::Text(1000)),
        optional("content", Kind::Text(2500)),
        required("url", Kind::Uri),
    ];
    if text(body, "type") == "url" {
        URL
    } else {
        TEXT
    }
}

pub(in crate::emulator) const UPDATE_FIELDS: &[Field] = &[
    optional("name", Kind::Filled(255)),
    clearable("description", Kind::Text(1000)),
    clearable("content", Kind::Text(2500)),
    clearable("url", Kind::Uri),
];

pub(in crate::emulator) fn list(context: &mut Context<'_>) -> HandlerResult {
    let bases = context
        .state
        .agent(&context.id(0))?
        .knowledge_bases
        .items()
        .iter();
    Ok(Response::ok(
        bases.map(|base| pick(base, SHOWN)).collect::<Value>(),
    ))
}

pub(in crate::emulator) fn create(context: &mut Context<'_>) -> HandlerResult {
    let (id, now) = (context.state.next_id(), to_text(context.state.now));
    let mut base = object! {
        "id": id,
        "description": null,
        "url": null,
        "content": null,
        "created_at": now,
        "updated_at": now,
    };
    patch(
        &mut base,
        &context.body,
        ["type", "name", "description", "content", "url"],
    );
    extract(&mut base);
    let agent = context.id(0);
    context
        .state
        .agent_mut(&agent)?
        .knowledge_bases
        .add(&id, base.clone());
    Ok(Response::created(pick(&base, SHOWN)))
}

pub(in crate::emulator) fn update(context: &mut Context<'_>) -> HandlerResult {
    let (agent, id, now) = (context.id(0), context.id(1), context.state.now);
    let base = context
        .state
        .agent_mut(&agent)?
        .knowledge_bases
        .get_mut(&id);
    let base = base.ok_or_else(|| ErrorResponse::not_found("Knowledge base"))?;
    for (kind, field) in [("text", "url"), ("url", "content")] {
        let given = context
            .body
            .get(field)
            .is_some_and(|value| !value.is_null());
        if text(base, "type") == kind && given {
            let message = format!("cannot be set on a knowledge base of type {kind}");
            return Err(ErrorResponse::invalid(field, message));
        }
    }
    patch(
        base,
        &context.body,
        ["name", "description", "content", "url"],
    );
    if context.body.contains_key("url") {
        extract(base);
    }
    touch(base, now);
    Ok(Response::ok(pick(base, SHOWN)))
}

pub(in crate::emulator) fn delete(context: &mut Context<'_>) -> HandlerResult {
    let (agent, id) = (context.id(0), context.id(1));
    let removed = context.state.agent_mut(&agent)?.knowledge_bases.remove(&id);
    removed
        .map(|_| Response::deleted())
        .ok_or_else(|| ErrorResponse::not_found("Knowledge base"))
}

/// Sets the content of a URL's knowledge base. The API reads the page; the emulator has no network
/// access and says so.
fn extract(base: &mut Object) {
    let url = text(base, "url").to_owned();
    if text(base, "type") == "url" && !url.is_empty() {
        let content = format!("This is where the text of {url} would stand.");
        base.insert("content".to_owned(), content.into());
    }
}
