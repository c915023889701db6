//! Workflows: what an agent follows. `client.workflows()`.

mod parts;

use serde_json::{Map, Value};

use crate::client::{Client, handle};
use crate::http::path::Path;
use crate::pagination::ListRequest;
use crate::request::Request;
use crate::types::{body, object, open_enum};

pub use parts::*;

impl Client {
    /// The workflows that the team owns, and the public library.
    pub fn workflows(&self) -> Workflows {
        Workflows::new(self)
    }
}

handle! {
    /// The workflows, from [`Client::workflows`].
    pub struct Workflows;
}

impl Workflows {
    /// Lists workflows, those the team can use unless [`scope`](ListRequest::scope) says otherwise.
    ///
    /// The first generation answers summaries, without prompt, rules and flows.
    ///
    /// `GET /workflows`. All generations.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use bimpeai::workflows::WorkflowScope;
    ///
    /// let public = client.workflows().list().scope(WorkflowScope::Public);
    /// for workflow in public.search("restaurant") {
    ///     println!("{}", workflow?.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self) -> ListRequest<Workflow> {
        ListRequest::new(&self.client, Path::new("workflows"), |workflow| {
            &workflow.id
        })
    }

    /// Creates a workflow that the team owns.
    ///
    /// `POST /workflows`. All generations.
    // The writer of the body is compiled by who needs it.
    #[inline]
    pub fn create(&self, body: CreateWorkflow) -> Request<Workflow> {
        Request::post(&self.client, Path::new("workflows"), &body)
    }

    /// Copies a workflow, public or owned, into one that the team owns.
    ///
    /// A copied template brings its rules and flows, and they override the prompt. To let the agent
    /// follow its prompt only, clear both lists of the copy:
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use bimpeai::workflows::{FlowInput, RuleInput, UpdateWorkflow};
    ///
    /// let copy = client.workflows().clone("wf_public").send()?;
    /// let prompt_only = UpdateWorkflow::new()
    ///     .system_prompt("You book tables.")
    ///     .rules(Vec::<RuleInput>::new())
    ///     .flows(Vec::<FlowInput>::new());
    /// client.workflows().update(&copy.id, prompt_only).send()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// On this handle `clone` is this operation. `Clone::clone(&workflows)` copies the handle.
    ///
    /// `POST /workflows/clone`. API 0.2+.
    pub fn clone(&self, source_workflow_id: impl AsRef<str>) -> Request<Workflow> {
        let body = serde_json::json!({ "source_workflow_id": source_workflow_id.as_ref() });
        Request::post(&self.client, Path::new("workflows").then("clone"), &body)
    }

    /// Reads one workflow.
    ///
    /// `GET /workflows/{workflow_id}`. All generations.
    pub fn retrieve(&self, workflow_id: impl AsRef<str>) -> Request<Workflow> {
        Request::get(&self.client, path(workflow_id))
    }

    /// Updates a workflow that the team owns. Fields that are not set keep their values.
    ///
    /// The change applies to every agent that follows the workflow, and several may. To change one
    /// agent only, [`clone`](Self::clone) the workflow and give the agent the copy's id.
    ///
    /// A list that is set replaces the whole list. A workflow that the team does not own is a
    /// `not_found`.
    ///
    /// `PATCH /workflows/{workflow_id}`.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use bimpeai::workflows::{RuleInput, UpdateWorkflow};
    ///
    /// let workflow = client.workflows().retrieve("wf_1").send()?;
    /// let mut rules: Vec<RuleInput> = workflow.rules.into_iter().map(RuleInput::from).collect();
    /// rules.push(RuleInput::new("closed", "Closed", "after ten", "We open at eleven.", true));
    /// client.workflows().update("wf_1", UpdateWorkflow::new().rules(rules)).send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update(&self, workflow_id: impl AsRef<str>, body: UpdateWorkflow) -> Request<Workflow> {
        Request::patch(&self.client, path(workflow_id), &body)
    }

    /// Deletes a workflow that the team owns.
    ///
    /// To delete workflows while listing them, collect the list with
    /// [`all`](ListRequest::all) first: each deletion moves the workflows of later pages forward. See
    /// [`ListRequest`](ListRequest#deleting-or-creating-while-listing).
    ///
    /// `DELETE /workflows/{workflow_id}`.
    pub fn delete(&self, workflow_id: impl AsRef<str>) -> Request<()> {
        Request::delete(&self.client, path(workflow_id))
    }
}

fn path(workflow_id: impl AsRef<str>) -> Path {
    Path::new("workflows").id("workflow_id", workflow_id)
}

impl ListRequest<Workflow> {
    /// Whose workflows are listed. All generations; the first knows owned and public only.
    pub fn scope(self, scope: impl Into<WorkflowScope>) -> Self {
        self.filter("scope", scope.into())
    }
}

