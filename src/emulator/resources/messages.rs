//! `/agents/{agent_id}/conversations/{conversation_id}/messages`, and tickets for its streams.

use serde_json::{Value, json};

use super::conversations::{MESSAGE, ROLE, write};
use crate::emulator::clock::millis;
use crate::emulator::context::Context;
use crate::emulator::generation::Generation;
use crate::emulator::pagination;
use crate::emulator::responder;
use crate::emulator::response::{ErrorResponse, HandlerResult, Response};
use crate::emulator::schema::{ANY_LENGTH, Field, Kind, optional, required};
use crate::emulator::state::{array, text};

pub(in crate::emulator) const SEND_FIELDS: &[Field] = &[
    required("message", MESSAGE),
    optional("role", ROLE).only(Generation::Current),
    optional(
        "attachments",
        Kind::List(&Kind::Object(&[
            required("type", Kind::Choice(&["image", "audio", "file"])),
            required("url", Kind::Filled(ANY_LENGTH)),
        ])),
    )
    .only(Generation::First),
];

pub(in crate::emulator) fn list(context: &mut Context<'_>) -> HandlerResult {
    let conversation = context.state.conversation(&context.id(0), &context.id(1))?;
    let messages = conversation
        .messages
        .items()
        .iter()
        .map(|message| &message.data);
    let sorted = ["created_at", "role"];
    pagination::response(pagination::page(
        messages,
        &context.query,
        &["message"],
        &sorted,
    )?)
}

/// Adds a message. The agent's reply comes later.
pub(in crate::emulator) fn send(context: &mut Context<'_>) -> HandlerResult {
    let (agent, conversation) = (context.id(0), context.id(1));
    let (role, message) = (text(&context.body, "role"), text(&context.body, "message"));
    let state = &mut *context.state;
    let mut said = write(state, &agent, &conversation, role, message)?;
    let attachments = array(&context.body, "attachments");
    if !attachments.is_empty() {
        said.insert("attachments".to_owned(), Value::from(attachments));
        let messages = &mut state.conversation_mut(&agent, &conversation)?.messages;
        if let Some(stored) = messages.get_mut(text(&said, "id")) {
            stored.data = said.clone();
        }
    }
    if role != "assistant" {
        responder::reply_later(state, context.options, &agent, &conversation, message);
    }
    Ok(Response::created(said))
}

pub(in crate::emulator) fn retrieve(context: &mut Context<'_>) -> HandlerResult {
    let conversation = context.state.conversation(&context.id(0), &context.id(1))?;
    let message = conversation.messages.get(&context.id(2));
    Ok(Response::ok(
        message
            .ok_or_else(|| ErrorResponse::not_found("Message"))?
            .data
            .clone(),
    ))
}

pub(in crate::emulator) fn stream_ticket(context: &mut Context<'_>) -> HandlerResult {
    let (agent, conversation) = (context.id(0), context.id(1));
    context.state.conversation(&agent, &conversation)?;
    let life = context.options.ticket_lifetime;
    let ticket = context
        .state
        .issue_ticket(&agent, &conversation, millis(life));
    Ok(Response::created(
        json!({ "ticket": ticket, "expires_in": life.as_secs() }),
    ))
}
