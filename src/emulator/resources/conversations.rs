//! `/agents/{agent_id}/conversations`.

use serde_json::{Value, json};

use crate::emulator::context::Context;
use crate::emulator::generation::Generation;
use crate::emulator::ids::is_uuid;
use crate::emulator::pagination::{self, LIMIT, PAGE, SEARCH, SORT};
use crate::emulator::responder;
use crate::emulator::response::{ErrorResponse, HandlerResult, Object, Response};
use crate::emulator::schema::{ANY_LENGTH, Field, Kind, is_phone, nullable, optional, required};
use crate::emulator::state::{State, text, touch};

const CHANNELS: Kind = Kind::ChoiceOf(
    &[
        "whatsapp",
        "messenger",
        "instagram",
        "webchat",
        "test_whatsapp",
        "test_messenger",
        "test_instagram",
    ],
    &[
        "whatsapp",
        "webchat",
        "telephony",
        "test_whatsapp",
        "test_webchat",
        "test_telephony",
    ],
);

/// The fields that a list has in the first generation only. The detail has them in both.
const DETAIL: [&str; 4] = ["full_name", "email", "phone_number", "channel_username"];

/// The filters by a boolean field.
const FLAGS: [&str; 3] = ["is_test_channel", "is_ai_chat_paused", "needs_attention"];

pub(in crate::emulator) const LIST_QUERY: &[Field] = &[
    PAGE,
    LIMIT,
    SEARCH,
    SORT,
    optional("channel", CHANNELS),
    optional(FLAGS[0], Kind::Flag),
    optional(FLAGS[1], Kind::Flag),
    optional(FLAGS[2], Kind::Flag),
];

pub(super) const MESSAGE: Kind = Kind::Filled(4096);
pub(super) const ROLE: Kind = Kind::Choice(&["user", "assistant"]);

pub(in crate::emulator) fn send_fields(_: Generation, body: &Object) -> &'static [Field] {
    const KNOWN: &[Field] = &[
        required("message", MESSAGE),
        optional("role", ROLE),
        required("conversation_id", Kind::Filled(ANY_LENGTH)),
    ];
    const NEW: &[Field] = &[
        required("message", MESSAGE),
        optional("role", ROLE),
        required(
            "channel_type",
            Kind::Choice(&["whatsapp", "webchat", "telephony"]),
        ),
        required("channel_user_id", Kind::Filled(ANY_LENGTH)),
        nullable("channel_username", Kind::Text(255)),
        optional("is_test_channel", Kind::Flag),
    ];
    if body.contains_key("conversation_id") {
        KNOWN
    } else {
        NEW
    }
}

pub(in crate::emulator) const AI_STATUS_FIELDS: &[Field] =
    &[required("is_ai_chat_paused", Kind::Flag)];

pub(in crate::emulator) fn list(context: &mut Context<'_>) -> HandlerResult {
    let query = &context.query;
    let wanted = query
        .get("channel")
        .and_then(Value::as_str)
        .map(split_channel);
    let is_wanted = |data: &&Object| {
        let is_test = data.get("is_test_channel") == Some(&Value::Bool(true));
        wanted
            .is_none_or(|(channel, test)| text(data, "channel_type") == channel && is_test == test)
            && FLAGS.iter().all(|flag| {
                query
                    .get(*flag)
                    .is_none_or(|on| data.get(*flag) == Some(on))
            })
    };
    let conversations = context
        .state
        .agent(&context.id(0))?
        .conversations
        .items()
        .iter();
    let conversations = conversations
        .map(|conversation| &conversation.data)
        .filter(is_wanted);
    let searched = [
        "channel_user_id",
        "channel_user_username",
        "full_name",
        "email",
        "last_message_preview",
    ];
    let sorted = [
        "created_at",
        "updated_at",
        "last_message_at",
        "last_seen",
        "channel_type",
    ];
    let (mut data, meta) = pagination::page(conversations, query, &searched, &sorted)?;
    if context.options.generation == Generation::Current {
        let items = data.iter_mut().filter_map(Value::as_object_mut);
        items.for_each(|item| item.retain(|name, _| !DETAIL.contains(&name.as_str())));
    }
    pagination::response((data, meta))
}

pub(in crate::emulator) fn retrieve(context: &mut Context<'_>) -> HandlerResult {
    let conversation = context.state.conversation(&context.id(0), &context.id(1))?;
    let mut detail = conversation.data.clone();
    detail.insert("profile_picture".to_owned(), Value::Null);
    Ok(Response::ok(detail))
}

pub(in crate::emulator) fn set_ai_status(context: &mut Context<'_>) -> HandlerResult {
    let (agent, id, now) = (context.id(0), context.id(1), context.state.now);
    let conversation = context.state.conversation_mut(&agent, &id)?;
    let paused = context
        .body
        .get("is_ai_chat_paused")
        .cloned()
        .unwrap_or_default();
    conversation
        .data
        .insert("is_ai_chat_paused".to_owned(), paused.clone());
    touch(&mut conversation.data, now);
    Ok(Response::ok(json!({ "is_ai_chat_paused": paused })))
}

