//! Workflows: the prompt, rules and flows that agents follow. Handle: `client.workflows()`.

mod parts;

use serde_json::{Map, Value};

use crate::client::{Client, handle};
use crate::http::path::Path;
use crate::pagination::ListRequest;
use crate::request::Request;
use crate::types::{Timestamp, body, object, open_enum};

pub use parts::*;

impl Client {
    /// Returns the handle for the team's workflows and the public library of templates.
    pub fn workflows(&self) -> Workflows {
        Workflows::new(self)
    }
}

handle! {
    /// The workflows of the team and of the public library, from [`Client::workflows`].
    ///
    /// A workflow holds the system prompt, the rules and the conversation flows of agents. Several
    /// agents can follow one workflow.
    pub struct Workflows;
}

impl Workflows {
    /// Lists workflows: by default, those of the team and of the public library.
    ///
    /// [`scope`](ListRequest::scope) restricts the list to one of them. API 0.1 lists summaries,
    /// without prompt, rules and flows.
    ///
    /// `GET /workflows`.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// use bimpeai::workflows::WorkflowScope;
    ///
    /// let templates = client.workflows().list().scope(WorkflowScope::Public);
    /// for workflow in templates.search("restaurant") {
    ///     let workflow = workflow?;
    ///     println!("{} {}", workflow.id, workflow.name);
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
    /// `POST /workflows`.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// use bimpeai::agents::CreateAgent;
    /// use bimpeai::workflows::{CreateWorkflow, RuleInput};
    ///
    /// let closed = RuleInput::new(
    ///     "closed_on_sunday",
    ///     "Closed on Sunday",
    ///     "The customer asks for a table on a Sunday.",
    ///     "We are closed on Sundays. Would Monday suit you?",
    ///     true,
    /// );
    /// let booking = CreateWorkflow::new("Table booking")
    ///     .system_prompt("You book tables for Mama's Kitchen.")
    ///     .rules([closed]);
    /// let workflow = client.workflows().create(booking).send()?;
    ///
    /// let agent = CreateAgent::new("Ada")
    ///     .workflow_id(&workflow.id)
    ///     .description("Books tables.");
    /// client.agents().create(agent).send()?;
    /// # Ok(())
    /// # }
    /// ```
    // Inlined so that only a crate that uses it compiles the serialization of the body.
    #[inline]
    pub fn create(&self, body: CreateWorkflow) -> Request<Workflow> {
        Request::post(&self.client, Path::new("workflows"), &body)
    }

    /// Copies a workflow, public or owned by the team, into one that the team owns.
    ///
    /// A copied template contains the rules and flows of the original, and they override the prompt.
    /// To let the agent follow its prompt only, clear both lists of the copy:
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let template = client.workflows().list().first()?.unwrap();
    /// use bimpeai::workflows::{FlowInput, RuleInput, UpdateWorkflow};
    ///
    /// let copy = client.workflows().clone(&template.id).send()?;
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
    #[doc(alias = "CloneWorkflowBody")]
    pub fn clone(&self, source_workflow_id: impl AsRef<str>) -> Request<Workflow> {
        let body = serde_json::json!({ "source_workflow_id": source_workflow_id.as_ref() });
        Request::post(&self.client, Path::new("workflows").then("clone"), &body)
    }

