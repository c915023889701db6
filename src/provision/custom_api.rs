//! The custom APIs of an agent, and their tools.

use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::apply::{Run, body};
use super::compare::{difference, fields};
use super::spec::CustomApiSpec;
use super::{Change, ChangeAction, ChangedResource, find_by_name};
use crate::agents::{CustomApiConfigure, CustomApiCreateTool, IntegrationTool};
use crate::client::Client;
use crate::error::Error;

impl Run {
    pub(super) fn custom_apis(
        &mut self,
        agent_id: Option<&str>,
        agent_existed: bool,
        specs: &[CustomApiSpec],
    ) -> Result<(), Error> {
        let agent = agent_id.unwrap_or_default();
        let custom_apis = self.client.agents().integrations().custom_api();
        let existing = match agent_existed {
            true => custom_apis.list(agent).send()?,
            false => Vec::new(),
        };
        for spec in specs {
            let found = find_by_name(
                &existing,
                ChangedResource::CustomApi,
                &spec.name,
                |api| &api.config.name,
                |api| &api.id,
            )?;
            let mut wanted = fields(spec);
            wanted.remove("tools");
            let configure = wanted.clone();
            let (id, is_new) = match found {
                None => {
                    let change =
                        Change::new(ChangeAction::Create, ChangedResource::CustomApi, &spec.name);
                    let made =
                        self.change(change, |client| configure_api(client, agent, configure))?;
                    (made, true)
                }
                Some(api) => {
                    // The rest cannot be read back.
                    wanted.retain(|name, _| matches!(name.as_str(), "base_url" | "auth_type"));
                    let mut changed = difference(wanted, &fields(&api.config));
                    if self.renew && spec.auth_config.is_some() {
                        changed.insert("auth_config".to_owned(), Value::Null);
                    }
                    if changed.is_empty() {
                        (Some(api.id.clone()), false)
                    } else {
                        let change =
                            Change::update(ChangedResource::CustomApi, &spec.name, &changed);
                        let made = self.change(change, |client| {
                            let custom_apis = client.agents().integrations().custom_api();
                            custom_apis.disconnect(agent, &api.id).send()?;
                            configure_api(client, agent, configure)
                        })?;
                        (made, true)
                    }
                }
            };
            if let Some(tools) = &spec.tools {
                self.tools(agent, id.as_deref(), is_new, tools)?;
            }
        }
        Ok(())
    }

    fn tools(
        &mut self,
        agent: &str,
        api_id: Option<&str>,
        api_is_new: bool,
        specs: &[CustomApiCreateTool],
    ) -> Result<(), Error> {
        let api = api_id.unwrap_or_default();
        let existing = match api_is_new {
            true => Vec::new(),
            false => {
                let custom_apis = self.client.agents().integrations().custom_api();
                custom_apis.tools().list(agent, api).send()?
            }
        };
        for spec in specs {
            let (tool, mark) = marked(spec);
            let add = |client: &Client| {
                let tools = client.agents().integrations().custom_api().tools();
                tools.add(agent, api, tool.clone()).send()
            };
            let Some(found) = find_tool(&existing, &spec.name)? else {
                let change = Change::new(ChangeAction::Create, ChangedResource::Tool, &spec.name);
                self.change(change, add)?;
                continue;
            };
            let description = found.description.as_deref().unwrap_or_default();
            let mut changed = Vec::new();
            if !description.trim_end().ends_with(&mark) {
                changed.push("definition".to_owned());
            } else if self.renew && has_secrets(spec) {
                changed.push("secrets".to_owned());
            }
            if !changed.is_empty() {
                let mut change =
                    Change::new(ChangeAction::Update, ChangedResource::Tool, &spec.name);
                change.fields = changed;
                self.change(change, |client| {
                    let tools = client.agents().integrations().custom_api().tools();
                    tools.delete(agent, api, &found.id).send()?;
                    add(client)
                })?;
            }
        }
        Ok(())
    }
}

fn configure_api(
    client: &Client,
    agent: &str,
    fields: Map<String, Value>,
) -> Result<String, Error> {
    let body: CustomApiConfigure = body(fields)?;
    let custom_apis = client.agents().integrations().custom_api();
    Ok(custom_apis.configure(agent, body).send()?.id)
}

fn find_tool<'a>(
    existing: &'a [IntegrationTool],
    name: &str,
) -> Result<Option<&'a IntegrationTool>, Error> {
    let by_name = find_by_name(
        existing,
        ChangedResource::Tool,
        name,
        |t| &t.name,
        |t| &t.id,
    )?;
    match by_name {
        Some(tool) => Ok(Some(tool)),
        None => find_by_name(
            existing,
            ChangedResource::Tool,
            name,
            |t| &t.action_name,
            |t| &t.id,
        ),
    }
}

/// Returns the tool with the hash of its definition at the end of its description, and that mark.
fn marked(spec: &CustomApiCreateTool) -> (CustomApiCreateTool, String) {
    const MAX_DESCRIPTION: usize = 800;
    let hash = Uuid::new_v5(&Uuid::NAMESPACE_URL, definition(spec).as_bytes());
    let mark = format!("[spec {}]", &hash.simple().to_string()[..8]);
    let mut description: String = spec.description.clone().unwrap_or_default();
    let room = MAX_DESCRIPTION - mark.len() - 1;
    if let Some((end, _)) = description.char_indices().nth(room) {
        description.truncate(end);
    }
    let description = format!("{} {mark}", description.trim_end());
    (spec.clone().description(description.trim_start()), mark)
}

/// The definition of a tool as text, without its secrets: credentials, and the values of headers.
fn definition(spec: &impl Serialize) -> String {
    let mut fields = fields(spec);
    fields.remove("auth_config");
    if let Some(Value::Object(headers)) = fields.get_mut("headers_template") {
        headers.values_mut().for_each(|value| *value = Value::Null);
    }
    format!("bimpeai:spec:{}", Value::Object(fields))
}

fn has_secrets(spec: &CustomApiCreateTool) -> bool {
    spec.auth_config.is_some() || spec.headers_template.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::{IntegrationAuthConfig, ToolHttpMethod};

    fn tool() -> CustomApiCreateTool {
        CustomApiCreateTool::new("status", ToolHttpMethod::Get, "/orders")
    }

    fn description(spec: &CustomApiCreateTool) -> String {
        let (marked, mark) = marked(spec);
        let description = marked.description.expect("a description");
        assert!(description.ends_with(&mark), "{description}");
        description
    }

    #[test]
    fn a_description_with_its_mark_fits_into_800_characters() {
        let mark_only = description(&tool());
        assert!(mark_only.starts_with("[spec "), "{mark_only}");
        let short = description(&tool().description("Status of an order."));
        assert!(short.starts_with("Status of an order. [spec "), "{short}");
        for text in ["é".repeat(2_000), "x".repeat(800)] {
            let long = description(&tool().description(text));
            assert_eq!(long.chars().count(), 800);
        }
    }

    #[test]
    fn credentials_and_headers_are_secrets() {
        assert!(!has_secrets(&tool()));
        let auth = IntegrationAuthConfig::new().api_key("k");
        assert!(has_secrets(&tool().auth_config(auth)));
        let headers = serde_json::json!({ "X-Token": "t" });
        assert!(has_secrets(&tool().headers_template(headers)));
    }
}
