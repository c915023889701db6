//! Declarative provisioning: apply a specification of an agent, preview the changes, export an
//! existing agent.
//!
//! An [`AgentSpec`] describes the desired state of one agent: its profile, its workflow, its
//! knowledge bases and its custom APIs with their tools. [`Agents::apply`] compares it with what
//! exists and makes the necessary changes. A second run with the same specification only reads.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let client = bimpeai::Client::from_env()?;
//! use bimpeai::provision::AgentSpec;
//!
//! let text = std::fs::read_to_string("agent.json")?;
//! let spec: AgentSpec = serde_json::from_str(&text)?;
//! for change in client.agents().apply(&spec).plan()? {
//!     println!("{change}"); // + agent "Scribe"
//! }
//! let applied = client.agents().apply(&spec).send()?;
//! println!("{}: {} changes", applied.agent_id, applied.changes.len());
//! # Ok(())
//! # }
//! ```
//!
//! # Rules
//!
//! * Agents, workflows, knowledge bases and APIs are found by name, without surrounding whitespace
//!   and ignoring ASCII case. Two matches are an [`Error::User`] that lists their ids.
//! * Only what the specification names is compared and changed. A field, a knowledge base or an API
//!   that it does not name stays as it is.
//! * If a request fails, earlier changes stay. The next run continues from there.
//! * Every request has a random idempotency key, so that whatever was deleted by hand is created
//!   again.
//! * A workflow that the team does not own is copied first. Saving a workflow changes all agents that
//!   follow it: [`Change::shared_with`] names the others before the change is made.
//! * A knowledge base of more than 2,500 characters is split at paragraphs, lines, sentences or
//!   spaces into `Menu (1/3)`, `Menu (2/3)` and so on.
//! * The API does not return the definition of a tool. A hash of it, without secrets, ends the
//!   description of the tool: `[spec 1a2b3c4d]`. Changed secrets are only sent by
//!   [`ApplyRequest::renew`].

mod apply;
mod compare;
mod custom_api;
mod export;
mod knowledge;
mod spec;
mod text;

use std::fmt;

use crate::agents::Agents;
use crate::error::Error;
pub use apply::ApplyRequest;
pub use export::ExportRequest;
pub use spec::{AgentSpec, CustomApiSpec, KnowledgeSpec, WorkflowSpec};

impl Agents {
    /// Creates the agent of a specification, or changes the existing agent with the same name to
    /// match it.
    ///
    /// Nothing is sent until [`ApplyRequest::plan`] or [`ApplyRequest::send`] is called. See
    /// [`provision`](crate::provision) for the rules.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use bimpeai::provision::AgentSpec;
    ///
    /// let text = std::fs::read_to_string("agent.json")?;
    /// let spec: AgentSpec = serde_json::from_str(&text)?;
    /// for change in client.agents().apply(&spec).plan()? {
    ///     println!("would change: {change}");
    /// }
    /// let applied = client.agents().apply(&spec).send()?;
    /// println!("{}", applied.agent_id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply(&self, spec: &AgentSpec) -> ApplyRequest {
        ApplyRequest::new(self.client.clone(), spec.clone())
    }

    /// Reads an agent back as a specification: a backup, or a template for a similar agent.
    ///
    /// Applying the result to the same agent changes nothing. It contains no secrets and no tool
    /// definitions of HTTP API integrations, because the Console API does not return them.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = bimpeai::Client::from_env()?;
    /// let mut spec = client.agents().export("agt_1").send()?;
    /// std::fs::write("agent.json", serde_json::to_string_pretty(&spec)?)?;
    ///
    /// spec.name = "Scribe two".to_owned();
    /// client.agents().apply(&spec).send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn export(&self, agent_id: impl AsRef<str>) -> ExportRequest {
        ExportRequest::new(self.client.clone(), agent_id.as_ref().to_owned())
    }
}

/// The result of [`ApplyRequest::send`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// The changes that were made, in order. Empty if everything was as specified.
    pub changes: Vec<Change>,
    /// Identifier of the agent.
    pub agent_id: String,
    /// Identifier of its workflow.
    pub workflow_id: Option<String>,
    /// Names of other agents that follow the same workflow.
    pub shared_with: Vec<String>,
}

/// One change that applying a specification makes.
///
/// Its text is one line, such as `+ agent "Scribe"`, `~ workflow "Scribe": system_prompt, rules` or
/// `- tool "find_order"`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Whether something is created, updated or deleted.
    pub action: ChangeAction,
    /// Kind of the thing that changes.
    pub resource: ChangedResource,
    /// Name of the thing that changes.
    pub name: String,
    /// Names of the fields that change, for an update.
    pub fields: Vec<String>,
    /// For the update of a workflow: names of other agents that follow it and change as well.
    pub shared_with: Vec<String>,
}

/// What a [`Change`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChangeAction {
    /// Creates the thing. Shown as `+`.
    Create,
    /// Updates fields of the thing. Shown as `~`.
    Update,
    /// Deletes the thing. Shown as `-`.
    Delete,
}

/// The kind of thing that a [`Change`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChangedResource {
    /// An agent.
    Agent,
    /// A workflow.
    Workflow,
    /// A knowledge base.
    KnowledgeBase,
    /// A custom API.
    CustomApi,
    /// A tool of a custom API.
    Tool,
}

impl fmt::Display for ChangeAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ChangeAction::Create => "+",
            ChangeAction::Update => "~",
            ChangeAction::Delete => "-",
        })
    }
}

impl fmt::Display for ChangedResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ChangedResource::Agent => "agent",
            ChangedResource::Workflow => "workflow",
            ChangedResource::KnowledgeBase => "knowledge base",
            ChangedResource::CustomApi => "custom API",
            ChangedResource::Tool => "tool",
        })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.action, self.resource, self.name)?;
        if !self.fields.is_empty() {
            write!(f, ": {}", self.fields.join(", "))?;
        }
        if !self.shared_with.is_empty() {
            let names: Vec<String> = self
                .shared_with
                .iter()
                .map(|name| format!("{name:?}"))
                .collect();
            write!(f, " (shared with {})", names.join(", "))?;
        }
        Ok(())
    }
}

/// Returns whether two names are the same: without surrounding whitespace, ignoring ASCII case.
fn same_name(a: &str, b: &str) -> bool {
    a.trim().eq_ignore_ascii_case(b.trim())
}

/// Returns the one item of a name. Two are an error that lists their ids.
fn find_by_name<'a, T>(
    items: &'a [T],
    resource: ChangedResource,
    name: &str,
    name_of: impl Fn(&T) -> &str,
    id_of: impl Fn(&T) -> &str,
) -> Result<Option<&'a T>, Error> {
    let matches: Vec<&T> = items
        .iter()
        .filter(|item| same_name(name_of(item), name))
        .collect();
    if matches.len() > 1 {
        let ids: Vec<&str> = matches.into_iter().map(id_of).collect();
        return Err(Error::user(format!(
            "{} {resource}s are named {name:?}: {}; rename or delete all but one",
            ids.len(),
            ids.join(", ")
        )));
    }
    Ok(matches.into_iter().next())
}
