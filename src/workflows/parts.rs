//! What a workflow is made of, as it is read and as it is written.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::types::{Extra, FieldPresence, Patch, body, object, open_enum};

object! {
    /// A rule of a workflow; in API 0.1, of an agent.
    ///
    /// Only the `id` is always present. Older rules may lack any other field.
    pub struct Rule {
        /// Stable identifier, chosen by the author of the rule. The live API writes them in snake_case.
        [required] id: String,
        /// What the rule is called.
        name: String,
        /// What sets it off, in plain words.
        trigger: String,
        /// A further condition, in plain words. Many rules have none.
        condition: Option<String>,
        /// What the agent answers.
        response: String,
        /// The tool that the agent calls.
        action: Option<String>,
        /// Whether the rule is in force.
        enabled: bool,
    }
}

body! {
    /// A rule to be written: an item of `rules`. A [`Rule`] that was read converts into it.
    pub struct RuleInput {
        required {
            /// Stable identifier in snake_case, such as `closed_on_sunday`. Maximum 100 characters.
            id: String,
            /// At most 200 characters.
            name: String,
            /// What sets it off, in plain words; at most 500 characters.
            trigger: String,
            /// What the agent answers; at most 2,000 characters.
            response: String,
            /// Whether the rule is in force.
            enabled: bool,
        }
        nullable {
            /// A further condition, in plain words. May be absent. Maximum 500 characters.
            condition / clear_condition: String,
            /// The tool to call, by its snake_case name; at most 100 characters.
            action / clear_action: String,
        }
    }
}

impl From<Rule> for RuleInput {
    fn from(rule: Rule) -> Self {
        RuleInput {
            id: rule.id,
            name: rule.name,
            trigger: rule.trigger,
            response: rule.response,
            enabled: rule.enabled,
            condition: set(rule.condition),
            action: set(rule.action),
        }
    }
}

object! {
    /// One conversation flow of a workflow. Since 0.2; the first generation has free objects here,
    /// whose other fields are in `extra`.
    pub struct Flow {
        /// What the flow is called.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// Free grouping.
        category: Option<String>,
        /// 1 to 10; the server's default is 5.
        priority: Option<u64>,
        /// Whether the flow is in force.
        is_active: Option<bool>,
        /// What starts it.
        [lenient] trigger_keywords: Vec<FlowTriggerKeyword>,
        /// What happens, in order.
        [lenient] conversation_steps: Vec<FlowStep>,
    }
}

body! {
    /// A flow to be written: an item of `flows`. A [`Flow`] that was read converts into it.
    pub struct FlowInput {
        extra {
            /// Fields of any other name: on the first generation a flow is a free object.
            extra
        }
        required {
            /// At most 255 characters.
            name: String,
        }
        optional {
            /// Whether the flow is in force; the server's default is `true`.
            is_active: bool,
        }
        number {
            /// 1 to 10; the server's default is 5.
            priority: u64,
        }
        list {
            /// What starts the flow.
            trigger_keywords: FlowTriggerKeywordInput,
            /// What happens, in order.
            conversation_steps: FlowStepInput,
        }
        nullable {
            /// At most 2,000 characters.
            description / clear_description: String,
            /// At most 100 characters.
            category / clear_category: String,
        }
    }
}

impl From<Flow> for FlowInput {
    fn from(flow: Flow) -> Self {
        FlowInput {
            name: flow.name,
            is_active: flow.is_active,
            priority: flow.priority,
            trigger_keywords: some_items(flow.trigger_keywords),
            conversation_steps: some_items(flow.conversation_steps),
            description: set(flow.description),
            category: set(flow.category),
            extra: flow.extra,
        }
    }
}

open_enum! {
    /// How strongly a keyword starts its flow. Since 0.2.
    pub enum KeywordWeight ("weight of a keyword") {
        /// Before all others.
        High = "high",
        /// The server's default.
        Medium = "medium",
        /// After all others.
        Low = "low",
    }
}

object! {
    /// A word that starts a flow. Since 0.2.
    pub struct FlowTriggerKeyword {
        /// The word or phrase.
        keyword: String,
        /// How strongly it counts.
        weight: Option<KeywordWeight>,
    }
}

body! {
    /// A word that starts a flow, to be written.
    pub struct FlowTriggerKeywordInput {
        required {
            /// The word or phrase, at most 200 characters.
            keyword: String,
        }
        optional {
            /// How strongly it counts; the server's default is medium.
            weight: KeywordWeight,
        }
    }
}

impl From<&str> for FlowTriggerKeywordInput {
    fn from(keyword: &str) -> Self {
        FlowTriggerKeywordInput::new(keyword)
    }
}

