//! Agents with their knowledge bases, integrations, channels and actions: `client.agents()`.

mod actions;
mod channels;
mod conversation_flows;
mod conversions;
mod deployment;
mod integrations;
mod knowledge_bases;

use crate::client::{Client, handle};
use crate::http::path::Path;
use crate::pagination::ListRequest;
use crate::request::Request;
use crate::types::{Timestamp, body, object, open_enum};
use crate::workflows::Workflow;

pub use crate::workflows::{Rule, RuleInput};
pub use actions::*;
pub use channels::*;
pub use conversation_flows::*;
pub use deployment::*;
pub use integrations::*;
pub use knowledge_bases::*;

impl Client {
    /// Returns the handle for agents and their knowledge bases, integrations, channels and actions.
    pub fn agents(&self) -> Agents {
        Agents::new(self)
    }
}

handle! {
    /// The agents of the team, from [`Client::agents`].
    ///
    /// The examples of the methods show how to find, create, change and publish an agent. The
    /// knowledge bases, integrations, channels and actions of agents have handles of their own. The
    /// prompt, rules and flows are part of the agent's [workflow](crate::workflows).
    pub struct Agents;
}

impl Agents {
    /// Returns the handle for knowledge bases: the texts and web pages that an agent replies from.
    #[doc(alias = "knowledgeBases")]
    pub fn knowledge_bases(&self) -> KnowledgeBases {
        KnowledgeBases::new(&self.client)
    }

    /// Returns the handle for integrations: first-party apps, Pipedream apps, MCP servers and HTTP
    /// APIs.
    pub fn integrations(&self) -> Integrations {
        Integrations::new(&self.client)
    }

    /// Returns the handle for channels, such as WhatsApp.
    pub fn channels(&self) -> Channels {
        Channels::new(&self.client)
    }

    /// Returns the handle for actions, which an agent performs through its integrations.
    pub fn actions(&self) -> Actions {
        Actions::new(&self.client)
    }

    /// Returns the handle for conversation flows. API 0.1 only; later the flows are part of the
    /// [workflow](crate::workflows::Workflow::flows).
    #[doc(alias = "conversationFlows")]
    pub fn conversation_flows(&self) -> ConversationFlows {
        ConversationFlows::new(&self.client)
    }