    /// Returns a workflow with its prompt, rules and flows.
    ///
    /// `GET /workflows/{workflow_id}`.
    ///
    /// ```
    /// # use bimpeai::workflows::CreateWorkflow;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let body = CreateWorkflow::new("Booking").system_prompt("Book.");
    /// # let id = client.workflows().create(body).send()?.id;
    /// let workflow = client.workflows().retrieve(&id).send()?;
    /// println!("{}", workflow.system_prompt.unwrap_or_default());
    /// for rule in workflow.rules.iter().filter(|rule| rule.enabled) {
    ///     println!("{}: {}", rule.trigger, rule.response);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn retrieve(&self, workflow_id: impl AsRef<str>) -> Request<Workflow> {
        Request::get(&self.client, path(workflow_id))
    }

    /// Updates a workflow that the team owns. Fields that are not set keep their values.
    ///
    /// The change applies to every agent that follows the workflow, and several may. To change one
    /// agent only, [`clone`](Self::clone) the workflow and give the agent the copy's id.
    ///
    /// A list that is set replaces the whole list: to add a rule, send the present rules too, as the
    /// example does. The call fails with `not_found` if the team does not own the workflow.
    ///
    /// `PATCH /workflows/{workflow_id}`.
    ///
    /// ```
    /// # use bimpeai::workflows::CreateWorkflow;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let body = CreateWorkflow::new("Booking").system_prompt("Book.");
    /// # let id = client.workflows().create(body).send()?.id;
    /// use bimpeai::workflows::{RuleInput, UpdateWorkflow};
    ///
    /// let workflow = client.workflows().retrieve(&id).send()?;
    /// let present = workflow.rules.into_iter().map(RuleInput::from);
    /// let mut rules: Vec<RuleInput> = present.collect();
    /// rules.push(RuleInput::new(
    ///     "closed_after_ten",
    ///     "Closed after ten",
    ///     "The customer writes after 22:00.",
    ///     "We open again at eleven.",
    ///     true,
    /// ));
    /// let changes = UpdateWorkflow::new().rules(rules);
    /// client.workflows().update(&id, changes).send()?;
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
    ///
    /// ```
    /// # use bimpeai::workflows::CreateWorkflow;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let body = CreateWorkflow::new("Booking").system_prompt("Book.");
    /// # let id = client.workflows().create(body).send()?.id;
    /// use bimpeai::workflows::WorkflowScope;
    ///
    /// let owned = client.workflows().list().scope(WorkflowScope::Owned);
    /// for workflow in owned.all()? {
    ///     if workflow.tags.iter().flatten().any(|tag| tag == "test") {
    ///         client.workflows().delete(&workflow.id).send()?;
    ///     }
    /// }
    /// # client.workflows().delete(&id).send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete(&self, workflow_id: impl AsRef<str>) -> Request<()> {
        Request::delete(&self.client, path(workflow_id))
    }
}

fn path(workflow_id: impl AsRef<str>) -> Path {
    Path::new("workflows").id("workflow_id", workflow_id)
}

impl ListRequest<Workflow> {
    /// Selects the team's own workflows (`Owned`), the public library (`Public`), or both
    /// (`Accessible`). Default: `Accessible`.
    pub fn scope(self, scope: impl Into<WorkflowScope>) -> Self {
        self.filter("scope", scope.into())
    }
}

open_enum! {
    /// A filter for [lists of workflows](ListRequest::scope).
    pub enum WorkflowScope ("scope of workflows") {
        /// Workflows of the team.
        Owned = "owned",
        /// Workflows of the public library.
        Public = "public",
        /// Both. Default of the server. API 0.2+.
        Accessible = "accessible",
    }
}

open_enum! {
    /// Who can see a workflow.
    pub enum WorkflowVisibility ("visibility of a workflow") {
        /// Visible to the team that owns it.
        Private = "private",
        /// Visible to all teams.
        Public = "public",
    }
}

object! {
    /// A workflow: the prompt, rules and flows that one agent or several follow.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// for workflow in client.workflows().list().search("restaurant") {
    ///     let workflow = workflow?;
    ///     println!("{} ({})", workflow.name, workflow.visibility);
    ///     for rule in &workflow.rules {
    ///         println!("  rule {}", rule.id);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub struct Workflow {
        /// Identifier.
        [required] id: String,
        /// Display name.
        name: String,
        /// Description of the workflow.
        description: Option<String>,
        /// Category, free-form, such as `Food and drink`.
        category: Option<String>,
        /// Who can see the workflow.
        visibility: WorkflowVisibility,
        /// Whether the team of the API key owns the workflow. Only the owner can change it.
        is_owner: bool,
        /// System prompt. Not in lists of API 0.1.
        system_prompt: Option<String>,
        /// Rules of the assistant. Entries that cannot be decoded are left out.
        [lenient] rules: Vec<Rule>,
        /// Conversation flows. Entries that cannot be decoded are left out.
        [lenient] flows: Vec<Flow>,
        /// Tags, free-form, by which people find the workflow.
        tags: Option<Vec<String>>,
        /// Names of the integrations that the workflow needs, such as `google_calendar`. API 0.2+.
        integrations: Option<Vec<String>>,
        /// Names of the channels for which the workflow is made, such as `whatsapp`. API 0.2+.
        channels: Option<Vec<String>>,
        /// Names of the actions that the workflow uses. API 0.2+.
        actions: Option<Vec<String>>,
        /// Setup guide for people. API 0.2+.
        guide: Option<WorkflowGuide>,
        /// Frequently asked questions. Entries that cannot be decoded are left out. API 0.2+.
        [lenient] faq: Option<Vec<WorkflowFaq>>,
        /// What a team has to do before an agent can use the workflow, in order. API 0.2+.
        setup_steps: Vec<SetupStep>,
        /// Time that the setup takes, in minutes. API 0.2+.
        setup_time: Option<f64>,
        /// URL of a video about the workflow. API 0.2+.
        video_url: Option<String>,
        /// Creation time.
        created_at: Timestamp,
        /// Time of the last change.
        updated_at: Timestamp,
        /// Settings of the prompt: a free-form object. API 0.1 only.
        prompt_config: Option<Map<String, Value>>,
    }
}

