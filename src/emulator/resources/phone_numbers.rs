//! `/phone-numbers`, and requests for new ones.

use serde_json::{Value, json};

use crate::emulator::clock::to_text;
use crate::emulator::context::Context;
use crate::emulator::pagination;
use crate::emulator::response::{ErrorResponse, HandlerResult, Response, object};
use crate::emulator::schema::{ANY_LENGTH, Field, Kind, nullable, optional, required};
use crate::emulator::state::{State, patch, pick, text, touch};

/// The fields of a number in a list.
const LISTED: &[&str] = &["id", "agent_id", "label", "e164"];

const SORTED: &[&str] = &[
    "created_at",
    "updated_at",
    "label",
    "e164",
    "status",
    "business_name",
];

pub(in crate::emulator) const REQUEST_FIELDS: &[Field] = &[
    required("business_name", Kind::Filled(191)),
    required("intended_use", Kind::Filled(ANY_LENGTH)),
    required("region", Kind::Choice(&["us", "uk", "eu", "ng"])),
    required("agent_count", Kind::Whole(1, 50)),
    required("outbound_minutes", Kind::Whole(0, 10_000)),
    optional("submitted_by_agent_id", Kind::Text(ANY_LENGTH)),
];

pub(in crate::emulator) const UPDATE_FIELDS: &[Field] = &[
    nullable("agent_id", Kind::Filled(ANY_LENGTH)),
    optional("label", Kind::Text(128)),
];

pub(in crate::emulator) fn list(context: &mut Context<'_>) -> HandlerResult {
    let numbers = context.state.phone_numbers.items().iter();
    let (data, meta) = pagination::page(numbers, &context.query, &["label", "e164"], SORTED)?;
    let data = data
        .iter()
        .filter_map(Value::as_object)
        .map(|n| pick(n, LISTED))
        .collect();
    response(context, data, meta)
}

pub(in crate::emulator) fn list_requests(context: &mut Context<'_>) -> HandlerResult {
    let requests = context.state.phone_requests.items().iter();
    let searched = ["business_name", "intended_use", "region", "status"];
    let (data, meta) = pagination::page(requests, &context.query, &searched, SORTED)?;
    response(context, data, meta)
}

pub(in crate::emulator) fn request(context: &mut Context<'_>) -> HandlerResult {
    let (id, now) = (context.state.next_id(), to_text(context.state.now));
    let asks_for = text(&context.body, "submitted_by_agent_id");
    if !asks_for.is_empty() {
        context.state.agent(asks_for)?;
    }
    let mut request = object! {
        "id": id,
        "status": "under_review",
        "e164": null,
        "agent_id": null,
        "label": null,
        "created_at": now,
        "updated_at": now,
    };
    patch(
        &mut request,
        &context.body,
        REQUEST_FIELDS.iter().map(|field| field.name),
    );
    context.state.phone_requests.add(&id, request.clone());
    // The success is documented without a body.
    Ok(if context.options.phone_request_body {
        Response::created(request)
    } else {
        Response::bodyless()
    })
}

pub(in crate::emulator) fn retrieve(context: &mut Context<'_>) -> HandlerResult {
    let number = context.state.phone_numbers.get(&context.id(0));
    Ok(Response::ok(
        number
            .ok_or_else(|| ErrorResponse::not_found("Phone number"))?
            .clone(),
    ))
}

/// A null `agent_id` unassigns the number.
pub(in crate::emulator) fn update(context: &mut Context<'_>) -> HandlerResult {
    let (id, now) = (context.id(0), context.state.now);
    if let Some(agent) = context.body.get("agent_id").and_then(Value::as_str) {
        context.state.agent(agent)?;
    }
    let number = context.state.phone_numbers.get_mut(&id);
    let number = number.ok_or_else(|| ErrorResponse::not_found("Phone number"))?;
    patch(number, &context.body, ["agent_id", "label"]);
    touch(number, now);
    Ok(Response::ok(number.clone()))
}

/// Assigns a number to the team, as the vendor does, and grants the oldest request under review.
pub(in crate::emulator) fn assign(state: &mut State, e164: &str, agent: Option<&str>) -> String {
    let (id, now) = (state.next_id(), to_text(state.now));
    let mut open = state.phone_requests.items_mut().iter_mut();
    if let Some(request) = open.find(|request| text(request, "status") == "under_review") {
        request.extend(object! {
            "status": "assigned",
            "e164": e164,
            "agent_id": agent,
            "updated_at": now,
        });
    }
    let number = object! {
        "id": id,
        "agent_id": agent,
        "label": null,
        "e164": e164,
        "inbound_enabled": true,
        "created_at": now,
        "updated_at": now,
    };
    state.phone_numbers.add(&id, number);
    id
}

fn response(context: &Context<'_>, data: Vec<Value>, meta: Value) -> HandlerResult {
    let meta = if context.options.empty_phone_meta {
        json!({})
    } else {
        meta
    };
    pagination::response((data, meta))
}