impl From<FlowTriggerKeyword> for FlowTriggerKeywordInput {
    fn from(keyword: FlowTriggerKeyword) -> Self {
        FlowTriggerKeywordInput {
            keyword: keyword.keyword,
            weight: keyword.weight,
        }
    }
}

object! {
    /// One step of a flow. Since 0.2.
    pub struct FlowStep {
        /// What kind of step it is, as `text_response` or `action`.
        r#type = "type": String,
        /// What is said.
        content: Option<String>,
        /// The tool that is called.
        action: Option<String>,
        /// What is said afterwards.
        followup: Option<String>,
    }
}

body! {
    /// One step of a flow, to be written.
    pub struct FlowStepInput {
        required {
            /// What kind of step it is, as `text_response` or `action`.
            r#type: String,
        }
        optional {
            /// What is said.
            content: String,
            /// The tool that is called.
            action: String,
            /// What is said afterwards.
            followup: String,
        }
    }
}

impl From<FlowStep> for FlowStepInput {
    fn from(step: FlowStep) -> Self {
        FlowStepInput {
            r#type: step.r#type,
            content: step.content,
            action: step.action,
            followup: step.followup,
        }
    }
}

object! {
    /// How a workflow is set up, for people. Since 0.2.
    pub struct WorkflowGuide {
        /// A film of it; `youtubeUrl` on the wire.
        youtube_url = "youtubeUrl": Option<String>,
        /// What to do, in order.
        steps: Vec<String>,
    }
}

body! {
    /// How a workflow is set up, to be written. A [`WorkflowGuide`] that was read converts into it.
    pub struct WorkflowGuideInput {
        required_list {
            /// What to do, in order.
            steps: String,
        }
        optional {
            /// A film of it; `youtubeUrl` on the wire.
            youtube_url = "youtubeUrl": String,
        }
    }
}

impl From<WorkflowGuide> for WorkflowGuideInput {
    fn from(guide: WorkflowGuide) -> Self {
        WorkflowGuideInput {
            steps: guide.steps,
            youtube_url: guide.youtube_url,
        }
    }
}

object! {
    /// A question that users of a workflow ask, with its answer. Since 0.2.
    pub struct WorkflowFaq {
        /// The question.
        question: String,
        /// Its answer.
        answer: String,
    }
}

body! {
    /// A question with its answer, to be written. A [`WorkflowFaq`] that was read converts into it.
    pub struct WorkflowFaqInput {
        required {
            /// The question.
            question: String,
            /// Its answer.
            answer: String,
        }
    }
}

impl From<WorkflowFaq> for WorkflowFaqInput {
    fn from(faq: WorkflowFaq) -> Self {
        WorkflowFaqInput {
            question: faq.question,
            answer: faq.answer,
        }
    }
}

/// One step of setting a workflow up, read or written. Since 0.2.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum SetupStep {
    /// A plain text.
    Text(String),
    /// A title with a description.
    Detail(SetupStepDetail),
    /// What is neither: the API leaves the form of a step open.
    Other(Value),
}

object! {
    /// A set-up step that has a title. Since 0.2.
    pub struct SetupStepDetail {
        /// Its heading.
        title: String,
        /// What to do.
        description: String,
    }
}

impl SetupStepDetail {
    /// A step with a title.
    #[must_use]
    pub fn new(title: impl Into<String>, description: impl Into<String>) -> Self {
        SetupStepDetail {
            title: title.into(),
            description: description.into(),
            extra: Extra::new(),
            presence: FieldPresence::BUILT,
        }
    }
}

impl From<Value> for SetupStep {
    fn from(value: Value) -> Self {
        match value {
            Value::String(text) => SetupStep::Text(text),
            value => match SetupStepDetail::deserialize(&value) {
                Ok(detail) => SetupStep::Detail(detail),
                Err(_) => SetupStep::Other(value),
            },
        }
    }
}

impl From<&str> for SetupStep {
    fn from(text: &str) -> Self {
        SetupStep::Text(text.to_owned())
    }
}

impl From<String> for SetupStep {
    fn from(text: String) -> Self {
        SetupStep::Text(text)
    }
}

impl From<SetupStepDetail> for SetupStep {
    fn from(detail: SetupStepDetail) -> Self {
        SetupStep::Detail(detail)
    }
}

impl<'de> Deserialize<'de> for SetupStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(SetupStep::from)
    }
}

/// A null that was read is not sent back: the current API refuses it here.
fn set(value: Option<String>) -> Patch<String> {
    value.map_or(Patch::Absent, Patch::Set)
}

/// An empty list and a missing one read alike; neither needs to be sent.
fn some_items<T, U: From<T>>(items: Vec<T>) -> Option<Vec<U>> {
    if items.is_empty() {
        None
    } else {
        Some(items.into_iter().map(U::from).collect())
    }
}
