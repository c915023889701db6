//! The five steps of a workflow agent: find a workflow, create an agent on it, give it knowledge,
//! inspect what is connected, converse.
//!
//! ```text
//! cargo run --example workflow_agent
//! ```
//!
//! Without `BIMPEAI_API_KEY` it runs against the built-in emulator, which cuts the stream once in
//! the middle of a message; with it, against the real API.

use std::collections::HashSet;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use bimpeai::agents::{AgentCreateResponse, CreateAgent, CreateKnowledgeBase};
use bimpeai::conversations::{MessageRole, SendMessage, StreamMessageEvent};
use bimpeai::emulator::Emulator;
use bimpeai::stream::{StreamEvent, StreamRequest};
use bimpeai::workflows::{Workflow, WorkflowScope};
use bimpeai::{Client, Error};

const USAGE: &str = "\
Usage: workflow_agent [OPTIONS]

  --current          make the calls of the current API, not those of the first generation
  --keep             keep the agent that is created on the real API
  --conversation ID  converse here, not in the agent's first conversation
  --help             this text

BIMPEAI_API_KEY and BIMPEAI_BASE_URL choose the API; without a key it is the built-in emulator.";

const QUESTIONS: [&str; 3] = [
    "How much is a Margherita pizza?",
    "When are you open on Sundays?",
    "Can I pay by card?",
];

/// How many questions the emulator's customer asks by itself while the stream is open.
const CUSTOMER_QUESTIONS: usize = 2;

/// How long the real API may take to say all there is to say.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("\nThat did not work: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let has_key = std::env::var("BIMPEAI_API_KEY").is_ok_and(|key| !key.is_empty());
    let emulator = if has_key {
        None
    } else {
        Some(Emulator::start()?)
    };
    let client = match &emulator {
        Some(emulator) => {
            say("No BIMPEAI_API_KEY is set, so this runs against the built-in emulator.");
            emulator.client_builder().build()?
        }
        None => Client::from_env()?,
    };

    let workflow = find_workflow(&client)?;
    let agent = create_agent(&client, &workflow, options)?;
    let rest = give_knowledge(&client, &agent.id)
        .and_then(|()| inspect(&client, &agent.id, &workflow, options))
        .and_then(|()| converse(&client, &agent.id, options, emulator.as_ref()));

    if emulator.is_none() && !options.keep {
        client.agents().delete(&agent.id).send()?;
        say(&format!(
            "\nDeleted {}; --keep would have kept it.",
            agent.id
        ));
    }
    rest.map_err(Into::into)
}

fn find_workflow(client: &Client) -> Result<Workflow, Box<dyn std::error::Error>> {
    step(1, "Find a workflow");
    let page = client
        .workflows()
        .list()
        .scope(WorkflowScope::Public)
        .search("restaurant")
        .send()?;
    for workflow in &page.data {
        let category = workflow.category.as_deref().unwrap_or("no category");
        say(&format!(
            "  {}  {} ({category})",
            workflow.id, workflow.name
        ));
    }
    let workflow = page
        .data
        .into_iter()
        .next()
        .ok_or("no public workflow matches \"restaurant\"")?;
    say(&format!(
        "  → {}, with {} rules and {} flows",
        strong(&workflow.name),
        workflow.rules.len(),
        workflow.flows.len()
    ));
    Ok(workflow)
}

fn create_agent(
    client: &Client,
    workflow: &Workflow,
    options: &Options,
) -> Result<AgentCreateResponse, Error> {
    step(2, "Create an agent on it");
    let body = if options.current {
        CreateAgent::new("Restaurant assistant")
            .description("Takes orders and books tables.")
            .workflow_id(&workflow.id)
    } else {
        CreateAgent::new("Restaurant assistant")
            .system_prompt("You help customers place orders and book tables.")
            .agent_workflow_id(&workflow.id)
    };
    let create = client
        .agents()
        .create(body)
        .idempotency_key(format!("workflow-agent-{}", std::process::id()));
    let agent = create.send()?;
    let again = create.send()?;
    say(&format!("  → {} {}", strong(&agent.name), agent.id));
    if again.id == agent.id {
        say("  The same call with the same idempotency key gave the same agent, not a second one.");
    }
    Ok(agent)
}