open_enum! {
    /// Whose workflows are listed.
    pub enum WorkflowScope ("scope of workflows") {
        /// Those of the team.
        Owned = "owned",
        /// The public library.
        Public = "public",
        /// Both, the server's default. Since 0.2.
        Accessible = "accessible",
    }
}

open_enum! {
    /// Who can see a workflow.
    pub enum WorkflowVisibility ("visibility of a workflow") {
        /// The team that owns it.
        Private = "private",
        /// Everybody.
        Public = "public",
    }
}

object! {
    /// A workflow: the prompt, rules and flows that one agent or several follow.
    pub struct Workflow {
        /// Identifier.
        [required] id: String,
        /// What it is called.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// Free grouping, as in "Food and drink".
        category: Option<String>,
        /// Who can see it.
        visibility: WorkflowVisibility,
        /// Whether the team of the key owns it and may change it.
        is_owner: bool,
        /// What the agent is told. Not in the first generation's list.
        system_prompt: Option<String>,
        /// Its rules; what is no rule is skipped.
        [lenient] rules: Vec<Rule>,
        /// Its flows; what is no flow is skipped.
        [lenient] flows: Vec<Flow>,
        /// Free words to find it by.
        tags: Option<Vec<String>>,
        /// Integrations that it wants. Since 0.2.
        integrations: Option<Vec<String>>,
        /// Channels that it is made for. Since 0.2.
        channels: Option<Vec<String>>,
        /// Actions that it takes. Since 0.2.
        actions: Option<Vec<String>>,
        /// How to set it up. Since 0.2.
        guide: Option<WorkflowGuide>,
        /// Questions and answers; what is none is skipped. Since 0.2.
        [lenient] faq: Option<Vec<WorkflowFaq>>,
        /// What to do to set it up. Since 0.2.
        setup_steps: Vec<SetupStep>,
        /// How long that takes, in minutes. Since 0.2.
        setup_time: Option<f64>,
        /// A film about it. Since 0.2.
        video_url: Option<String>,
        /// Free settings of the prompt. First generation only (0.1).
        prompt_config: Option<Map<String, Value>>,
        /// When it was made, RFC 3339.
        created_at: String,
        /// When it was last changed, RFC 3339.
        updated_at: String,
    }
}

/// Another name for [`Workflow`], as in Python.
pub type WorkflowDetail = Workflow;

/// Another name for [`Workflow`]: the first generation's lists hold these, with fewer fields set.
pub type WorkflowSummary = Workflow;

body! {
    /// What a new workflow is made of.
    ///
    /// The current API requires [`system_prompt`](Self::system_prompt) too, the first generation
    /// does not.
    pub struct CreateWorkflow {
        required {
            /// At most 255 characters.
            name: String,
        }
        optional {
            /// What the agent is told; of any length.
            system_prompt: String,
            /// At most 2,000 characters.
            description: String,
            /// At most 100 characters.
            category: String,
            /// How to set it up. Since 0.2.
            guide: WorkflowGuideInput,
            /// How long setting it up takes, in minutes; 1 or more. Since 0.2.
            setup_time: f64,
            /// A film about it, a URL. Since 0.2.
            video_url: String,
            /// Free settings of the prompt, an object. First generation only (0.1).
            prompt_config: Value,
        }
        list {
            /// Its rules.
            rules: RuleInput,
            /// Its flows.
            flows: FlowInput,
            /// Free words to find it by.
            tags: String,
            /// Integrations that it wants. Since 0.2.
            integrations: String,
            /// Channels that it is made for. Since 0.2.
            channels: String,
            /// Actions that it takes. Since 0.2.
            actions: String,
            /// Questions and answers. Since 0.2.
            faq: WorkflowFaqInput,
            /// What to do to set it up. Since 0.2.
            setup_steps: SetupStep,
        }
    }
}

body! {
    /// What is changed on a workflow; a list that is set replaces the whole list.
    pub struct UpdateWorkflow {
        optional {
            /// Not blank, at most 255 characters.
            name: String,
            /// What the agent is told; not blank, of any length.
            system_prompt: String,
            /// At most 2,000 characters.
            description: String,
            /// At most 100 characters.
            category: String,
            /// How to set it up. Since 0.2.
            guide: WorkflowGuideInput,
            /// How long setting it up takes, in minutes; 1 or more. Since 0.2.
            setup_time: f64,
            /// A film about it, a URL. Since 0.2.
            video_url: String,
            /// Free settings of the prompt, an object. First generation only (0.1).
            prompt_config: Value,
        }
        list {
            /// Its rules.
            rules: RuleInput,
            /// Its flows.
            flows: FlowInput,
            /// Free words to find it by.
            tags: String,
            /// Integrations that it wants. Since 0.2.
            integrations: String,
            /// Channels that it is made for. Since 0.2.
            channels: String,
            /// Actions that it takes. Since 0.2.
            actions: String,
            /// Questions and answers. Since 0.2.
            faq: WorkflowFaqInput,
            /// What to do to set it up. Since 0.2.
            setup_steps: SetupStep,
        }
    }
}
