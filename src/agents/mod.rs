//! Agents, and what belongs to one: knowledge, integrations, channels, actions. `client.agents()`.

mod actions;
mod channels;
mod conversation_flows;
mod integrations;
mod knowledge_bases;

use crate::client::{Client, handle};
use crate::http::path::Path;
use crate::pagination::ListRequest;
use crate::request::Request;
use crate::types::{body, object, open_enum};
use crate::workflows::Workflow;

pub use crate::workflows::{Rule, RuleInput};
pub use actions::*;
pub use channels::*;
pub use conversation_flows::*;
pub use integrations::*;
pub use knowledge_bases::*;

impl Client {
    /// The agents of the team, and what belongs to each.
    pub fn agents(&self) -> Agents {
        Agents::new(self)
    }
}

handle! {
    /// The agents of the team, from [`Client::agents`].
    pub struct Agents;
}

impl Agents {
    /// What agents know: texts and web pages.
    pub fn knowledge_bases(&self) -> KnowledgeBases {
        KnowledgeBases::new(&self.client)
    }

    /// What agents are connected to.
    pub fn integrations(&self) -> Integrations {
        Integrations::new(&self.client)
    }

    /// Where agents can be talked to.
    pub fn channels(&self) -> Channels {
        Channels::new(&self.client)
    }

    /// What agents may do.
    pub fn actions(&self) -> Actions {
        Actions::new(&self.client)
    }

    /// The conversation flows of agents. First generation only (0.1).
    pub fn conversation_flows(&self) -> ConversationFlows {
        ConversationFlows::new(&self.client)
    }

    /// Lists the agents of the team.
    ///
    /// `GET /agents`. All generations.
    pub fn list(&self) -> ListRequest<Agent> {
        ListRequest::new(&self.client, Path::new("agents"), |agent| &agent.id)
    }

    /// Creates an agent.
    ///
    /// The server first copies a workflow that the team does not own. `workflow_id` in the response is
    /// the id of the copy.
    ///
    /// If the plan allows no more agents, the live API returns a 400 with the message `Agent limit
    /// reached for your plan`. The documented code is `agent_limit_reached`.
    ///
    /// Each request creates an agent, and its retries do not create another. To create an agent once
    /// for all runs of a script, look for it first:
    /// `client.agents().list().search(name).find(|agent| agent.name == name)`. A constant idempotency
    /// key does not do that: it may return an agent that has been deleted since. See
    /// [`Request::idempotency_key`].
    ///
    /// `POST /agents`.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use bimpeai::agents::CreateAgent;
    ///
    /// let agent = client
    ///     .agents()
    ///     .create(
    ///         CreateAgent::new("Restaurant assistant")
    ///             .workflow_id("wf_1")
    ///             .description("Takes orders and books tables."),
    ///     )
    ///     .send()?;
    /// println!("{}", agent.id);
    /// # Ok(())
    /// # }
    /// ```
    // The writer of the body is compiled by who needs it.
    #[inline]
    pub fn create(&self, body: CreateAgent) -> Request<AgentCreateResponse> {
        Request::post(&self.client, Path::new("agents"), &body)
    }

    /// Reads one agent with what belongs to it.
    ///
    /// `GET /agents/{agent_id}`. All generations.
    pub fn retrieve(&self, agent_id: impl AsRef<str>) -> Request<AgentDetail> {
        Request::get(&self.client, path(agent_id))
    }

    /// Changes an agent; what the body leaves out stays as it is.
    ///
    /// `PATCH /agents/{agent_id}`. All generations.
    pub fn update(&self, agent_id: impl AsRef<str>, body: UpdateAgent) -> Request<Agent> {
        Request::patch(&self.client, path(agent_id), &body)
    }

    /// Deletes an agent.
    ///
    /// To delete agents while listing them, collect the list with
    /// [`all`](ListRequest::all) first: each deletion moves the agents of later pages forward. See
    /// [`ListRequest`](ListRequest#deleting-or-creating-while-listing).
    ///
    /// `DELETE /agents/{agent_id}`. API 0.4+.
    pub fn delete(&self, agent_id: impl AsRef<str>) -> Request<()> {
        Request::delete(&self.client, path(agent_id))
    }