fn give_knowledge(client: &Client, agent_id: &str) -> Result<(), Error> {
    step(3, "Give it knowledge");
    let knowledge_bases = client.agents().knowledge_bases();
    for body in [
        CreateKnowledgeBase::text(
            "Menu",
            "Margherita pizza £12. Diavola pizza £14. Tiramisu £6.",
        ),
        CreateKnowledgeBase::text(
            "House",
            "We are open from 12 to 22, on Sundays from 13 to 21. You can pay by card or cash.",
        ),
    ] {
        knowledge_bases.create(agent_id, body).send()?;
    }
    for item in knowledge_bases.list(agent_id).send()? {
        say(&format!("  → {} ({})", strong(&item.name), item.r#type));
    }
    Ok(())
}

fn inspect(
    client: &Client,
    agent_id: &str,
    workflow: &Workflow,
    options: &Options,
) -> Result<(), Error> {
    step(4, "Inspect what is connected");
    let agents = client.agents();
    for integration in agents.integrations().list(agent_id).send()? {
        say(&format!(
            "  integration  {} — {}",
            integration.r#type, integration.status
        ));
    }
    for channel in agents.channels().list(agent_id).send()? {
        say(&format!(
            "  channel      {} — {}",
            channel.r#type, channel.status
        ));
    }
    // The current API has the flows on the workflow, the first generation had them on the agent.
    if options.current {
        for flow in &workflow.flows {
            say(&format!("  flow         {}", flow.name));
        }
    } else {
        for flow in agents.conversation_flows().list(agent_id).send()? {
            say(&format!("  flow         {}", flow.name));
        }
    }
    for action in agents.actions().list(agent_id).send()? {
        let state = if action.is_enabled { "on" } else { "off" };
        say(&format!("  action       {} — {state}", action.name));
    }
    Ok(())
}

fn converse(
    client: &Client,
    agent_id: &str,
    options: &Options,
    emulator: Option<&Emulator>,
) -> Result<(), Error> {
    step(5, "Converse");
    let first = client.conversations().list(agent_id).limit(1).send()?.data;
    let conversation = match (&options.conversation, first.first()) {
        (Some(id), _) => id.clone(),
        (None, Some(conversation)) => conversation.id.clone(),
        (None, None) => {
            say(
                "  The agent has no conversation yet. Write to it, and give its id: --conversation",
            );
            return Ok(());
        }
    };
    let messages = client.conversations().messages();
    let known = messages.list(agent_id, &conversation).sort("created_at");
    let mut seen = HashSet::new();
    for message in known.clone() {
        let message = message?;
        show(
            &message.role,
            message.message.as_deref(),
            "was there before",
        );
        seen.insert(message.id);
    }

    if let Some(emulator) = emulator {
        emulator.cut_stream_in_mid_event(2);
    }
    let stream = messages.stream(agent_id, &conversation);
    let questions = QUESTIONS.len() + emulator.map_or(0, |_| CUSTOMER_QUESTIONS);
    let came = listen(stream, questions, || {
        let messages = messages.clone();
        let (agent_id, conversation) = (agent_id.to_owned(), conversation.clone());
        std::thread::spawn(move || {
            for question in QUESTIONS {
                messages
                    .send(&agent_id, &conversation, SendMessage::new(question))
                    .send()?;
                std::thread::sleep(Duration::from_millis(250));
            }
            Ok(())
        })
    })?;

    // What the server has of it, up to the last message that came.
    let mut missed = 0;
    let last = came.last().map(|message| message.id.clone());
    for message in known {
        let message = message?;
        if !seen.contains(&message.id) && !came.iter().any(|came| came.id == message.id) {
            missed += 1;
        }
        if Some(&message.id) == last.as_ref() {
            break;
        }
    }
    let different: HashSet<_> = came.iter().map(|message| &message.id).collect();
    let twice = came.len() - different.len();
    say(&format!(
        "\n{} messages came while the stream was open: {missed} missed, {twice} came twice.",
        came.len()
    ));
    Ok(())
}

/// Follows the stream until the agent has answered all there was to answer.
fn listen(
    request: StreamRequest,
    questions: usize,
    ask: impl FnOnce() -> std::thread::JoinHandle<Result<(), Error>>,
) -> Result<Vec<StreamMessageEvent>, Error> {
    let handle = request.handle();
    let (done, is_done) = channel::<()>();
    let watch = std::thread::spawn(move || {
        if is_done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            handle.cancel();
        }
    });

    let mut ask = Some(ask);
    let mut asking = None;
    let mut came: Vec<StreamMessageEvent> = Vec::new();
    for event in request.lifecycle() {
        match event? {
            StreamEvent::Connected => match ask.take() {
                Some(ask) => {
                    note("the stream is open; three questions are sent from another thread");
                    asking = Some(ask());
                }
                None => note("connected again, from the last message on"),
            },
            StreamEvent::Message(message) => {
                show(&message.role, message.message.as_deref(), &message.id);
                came.push(message);
                if is_answered(&came, questions) {
                    break;
                }
            }
            StreamEvent::Disconnected { error, wait, .. } => {
                note(&format!("cut off ({error}); again in {wait:.1?}"));
            }
            _ => {}
        }
    }
    drop(done);
    let _ = watch.join();
    match asking.map(|thread| thread.join()) {
        Some(Ok(Err(error))) => Err(error),
        _ => Ok(came),
    }
}

/// Whether so many questions came by, and as many answers.
fn is_answered(came: &[StreamMessageEvent], questions: usize) -> bool {
    let of = |role| came.iter().filter(|message| message.role == role).count();
    let asked = of(MessageRole::User);
    asked >= questions && of(MessageRole::Assistant) >= asked
}

#[derive(Default)]
struct Options {
    current: bool,
    keep: bool,
    conversation: Option<String>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
        let mut options = Options::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--current" => options.current = true,
                "--keep" => options.keep = true,
                "--conversation" => {
                    let id = arguments.next().ok_or("--conversation needs an id")?;
                    options.conversation = Some(id);
                }
                "--help" | "-h" => return Ok(None),
                other => return Err(format!("unknown option {other}")),
            }
        }
        Ok(Some(options))
    }
}

fn step(number: u32, title: &str) {
    println!("\n{}", strong(&format!("{number}. {title}")));
}

fn say(text: &str) {
    println!("{text}");
}

fn note(text: &str) {
    println!("  {}", styled("2", &format!("· {text}")));
}

fn show(role: &MessageRole, text: Option<&str>, remark: &str) {
    let text = text.unwrap_or("(no text)");
    println!("  {:>9}  {text}  {}", role, styled("2", remark));
}

fn strong(text: &str) -> String {
    styled("1", text)
}

fn styled(style: &str, text: &str) -> String {
    if std::io::stdout().is_terminal() {
        format!("\x1b[{style}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}
