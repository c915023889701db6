//! What the emulated team has: workflows, agents and all that hangs on them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::clock::{Millis, to_text};
use super::fault::StreamDeed;
use super::ids::{Ids, ticket};
use super::rate_limit::Usage;
use super::response::{ErrorResponse, Object, object};
use super::table::Table;

/// Everything that operations read and change, under one lock.
#[derive(Default)]
pub(super) struct State {
    /// The emulator's time when the lock was taken.
    pub(super) now: Millis,
    pub(super) ids: Ids,
    pub(super) workflows: Table<Object>,
    pub(super) agents: Table<Agent>,
    pub(super) phone_numbers: Table<Object>,
    pub(super) phone_requests: Table<Object>,
    pub(super) tickets: Tickets,
    pub(super) streams: HashMap<u64, Stream>,
    pub(super) streams_opened: u64,
    pub(super) usage: HashMap<String, Usage>,
    /// What is to happen later, by the time it is due.
    pub(super) agenda: BTreeMap<(Instant, u64), Deed>,
    deeds: u64,
}

pub(super) struct Agent {
    /// The agent as the API shows it, the fields of both generations.
    pub(super) data: Object,
    pub(super) knowledge_bases: Table<Object>,
    pub(super) connectors: Table<Connector>,
    /// Actions that were switched once: their synthetic key, then what became of it.
    pub(super) actions: BTreeMap<String, ActionState>,
    /// Live channels that are connected.
    pub(super) channels: BTreeMap<String, String>,
    pub(super) conversations: Table<Conversation>,
    pub(super) calls: Table<Object>,
}

pub(super) struct ActionState {
    pub(super) id: String,
    pub(super) is_enabled: bool,
}

/// The four ways to connect an agent to something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Bimpeai,
    Pipedream,
    McpServer,
    CustomApi,
}

pub(super) struct Connector {
    pub(super) id: String,
    pub(super) family: Family,
    /// The first-party type, the app's slug, or the name that the caller gave.
    pub(super) kind: String,
    /// As the API shows it; secrets are not kept.
    pub(super) config: Object,
    /// What remains of the secrets: whether the other side would take them.
    pub(super) accepted: bool,
    pub(super) tools: Table<Object>,
}

pub(super) struct Conversation {
    pub(super) data: Object,
    pub(super) messages: Table<Message>,
    /// The customer has something to say as soon as somebody listens.
    pub(super) customer_waits: bool,
}

pub(super) struct Message {
    pub(super) data: Object,
    pub(super) at: Millis,
}

pub(super) struct Ticket {
    pub(super) agent: String,
    pub(super) conversation: String,
    pub(super) expires: Millis,
}

/// The most recent tickets that are not used yet.
#[derive(Default)]
pub(super) struct Tickets {
    by_text: HashMap<String, Ticket>,
    /// Tickets by age, the used ones included. All have the same lifetime, so the oldest expire
    /// first.
    issued: VecDeque<String>,
}

impl Tickets {
    /// Unused tickets that are kept. Beyond that, the oldest are no longer valid.
    const LIMIT: usize = 10_000;

    fn add(&mut self, text: String, ticket: Ticket, now: Millis) {
        self.issued.push_back(text.clone());
        self.by_text.insert(text, ticket);
        while let Some(oldest) = self.issued.front() {
            let is_valid = self.valid(oldest, now).is_some();
            if is_valid && self.issued.len() <= Self::LIMIT {
                break;
            }
            if let Some(oldest) = self.issued.pop_front() {
                self.by_text.remove(&oldest);
            }
        }
    }

    pub(super) fn valid(&self, text: &str, now: Millis) -> Option<&Ticket> {
        self.by_text.get(text).filter(|ticket| ticket.expires > now)
    }

    pub(super) fn remove(&mut self, text: &str) {
        self.by_text.remove(text);
    }
}

/// A stream that is open.
#[derive(Default)]
pub(super) struct Stream {
    /// The client has closed it, or a test wants it closed.
    pub(super) over: bool,
    /// A fault that a test asks of it while it runs.
    pub(super) order: Option<StreamDeed>,
}

/// Something that happens by itself, a little later.
pub(super) enum Deed {
    Reply {
        agent: String,
        conversation: String,
        question: String,
    },
    CustomerWrites {
        agent: String,
        conversation: String,
        line: usize,
    },
}

impl State {
    pub(super) fn next_id(&mut self) -> String {
        self.ids.next(self.now)
    }

    pub(super) fn agent(&self, id: &str) -> Result<&Agent, ErrorResponse> {
        self.agents
            .get(id)
            .ok_or_else(|| ErrorResponse::not_found("Agent"))
    }

    pub(super) fn agent_mut(&mut self, id: &str) -> Result<&mut Agent, ErrorResponse> {
        self.agents
            .get_mut(id)
            .ok_or_else(|| ErrorResponse::not_found("Agent"))
    }

    pub(super) fn conversation(
        &self,
        agent: &str,
        id: &str,
    ) -> Result<&Conversation, ErrorResponse> {
        self.agent(agent)?
            .conversations
            .get(id)
            .ok_or_else(|| ErrorResponse::not_found("Conversation"))
    }

    pub(super) fn conversation_mut(
        &mut self,
        agent: &str,
        id: &str,
    ) -> Result<&mut Conversation, ErrorResponse> {
        let found = self.agent_mut(agent)?.conversations.get_mut(id);
        found.ok_or_else(|| ErrorResponse::not_found("Conversation"))
    }

    pub(super) fn workflow_of(&self, agent: &Agent) -> Option<&Object> {
        self.workflows.get(agent.workflow_id()?)
    }

