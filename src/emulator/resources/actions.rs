//! `/agents/{agent_id}/actions`.

use serde_json::{Value, json};

use super::catalog::FirstParty;
use super::integrations::{self, Group};
use crate::emulator::context::Context;
use crate::emulator::response::{HandlerResult, Object, Response, object};
use crate::emulator::schema::{ANY_LENGTH, Field, Kind, required};
use crate::emulator::state::{ActionState, Agent, Connector, array, text};

/// Something that an integration can do for the agent.
pub(super) struct Action {
    /// Its id until it is switched for the first time.
    key: String,
    action_name: String,
    name: String,
    description: Option<String>,
    category: String,
    require_human_approval: bool,
}

pub(super) type Actions = Vec<Action>;

pub(in crate::emulator) const SWITCH_FIELDS: &[Field] = &[required(
    "action_ids",
    Kind::Some(&Kind::Filled(ANY_LENGTH)),
)];

pub(in crate::emulator) fn list(context: &mut Context<'_>) -> HandlerResult {
    let agent = context.state.agent(&context.id(0))?;
    let actions = of(agent, context.state.workflow_of(agent));
    Ok(Response::ok(
        actions.into_iter().map(Value::Object).collect::<Value>(),
    ))
}

pub(in crate::emulator) fn enable(context: &mut Context<'_>) -> HandlerResult {
    switch(context, true)
}

pub(in crate::emulator) fn disable(context: &mut Context<'_>) -> HandlerResult {
    switch(context, false)
}

/// Ids that are not the agent's are passed over.
fn switch(context: &mut Context<'_>, on: bool) -> HandlerResult {
    let id = context.id(0);
    let agent = context.state.agent(&id)?;
    let asked: Vec<&str> = array(&context.body, "action_ids")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let mut keys = Vec::new();
    for group in integrations::groups(agent, context.state.workflow_of(agent)) {
        for action in group.actions {
            if asked.contains(&action.key.as_str()) || asked.contains(&action.id(agent)) {
                keys.push(action.key);
            }
        }
    }
    let updated = keys.len();
    for key in keys {
        let new = context.state.next_id();
        let actions = &mut context.state.agent_mut(&id)?.actions;
        let state = actions.entry(key).or_insert(ActionState {
            id: new,
            is_enabled: on,
        });
        state.is_enabled = on;
    }
    Ok(context.ok_or_bodyless(json!({ "updated_count": updated })))
}

/// The actions of all integrations, each with its integration.
pub(super) fn of(agent: &Agent, workflow: Option<&Object>) -> Vec<Object> {
    let groups = integrations::groups(agent, workflow);
    groups
        .iter()
        .flat_map(|group| {
            group
                .actions
                .iter()
                .map(|action| action.listed(agent, group))
        })
        .collect()
}

pub(super) fn of_first_party(entry: &FirstParty) -> Actions {
    let action = |(action_name, name, description): &(&str, &str, &str)| Action {
        key: format!("{}:{action_name}", entry.kind),
        action_name: (*action_name).to_owned(),
        name: (*name).to_owned(),
        description: Some((*description).to_owned()),
        category: entry.category.to_owned(),
        require_human_approval: action_name.starts_with("refund"),
    };
    entry.actions.iter().map(action).collect()
}

pub(super) fn of_tools(connector: &Connector) -> Actions {
    let action = |tool: &Object| Action {
        key: format!("{}:{}", connector.id, text(tool, "action_name")),
        action_name: text(tool, "action_name").to_owned(),
        name: text(tool, "name").to_owned(),
        description: tool
            .get("description")
            .and_then(Value::as_str)
            .map(str::to_owned),
        category: text(tool, "category").to_owned(),
        require_human_approval: tool
            .get("require_human_approval")
            .and_then(Value::as_bool)
            .unwrap_or_default(),
    };
    connector.tools.items().iter().map(action).collect()
}

impl Action {
    fn id<'a>(&'a self, agent: &'a Agent) -> &'a str {
        agent
            .actions
            .get(&self.key)
            .map_or(&self.key, |state| &state.id)
    }

    fn is_enabled(&self, agent: &Agent) -> bool {
        agent
            .actions
            .get(&self.key)
            .is_none_or(|state| state.is_enabled)
    }

    fn listed(&self, agent: &Agent, group: &Group<'_>) -> Object {
        object! {
            "id": self.id(agent),
            "integration_id": group.id,
            "integration_type": group.kind,
            "integration_name": group.name,
            "name": self.name,
            "action_name": self.action_name,
            "description": self.description,
            "is_enabled": self.is_enabled(agent),
        }
    }

    /// As it stands inside its integration.
    pub(super) fn nested(&self, agent: &Agent) -> Value {
        json!({
            "action_name": self.action_name,
            "name": self.name,
            "description": self.description,
            "category": self.category,
            "is_enabled": self.is_enabled(agent),
            "require_human_approval": self.require_human_approval,
        })
    }
}
