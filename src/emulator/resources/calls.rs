//! `/agents/{agent_id}/calls`, and `/calls` of the first generation.

use serde_json::{Value, json};

use crate::emulator::clock::to_text;
use crate::emulator::context::Context;
use crate::emulator::pagination::{self, LIMIT, PAGE, SEARCH, SORT};
use crate::emulator::responder;
use crate::emulator::response::{ErrorResponse, HandlerResult, Object, Response, object};
use crate::emulator::schema::{Field, Kind, optional, required};
use crate::emulator::state::{array, pick, text};

pub(in crate::emulator) const LIST_QUERY: &[Field] = &[
    PAGE,
    LIMIT,
    SEARCH,
    SORT,
    optional("is_test_call", Kind::Flag),
    optional(
        "status",
        Kind::Choice(&[
            "queued",
            "ringing",
            "answered",
            "ended",
            "busy",
            "failed",
            "cancelled",
        ]),
    ),
];

/// The fields of a call in a list.
const LISTED: &[&str] = &[
    "id",
    "source",
    "destination",
    "status",
    "direction",
    "created_on",
    "duration_seconds",
    "is_test_call",
    "error_reason",
    "end_reason",
    "ringing_at",
    "ended_at",
];

/// The vendor's number, the source of test calls.
const TEST_NUMBER: &str = "+14155550100";

pub(in crate::emulator) const MAKE_FIELDS: &[Field] = &[
    required("destination", Kind::Phone),
    required("is_test_call", Kind::Flag),
];

/// API 0.1 only. It was never implemented.
pub(in crate::emulator) fn list_all(_: &mut Context<'_>) -> HandlerResult {
    Err(ErrorResponse::new(
        501,
        "not_implemented",
        "Listing calls is not implemented yet.",
    ))
}

pub(in crate::emulator) fn list(context: &mut Context<'_>) -> HandlerResult {
    let query = &context.query;
    let calls = context.state.agent(&context.id(0))?.calls.items().iter();
    let calls = calls.filter(|call| {
        let fits = |name: &str| {
            query
                .get(name)
                .is_none_or(|wanted| call.get(name) == Some(wanted))
        };
        fits("is_test_call") && fits("status")
    });
    let sorted = ["created_on", "created_at", "status", "duration_seconds"];
    let (data, meta) = pagination::page(calls, query, &["destination", "source"], &sorted)?;
    let data = data
        .iter()
        .filter_map(Value::as_object)
        .map(|call| pick(call, LISTED))
        .collect();
    pagination::response((data, meta))
}

/// Places a call. A number that ends in 0000 is busy, one that ends in 9999 cannot be reached.
pub(in crate::emulator) fn make(context: &mut Context<'_>) -> HandlerResult {
    let (agent, now) = (context.id(0), to_text(context.state.now));
    let is_test = context.body.get("is_test_call") == Some(&Value::Bool(true));
    let caller = context
        .state
        .phone_numbers
        .items()
        .iter()
        .find(|n| text(n, "agent_id") == agent);
    let caller = caller.map(|number| text(number, "e164").to_owned());
    let connected = context
        .state
        .agent(&agent)?
        .channels
        .contains_key("telephony");
    if !is_test && caller.is_none() && !connected {
        let message = "No live telephony channel is configured for this agent.";
        return Err(ErrorResponse::new(400, "channel_not_configured", message));
    }
    let destination = text(&context.body, "destination").to_owned();
    let (result, status, reason) = match destination.get(destination.len() - 4..) {
        Some("0000") => ("busy", "busy", Some("The line is busy.")),
        Some("9999") => ("failed", "failed", Some("The number cannot be reached.")),
        _ => ("initiated", "queued", None),
    };
    let id = context.state.next_id();
    let over = reason.map(|_| now.as_str());
    let call = object! {
        "id": id,
        "source": caller.as_deref().unwrap_or(TEST_NUMBER),
        "destination": destination,
        "status": status,
        "direction": "outbound",
        "created_on": now,
        "created_at": now,
        "duration_seconds": null,
        "is_test_call": is_test,
        "error_reason": reason,
        "end_reason": reason.map(|_| status),
        "ringing_at": null,
        "started_at": null,
        "answered_at": null,
        "ended_at": over,
        "conversation_logs": [],
    };
    context.state.agent_mut(&agent)?.calls.add(&id, call);
    let detail = reason.unwrap_or("Call initiated");
    Ok(Response::created(
        json!({ "status": result, "call_id": id, "detail": detail }),
    ))
}

/// Returns the call and moves it one step on.
pub(in crate::emulator) fn retrieve(context: &mut Context<'_>) -> HandlerResult {
    let (agent, id, now) = (context.id(0), context.id(1), to_text(context.state.now));
    let lines: Vec<String> = (0..3).map(|_| context.state.next_id()).collect();
    let agent = context.state.agent_mut(&agent)?;
    let hello = responder::greeting(&agent.data);
    let call = agent
        .calls
        .get_mut(&id)
        .ok_or_else(|| ErrorResponse::not_found("Call"))?;
    let mut shown = call.clone();
    shown.remove("created_at");
    advance(call, &now, &lines, &hello);
    Ok(Response::ok(shown))
}

fn advance(call: &mut Object, now: &str, lines: &[String], hello: &str) {
    let said = |index: usize, role: &str, message: &str| {
        let id = lines.get(index);
        json!({ "id": id, "role": role, "message": message, "message_type": "text", "created_at": now })
    };
    let next = match text(call, "status") {
        "queued" => object! { "status": "ringing", "started_at": now, "ringing_at": now },
        "ringing" => object! {
            "status": "answered",
            "answered_at": now,
            "conversation_logs": [said(0, "assistant", hello)],
        },
        "answered" => {
            let mut logs = array(call, "conversation_logs").to_vec();
            logs.push(said(1, "user", "Thank you, that is all I wanted to know."));
            logs.push(said(2, "assistant", "You are welcome. Goodbye!"));
            object! {
                "status": "ended",
                "ended_at": now,
                "duration_seconds": 42,
                "end_reason": "completed",
                "conversation_logs": logs,
            }
        }
        _ => return,
    };
    call.extend(next);
}