    /// Adds a message to a conversation; it goes to the streams that are open on it.
    pub(super) fn say(
        &mut self,
        agent: &str,
        conversation: &str,
        role: &str,
        text: &str,
    ) -> Result<&mut Object, ErrorResponse> {
        let (id, now) = (self.next_id(), self.now);
        let conversation = self.conversation_mut(agent, conversation)?;
        let preview: String = text.chars().take(120).collect();
        for (name, value) in [
            ("last_message_at", to_text(now)),
            ("last_message_preview", preview),
        ] {
            conversation.data.insert(name.to_owned(), value.into());
        }
        touch(&mut conversation.data, now);
        if role == "assistant" {
            conversation
                .data
                .insert("needs_attention".to_owned(), false.into());
        } else {
            conversation
                .data
                .insert("last_seen".to_owned(), to_text(now).into());
        }
        let data = object! {
            "id": id,
            "role": role,
            "message": text,
            "message_type": "text",
            "created_at": to_text(now),
        };
        conversation.messages.add(&id, Message { data, at: now });
        let added = conversation
            .messages
            .get_mut(&id)
            .map(|message| &mut message.data);
        added.ok_or_else(|| ErrorResponse::not_found("Message"))
    }

    /// Adds an empty conversation; `user` is who writes in it.
    pub(super) fn open_conversation(
        &mut self,
        agent: &str,
        channel: &str,
        is_test: bool,
        user: Option<&str>,
        username: Option<&str>,
    ) -> Result<String, ErrorResponse> {
        let (id, now) = (self.next_id(), to_text(self.now));
        let by_phone = matches!(channel, "whatsapp" | "telephony");
        let phone = user.filter(|_| by_phone).map(|user| format!("+{user}"));
        let data = object! {
            "id": id,
            "channel_type": channel,
            "channel_id": null,
            "channel_user_id": user,
            "channel_user_username": username,
            "channel_username": username,
            "full_name": username,
            "email": null,
            "phone_number": phone,
            "is_test_channel": is_test,
            "is_ai_chat_paused": false,
            "needs_attention": false,
            "last_message_at": null,
            "last_seen": null,
            "last_message_preview": null,
            "created_at": now,
            "updated_at": now,
        };
        let opened = Conversation {
            data,
            messages: Table::default(),
            customer_waits: false,
        };
        self.agent_mut(agent)?.conversations.add(&id, opened);
        Ok(id)
    }

    /// A ticket for one stream on this conversation.
    pub(super) fn issue_ticket(&mut self, agent: &str, conversation: &str, life: Millis) -> String {
        let (text, now) = (ticket(), self.now);
        let ticket = Ticket {
            agent: agent.to_owned(),
            conversation: conversation.to_owned(),
            expires: now.saturating_add(life),
        };
        self.tickets.add(text.clone(), ticket, now);
        text
    }

    pub(super) fn later(&mut self, wait: Duration, deed: Deed) {
        self.deeds += 1;
        self.agenda
            .insert((Instant::now() + wait, self.deeds), deed);
    }
}

impl Agent {
    pub(super) fn new(data: Object) -> Self {
        Agent {
            data,
            knowledge_bases: Table::default(),
            connectors: Table::default(),
            actions: BTreeMap::new(),
            channels: BTreeMap::new(),
            conversations: Table::default(),
            calls: Table::default(),
        }
    }

    pub(super) fn workflow_id(&self) -> Option<&str> {
        self.data.get("workflow_id")?.as_str()
    }

    /// Both generations' names of the link.
    pub(super) fn set_workflow(&mut self, id: Option<&str>) {
        for name in ["workflow_id", "agent_workflow_id"] {
            self.data.insert(name.to_owned(), json!(id));
        }
    }
}

impl Message {
    /// What a stream sends: the message with the conversation it belongs to.
    pub(super) fn event(&self, conversation: &str) -> (String, String) {
        let mut data = self.data.clone();
        data.remove("attachments");
        data.insert("conversation_id".to_owned(), conversation.into());
        (
            text(&self.data, "id").to_owned(),
            Value::Object(data).to_string(),
        )
    }
}

/// A field's text; empty when it has none.
pub(super) fn text<'a>(data: &'a Object, name: &str) -> &'a str {
    data.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The array in a field; empty when there is none.
pub(super) fn array<'a>(data: &'a Object, name: &str) -> &'a [Value] {
    data.get(name)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

pub(super) fn touch(data: &mut Object, now: Millis) {
    data.insert("updated_at".to_owned(), to_text(now).into());
}

/// Copies from a body the fields that it has, of those named.
pub(super) fn patch<'a>(
    data: &mut Object,
    body: &Object,
    names: impl IntoIterator<Item = &'a str>,
) {
    for name in names {
        if let Some(value) = body.get(name) {
            data.insert(name.to_owned(), value.clone());
        }
    }
}

/// Those fields of a record that are named, in an object of their own.
pub(super) fn pick(data: &Object, names: &[&str]) -> Value {
    let mut picked = Object::new();
    patch(&mut picked, data, names.iter().copied());
    Value::Object(picked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_tickets_are_bounded_and_the_newest_stay_valid() {
        let mut state = State::default();
        let oldest = state.issue_ticket("a", "c", 1000);
        let tickets: Vec<String> = (0..Tickets::LIMIT)
            .map(|_| state.issue_ticket("a", "c", 1000))
            .collect();
        assert!(state.tickets.valid(&oldest, 0).is_none());
        assert!(
            tickets
                .iter()
                .all(|text| state.tickets.valid(text, 0).is_some())
        );

        state.now = 1000;
        let last = state.issue_ticket("a", "c", 1000);
        assert!(state.tickets.valid(&tickets[1], 1000).is_none());
        assert!(state.tickets.valid(&last, 1000).is_some());
        assert_eq!(
            (state.tickets.by_text.len(), state.tickets.issued.len()),
            (1, 1)
        );
    }
}
