//! What the emulated team owns: workflows, agents and all that belongs to them.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::clock::{Millis, to_text};
use super::fault::StreamFault;
use super::ids::{Ids, ticket};
use super::rate_limit::Usage;
use super::response::{ErrorResponse, Object, object};
use super::table::Table;
use super::tickets::{Ticket, Tickets};

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
    /// Requests that the rate limit has refused.
    pub(super) rate_limited: u64,
    /// Tasks by the time at which they are to run, then by their number.
    pub(super) schedule: BTreeMap<(Instant, u64), Task>,
    scheduled: u64,
}

pub(super) struct Agent {
    /// The agent as the API returns it, with the fields of both generations.
    pub(super) data: Object,
    pub(super) knowledge_bases: Table<Object>,
    pub(super) integrations: Table<Integration>,
    /// Actions that were enabled or disabled once, by their synthetic key.
    pub(super) actions: BTreeMap<String, ActionState>,
    /// The ids of connected live channels, by type.
    pub(super) channels: BTreeMap<String, String>,
    pub(super) conversations: Table<Conversation>,
    pub(super) calls: Table<Call>,
}

pub(super) struct ActionState {
    pub(super) id: String,
    pub(super) is_enabled: bool,
}

/// The four kinds of integrations.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum IntegrationKind {
    Bimpeai,
    Pipedream,
    McpServer,
    CustomApi,
}

pub(super) struct Integration {
    pub(super) id: String,
    pub(super) kind: IntegrationKind,
    /// The first-party type, the app's slug, or the name that the caller chose.
    pub(super) name: String,
    /// The configuration as the API returns it, without credentials.
    pub(super) config: Object,
    /// Whether the other side accepts the credentials, which are not stored.
    pub(super) accepted: bool,
    pub(super) tools: Table<Object>,
}

pub(super) struct Call {
    pub(super) data: Object,
    pub(super) created: Millis,
    /// How many steps of its course it has made.
    pub(super) steps: usize,
    /// What is said in the call, if it is answered.
    pub(super) transcript: Vec<Object>,
}

pub(super) struct Conversation {
    pub(super) data: Object,
    pub(super) messages: Table<Message>,
    /// The customer writes when the first stream opens.
    pub(super) customer_waits: bool,
}

pub(super) struct Message {
    pub(super) data: Object,
    pub(super) at: Millis,
}

/// An open stream.
#[derive(Default)]
pub(super) struct Stream {
    /// The client has closed the stream, or a test ends it.
    pub(super) over: bool,
    /// A fault that a test ordered while the stream is open.
    pub(super) order: Option<StreamFault>,
}

/// Something that happens on its own, a little later.
pub(super) enum Task {
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

impl IntegrationKind {
    /// The kind's name in paths.
    pub(super) fn name(self) -> &'static str {
        match self {
            IntegrationKind::Bimpeai => "bimpeai",
            IntegrationKind::Pipedream => "pipedream",
            IntegrationKind::McpServer => "mcp_server",
            IntegrationKind::CustomApi => "custom_api",
        }
    }
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

    /// Adds a message to a conversation and to its open streams.
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

    /// Adds an empty conversation with a customer and returns its id.
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

    /// Issues a ticket for one stream of this conversation.
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

    /// Schedules a task.
    pub(super) fn later(&mut self, wait: Duration, task: Task) {
        self.scheduled += 1;
        self.schedule
            .insert((Instant::now() + wait, self.scheduled), task);
    }
}

impl Agent {
    pub(super) fn new(data: Object) -> Self {
        Agent {
            data,
            knowledge_bases: Table::default(),
            integrations: Table::default(),
            actions: BTreeMap::new(),
            channels: BTreeMap::new(),
            conversations: Table::default(),
            calls: Table::default(),
        }
    }

    pub(super) fn workflow_id(&self) -> Option<&str> {
        self.data.get("workflow_id")?.as_str()
    }

    /// Sets the workflow under the names of both generations.
    pub(super) fn set_workflow(&mut self, id: Option<&str>) {
        for name in ["workflow_id", "agent_workflow_id"] {
            self.data.insert(name.to_owned(), json!(id));
        }
    }
}

impl Message {
    /// The id and data of the message's event in a stream.
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

/// The text of a field, or an empty one.
pub(super) fn text<'a>(data: &'a Object, name: &str) -> &'a str {
    data.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The array in a field, or an empty one.
pub(super) fn array<'a>(data: &'a Object, name: &str) -> &'a [Value] {
    data.get(name)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

pub(super) fn touch(data: &mut Object, now: Millis) {
    data.insert("updated_at".to_owned(), to_text(now).into());
}

/// Copies those of the named fields that the body has.
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

/// The named fields of an object.
pub(super) fn pick(data: &Object, names: &[&str]) -> Value {
    let mut picked = Object::new();
    patch(&mut picked, data, names.iter().copied());
    Value::Object(picked)
}
