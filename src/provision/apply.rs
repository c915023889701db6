//! Compares a specification with what exists, and makes the difference.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::compare::{difference, fields};
use super::spec::{AgentSpec, WorkflowSpec};
use super::{Applied, Change, ChangeAction, ChangedResource, find_by_name};
use crate::agents::{Agent, CreateAgent};
use crate::client::Client;
use crate::error::Error;
use crate::workflows::{Workflow, WorkflowScope};

/// What a caller does with each change.
type Report = Box<dyn FnMut(&Change) + Send>;

/// A specification that is ready to be applied, from [`Agents::apply`](crate::agents::Agents::apply).
#[must_use = "nothing is sent until `plan` or `send` is called"]
pub struct ApplyRequest {
    client: Client,
    spec: AgentSpec,
    renew: bool,
    /// The lock makes the request `Sync`. Nobody ever waits for it.
    on_change: Option<Mutex<Report>>,
}

impl ApplyRequest {
    pub(super) fn new(client: Client, spec: AgentSpec) -> Self {
        ApplyRequest {
            client,
            spec,
            renew: false,
            on_change: None,
        }
    }

    /// Sends the secrets of the specification again.
    ///
    /// The API does not return secrets, so that a changed token cannot be seen. This deletes the
    /// custom APIs and tools that have secrets in the specification and creates them again.
    pub fn renew(mut self) -> Self {
        self.renew = true;
        self
    }

    /// Calls a function with each change, directly before [`send`](ApplyRequest::send) makes it.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// # let spec = bimpeai::provision::AgentSpec::new("Scribe");
    /// let apply = client.agents().apply(&spec);
    /// apply.on_change(|change| println!("{change}")).send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_change(mut self, report: impl FnMut(&Change) + Send + 'static) -> Self {
        self.on_change = Some(Mutex::new(Box::new(report)));
        self
    }

    /// Returns the changes that [`send`](ApplyRequest::send) would make. Only reads.
    ///
    /// # Errors
    ///
    /// [`Error::User`] if the specification is invalid or a name is ambiguous; otherwise the error of
    /// the request that failed.
    pub fn plan(self) -> Result<Vec<Change>, Error> {
        let mut run = Run {
            client: self.client,
            renew: self.renew,
            changes: Vec::new(),
            effect: Effect::Plan,
        };
        run.agent(&self.spec)?;
        Ok(run.changes)
    }

    /// Makes the changes and returns them.
    ///
    /// # Errors
    ///
    /// [`Error::User`] if the specification is invalid or a name is ambiguous, before anything is
    /// changed; otherwise the error of the request that failed. Earlier changes stay, and the next
    /// run continues from there.
    pub fn send(self) -> Result<Applied, Error> {
        let on_change = self
            .on_change
            .map(|report| report.into_inner().unwrap_or_else(PoisonError::into_inner));
        let mut run = Run {
            client: self.client,
            renew: self.renew,
            changes: Vec::new(),
            effect: Effect::Make(on_change),
        };
        let ids = run.agent(&self.spec)?;
        Ok(Applied {
            changes: run.changes,
            agent_id: ids.agent_id.unwrap_or_default(),
            workflow_id: ids.workflow_id,
            shared_with: ids.shared_with,
        })
    }
}

impl fmt::Debug for ApplyRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApplyRequest")
            .field("agent", &self.spec.name)
            .field("renew", &self.renew)
            .finish_non_exhaustive()
    }
}

/// Whether changes are made, or only listed.
enum Effect {
    Plan,
    Make(Option<Report>),
}

/// One comparison of a specification with what exists.
pub(super) struct Run {
    pub(super) client: Client,
    pub(super) renew: bool,
    changes: Vec<Change>,
    effect: Effect,
}

/// What was found or created. In a plan, what is still to be created has no id.
struct Ids {
    agent_id: Option<String>,
    workflow_id: Option<String>,
    shared_with: Vec<String>,
}

