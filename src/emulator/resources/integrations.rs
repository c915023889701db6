//! `/agents/{agent_id}/integrations`: all families in one list.

use serde_json::{Value, json};

use super::actions::{self, Actions};
use super::catalog::{self, FirstParty};
use crate::emulator::context::Context;
use crate::emulator::response::{HandlerResult, Object, Response, object};
use crate::emulator::state::{Agent, Connector, Family, array, text};

pub(in crate::emulator) fn list(context: &mut Context<'_>) -> HandlerResult {
    let agent = context.state.agent(&context.id(0))?;
    let integrations = of(agent, context.state.workflow_of(agent));
    Ok(Response::ok(
        integrations
            .into_iter()
            .map(Value::Object)
            .collect::<Value>(),
    ))
}

/// The first-party integrations that the workflow asks for or that are connected, then the rest.
pub(super) fn of(agent: &Agent, workflow: Option<&Object>) -> Vec<Object> {
    groups(agent, workflow)
        .iter()
        .map(|group| group.shown(agent))
        .collect()
}

/// An integration with its actions.
pub(super) struct Group<'a> {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) actions: Actions,
    connector: Option<&'a Connector>,
    config_fields: Value,
}

pub(super) fn groups<'a>(agent: &'a Agent, workflow: Option<&Object>) -> Vec<Group<'a>> {
    let wanted = workflow
        .map(|workflow| array(workflow, "integrations"))
        .unwrap_or_default();
    let connected = agent.connectors.items();
    let first_party = catalog::FIRST_PARTY.iter().filter_map(|entry| {
        let connector = connected
            .iter()
            .find(|c| c.family == Family::Bimpeai && c.kind == entry.kind);
        let asked_for = wanted.iter().any(|kind| kind == entry.kind);
        (asked_for || connector.is_some()).then(|| Group::first_party(entry, connector))
    });
    let others = connected
        .iter()
        .filter(|c| c.family != Family::Bimpeai)
        .map(Group::other);
    first_party.chain(others).collect()
}

impl<'a> Group<'a> {
    fn first_party(entry: &FirstParty, connector: Option<&'a Connector>) -> Self {
        let fields = entry.config_fields.iter().map(
            |(key, label, kind)| json!({ "key": key, "label": label, "type": kind, "required": true }),
        );
        let id = connector.map_or_else(|| format!("integration_{}", entry.kind), |c| c.id.clone());
        Group {
            id,
            kind: entry.kind.to_owned(),
            name: entry.name.to_owned(),
            actions: actions::of_first_party(entry),
            connector,
            config_fields: fields.collect(),
        }
    }

    fn other(connector: &'a Connector) -> Self {
        let config = &connector.config;
        let name = [
            text(config, "name"),
            text(config, "app_name"),
            connector.kind.as_str(),
        ];
        Group {
            id: connector.id.clone(),
            kind: connector.family.kind().to_owned(),
            name: name
                .into_iter()
                .find(|name| !name.is_empty())
                .unwrap_or_default()
                .to_owned(),
            actions: actions::of_tools(connector),
            connector: Some(connector),
            config_fields: json!([]),
        }
    }

    fn shown(&self, agent: &Agent) -> Object {
        let actions: Value = self
            .actions
            .iter()
            .map(|action| action.nested(agent))
            .collect();
        object! {
            "id": self.id,
            "type": self.kind,
            "name": self.name,
            "status": if self.connector.is_some() { "enabled" } else { "disconnected" },
            "is_connected": self.connector.is_some(),
            "config_fields": self.config_fields,
            "actions": actions,
        }
    }
}
