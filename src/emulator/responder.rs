//! What agents and customers say. There is no model: replies are found by common words and are
//! always the same for the same question.

use std::collections::HashSet;

use serde_json::Value;

use super::options::Options;
use super::response::{ErrorResponse, Object};
use super::state::{Agent, State, Task, array, text};

/// The first message of a customer.
pub(super) const CUSTOMER_HELLO: &str = "Hello! Is anybody there?";

/// Words that say nothing about the topic of a question.
const EMPTY_WORDS: &[&str] = &[
    "about", "and", "any", "are", "can", "could", "did", "does", "for", "from", "get", "has",
    "have", "how", "its", "let", "may", "more", "much", "not", "one", "our", "out", "please",
    "some", "tell", "that", "the", "them", "there", "this", "too", "want", "was", "were", "what",
    "when", "where", "which", "who", "why", "will", "with", "would", "you", "your",
];

const GREETINGS: &[&str] = &[
    "hello",
    "hey",
    "good",
    "morning",
    "afternoon",
    "evening",
    "anybody",
    "anyone",
];

/// Adds the agent's reply to the conversation and returns it. Returns `None` if the AI is paused or
/// has nothing to say.
pub(super) fn reply(
    state: &mut State,
    options: &Options,
    agent: &str,
    conversation: &str,
    question: &str,
) -> Result<Option<Object>, ErrorResponse> {
    let known = state.agent(agent)?;
    let data = &state.conversation(agent, conversation)?.data;
    let is = |name: &str| data.get(name) == Some(&Value::Bool(true));
    let off_duty = text(&known.data, "status") == "paused" && !is("is_test_channel");
    if is("is_ai_chat_paused") || off_duty {
        return Ok(None);
    }
    let found = scripted(options, question)
        .or_else(|| find_reply(known, state.workflow_of(known), question));
    let is_helpless = found.is_none();
    let reply = found.unwrap_or_else(|| fallback(&known.data));
    if reply.is_empty() {
        return Ok(None);
    }
    let said = state.say(agent, conversation, "assistant", &reply)?.clone();
    if is_helpless {
        let data = &mut state.conversation_mut(agent, conversation)?.data;
        data.insert("needs_attention".to_owned(), true.into());
    }
    Ok(Some(said))
}

/// Schedules the agent's reply.
pub(super) fn reply_later(
    state: &mut State,
    options: &Options,
    agent: &str,
    conversation: &str,
    question: &str,
) {
    let (agent, conversation) = (agent.to_owned(), conversation.to_owned());
    let question = question.to_owned();
    state.later(
        options.reply_delay,
        Task::Reply {
            agent,
            conversation,
            question,
        },
    );
}

pub(super) fn greeting(agent: &Object) -> String {
    format!(
        "Hello! This is {}. How can I help you today?",
        called(agent)
    )
}

/// The question of a customer who writes on their own: first one of the workflow's FAQ, then one
/// about a knowledge base.
pub(super) fn customer_line(agent: &Agent, workflow: Option<&Object>, line: usize) -> String {
    let faq = workflow
        .map(|workflow| array(workflow, "faq"))
        .unwrap_or_default();
    let asked = faq
        .iter()
        .filter_map(|entry| entry.get("question")?.as_str())
        .next();
    let told = agent
        .knowledge_bases
        .items()
        .first()
        .map(|base| text(base, "name"));
    match (line, asked, told) {
        (0, Some(question), _) => question.to_owned(),
        (0, None, _) => "Can you tell me how this works?".to_owned(),
        (_, _, Some(name)) => format!("And what can you tell me about {name}?"),
        _ => "Thank you. And when are you open?".to_owned(),
    }
}

/// The first scripted reply whose words are all in the question.
fn scripted(options: &Options, question: &str) -> Option<String> {
    let asked: HashSet<String> = all_words(question).collect();
    let mut replies = options.replies.iter();
    let reply = replies.find(|reply| all_words(&reply.words).all(|word| asked.contains(&word)));
    reply.map(|reply| reply.text.clone())
}