    /// Puts an agent live, pauses it or takes it back into development.
    ///
    /// `PATCH /agents/{agent_id}/live-status`. Since 0.2.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use bimpeai::agents::{AgentLiveStatusValue, UpdateLiveStatus};
    ///
    /// let live = UpdateLiveStatus::new(AgentLiveStatusValue::Live).status_reason("Tested.");
    /// client.agents().update_live_status("agt_1", live).send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update_live_status(
        &self,
        agent_id: impl AsRef<str>,
        body: UpdateLiveStatus,
    ) -> Request<AgentLiveStatus> {
        Request::patch(&self.client, path(agent_id).then("live-status"), &body)
    }

    /// Reads the code by which an agent is tried out on its channels; the first call makes it.
    ///
    /// `GET /agents/{agent_id}/deployment/agent-test-code`. Since 0.3.
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
        /// Matter of fact.
        Professional = "professional",
        /// Warm; the server's default.
        Friendly = "friendly",
        /// Short.
        Concise = "concise",
    }
}

open_enum! {
    /// Whether an agent answers.
    pub enum AgentLiveStatusValue ("status of an agent") {
        /// It is being built.
        Development = "development",
        /// It answers.
        Live = "live",
        /// It is silent for now.
        Paused = "paused",
    }
}

/// The fields that every answer about an agent has.
macro_rules! agent {
    ($(#[$meta:meta])* $name:ident { $($more:tt)* }) => {
        object! {
            $(#[$meta])*
            pub struct $name {
                /// Identifier.
                [required] id: String,
                /// What it is called.
                name: String,
                /// What it is for; empty where the first generation has none.
                description: String,
                /// The workflow that it follows. Since 0.2.
                workflow_id: Option<String>,
                /// The workflow that it follows. First generation only (0.1).
                agent_workflow_id: Option<String>,
                /// What it is told. First generation only (0.1), later on the workflow.
                system_prompt: Option<String>,
                /// Its rules; what is no rule is skipped. First generation only (0.1), later on the
                /// workflow.
                [lenient] rules: Option<Vec<Rule>>,
                /// Its language, ISO 639-1.
                language: Option<String>,
                /// Its tone.
                persona: Option<AgentPersona>,
                /// Its time zone, an IANA name.
                timezone: Option<String>,
                /// Its picture, a URL.
                logo: Option<String>,
                /// The business that it speaks for.
                business_name: Option<String>,
                /// Where the business is.
                business_address: Option<String>,
                /// How the business is reached.
                business_email: Option<String>,
                /// What the business does.
                business_description: Option<String>,
                /// Code for testing the agent on a channel.
                test_channel_code: Option<String>,
                /// Whether it answers.
                status: Option<AgentLiveStatusValue>,
                /// Why it has that status.
                status_reason: Option<String>,
                /// Who is written to when it cannot go on.
                escalation_email: Option<String>,
                /// When it was made, RFC 3339.
                created_at: String,
                /// When it was last changed, RFC 3339.
                updated_at: String,
                $($more)*
            }
        }
    };
}

agent! {
    /// An agent.
    Agent {}
}

agent! {
    /// An agent with what belongs to it, from [`Agents::retrieve`].
    AgentDetail {
        /// What it knows.
        knowledge_bases: Vec<KnowledgeBaseSummary>,
        /// What it is connected to. Since 0.2.
        integrations: Vec<IntegrationSummary>,
        /// Where it can be talked to. Since 0.2.
        channels: Vec<AgentChannel>,
        /// What it is connected to. First generation only (0.1).
        integration: Vec<Integration>,
        /// Where it can be talked to. First generation only (0.1).
        channel: Vec<Channel>,
        /// Its conversation flows. First generation only (0.1).
        conversation_flow: Vec<ConversationFlow>,
        /// What it may do. First generation only (0.1).
        actions: Vec<AgentAction>,
    }
}

agent! {
    /// A new agent, from [`Agents::create`].
    AgentCreateResponse {
        /// The workflow that it follows: the one named, or its copy. Since 0.2.
        workflow: Option<Workflow>,
    }
}

body! {
    /// What a new agent is made of.
    ///
    /// The current API requires [`workflow_id`](Self::workflow_id) and
    /// [`description`](Self::description) too and takes no nulls; the first generation requires the
    /// name only.
    ///
    /// ```
    /// use bimpeai::agents::{AgentPersona, CreateAgent};
    ///
    /// let agent = CreateAgent::new("Table booking")
    ///     .workflow_id("wf_1")
    ///     .description("Books tables by WhatsApp.")
    ///     .persona(AgentPersona::Concise);
    /// ```
    pub struct CreateAgent {
        required {
            /// At most 255 characters.
            name: String,
        }
        optional {
            /// The workflow to follow, public or owned; an id of at most 50 characters. Since 0.2.
            workflow_id: String,
        }
        nullable {
            /// At most 2,000 characters.
            description / clear_description: String,
            /// What the agent is told. First generation only (0.1).
            system_prompt / clear_system_prompt: String,
            /// The workflow to follow. First generation only (0.1).
            agent_workflow_id / clear_agent_workflow_id: String,
            /// ISO 639-1, at most 10 characters; the server's default is `en`.
            language / clear_language: String,
            /// The tone; the server's default is friendly.
            persona / clear_persona: AgentPersona,
            /// An IANA name, at most 64 characters; the server's default is `UTC`.
            timezone / clear_timezone: String,
            /// A picture, a URL.
            logo / clear_logo: String,
            /// At most 255 characters.
            business_name / clear_business_name: String,
            /// At most 500 characters.
            business_address / clear_business_address: String,
            /// An e-mail address.
            business_email / clear_business_email: String,
            /// At most 2,000 characters.
            business_description / clear_business_description: String,
            /// An e-mail address.
            escalation_email / clear_escalation_email: String,
        }
        nullable_list {
            /// The agent's rules. First generation only (0.1).
            rules / clear_rules: RuleInput,
        }
    }
}

body! {
    /// What is changed on an agent.
    ///
    /// The first generation clears a field by null; the current API documents no nulls here.
    pub struct UpdateAgent {
        optional {
            /// At most 255 characters.
            name: String,
            /// The workflow to follow, public or owned; an id of at most 50 characters. Since 0.2.
            workflow_id: String,
        }
        nullable {
            /// At most 2,000 characters.
            description / clear_description: String,
            /// What the agent is told. First generation only (0.1).
            system_prompt / clear_system_prompt: String,
            /// The workflow to follow. First generation only (0.1).
            agent_workflow_id / clear_agent_workflow_id: String,
            /// ISO 639-1, at most 10 characters.
            language / clear_language: String,
            /// The tone.
            persona / clear_persona: AgentPersona,
            /// An IANA name, at most 64 characters.
            timezone / clear_timezone: String,
            /// A picture, a URL.
            logo / clear_logo: String,
            /// At most 255 characters.
            business_name / clear_business_name: String,
            /// At most 500 characters.
            business_address / clear_business_address: String,
            /// An e-mail address.
            business_email / clear_business_email: String,
            /// At most 2,000 characters.
            business_description / clear_business_description: String,
            /// An e-mail address.
            escalation_email / clear_escalation_email: String,
        }
        nullable_list {
            /// The agent's rules, all of them. First generation only (0.1).
            rules / clear_rules: RuleInput,
        }
    }
}

body! {
    /// Whether an agent shall answer. Since 0.2.
    pub struct UpdateLiveStatus {
        required {
            /// The new status.
            status: AgentLiveStatusValue,
        }
        optional {
            /// Why, at most 500 characters.
            status_reason: String,
        }
    }
}

object! {
    /// Whether an agent answers. Since 0.2.
    pub struct AgentLiveStatus {
        /// As it is now.
        status: AgentLiveStatusValue,
        /// Why.
        status_reason: Option<String>,
    }
}

object! {
    /// How an agent is tried out. Since 0.3.
    pub struct AgentTestCode {
        /// The code itself.
        code: String,
        /// What to do with it on each channel.
        channels: DeploymentChannels,
    }
}

object! {
    /// The channels on which an agent can be tried out. Since 0.3.
    pub struct DeploymentChannels {
        /// On WhatsApp.
        whatsapp: DeploymentWhatsAppChannel,
        /// On Instagram.
        instagram: DeploymentInstagramChannel,
        /// On Facebook Messenger.
        messenger: DeploymentMessengerChannel,
        /// By phone.
        telephony: DeploymentTelephonyChannel,
    }
}

object! {
    /// Trying an agent out on WhatsApp. Since 0.3.
    pub struct DeploymentWhatsAppChannel {
        /// Whether it can be done.
        is_enabled: bool,
        /// What to write first.
        start_message: String,
        /// Whom to write to.
        phone_number: Option<String>,
        /// A link that does both.
        url: Option<String>,
    }
}

object! {
    /// Trying an agent out on Instagram. Since 0.3.
    pub struct DeploymentInstagramChannel {
        /// Whether it can be done.
        is_enabled: bool,
        /// What to write first.
        start_message: String,
        /// Whom to write to.
        username: Option<String>,
        /// A link that does both.
        url: Option<String>,
    }
}

object! {
    /// Trying an agent out on Facebook Messenger. Since 0.3.
    pub struct DeploymentMessengerChannel {
        /// Whether it can be done.
        is_enabled: bool,
        /// What to write first.
        start_message: String,
        /// The page to write to.
        page: Option<String>,
        /// A link that does both.
        url: Option<String>,
    }
}

object! {
    /// Trying an agent out by phone. Since 0.3.
    pub struct DeploymentTelephonyChannel {
        /// Whether it can be done.
        is_enabled: bool,
    }
}
