//! `/agents/{agent_id}/calls`, and `/calls` of the first generation.

use serde_json::{Value, json};

use crate::emulator::clock::{Millis, millis, to_text};
use crate::emulator::context::Context;
use crate::emulator::options::Options;
use crate::emulator::pagination::{self, LIMIT, PAGE, SEARCH, SORT};
use crate::emulator::responder;
use crate::emulator::response::{ErrorResponse, HandlerResult, Object, Response, object};
use crate::emulator::schema::{Field, Kind, optional, required};
use crate::emulator::state::{Call, State, pick, text};

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

/// What happens to a call, one step at a time.
#[derive(Clone, Copy)]
enum Step {
    Ring,
    Answer,
    Transfer,
    End,
    /// The call is not picked up.
    GiveUp,
    /// A machine picks up.
    LeaveMessage,
    /// The transcript is complete.
    Transcribe,
}

/// The course of a call, which the last four digits of the number decide.
struct Course {
    status: &'static str,
    /// Why the call ended at once.
    error: Option<&'static str>,
    steps: &'static [Step],
}

const ANSWERED: &[Step] = &[Step::Ring, Step::Answer, Step::End, Step::Transcribe];
const UNANSWERED: &[Step] = &[Step::Ring, Step::GiveUp];
const VOICEMAIL: &[Step] = &[Step::Ring, Step::LeaveMessage];
const TRANSFERRED: &[Step] = &[
    Step::Ring,
    Step::Answer,
    Step::Transfer,
    Step::End,
    Step::Transcribe,
];

fn course(destination: &str) -> Course {
    let at_once = |status, error| Course {
        status,
        error: Some(error),
        steps: &[],
    };
    let steps = match destination.get(destination.len().saturating_sub(4)..) {
        Some("0000") => return at_once("busy", "The line is busy."),
        Some("9999") => return at_once("failed", "The number cannot be reached."),
        Some("8888") => UNANSWERED,
        Some("7777") => VOICEMAIL,
        Some("6666") => TRANSFERRED,
        _ => ANSWERED,
    };
    Course {
        status: "queued",
        error: None,
        steps,
    }
}

pub(in crate::emulator) fn list(context: &mut Context<'_>) -> HandlerResult {
    let (agent, now) = (context.id(0), context.state.now);
    let agent = context.state.agent_mut(&agent)?;
    for call in agent.calls.items_mut() {
        catch_up(call, context.options, now);
    }
    let query = &context.query;
    let calls = agent.calls.items().iter().map(|call| &call.data);
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

pub(in crate::emulator) fn make(context: &mut Context<'_>) -> HandlerResult {
    let (agent, now) = (context.id(0), context.state.now);
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
    let course = course(&destination);
    let id = context.state.next_id();
    let created = to_text(now);
    let data = object! {
        "id": id,
        "source": caller.as_deref().unwrap_or(TEST_NUMBER),
        "destination": destination,
        "status": course.status,
        "direction": "outbound",
        "created_on": created,
        "created_at": created,
        "duration_seconds": null,
        "is_test_call": is_test,
        "error_reason": course.error,
        "end_reason": course.error.map(|_| course.status),
        "ringing_at": null,
        "started_at": null,
        "answered_at": null,
        "ended_at": course.error.map(|_| created.as_str()),
        "conversation_logs": [],
    };
    let call = Call {
        data,
        created: now,
        steps: 0,
        transcript: transcript(context.state, &agent)?,
    };
    context.state.agent_mut(&agent)?.calls.add(&id, call);
    let status = match course.error {
        Some(_) => course.status,
        None => "initiated",
    };
    let detail = course.error.unwrap_or("Call initiated");
    Ok(Response::created(
        json!({ "status": status, "call_id": id, "detail": detail }),
    ))
}

/// Returns the call. Unless calls progress with the clock, it is one step on afterwards.
pub(in crate::emulator) fn retrieve(context: &mut Context<'_>) -> HandlerResult {
    let (agent, id, now) = (context.id(0), context.id(1), context.state.now);
    let call = context.state.agent_mut(&agent)?.calls.get_mut(&id);
    let call = call.ok_or_else(|| ErrorResponse::not_found("Call"))?;
    catch_up(call, context.options, now);
    let mut shown = call.data.clone();
    shown.remove("created_at");
    if context.options.call_step.is_none() && !context.is_peek {
        advance(call, context.options, now);
    }
    Ok(Response::ok(shown))
}

/// Moves a call to where it is at this time, if calls progress with the clock.
fn catch_up(call: &mut Call, options: &Options, now: Millis) {
    let Some(step) = options.call_step else {
        return;
    };
    let step = millis(step).max(1);
    loop {
        let next = i64::try_from(call.steps)
            .unwrap_or(i64::MAX)
            .saturating_add(1);
        let at = call.created.saturating_add(step.saturating_mul(next));
        if at > now || !advance(call, options, at) {
            return;
        }
    }
}

/// Moves a call one step on. Returns `false` after the last step.
fn advance(call: &mut Call, options: &Options, at: Millis) -> bool {
    let course = course(text(&call.data, "destination"));
    let Some(step) = course.steps.get(call.steps) else {
        return false;
    };
    call.steps += 1;
    let now = to_text(at);
    let said = |lines: usize| -> Value {
        let lines = call.transcript.iter().take(lines);
        let said = lines.map(|line| {
            let mut line = line.clone();
            line.insert("created_at".to_owned(), now.as_str().into());
            Value::Object(line)
        });
        said.collect()
    };
    let transcribes = !options.late_transcripts;
    let mut next = match step {
        Step::Ring => object! { "status": "ringing", "started_at": now, "ringing_at": now },
        Step::Answer => object! { "status": "answered", "answered_at": now },
        Step::Transfer => object! { "status": "transferring" },
        Step::End => object! {
            "status": "ended",
            "ended_at": now,
            "duration_seconds": 42,
            "end_reason": "completed",
        },
        Step::GiveUp => object! { "status": "ended", "ended_at": now, "end_reason": "no_answer" },
        Step::LeaveMessage => object! {
            "status": "voicemail",
            "ended_at": now,
            "end_reason": "voicemail",
        },
        Step::Transcribe => object! {},
    };
    match step {
        Step::Answer if transcribes => next.insert("conversation_logs".to_owned(), said(1)),
        Step::End if transcribes => next.insert("conversation_logs".to_owned(), said(3)),
        Step::Transcribe if !transcribes => next.insert("conversation_logs".to_owned(), said(3)),
        _ => None,
    };
    call.data.extend(next);
    true
}

/// What is said in a call that is answered.
fn transcript(state: &mut State, agent: &str) -> Result<Vec<Object>, ErrorResponse> {
    let hello = responder::greeting(&state.agent(agent)?.data);
    let lines = [
        ("assistant", hello.as_str()),
        ("user", "Thank you, that is all I wanted to know."),
        ("assistant", "You are welcome. Goodbye!"),
    ];
    let lines = lines.into_iter().map(|(role, message)| {
        object! {
            "id": state.next_id(),
            "role": role,
            "message": message,
            "message_type": "text",
        }
    });
    Ok(lines.collect())
}