/// Alias of [`Workflow`], as in the Python SDK.
pub type WorkflowDetail = Workflow;

/// Alias of [`Workflow`], as in the Python SDK. Lists of API 0.1 set fewer fields.
pub type WorkflowSummary = Workflow;

body! {
    /// A new workflow, for [`Workflows::create`].
    ///
    /// The current API also requires [`system_prompt`](Self::system_prompt). API 0.1 does not.
    ///
    /// [`Workflows::create`] has an example.
    #[doc(alias = "CreateWorkflowBody")]
    pub struct CreateWorkflow {
        required {
            /// Display name. Maximum 255 characters.
            name: String,
        }
        optional {
            /// System prompt, of any length.
            system_prompt: String,
            /// Purpose. Maximum 2,000 characters.
            description: String,
            /// Category, free-form. Maximum 100 characters.
            category: String,
            /// Setup guide for people. API 0.2+.
            guide: WorkflowGuideInput,
            /// Time that the setup takes, in minutes. Minimum 1. API 0.2+.
            setup_time: f64,
            /// URL of a video about the workflow. API 0.2+.
            video_url: String,
            /// Settings of the prompt: a free-form object. API 0.1 only.
            prompt_config: Value,
        }
        list {
            /// Rules that agents follow.
            rules: RuleInput,
            /// Conversation flows.
            flows: FlowInput,
            /// Tags, free-form, by which people find the workflow.
            tags: String,
            /// Names of the integrations that the workflow needs, such as `google_calendar`. API
            /// 0.2+.
            integrations: String,
            /// Names of the channels for which the workflow is made, such as `whatsapp`. API 0.2+.
            channels: String,
            /// Names of the actions that the workflow uses. API 0.2+.
            actions: String,
            /// Questions and answers about the workflow. API 0.2+.
            faq: WorkflowFaqInput,
            /// What a team has to do before an agent can use the workflow, in order. API 0.2+.
            setup_steps: SetupStep,
        }
    }
}

body! {
    /// The changes to a workflow, for [`Workflows::update`].
    ///
    /// A list that is set replaces the whole list. An empty list clears it.
    #[doc(alias = "UpdateWorkflowBody")]
    pub struct UpdateWorkflow {
        optional {
            /// Display name. Not empty, maximum 255 characters.
            name: String,
            /// System prompt, of any length. Not empty.
            system_prompt: String,
            /// Purpose. Maximum 2,000 characters.
            description: String,
            /// Category, free-form. Maximum 100 characters.
            category: String,
            /// Setup guide for people. API 0.2+.
            guide: WorkflowGuideInput,
            /// Time that the setup takes, in minutes. Minimum 1. API 0.2+.
            setup_time: f64,
            /// URL of a video about the workflow. API 0.2+.
            video_url: String,
            /// Settings of the prompt: a free-form object. API 0.1 only.
            prompt_config: Value,
        }
        list {
            /// Rules that agents follow.
            rules: RuleInput,
            /// Conversation flows.
            flows: FlowInput,
            /// Tags, free-form, by which people find the workflow.
            tags: String,
            /// Names of the integrations that the workflow needs, such as `google_calendar`. API
            /// 0.2+.
            integrations: String,
            /// Names of the channels for which the workflow is made, such as `whatsapp`. API 0.2+.
            channels: String,
            /// Names of the actions that the workflow uses. API 0.2+.
            actions: String,
            /// Questions and answers about the workflow. API 0.2+.
            faq: WorkflowFaqInput,
            /// What a team has to do before an agent can use the workflow, in order. API 0.2+.
            setup_steps: SetupStep,
        }
    }
}
