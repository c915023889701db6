//! Reads an agent back as a specification.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::compare::fields;
use super::same_name;
use super::spec::{AgentSpec, CustomApiSpec, KnowledgeSpec, WorkflowSpec};
use super::text::{part_name, part_of, split};
use crate::agents::{KnowledgeBaseItem, KnowledgeBaseType};
use crate::client::Client;
use crate::error::Error;

/// An export that is ready to be read, from [`Agents::export`](crate::agents::Agents::export).
#[derive(Clone)]
#[must_use = "nothing is sent until `send` is called"]
pub struct ExportRequest {
    client: Client,
    agent_id: String,
}

impl ExportRequest {
    pub(super) fn new(client: Client, agent_id: String) -> Self {
        ExportRequest { client, agent_id }
    }

    /// Reads the agent, its workflow, its knowledge bases and its custom APIs.
    ///
    /// # Errors
    ///
    /// The error of the request that failed.
    pub fn send(&self) -> Result<AgentSpec, Error> {
        let agents = self.client.agents();
        let agent = agents.retrieve(&self.agent_id).send()?;
        let mut spec: AgentSpec = picked(fields(&agent), PROFILE)?;
        if let Some(id) = agent
            .workflow_id
            .as_deref()
            .or(agent.agent_workflow_id.as_deref())
        {
            let workflow = self.client.workflows().retrieve(id).send()?;
            let mut read: WorkflowSpec = picked(fields(&workflow), WORKFLOW)?;
            read.guide = workflow.guide.map(Into::into);
            read.rules = Some(workflow.rules.into_iter().map(Into::into).collect());
            read.flows = Some(workflow.flows.into_iter().map(Into::into).collect());
            read.faq = workflow
                .faq
                .map(|faq| faq.into_iter().map(Into::into).collect());
            spec.workflow = Some(read);
        }
        let knowledge = agents.knowledge_bases().list(&self.agent_id).send()?;
        spec.knowledge_bases = Some(joined(&knowledge));
        // An agent without a workflow has no integrations, and asking for them is an error.
        if spec.workflow.is_some() {
            let custom_apis = agents.integrations().custom_api();
            let apis = custom_apis.list(&self.agent_id).send()?;
            let apis = apis.iter().map(|api| picked(fields(&api.config), API));
            spec.custom_apis = Some(apis.collect::<Result<Vec<CustomApiSpec>, Error>>()?);
        }
        Ok(spec)
    }
}

impl fmt::Debug for ExportRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ExportRequest")
            .field(&self.agent_id)
            .finish()
    }
}

const PROFILE: &[&str] = &[
    "name",
    "description",
    "language",
    "persona",
    "timezone",
    "logo",
    "business_name",
    "business_address",
    "business_email",
    "business_description",
    "escalation_email",
];

const WORKFLOW: &[&str] = &[
    "name",
    "system_prompt",
    "description",
    "category",
    "setup_time",
    "video_url",
    "tags",
    "integrations",
    "channels",
    "actions",
    "setup_steps",
];

const API: &[&str] = &["name", "base_url", "auth_type"];

/// Builds a specification from the named fields that are set.
fn picked<T: DeserializeOwned>(mut from: Map<String, Value>, names: &[&str]) -> Result<T, Error> {
    from.retain(|name, value| {
        let is_set = !matches!(value, Value::Null) && value.as_str() != Some("");
        is_set && names.contains(&name.as_str())
    });
    serde_json::from_value(Value::Object(from))
        .map_err(|error| Error::user(format!("the agent cannot be exported: {error}")))
}

/// Joins the parts of long texts, if splitting the result again returns the same parts.
fn joined(items: &[KnowledgeBaseItem]) -> Vec<KnowledgeSpec> {
    let mut specs = Vec::new();
    let mut done: Vec<&str> = Vec::new();
    for item in items {
        if done.contains(&&*item.id) {
            continue;
        }
        if let Some((spec, ids)) = whole(items, item) {
            specs.push(spec);
            done.extend(ids);
        } else {
            specs.push(single(item));
        }
    }
    specs
}

