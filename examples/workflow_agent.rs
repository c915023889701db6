//! The five steps of a workflow agent: find a workflow, create an agent on it, give it knowledge,
//! inspect what is connected, converse.
//!
//! ```text
//! cargo run --example workflow_agent
//! ```
//!
//! Without `BIMPEAI_API_KEY` it uses the built-in emulator, which breaks the stream once in the
//! middle of a message. With a key it uses the API, and always deletes the agent before it ends.

mod support;

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use bimpeai::agents::{AgentCreateResponse, CreateAgent, CreateKnowledgeBase};
use bimpeai::conversations::{MessageRole, SendMessage, StreamMessageEvent};
use bimpeai::emulator::Emulator;
use bimpeai::request::Request;
use bimpeai::stream::{StreamEvent, StreamRequest};
use bimpeai::workflows::{Workflow, WorkflowScope};
use bimpeai::{Client, Error};
use support::{Failure, note, print, print_bold};

const USAGE: &str = "\
Usage: workflow_agent [OPTIONS]

  --current          use the calls of API 0.3+, not those of API 0.1
  --keep             do not delete the agent at the end
  --conversation ID  converse here (default: the agent's first conversation)
  --help             print this text

BIMPEAI_API_KEY and BIMPEAI_BASE_URL select the API. Without a key, workflow_agent starts the
built-in emulator.";

const QUESTIONS: [&str; 3] = [
    "How much is a Margherita pizza?",
    "When are you open on Sundays?",
    "Can I pay by card?",
];

/// How many questions the emulator's customer asks while the stream is open.
const CUSTOMER_QUESTIONS: usize = 2;

/// How long the replies may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    support::run("workflow_agent", USAGE, workflow_agent)
}

fn workflow_agent(arguments: Vec<String>) -> support::Result<()> {
    let options = Options::parse(arguments).map_err(Failure::Usage)?;
    let (client, emulator) = support::client(Emulator::builder())?;
    let workflow = find_workflow(&client)?;

    // Ctrl-C shuts `client` down. The agent is created and deleted by another one, so that none is left
    // behind.
    let keeper = support::second_client(emulator.as_ref())?;
    let is_temporary = emulator.is_none() && !options.keep;
    let (created, agent_id) = channel::<String>();
    if is_temporary {
        let (client, keeper) = (client.clone(), keeper.clone());
        support::on_interrupt(move || {
            client.shutdown();
            // Waits for a create that is in flight. `delete_agent` reports its own failure.
            if let Ok(agent_id) = agent_id.recv() {
                let _ = delete_agent(&keeper, &agent_id);
            }
        });
    }

    let create = create_request(&keeper, &workflow, &options).deadline(Duration::from_secs(30));
    let agent = match create.send() {
        Ok(agent) => agent,
        Err(error) => {
            delete_unknown_agent(&keeper, &create, &error);
            return Err(error.into());
        }
    };
    let _ = created.send(agent.id.clone());

    let result = show_agent(&agent, &create)
        .and_then(|()| give_knowledge(&client, &agent.id))
        .and_then(|()| inspect(&client, &agent.id, &workflow, &options))
        .and_then(|()| converse(&client, &agent.id, &options, emulator.as_ref()));
    if !is_temporary {
        return result;
    }
    let deleted = delete_agent(&keeper, &agent.id).map_err(Failure::from);
    match result {
        Ok(()) | Err(Failure::OutputClosed) => deleted,
        // The first error decides the exit code.
        failed => failed,
    }
}

/// Deletes the agent and reports the result. 404 is a success: Ctrl-C deletes the agent from another
/// thread.
fn delete_agent(client: &Client, agent_id: &str) -> Result<(), Error> {
    let delete = client.agents().delete(agent_id);
    match delete.deadline(Duration::from_secs(10)).send() {
        Ok(()) => note(format_args!("deleted agent {agent_id}; --keep keeps it")),
        Err(error) if error.status() == Some(404) => {}
        Err(error) => {
            note(format_args!("agent {agent_id} was not deleted: {error}"));
            return Err(error);
        }
    }
    Ok(())
}