    /// Lists the agents of the team.
    ///
    /// `GET /agents`.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// // Requests one page after another.
    /// for agent in client.agents().list() {
    ///     let agent = agent?;
    ///     println!("{} {}", agent.id, agent.name);
    /// }
    ///
    /// // Finds one agent by its name.
    /// let agents = client.agents().list().search("Ada");
    /// let ada = agents.find(|agent| agent.name == "Ada")?;
    /// assert!(ada.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self) -> ListRequest<Agent> {
        ListRequest::new(&self.client, Path::new("agents"), |agent| &agent.id)
    }

    /// Creates an agent. The body is a [`CreateAgent`], or with API 0.1 the name alone.
    ///
    /// If the team does not own the workflow, the server copies it first. `workflow_id` in the
    /// response is the id of the copy.
    ///
    /// If the plan allows no more agents, the live API returns a 400 with the message `Agent limit
    /// reached for your plan`. The API's documents promise the code
    /// [`agent_limit_reached`](crate::error::ErrorCode::AgentLimitReached), so test for both.
    ///
    /// Each request creates one agent, however many times it is retried. To create an agent once for all
    /// runs of a script, search for it first, as the example does. A constant idempotency key does
    /// not do that: it may return an agent that has been deleted since. See
    /// [`Request::idempotency_key`].
    ///
    /// `POST /agents`.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// use bimpeai::agents::CreateAgent;
    /// use bimpeai::workflows::WorkflowScope;
    ///
    /// let name = "Restaurant assistant";
    /// let agents = client.agents().list().search(name);
    /// let agent_id = match agents.find(|agent| agent.name == name)? {
    ///     Some(agent) => agent.id,
    ///     None => {
    ///         let library = client.workflows().list();
    ///         let template = library.scope(WorkflowScope::Public).first()?;
    ///         let template = template.ok_or("the library is empty")?;
    ///         let agent = CreateAgent::new(name)
    ///             .workflow_id(template.id)
    ///             .description("Takes orders and books tables.");
    ///         client.agents().create(agent).send()?.id
    ///     }
    /// };
    /// println!("{agent_id}");
    /// # Ok(())
    /// # }
    /// ```
    // Inlined so that only a crate that uses it compiles the serialization of the body.
    #[inline]
    pub fn create(&self, body: impl Into<CreateAgent>) -> Request<AgentCreateResponse> {
        Request::post(&self.client, Path::new("agents"), &body.into())
    }

    /// Returns an agent with its knowledge bases, integrations and channels.
    ///
    /// `GET /agents/{agent_id}`.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let id = client.agents().create(CreateAgent::new("Ada")).send()?.id;
    /// let agent = client.agents().retrieve(&id).send()?;
    /// println!("{} has {} texts", agent.name, agent.knowledge_bases.len());
    /// for channel in agent.channels.iter().filter(|it| it.is_connected) {
    ///     println!("connected: {}", channel.r#type);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn retrieve(&self, agent_id: impl AsRef<str>) -> Request<AgentDetail> {
        Request::get(&self.client, path(agent_id))
    }

    /// Updates an agent. Fields that are not set keep their values.
    ///
    /// The prompt is part of the agent's workflow; change it by
    /// [`Workflows::update`](crate::workflows::Workflows::update).
    ///
    /// `PATCH /agents/{agent_id}`.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let id = client.agents().create(CreateAgent::new("Ada")).send()?.id;
    /// use bimpeai::agents::{AgentPersona, UpdateAgent};
    ///
    /// let changes = UpdateAgent::new()
    ///     .persona(AgentPersona::Concise)
    ///     .timezone("Africa/Lagos");
    /// let agent = client.agents().update(&id, changes).send()?;
    /// assert_eq!(agent.timezone.as_deref(), Some("Africa/Lagos"));
    /// assert_eq!(agent.name, "Ada");
    /// # Ok(())
    /// # }
    /// ```
    pub fn update(&self, agent_id: impl AsRef<str>, body: UpdateAgent) -> Request<Agent> {
        Request::patch(&self.client, path(agent_id), &body)
    }

    /// Deletes an agent.
    ///
    /// To delete agents while listing them, collect the list with [`all`](ListRequest::all) first:
    /// each deletion shifts the agents of later pages by one. See
    /// [`ListRequest`](ListRequest#deleting-or-creating-while-listing).
    ///
    /// `DELETE /agents/{agent_id}`. API 0.4+.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # client.agents().create(CreateAgent::new("test 1")).send()?;
    /// for agent in client.agents().list().search("test").all()? {
    ///     if agent.name.starts_with("test ") {
    ///         client.agents().delete(&agent.id).send()?;
    ///     }
    /// }
    /// # assert!(client.agents().list().first()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete(&self, agent_id: impl AsRef<str>) -> Request<()> {
        Request::delete(&self.client, path(agent_id))
    }

    /// Sets the status of an agent: live, paused or in development.
    ///
    /// `PATCH /agents/{agent_id}/live-status`. API 0.2+.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let id = client.agents().create(CreateAgent::new("Ada")).send()?.id;
    /// use bimpeai::agents::{AgentLiveStatusValue, UpdateLiveStatus};
    ///
    /// let holiday = UpdateLiveStatus::new(AgentLiveStatusValue::Paused)
    ///     .status_reason("Closed until January.");
    /// client.agents().update_live_status(&id, holiday).send()?;
    ///
    /// let back = UpdateLiveStatus::new(AgentLiveStatusValue::Live);
    /// client.agents().update_live_status(&id, back).send()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "updateLiveStatus")]
    pub fn update_live_status(
        &self,
        agent_id: impl AsRef<str>,
        body: UpdateLiveStatus,
    ) -> Request<AgentLiveStatus> {
        Request::patch(&self.client, path(agent_id).then("live-status"), &body)
    }

    /// Returns the code that a person sends to talk to the agent on BimpeAI's own test channels,
    /// such as WhatsApp.
    ///
    /// The server generates the code at the first call.
    ///
    /// `GET /agents/{agent_id}/deployment/agent-test-code`. API 0.3+.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let id = client.agents().create(CreateAgent::new("Ada")).send()?.id;
    /// let test = client.agents().get_test_code(&id).send()?;
    /// let whatsapp = test.channels.whatsapp;
    /// if let (true, Some(number)) = (whatsapp.is_enabled, whatsapp.phone_number)
    /// {
    ///     println!("Send {:?} to {number}", whatsapp.start_message);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "getTestCode")]
    pub fn get_test_code(&self, agent_id: impl AsRef<str>) -> Request<AgentTestCode> {
        let path = path(agent_id).then("deployment/agent-test-code");
        Request::get(&self.client, path)
    }
}

fn path(agent_id: impl AsRef<str>) -> Path {
    Path::new("agents").id("agent_id", agent_id)
}