impl Run {
    /// Records a change and makes it; `None` in a plan.
    pub(super) fn change<T>(
        &mut self,
        change: Change,
        make: impl FnOnce(&Client) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let made = match &mut self.effect {
            Effect::Plan => None,
            Effect::Make(report) => {
                if let Some(report) = report {
                    report(&change);
                }
                Some(make(&self.client)?)
            }
        };
        self.changes.push(change);
        Ok(made)
    }

    fn agent(&mut self, spec: &AgentSpec) -> Result<Ids, Error> {
        spec.check()?;
        let agents = self.client.agents().list().limit(100).all()?;
        let existing = find_by_name(
            &agents,
            ChangedResource::Agent,
            &spec.name,
            |agent| &agent.name,
            |agent| &agent.id,
        )?;
        let current = existing.and_then(workflow_of);
        let others = |workflow: &str| {
            let follows = |agent: &&Agent| {
                workflow_of(agent) == Some(workflow)
                    && existing.is_none_or(|existing| existing.id != agent.id)
            };
            agents
                .iter()
                .filter(follows)
                .map(|agent| agent.name.clone())
                .collect::<Vec<_>>()
        };
        let workflow_id = match &spec.workflow {
            Some(workflow) => self.workflow(workflow, &spec.name, current, &others)?,
            None => current.map(str::to_owned),
        };

        let mut profile = spec.profile();
        if let Some(id) = &workflow_id {
            profile.insert("workflow_id".to_owned(), json!(id));
        }
        let (agent_id, workflow_id) = match existing {
            None => {
                let change = Change::new(ChangeAction::Create, ChangedResource::Agent, &spec.name);
                let created = self.change(change, |client| {
                    client.agents().create(body::<CreateAgent>(profile)?).send()
                })?;
                // The server copies a workflow that the team does not own.
                let copied = created.as_ref().and_then(|agent| agent.workflow_id.clone());
                (created.map(|agent| agent.id), copied.or(workflow_id))
            }
            Some(agent) => {
                profile.remove("name");
                if current == workflow_id.as_deref() {
                    profile.remove("workflow_id");
                }
                let changed = difference(profile, &fields(agent));
                if !changed.is_empty() {
                    let change = Change::update(ChangedResource::Agent, &spec.name, &changed);
                    self.change(change, |client| {
                        client.agents().update(&agent.id, body(changed)?).send()
                    })?;
                }
                (Some(agent.id.clone()), workflow_id)
            }
        };

        if let Some(knowledge) = &spec.knowledge_bases {
            self.knowledge_bases(agent_id.as_deref(), existing.is_some(), knowledge)?;
        }
        if let Some(apis) = &spec.custom_apis {
            self.custom_apis(agent_id.as_deref(), existing.is_some(), apis)?;
        }
        Ok(Ids {
            agent_id,
            shared_with: workflow_id.as_deref().map(others).unwrap_or_default(),
            workflow_id,
        })
    }

    /// Finds, copies or creates the workflow, and updates it. Returns its id.
    fn workflow(
        &mut self,
        spec: &WorkflowSpec,
        agent_name: &str,
        current: Option<&str>,
        others: &dyn Fn(&str) -> Vec<String>,
    ) -> Result<Option<String>, Error> {
        let mut wanted = spec.fields();
        let name = spec.name.as_deref().unwrap_or(agent_name);
        let current = current.map(|id| self.client.workflows().retrieve(id).send());
        match current.transpose()? {
            Some(workflow) if workflow.is_owner => {
                return self.update_workflow(&workflow, wanted, others);
            }
            // Somebody else's: the agent gets a copy of it.
            Some(workflow) => {
                let owned = self.owned_workflows()?;
                if let Some(copy) = unused_copy(&owned, &workflow.id, others) {
                    let copy = self.client.workflows().retrieve(&copy.id).send()?;
                    return self.update_workflow(&copy, wanted, others);
                }
                let name = spec.name.as_deref().unwrap_or(&workflow.name);
                return self.copy_workflow(&workflow.id, name, wanted);
            }
            None => {}
        }
        let owned = self.owned_workflows()?;
        let found = find_by_name(
            &owned,
            ChangedResource::Workflow,
            name,
            |workflow| &workflow.name,
            |workflow| &workflow.id,
        )?;
        // Under this name, the next run finds it.
        let found = match (found, &spec.template) {
            (Some(found), _) => Some(found),
            (None, Some(template)) => {
                wanted.insert("name".to_owned(), json!(name));
                match unused_copy(&owned, template, others) {
                    Some(copy) => Some(copy),
                    None => return self.copy_workflow(template, name, wanted),
                }
            }
            (None, None) => None,
        };
        if let Some(found) = found {
            let workflow = self.client.workflows().retrieve(&found.id).send()?;
            return self.update_workflow(&workflow, wanted, others);
        }
        wanted.insert("name".to_owned(), json!(name));
        let change = Change::new(ChangeAction::Create, ChangedResource::Workflow, name);
        let created = self.change(change, |client| {
            client.workflows().create(body(wanted)?).send()
        })?;
        Ok(created.map(|workflow| workflow.id))
    }