/// Deletes the agent of a create that failed, if it may have been created: the response was lost.
fn delete_unknown_agent(client: &Client, create: &Request<AgentCreateResponse>, error: &Error) {
    let is_refusal = error.status().is_some_and(|it| (400..500).contains(&it));
    if is_refusal || !error.may_have_been_sent() {
        return;
    }
    // The same request has the same idempotency key, so it returns the agent that it created.
    match create.clone().deadline(Duration::from_secs(10)).send() {
        // `delete_agent` reports its own failure.
        Ok(agent) => drop(delete_agent(client, &agent.id)),
        Err(_) => note("an agent may have been created; look for it in the console"),
    }
}

fn find_workflow(client: &Client) -> support::Result<Workflow> {
    step("1. Find a workflow")?;
    let page = client
        .workflows()
        .list()
        .scope(WorkflowScope::Public)
        .search("restaurant")
        .send()?;
    for workflow in &page.data {
        let category = workflow.category.as_deref().unwrap_or("no category");
        print(format_args!(
            "  {}  {} ({category})",
            workflow.id, workflow.name
        ))?;
    }
    let Some(workflow) = page.data.into_iter().next() else {
        let why = "no public workflow matches \"restaurant\"";
        return Err(Failure::Other(why.to_owned()));
    };
    print(format_args!(
        "  → {}, with {} rules and {} flows",
        workflow.name,
        workflow.rules.len(),
        workflow.flows.len()
    ))?;
    Ok(workflow)
}

fn create_request(
    client: &Client,
    workflow: &Workflow,
    options: &Options,
) -> Request<AgentCreateResponse> {
    let agent = CreateAgent::new("Restaurant assistant");
    client.agents().create(if options.current {
        agent
            .description("Takes orders and books tables.")
            .workflow_id(&workflow.id)
    } else {
        agent
            .system_prompt("You help customers place orders and book tables.")
            .agent_workflow_id(&workflow.id)
    })
}

fn show_agent(
    agent: &AgentCreateResponse,
    create: &Request<AgentCreateResponse>,
) -> support::Result<()> {
    step("2. Create an agent on it")?;
    print(format_args!("  → {} {}", agent.name, agent.id))?;
    // Each request has a random idempotency key, unless it is given one.
    if create.send()?.id == agent.id {
        print(
            "  Sent again, the same request returned the same agent: it has an idempotency key.",
        )?;
    }
    Ok(())
}