open_enum! {
    /// The tone of an agent.
    pub enum AgentPersona ("persona of an agent") {
        /// Matter-of-fact.
        Professional = "professional",
        /// Warm. Default of the server.
        Friendly = "friendly",
        /// Brief.
        Concise = "concise",
    }
}

open_enum! {
    /// The status of an agent, which decides whether it replies to customers.
    pub enum AgentLiveStatusValue ("status of an agent") {
        /// In development; not published.
        Development = "development",
        /// Published; replies to customers.
        Live = "live",
        /// Published, but does not reply for now.
        Paused = "paused",
    }
}

/// The fields of an agent in every response. Fields of API 0.1 come last.
macro_rules! agent {
    ($(#[$meta:meta])* $name:ident { $($more:tt)* }) => {
        object! {
            $(#[$meta])*
            pub struct $name {
                /// Identifier.
                [required] id: String,
                /// Display name.
                name: String,
                /// Purpose of the agent. Empty if it has none.
                description: String,
                /// Identifier of the workflow that the agent follows. API 0.2+.
                workflow_id: Option<String>,
                /// ISO 639-1 language code.
                language: Option<String>,
                /// Tone in which the agent writes.
                persona: Option<AgentPersona>,
                /// IANA time zone, such as `Africa/Lagos`.
                timezone: Option<String>,
                /// URL of the logo.
                logo: Option<String>,
                /// Name of the business that the agent represents.
                business_name: Option<String>,
                /// Postal address of the business.
                business_address: Option<String>,
                /// Email address of the business.
                business_email: Option<String>,
                /// Description of the business.
                business_description: Option<String>,
                /// Code for testing the agent on a channel; see [`Agents::get_test_code`].
                test_channel_code: Option<String>,
                /// Status, which decides whether the agent replies.
                status: Option<AgentLiveStatusValue>,
                /// Reason for the status.
                status_reason: Option<String>,
                /// Email address that is notified when the agent needs help from a person.
                escalation_email: Option<String>,
                /// Creation time.
                created_at: Timestamp,
                /// Time of the last change.
                updated_at: Timestamp,
                $($more)*
                /// Identifier of the workflow that the agent follows. API 0.1 only.
                agent_workflow_id: Option<String>,
                /// System prompt. API 0.1 only; later part of the workflow.
                system_prompt: Option<String>,
                /// Rules of the assistant. Entries that cannot be decoded are left out. API 0.1
                /// only; later part of the workflow.
                [lenient] rules: Option<Vec<Rule>>,
            }
        }
    };
}

agent! {
    /// An agent, in lists and from [`Agents::update`].
    Agent {}
}

agent! {
    /// An agent with its knowledge bases, integrations and channels, from [`Agents::retrieve`].
    AgentDetail {
        /// Knowledge bases, without their content.
        knowledge_bases: Vec<KnowledgeBaseSummary>,
        /// Integrations. API 0.2+.
        integrations: Vec<IntegrationSummary>,
        /// Channels. API 0.2+.
        channels: Vec<AgentChannel>,
        /// Integrations. API 0.1 only.
        integration: Vec<Integration>,
        /// Channels. API 0.1 only.
        channel: Vec<Channel>,
        /// Conversation flows. API 0.1 only; later part of the workflow.
        conversation_flow: Vec<ConversationFlow>,
        /// Actions. API 0.1 only; later from [`Actions::list`].
        actions: Vec<AgentAction>,
    }
}

agent! {
    /// A new agent, from [`Agents::create`].
    AgentCreateResponse {
        /// Workflow that the agent follows: the requested one, or the team's copy of it. API 0.2+.
        workflow: Option<Workflow>,
    }
}

body! {
    /// A new agent, for [`Agents::create`].
    ///
    /// The current API also requires [`workflow_id`](Self::workflow_id) and
    /// [`description`](Self::description): set both. It does not accept `null`: the `clear_…`
    /// methods are API 0.1 only.
    ///
    /// ```
    /// use bimpeai::agents::{AgentPersona, CreateAgent};
    ///
    /// let agent = CreateAgent::new("Table booking")
    ///     .workflow_id("wfl_1")
    ///     .description("Books tables by WhatsApp.")
    ///     .persona(AgentPersona::Concise);
    /// ```
    #[doc(alias = "CreateAgentBody")]
    pub struct CreateAgent {
        required {
            /// Display name. Maximum 255 characters.
            name: String,
        }
        optional {
            /// Identifier of the workflow to follow, public or owned by the team. Maximum 50
            /// characters. API 0.2+.
            workflow_id: String,
        }
        nullable {
            /// Purpose of the agent. Maximum 2,000 characters.
            description / clear_description: String,
            /// Language code (ISO 639-1), such as `en`. Maximum 10 characters. Default of the
            /// server: `en`.
            language / clear_language: String,
            /// Tone in which the agent writes. Default of the server: `friendly`.
            persona / clear_persona: AgentPersona,
            /// IANA time zone, such as `Africa/Lagos`. Maximum 64 characters. Default of the server:
            /// `UTC`.
            timezone / clear_timezone: String,
            /// URL of the logo.
            logo / clear_logo: String,
            /// Name of the business that the agent represents. Maximum 255 characters.
            business_name / clear_business_name: String,
            /// Postal address of the business. Maximum 500 characters.
            business_address / clear_business_address: String,
            /// Email address of the business.
            business_email / clear_business_email: String,
            /// Description of the business. Maximum 2,000 characters.
            business_description / clear_business_description: String,
            /// Email address that is notified when the agent needs help from a person.
            escalation_email / clear_escalation_email: String,
            /// System prompt. API 0.1 only; later part of the workflow.
            system_prompt / clear_system_prompt: String,
            /// Identifier of the workflow to follow. API 0.1 only; later
            /// [`workflow_id`](Self::workflow_id).
            agent_workflow_id / clear_agent_workflow_id: String,
        }
        nullable_list {
            /// Rules. API 0.1 only; later part of the workflow.
            rules / clear_rules: RuleInput,
        }
    }
}

body! {
    /// The changes to an agent, for [`Agents::update`].
    ///
    /// API 0.1 clears a field that is sent as `null`. The current API does not document `null`: the
    /// `clear_…` methods are API 0.1 only.
    ///
    /// ```
    /// use bimpeai::agents::UpdateAgent;
    ///
    /// let changes = UpdateAgent::new()
    ///     .description("Books tables and takes orders.")
    ///     .language("fr");
    /// ```
    #[doc(alias = "UpdateAgentBody")]
    pub struct UpdateAgent {
        optional {
            /// Display name. Maximum 255 characters.
            name: String,
            /// Identifier of the workflow to follow, public or owned by the team. Maximum 50
            /// characters. API 0.2+.
            workflow_id: String,
        }
        nullable {
            /// Purpose of the agent. Maximum 2,000 characters.
            description / clear_description: String,
            /// Language code (ISO 639-1), such as `en`. Maximum 10 characters.
            language / clear_language: String,
            /// Tone in which the agent writes.
            persona / clear_persona: AgentPersona,
            /// IANA time zone, such as `Africa/Lagos`. Maximum 64 characters.
            timezone / clear_timezone: String,
            /// URL of the logo.
            logo / clear_logo: String,
            /// Name of the business that the agent represents. Maximum 255 characters.
            business_name / clear_business_name: String,
            /// Postal address of the business. Maximum 500 characters.
            business_address / clear_business_address: String,
            /// Email address of the business.
            business_email / clear_business_email: String,
            /// Description of the business. Maximum 2,000 characters.
            business_description / clear_business_description: String,
            /// Email address that is notified when the agent needs help from a person.
            escalation_email / clear_escalation_email: String,
            /// System prompt. API 0.1 only; later part of the workflow.
            system_prompt / clear_system_prompt: String,
            /// Identifier of the workflow to follow. API 0.1 only; later
            /// [`workflow_id`](Self::workflow_id).
            agent_workflow_id / clear_agent_workflow_id: String,
        }
        nullable_list {
            /// Rules; replaces the whole list. API 0.1 only; later part of the workflow.
            rules / clear_rules: RuleInput,
        }
    }
}

body! {
    /// The new status of an agent, for [`Agents::update_live_status`]. API 0.2+.
    ///
    /// ```
    /// use bimpeai::agents::{AgentLiveStatusValue, UpdateLiveStatus};
    ///
    /// let pause = UpdateLiveStatus::new(AgentLiveStatusValue::Paused)
    ///     .status_reason("Closed for the holidays.");
    /// ```
    #[doc(alias = "UpdateLiveStatusBody")]
    pub struct UpdateLiveStatus {
        required {
            /// New status.
            status: AgentLiveStatusValue,
        }
        optional {
            /// Reason for the status. Maximum 500 characters.
            status_reason: String,
        }
    }
}

object! {
    /// The status of an agent, from [`Agents::update_live_status`]. API 0.2+.
    pub struct AgentLiveStatus {
        /// Current status.
        status: AgentLiveStatusValue,
        /// Reason for the status.
        status_reason: Option<String>,
    }
}