/// Adds a message to a conversation, or to a new one, and returns the agent's reply. Returns the
/// message itself if the agent does not reply, or later.
pub(in crate::emulator) fn send(context: &mut Context<'_>) -> HandlerResult {
    let agent = context.id(0);
    context.state.agent(&agent)?;
    let conversation = match context.body.get("conversation_id").and_then(Value::as_str) {
        Some(id) => id.to_owned(),
        None => conversation_with(context, &agent)?,
    };
    let (role, message) = (text(&context.body, "role"), text(&context.body, "message"));
    let state = &mut *context.state;
    let said = write(state, &agent, &conversation, role, message)?;
    let reply = match role {
        "assistant" => None,
        _ if context.options.late_replies => {
            responder::reply_later(state, context.options, &agent, &conversation, message);
            None
        }
        _ => responder::reply(state, context.options, &agent, &conversation, message)?,
    };
    let mut data = reply.unwrap_or(said);
    if context.options.conversation_ids {
        data.insert("conversation_id".to_owned(), conversation.into());
    }
    Ok(Response::json(
        201,
        &json!({ "message": "Message sent successfully", "data": data }),
    ))
}

/// Returns the conversation with this user on this channel. Opens one if there is none.
fn conversation_with(context: &mut Context<'_>, agent: &str) -> Result<String, ErrorResponse> {
    let body = &context.body;
    let channel = text(body, "channel_type");
    let user = text(body, "channel_user_id");
    if channel == "webchat" && !is_uuid(user) {
        return Err(ErrorResponse::invalid("channel_user_id", "must be a UUID"));
    }
    if channel != "webchat" && !is_phone(user) {
        let message = "must be international E.164 for whatsapp/telephony";
        return Err(ErrorResponse::invalid("channel_user_id", message));
    }
    let is_test = body
        .get("is_test_channel")
        .and_then(Value::as_bool)
        .unwrap_or_default();
    if let Some(known) = find(context.state, agent, channel, is_test, user)? {
        return Ok(known);
    }
    if text(body, "role") == "assistant" {
        return Err(not_paused());
    }
    if context.options.test_whatsapp_opt_in && channel == "whatsapp" && is_test {
        let message = "This number has not sent a message to the test WhatsApp channel yet.";
        return Err(ErrorResponse::bad_request(message));
    }
    let username = body.get("channel_username").and_then(Value::as_str);
    open(context.state, agent, channel, is_test, user, username)
}

/// Returns the id of the conversation with this user on this channel, if there is one.
fn find(
    state: &State,
    agent: &str,
    channel: &str,
    is_test: bool,
    user: &str,
) -> Result<Option<String>, ErrorResponse> {
    let user = stored_user(user);
    let conversations = state.agent(agent)?.conversations.items().iter();
    let mut ids = conversations.filter_map(|conversation| {
        let data = &conversation.data;
        // A visitor's id is a UUID, which has no case. Phone numbers have none either.
        let is_it = text(data, "channel_type") == channel
            && text(data, "channel_user_id").eq_ignore_ascii_case(user)
            && data.get("is_test_channel") == Some(&Value::Bool(is_test));
        is_it.then(|| text(data, "id").to_owned())
    });
    Ok(ids.next())
}

fn open(
    state: &mut State,
    agent: &str,
    channel: &str,
    is_test: bool,
    user: &str,
    username: Option<&str>,
) -> Result<String, ErrorResponse> {
    let user = stored_user(user);
    state.open_conversation(agent, channel, is_test, Some(user), username)
}

/// Numbers are stored without the plus.
fn stored_user(user: &str) -> &str {
    user.trim_start_matches('+')
}

/// Returns the conversation in which a customer writes. Opens one if there is none.
pub(in crate::emulator) fn contacted_by(
    state: &mut State,
    agent: &str,
    channel: &str,
    user: &str,
) -> Result<String, ErrorResponse> {
    let (channel, is_test) = split_channel(channel);
    match find(state, agent, channel, is_test, user)? {
        Some(known) => Ok(known),
        None => open(state, agent, channel, is_test, user, None),
    }
}

/// Adds the caller's message. A message in the role of the assistant needs a paused AI.
pub(super) fn write(
    state: &mut State,
    agent: &str,
    conversation: &str,
    role: &str,
    message: &str,
) -> Result<Object, ErrorResponse> {
    let role = if role.is_empty() { "user" } else { role };
    let data = &state.conversation(agent, conversation)?.data;
    if role == "assistant" && data.get("is_ai_chat_paused") != Some(&Value::Bool(true)) {
        return Err(not_paused());
    }
    state
        .say(agent, conversation, role, message)
        .map(|added| added.clone())
}

fn not_paused() -> ErrorResponse {
    ErrorResponse::bad_request("Assistant messages are only allowed when AI is paused")
}

/// Splits a channel's name, such as `test_whatsapp`, into its type and whether it is for tests.
pub(in crate::emulator) fn split_channel(channel: &str) -> (&str, bool) {
    channel
        .strip_prefix("test_")
        .map_or((channel, false), |channel| (channel, true))
}
