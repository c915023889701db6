//! The parts of a workflow. The API returns and accepts them in different types.

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
        /// Display name.
        name: String,
        /// Situation in which the rule applies, in plain words.
        trigger: String,
        /// Further condition, in plain words. Many rules have none.
        condition: Option<String>,
        /// Reply of the agent.
        response: String,
        /// Tool that the agent calls, by its snake_case name.
        action: Option<String>,
        /// Whether the rule is enabled.
        enabled: bool,
    }
}

body! {
    /// A rule to send: an item of `rules`. A [`Rule`] converts into it.
    ///
    /// ```
    /// use bimpeai::workflows::RuleInput;
    ///
    /// let rule = RuleInput::new(
    ///     "closed_on_sunday",
    ///     "Closed on Sunday",
    ///     "The customer asks for a table on a Sunday.",
    ///     "We are closed on Sundays. Would Monday suit you?",
    ///     true,
    /// )
    /// .condition("The customer has not named another day.");
    /// ```
    pub struct RuleInput {
        required {
            /// Stable identifier in snake_case, such as `closed_on_sunday`. Maximum 100 characters.
            id: String,
            /// Display name. Maximum 200 characters.
            name: String,
            /// Situation in which the rule applies, in plain words. Maximum 500 characters.
            trigger: String,
            /// Reply of the agent. Maximum 2,000 characters.
            response: String,
            /// Whether the rule is enabled.
            enabled: bool,
        }
        nullable {
            /// Further condition, in plain words. May be absent. Maximum 500 characters.
            condition / clear_condition: String,
            /// Tool that the agent calls, by its snake_case name. Maximum 100 characters.
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
    /// A conversation flow of a workflow. API 0.2+; in API 0.1 a flow is a free-form object, whose
    /// other fields are in `extra`.
    pub struct Flow {
        /// Display name.
        name: String,
        /// Description of the conversation flow.
        description: Option<String>,
        /// Category, free-form.
        category: Option<String>,
        /// Priority. Range: 1–10. Default of the server: 5.
        priority: Option<u64>,
        /// Whether the flow is enabled.
        is_active: Option<bool>,
        /// Keywords that start the flow, without malformed ones.
        [lenient] trigger_keywords: Vec<FlowTriggerKeyword>,
        /// Steps of the conversation, in order, without malformed ones.
        [lenient] conversation_steps: Vec<FlowStep>,
    }
}

body! {
    /// A conversation flow to send: an item of `flows`. A [`Flow`] converts into it.
    ///
    /// ```
    /// use bimpeai::workflows::{FlowInput, FlowStepInput};
    ///
    /// let flow = FlowInput::new("Booking")
    ///     .trigger_keywords(["table", "reservation"])
    ///     .conversation_steps([
    ///         FlowStepInput::new("text_response").content("For what time?"),
    ///         FlowStepInput::new("action").action("book_table"),
    ///     ]);
    /// ```
    pub struct FlowInput {
        extra {
            /// Additional fields, by name. In API 0.1 a flow is a free-form object.
            extra
        }
        required {
            /// Display name. Maximum 255 characters.
            name: String,
        }
        optional {
            /// Whether the flow is enabled. Default of the server: `true`.
            is_active: bool,
        }
        number {
            /// Priority. Range: 1–10. Default of the server: 5.
            priority: u64,
        }
        list {
            /// Keywords that start the flow.
            trigger_keywords: FlowTriggerKeywordInput,
            /// Steps of the conversation, in order.
            conversation_steps: FlowStepInput,
        }
        nullable {
            /// Purpose. Maximum 2,000 characters.
            description / clear_description: String,
            /// Category, free-form. Maximum 100 characters.
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
    /// The weight of a keyword, if keywords of several flows match. API 0.2+.
    pub enum KeywordWeight ("weight of a keyword") {
        /// Highest.
        High = "high",
        /// Default of the server.
        Medium = "medium",
        /// Lowest.
        Low = "low",
    }
}

object! {
    /// A keyword that starts a flow. API 0.2+.
    pub struct FlowTriggerKeyword {
        /// Word or phrase.
        keyword: String,
        /// Weight, if keywords of several flows match.
        weight: Option<KeywordWeight>,
    }
}

body! {
    /// A keyword to send. A string and a [`FlowTriggerKeyword`] convert into it. API 0.2+.
    pub struct FlowTriggerKeywordInput {
        required {
            /// Word or phrase. Maximum 200 characters.
            keyword: String,
        }
        optional {
            /// Weight, if keywords of several flows match. Default of the server: `medium`.
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
    /// A step of a flow. API 0.2+.
    pub struct FlowStep {
        /// Type of the step, such as `text_response` or `action`.
        r#type = "type": String,
        /// Text that the agent sends.
        content: Option<String>,
        /// Tool that the agent calls.
        action: Option<String>,
        /// Text that the agent sends afterwards.
        followup: Option<String>,
    }
}

body! {
    /// A step to send: an item of `conversation_steps`. A [`FlowStep`] converts into it. API 0.2+.
    pub struct FlowStepInput {
        required {
            /// Type of the step, such as `text_response` or `action`.
            r#type: String,
        }
        optional {
            /// Text that the agent sends.
            content: String,
            /// Tool that the agent calls.
            action: String,
            /// Text that the agent sends afterwards.
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
    /// A setup guide for people. API 0.2+.
    pub struct WorkflowGuide {
        /// URL of a video. `youtubeUrl` on the wire.
        youtube_url = "youtubeUrl": Option<String>,
        /// Steps, in order.
        steps: Vec<String>,
    }
}

body! {
    /// A setup guide to send. A [`WorkflowGuide`] converts into it. API 0.2+.
    pub struct WorkflowGuideInput {
        required_list {
            /// Steps, in order.
            steps: String,
        }
        optional {
            /// URL of a video. `youtubeUrl` on the wire.
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
    /// A question about a workflow, with its answer. API 0.2+.
    pub struct WorkflowFaq {
        /// Question that people ask about the workflow.
        question: String,
        /// Answer to the question.
        answer: String,
    }
}

body! {
    /// A question and its answer to send. A [`WorkflowFaq`] converts into it. API 0.2+.
    pub struct WorkflowFaqInput {
        required {
            /// Question that people ask about the workflow.
            question: String,
            /// Answer to the question.
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

/// A step of the setup of a workflow, received or to send. API 0.2+.
///
/// Strings and [`SetupStepDetail`] convert into it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum SetupStep {
    /// Plain text.
    Text(String),
    /// Title and description.
    Detail(SetupStepDetail),
    /// Any other JSON value. The API does not define the form of a step.
    Other(Value),
}

object! {
    /// A setup step with a title. API 0.2+.
    pub struct SetupStepDetail {
        /// Title of the step.
        title: String,
        /// Instructions for the person who follows the step.
        description: String,
    }
}

impl SetupStepDetail {
    /// Creates a step with a title.
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

/// Leaves out a null that was received: the current API refuses null here.
fn set(value: Option<String>) -> Patch<String> {
    value.map_or(Patch::Absent, Patch::Set)
}

/// Leaves out an empty list: a missing list is decoded as an empty one too.
fn some_items<T, U: From<T>>(items: Vec<T>) -> Option<Vec<U>> {
    if items.is_empty() {
        None
    } else {
        Some(items.into_iter().map(U::from).collect())
    }
}
