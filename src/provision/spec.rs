//! The specification of an agent, as data.

use serde_json::Value;

use super::{ChangedResource, same_name};
use crate::agents::{
    AgentPersona, CustomApiCreateTool, IntegrationAuthConfig, IntegrationAuthType,
};
use crate::error::Error;
use crate::types::body;
use crate::workflows::{FlowInput, RuleInput, SetupStep, WorkflowFaqInput, WorkflowGuideInput};

body! {
    /// The desired state of an agent. Reads and writes JSON.
    ///
    /// Fields that are not set are left as they are. Unknown fields are an error, so that a typo in a
    /// file does not pass unnoticed.
    ///
    /// ```
    /// use bimpeai::provision::{AgentSpec, KnowledgeSpec, WorkflowSpec};
    ///
    /// let glossary = KnowledgeSpec::text("Glossary", "ETA: time of arrival.");
    /// let spec = AgentSpec::new("Scribe")
    ///     .description("Takes notes.")
    ///     .workflow(WorkflowSpec::new().system_prompt("You take notes."))
    ///     .knowledge_bases([glossary]);
    /// let json = serde_json::to_string_pretty(&spec)?;
    /// assert_eq!(serde_json::from_str::<AgentSpec>(&json)?, spec);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub struct AgentSpec {
        required {
            /// Display name, by which the agent is found. Maximum 255 characters.
            name: String,
        }
        optional {
            /// What the agent is for. Maximum 2,000 characters.
            description: String,
            /// Language code (ISO 639-1), such as `en`. Maximum 10 characters.
            language: String,
            /// Tone of the agent.
            persona: AgentPersona,
            /// Time zone (IANA name). Maximum 64 characters.
            timezone: String,
            /// URL of a picture.
            logo: String,
            /// Name of the business. Maximum 255 characters.
            business_name: String,
            /// Postal address of the business. Maximum 500 characters.
            business_address: String,
            /// E-mail address of the business.
            business_email: String,
            /// What the business does. Maximum 2,000 characters.
            business_description: String,
            /// E-mail address for conversations that need a person.
            escalation_email: String,
            /// The workflow that the agent follows.
            workflow: WorkflowSpec,
        }
        list {
            /// Knowledge bases. Others that the agent has are left alone.
            knowledge_bases: KnowledgeSpec,
            /// Custom APIs. Others that the agent has are left alone.
            custom_apis: CustomApiSpec,
        }
    }
}

body! {
    /// The workflow of an agent: one of its own, or a copy of a template.
    ///
    /// If the agent exists, its current workflow is changed. Otherwise the workflow is found by name,
    /// copied from the template, or created. A list that is set replaces the whole list.
    pub struct WorkflowSpec {
        optional {
            /// Display name. Maximum 255 characters. Default: the name of the agent.
            name: String,
            /// Identifier of the workflow to copy for a new agent.
            template: String,
            /// Instructions for the agent, of any length.
            system_prompt: String,
            /// What the workflow is for. Maximum 2,000 characters.
            description: String,
            /// Category for grouping. Maximum 100 characters.
            category: String,
            /// Setup instructions.
            guide: WorkflowGuideInput,
            /// Time that the setup takes, in minutes. At least 1.
            setup_time: f64,
            /// URL of a video.
            video_url: String,
        }
        list {
            /// Rules. Set an empty list to remove those that a template brings.
            rules: RuleInput,
            /// Conversation flows. Set an empty list to remove those that a template brings.
            flows: FlowInput,
            /// Tags, free-form, by which people find the workflow.
            tags: String,
            /// Names of the integrations that the workflow needs, such as `google_calendar`.
            integrations: String,
            /// Channels that the workflow is made for.
            channels: String,
            /// Names of the actions that the workflow uses.
            actions: String,
            /// Questions and answers.
            faq: WorkflowFaqInput,
            /// Setup steps.
            setup_steps: SetupStep,
        }
    }
}

body! {
    /// A knowledge base: a text of any length, or a web page.
    pub struct KnowledgeSpec {
        required {
            /// Display name, by which the knowledge base is found. Maximum 255 characters.
            name: String,
        }
        plain {
            /// The text. More than 2,500 characters are split into several knowledge bases.
            content: String,
            /// URL of the web page.
            url: String,
        }
        optional {
            /// What the knowledge base is about. Maximum 1,000 characters.
            description: String,
        }
    }
}

impl KnowledgeSpec {
    /// Creates the specification of a text.
    #[must_use]
    pub fn text(name: impl Into<String>, content: impl Into<String>) -> Self {
        let mut spec = Self::new(name);
        spec.content = Some(content.into());
        spec
    }

    /// Creates the specification of a web page.
    #[must_use]
    pub fn page(name: impl Into<String>, url: impl Into<String>) -> Self {
        let mut spec = Self::new(name);
        spec.url = Some(url.into());
        spec
    }
}

body! {
    /// A custom API and its tools.
    ///
    /// The API cannot be changed in place: another base URL or authentication method deletes it and
    /// creates it again with its tools.
    pub struct CustomApiSpec {
        required {
            /// Display name, by which the API is found.
            name: String,
        }
        optional {
            /// What the API is for. Not compared, because the server does not return it.
            description: String,
            /// Base URL of the tools.
            base_url: String,
            /// Authentication method.
            auth_type: IntegrationAuthType,
            /// Credentials for `auth_type`. Not compared, because the server does not return them.
            auth_config: IntegrationAuthConfig,
            /// Path that is called to test the API. Not compared.
            test_endpoint: String,
        }
        list {
            /// Tools, found by name. Others that the API has are left alone.
            tools: CustomApiCreateTool,
        }
    }
}

impl AgentSpec {
    /// Refuses a specification that cannot be applied, before anything is sent.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.name.trim().is_empty() {
            return Err(Error::user("the specification has no agent name"));
        }
        let knowledge = self.knowledge_bases.iter().flatten();
        unique(
            ChangedResource::KnowledgeBase,
            knowledge.clone().map(|spec| &*spec.name),
        )?;
        for spec in knowledge {
            if spec.content.is_some() == spec.url.is_some() {
                return Err(Error::user(format!(
                    "knowledge base {:?} needs either `content` or `url`",
                    spec.name
                )));
            }
        }
        let apis = self.custom_apis.iter().flatten();
        unique(
            ChangedResource::CustomApi,
            apis.clone().map(|spec| &*spec.name),
        )?;
        for api in apis {
            let tools = api.tools.iter().flatten();
            unique(ChangedResource::Tool, tools.map(|tool| &*tool.name))?;
        }
        Ok(())
    }

    /// Returns the fields of the agent itself that the specification names.
    pub(super) fn profile(&self) -> serde_json::Map<String, Value> {
        let mut fields = super::compare::fields(self);
        for part in ["workflow", "knowledge_bases", "custom_apis"] {
            fields.remove(part);
        }
        fields
    }
}

impl WorkflowSpec {
    /// Returns the fields of the workflow that the specification names.
    pub(super) fn fields(&self) -> serde_json::Map<String, Value> {
        let mut fields = super::compare::fields(self);
        fields.remove("template");
        fields
    }
}

fn unique<'a>(
    resource: ChangedResource,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), Error> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if seen.iter().any(|known| same_name(known, name)) {
            return Err(Error::user(format!(
                "the specification names {resource} {name:?} twice"
            )));
        }
        seen.push(name);
    }
    Ok(())
}