    fn owned_workflows(&self) -> Result<Vec<Workflow>, Error> {
        let owned = self.client.workflows().list().scope(WorkflowScope::Owned);
        let mut owned = owned.limit(100).all()?;
        owned.retain(|workflow| workflow.is_owner);
        Ok(owned)
    }

    fn copy_workflow(
        &mut self,
        source: &str,
        name: &str,
        wanted: Map<String, Value>,
    ) -> Result<Option<String>, Error> {
        let change = Change::new(ChangeAction::Create, ChangedResource::Workflow, name);
        let copy = self.change(change, |client| {
            let copy = client.workflows().clone(source).send()?;
            let changed = difference(wanted, &fields(&copy));
            if !changed.is_empty() {
                client.workflows().update(&copy.id, body(changed)?).send()?;
            }
            Ok(copy)
        })?;
        Ok(copy.map(|copy| copy.id))
    }

    fn update_workflow(
        &mut self,
        workflow: &Workflow,
        wanted: Map<String, Value>,
        others: &dyn Fn(&str) -> Vec<String>,
    ) -> Result<Option<String>, Error> {
        let changed = difference(wanted, &fields(workflow));
        if !changed.is_empty() {
            let mut change = Change::update(ChangedResource::Workflow, &workflow.name, &changed);
            change.shared_with = others(&workflow.id);
            self.change(change, |client| {
                client
                    .workflows()
                    .update(&workflow.id, body(changed)?)
                    .send()
            })?;
        }
        Ok(Some(workflow.id.clone()))
    }
}

impl Change {
    pub(super) fn new(action: ChangeAction, resource: ChangedResource, name: &str) -> Self {
        Change {
            action,
            resource,
            name: name.to_owned(),
            fields: Vec::new(),
            shared_with: Vec::new(),
        }
    }

    pub(super) fn update(
        resource: ChangedResource,
        name: &str,
        changed: &Map<String, Value>,
    ) -> Self {
        Change {
            fields: changed.keys().cloned().collect(),
            ..Change::new(ChangeAction::Update, resource, name)
        }
    }
}

fn workflow_of(agent: &Agent) -> Option<&str> {
    agent
        .workflow_id
        .as_deref()
        .or(agent.agent_workflow_id.as_deref())
}

/// Returns a copy of `source` that no agent uses: an earlier run made it and was interrupted.
fn unused_copy<'a>(
    owned: &'a [Workflow],
    source: &str,
    others: &dyn Fn(&str) -> Vec<String>,
) -> Option<&'a Workflow> {
    owned.iter().find(|workflow| {
        workflow.extra["source_workflow_id"] == source && others(&workflow.id).is_empty()
    })
}

/// Turns fields into the body that has them.
pub(super) fn body<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, Error> {
    serde_json::from_value(Value::Object(fields))
        .map_err(|error| Error::user(format!("the specification cannot be sent: {error}")))
}