fn whole<'a>(
    items: &'a [KnowledgeBaseItem],
    item: &'a KnowledgeBaseItem,
) -> Option<(KnowledgeSpec, Vec<&'a str>)> {
    let (base, _, count) = part_of(&item.name)?;
    let mut parts = Vec::new();
    for at in 0..count.min(items.len()) {
        let name = part_name(base, at, count);
        let mut named = items.iter().filter(|item| same_name(&item.name, &name));
        let part = named.next()?;
        let is_alike = part.r#type == KnowledgeBaseType::Text
            && part.description == item.description
            && named.next().is_none();
        if !is_alike {
            return None;
        }
        parts.push(part);
    }
    if parts.len() != count || items.iter().any(|item| same_name(&item.name, base)) {
        return None;
    }
    let texts: Vec<&str> = parts
        .iter()
        .filter_map(|part| part.content.as_deref())
        .collect();
    let text = texts.concat();
    let again = split(&text);
    let is_same = again.len() == texts.len()
        && again
            .iter()
            .zip(&texts)
            .all(|(again, text)| again.trim() == text.trim());
    if !is_same {
        return None;
    }
    let mut spec = KnowledgeSpec::text(base, text);
    spec.description.clone_from(&item.description);
    Some((spec, parts.iter().map(|part| &*part.id).collect()))
}

fn single(item: &KnowledgeBaseItem) -> KnowledgeSpec {
    let mut spec = match item.r#type {
        KnowledgeBaseType::Url => {
            KnowledgeSpec::page(&item.name, item.url.clone().unwrap_or_default())
        }
        _ => KnowledgeSpec::text(&item.name, item.content.clone().unwrap_or_default()),
    };
    spec.description.clone_from(&item.description);
    spec
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn items(parts: &[(&str, &str, &str)]) -> Vec<KnowledgeBaseItem> {
        let item = |(at, (name, kind, content)): (usize, &(&str, &str, &str))| json!({ "id": at.to_string(), "name": name, "type": kind, "content": content });
        let items = parts.iter().enumerate().map(item).collect();
        serde_json::from_value(Value::Array(items)).expect("knowledge bases")
    }

    fn names(parts: &[(&str, &str, &str)]) -> Vec<String> {
        joined(&items(parts))
            .into_iter()
            .map(|spec| spec.name)
            .collect()
    }

    #[test]
    fn parts_are_joined_only_if_a_new_split_returns_them() {
        let (first, second) = ("a".repeat(2_500), "b".repeat(100));
        let whole = [
            ("Menu (1/2)", "text", &*first),
            ("Menu (2/2)", "text", &*second),
        ];
        assert_eq!(names(&whole), ["Menu"]);
        let reversed = [whole[1], whole[0]];
        assert_eq!(names(&reversed), ["Menu"]);
        for (others, expected) in [
            // A part is missing.
            (vec![whole[0]], vec!["Menu (1/2)"]),
            // A part is a page.
            (
                vec![whole[0], ("Menu (2/2)", "url", &*second)],
                vec!["Menu (1/2)", "Menu (2/2)"],
            ),
            // Two parts have one name.
            (
                vec![whole[0], whole[1], whole[1]],
                vec!["Menu (1/2)", "Menu (2/2)", "Menu (2/2)"],
            ),
            // The name of the whole is taken.
            (
                vec![whole[0], whole[1], ("menu", "text", "x")],
                vec!["Menu (1/2)", "Menu (2/2)", "menu"],
            ),
            // The whole would be split elsewhere.
            (
                vec![("Menu (1/2)", "text", "short"), whole[1]],
                vec!["Menu (1/2)", "Menu (2/2)"],
            ),
            (
                vec![
                    ("Menu (1/2)", "text", &second),
                    ("Menu (2/2)", "text", &first),
                ],
                vec!["Menu (1/2)", "Menu (2/2)"],
            ),
        ] {
            assert_eq!(names(&others), expected);
        }
    }
    #[test]
    fn only_the_named_fields_that_have_a_value_are_exported() {
        let from = json!({"name": "A", "persona": "", "language": null, "id": "agt_1"});
        let Value::Object(from) = from else {
            panic!("not an object")
        };
        let exported: Map<String, Value> = picked(from, PROFILE).unwrap();
        assert_eq!(Value::Object(exported), json!({"name": "A"}));
    }
}