/// Finds a reply in the knowledge bases, then in the workflow's FAQ, rules and flows.
fn find_reply(agent: &Agent, workflow: Option<&Object>, question: &str) -> Option<String> {
    let asked = words(question);
    if asked.iter().all(|word| GREETINGS.contains(&word.as_str())) {
        return Some(greeting(&agent.data));
    }
    from_knowledge(agent, &asked)
        .or_else(|| from_workflow(workflow?, &asked))
        .or_else(|| triggered(array(&agent.data, "rules"), &asked))
}

/// The sentence with the largest number of common words. A knowledge base's name counts half as
/// much as its text.
fn from_knowledge(agent: &Agent, asked: &HashSet<String>) -> Option<String> {
    let mut best: Option<(usize, &str)> = None;
    for base in agent.knowledge_bases.items() {
        let name = common(&words(text(base, "name")), asked);
        for sentence in sentences(text(base, "content")) {
            let score = 2 * common(&words(sentence), asked) + name;
            if score > best.map_or(0, |(most, _)| most) {
                best = Some((score, sentence));
            }
        }
    }
    best.map(|(_, sentence)| sentence.to_owned())
}

fn from_workflow(workflow: &Object, asked: &HashSet<String>) -> Option<String> {
    let faq = array(workflow, "faq").iter().filter_map(Value::as_object);
    let scored = faq.map(|entry| (common(&words(text(entry, "question")), asked), entry));
    // The first of the best. A single common word may be chance.
    let best = scored
        .filter(|(score, _)| *score >= 2.min(asked.len()))
        .rev()
        .max_by_key(|(score, _)| *score);
    if let Some((_, entry)) = best {
        return Some(text(entry, "answer").to_owned());
    }
    triggered(array(workflow, "rules"), asked).or_else(|| flowing(array(workflow, "flows"), asked))
}

/// The response of the first rule that a word triggers.
fn triggered(rules: &[Value], asked: &HashSet<String>) -> Option<String> {
    let rules = rules.iter().filter_map(Value::as_object);
    let mut enabled = rules.filter(|rule| rule.get("enabled") != Some(&Value::Bool(false)));
    let rule = enabled.find(|rule| common(&words(text(rule, "trigger")), asked) > 0)?;
    Some(text(rule, "response").to_owned()).filter(|response| !response.is_empty())
}

/// The first text of the first flow that a keyword starts.
fn flowing(flows: &[Value], asked: &HashSet<String>) -> Option<String> {
    let flow = flows.iter().filter_map(Value::as_object).find(|flow| {
        let keywords = array(flow, "trigger_keywords").iter();
        let mut keywords = keywords.filter_map(|entry| entry.get("keyword")?.as_str());
        keywords.any(|keyword| common(&words(keyword), asked) > 0)
    })?;
    let mut steps = array(flow, "conversation_steps").iter();
    steps
        .find_map(|step| step.get("content")?.as_str())
        .map(str::to_owned)
}

fn fallback(agent: &Object) -> String {
    format!(
        "Thank you for your message. I do not have that at hand; a colleague at {} will get back to you.",
        called(agent)
    )
}

fn called(agent: &Object) -> &str {
    let business = text(agent, "business_name");
    if business.is_empty() {
        text(agent, "name")
    } else {
        business
    }
}

fn sentences(content: &str) -> impl Iterator<Item = &str> {
    content
        .lines()
        .flat_map(|line| line.split_inclusive(". "))
        .map(str::trim)
        .filter(|sentence| !sentence.is_empty())
}

/// The words that matter, singular and plural in one form.
fn words(text: &str) -> HashSet<String> {
    all_words(text)
        .filter(|word| word.chars().count() >= 3 && !EMPTY_WORDS.contains(&word.as_str()))
        .map(|word| {
            word.strip_suffix('s')
                .filter(|stem| stem.len() >= 3)
                .unwrap_or(&word)
                .to_owned()
        })
        .collect()
}

fn all_words(text: &str) -> impl Iterator<Item = String> {
    let text = text.to_lowercase();
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    words.into_iter()
}

fn common(a: &HashSet<String>, b: &HashSet<String>) -> usize {
    a.intersection(b).count()
}
