//! What an agent can do: its integrations, each with its actions.

use serde_json::{Value, json};

use super::catalog::{self, FirstParty};
use crate::emulator::response::{Object, object};
use crate::emulator::state::{Agent, Integration, IntegrationKind, array, text};

/// An integration that the agent's workflow asks for or that is connected, with its actions.
pub(super) struct Group<'a> {
    id: String,
    kind: String,
    name: String,
    pub(super) actions: Vec<Action>,
    integration: Option<&'a Integration>,
    config_fields: Value,
}

/// Something that an integration can do for the agent.
pub(super) struct Action {
    /// Its id until it is enabled or disabled for the first time.
    pub(super) key: String,
    action_name: String,
    name: String,
    description: Option<String>,
    category: String,
    require_human_approval: bool,
}

/// The agent's integrations, as the API lists them.
pub(super) fn integrations(agent: &Agent, workflow: Option<&Object>) -> Vec<Object> {
    let groups = groups(agent, workflow);
    groups.iter().map(|group| group.listed(agent)).collect()
}

/// The actions of all integrations, as the API lists them.
pub(super) fn actions(agent: &Agent, workflow: Option<&Object>) -> Vec<Object> {
    let groups = groups(agent, workflow);
    let actions = groups.iter().flat_map(|group| {
        let actions = group.actions.iter();
        actions.map(|action| action.listed(agent, group))
    });
    actions.collect()
}

/// First-party integrations come first, in the catalog's order.
pub(super) fn groups<'a>(agent: &'a Agent, workflow: Option<&Object>) -> Vec<Group<'a>> {
    let wanted = workflow
        .map(|workflow| array(workflow, "integrations"))
        .unwrap_or_default();
    let connected = agent.integrations.items();
    let first_party = catalog::FIRST_PARTY.iter().filter_map(|entry| {
        let mut connected = connected.iter();
        let integration =
            connected.find(|c| c.kind == IntegrationKind::Bimpeai && c.name == entry.kind);
        let is_wanted = wanted.iter().any(|kind| kind == entry.kind);
        (is_wanted || integration.is_some()).then(|| Group::first_party(entry, integration))
    });
    let others = connected
        .iter()
        .filter(|integration| integration.kind != IntegrationKind::Bimpeai)
        .map(Group::other);
    first_party.chain(others).collect()
}

impl<'a> Group<'a> {
    fn first_party(entry: &FirstParty, integration: Option<&'a Integration>) -> Self {
        let fields = entry.config_fields.iter().map(
            |(key, label, kind)| json!({ "key": key, "label": label, "type": kind, "required": true }),
        );
        let id =
            integration.map_or_else(|| format!("integration_{}", entry.kind), |i| i.id.clone());
        Group {
            id,
            kind: entry.kind.to_owned(),
            name: entry.name.to_owned(),
            actions: Action::of_first_party(entry),
            integration,
            config_fields: fields.collect(),
        }
    }

    fn other(integration: &'a Integration) -> Self {
        let config = &integration.config;
        let names = [
            text(config, "name"),
            text(config, "app_name"),
            integration.name.as_str(),
        ];
        let name = names.into_iter().find(|name| !name.is_empty());
        Group {
            id: integration.id.clone(),
            kind: integration.kind.name().to_owned(),
            name: name.unwrap_or_default().to_owned(),
            actions: Action::of_tools(integration),
            integration: Some(integration),
            config_fields: json!([]),
        }
    }

    fn listed(&self, agent: &Agent) -> Object {
        let actions = self.actions.iter();
        let actions: Value = actions.map(|action| action.nested(agent)).collect();
        let is_connected = self.integration.is_some();
        object! {
            "id": self.id,
            "type": self.kind,
            "name": self.name,
            "status": if is_connected { "enabled" } else { "disconnected" },
            "is_connected": is_connected,
            "config_fields": self.config_fields,
            "actions": actions,
        }
    }
}

impl Action {
    fn of_first_party(entry: &FirstParty) -> Vec<Self> {
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

    fn of_tools(integration: &Integration) -> Vec<Self> {
        let action = |tool: &Object| Action {
            key: format!("{}:{}", integration.id, text(tool, "action_name")),
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
        integration.tools.items().iter().map(action).collect()
    }

    pub(super) fn id<'a>(&'a self, agent: &'a Agent) -> &'a str {
        let switched = agent.actions.get(&self.key);
        switched.map_or(&self.key, |state| &state.id)
    }

    fn is_enabled(&self, agent: &Agent) -> bool {
        let switched = agent.actions.get(&self.key);
        switched.is_none_or(|state| state.is_enabled)
    }

    /// The action in the list of all actions.
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

    /// The action inside its integration.
    fn nested(&self, agent: &Agent) -> Value {
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