fn give_knowledge(client: &Client, agent_id: &str) -> support::Result<()> {
    step("3. Give it knowledge")?;
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
        print(format_args!("  → {} ({})", item.name, item.r#type))?;
    }
    Ok(())
}

fn inspect(
    client: &Client,
    agent_id: &str,
    workflow: &Workflow,
    options: &Options,
) -> support::Result<()> {
    step("4. Inspect what is connected")?;
    let agents = client.agents();
    for it in agents.integrations().list(agent_id).send()? {
        print(format_args!("  integration  {}: {}", it.r#type, it.status))?;
    }
    for it in agents.channels().list(agent_id).send()? {
        print(format_args!("  channel      {}: {}", it.r#type, it.status))?;
    }
    // API 0.3+ has the flows on the workflow, API 0.1 has them on the agent.
    if options.current {
        for flow in &workflow.flows {
            print(format_args!("  flow         {}", flow.name))?;
        }
    } else {
        for flow in agents.conversation_flows().list(agent_id).send()? {
            print(format_args!("  flow         {}", flow.name))?;
        }
    }
    for action in agents.actions().list(agent_id).send()? {
        let state = if action.is_enabled { "on" } else { "off" };
        print(format_args!("  action       {}: {state}", action.name))?;
    }
    Ok(())
}

fn converse(
    client: &Client,
    agent_id: &str,
    options: &Options,
    emulator: Option<&Emulator>,
) -> support::Result<()> {
    step("5. Converse")?;
    let first = client.conversations().list(agent_id).limit(1).send()?.data;
    let conversation = match (&options.conversation, first.first()) {
        (Some(id), _) => id.clone(),
        (None, Some(conversation)) => conversation.id.clone(),
        (None, None) => {
            return print("  The agent has no conversation yet; choose one with --conversation.");
        }
    };
    let messages = client.conversations().messages();
    let history = messages.list(agent_id, &conversation).sort("created_at");
    let mut known = HashSet::new();
    for message in history.clone() {
        let message = message?;
        show(&message.role, message.message.as_deref(), "earlier")?;
        known.insert(message.id);
    }

    if let Some(emulator) = emulator {
        emulator.cut_stream_in_mid_event(2);
    }
    let stream = messages.stream(agent_id, &conversation);
    let questions = QUESTIONS.len() + emulator.map_or(0, |_| CUSTOMER_QUESTIONS);
    let (agent_id, conversation) = (agent_id.to_owned(), conversation);
    let received = listen(stream, questions, move || {
        for question in QUESTIONS {
            let question = SendMessage::new(question);
            messages.send(&agent_id, &conversation, question).send()?;
            thread::sleep(Duration::from_millis(250));
        }
        Ok(())
    })?;

    // Compares with the server's list, up to the last message received.
    let ids: HashSet<_> = received.iter().map(|message| &message.id).collect();
    let last = received.last().map(|message| &message.id);
    let mut missed = 0;
    for message in history {
        let message = message?;
        missed += usize::from(!known.contains(&message.id) && !ids.contains(&message.id));
        if Some(&message.id) == last {
            break;
        }
    }
    print("")?;
    print(format_args!(
        "{} messages received while the stream was open: {missed} missed, {} duplicates.",
        received.len(),
        received.len() - ids.len()
    ))
}

/// Follows the stream until the agent has replied to all questions, or [`PATIENCE`] is exceeded.
/// Calls `ask` on another thread once the stream is open.
fn listen(
    request: StreamRequest,
    questions: usize,
    ask: impl FnOnce() -> Result<(), Error> + Send + 'static,
) -> support::Result<Vec<StreamMessageEvent>> {
    let handle = request.handle();
    let (done, is_done) = channel::<()>();
    let mut ask = Some(move || {
        let result = ask();
        if result.is_err() || is_done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            handle.cancel();
        }
        result
    });

    let mut asking = None;
    let mut received: Vec<StreamMessageEvent> = Vec::new();
    for event in request.lifecycle() {
        match event? {
            StreamEvent::Connected => match ask.take() {
                Some(ask) => {
                    print("  · the stream is open; another thread sends three questions")?;
                    asking = Some(thread::spawn(ask));
                }
                None => print("  · reconnected, after the last message received")?,
            },
            StreamEvent::Message(message) => {
                show(&message.role, message.message.as_deref(), &message.id)?;
                received.push(message);
                if has_replies(&received, questions) {
                    break;
                }
            }
            StreamEvent::Disconnected { error, wait, .. } => {
                print(format_args!("  · {error}; reconnecting in {wait:.1?}"))?;
            }
            _ => {}
        }
    }
    drop(done);
    if let Some(Ok(Err(error))) = asking.map(thread::JoinHandle::join) {
        return Err(error.into());
    }
    if !has_replies(&received, questions) {
        print(format_args!(
            "  · some replies are missing after {PATIENCE:?}"
        ))?;
    }
    Ok(received)
}

/// Whether that many questions were received, and as many replies.
fn has_replies(received: &[StreamMessageEvent], questions: usize) -> bool {
    let of = |role| received.iter().filter(|it| it.role == role).count();
    let asked = of(MessageRole::User);
    asked >= questions && of(MessageRole::Assistant) >= asked
}

fn show(role: &MessageRole, text: Option<&str>, remark: &str) -> support::Result<()> {
    let text = text.unwrap_or("(no text)");
    print(format_args!("  {role:>9}  {text}  [{remark}]"))
}

fn step(title: &str) -> support::Result<()> {
    print("")?;
    print_bold(title)
}

#[derive(Default)]
struct Options {
    current: bool,
    keep: bool,
    conversation: Option<String>,
}

impl Options {
    fn parse(arguments: Vec<String>) -> Result<Options, String> {
        let mut options = Options::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--current" => options.current = true,
                "--keep" => options.keep = true,
                "--conversation" => {
                    let id = arguments.next().ok_or("--conversation needs an id")?;
                    options.conversation = Some(id);
                }
                _ => return Err(format!("unknown option {argument:?}")),
            }
        }
        Ok(options)
    }
}
