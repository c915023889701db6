//! The five steps of a workflow agent, in one screen of code. The README shows this program.
//!
//! ```text
//! BIMPEAI_API_KEY=sk_… cargo run --example five_steps
//! ```

use std::time::Duration;

use bimpeai::agents::{CreateAgent, CreateKnowledgeBase};
use bimpeai::conversations::CreateConversationMessage;
use bimpeai::conversations::{MessageRole, SendMessage};
use bimpeai::stream::Received;
use bimpeai::workflows::WorkflowScope;
use bimpeai::{Client, Error};

fn main() -> Result<(), Error> {
    // Reads BIMPEAI_API_KEY and, if it is set, BIMPEAI_BASE_URL.
    let client = Client::from_env()?;

    // 1. Find a workflow.
    let public = client.workflows().list().scope(WorkflowScope::Public);
    let Some(workflow) = public.search("restaurant").first()? else {
        println!("No public workflow matches \"restaurant\".");
        return Ok(());
    };

    // 2. Create an agent on it.
    let agents = client.agents();
    let body = CreateAgent::new("Restaurant assistant")
        .description("Takes orders and books tables.")
        .workflow_id(&workflow.id);
    let agent = agents.create(body).send()?;
    println!("Created agent {}.", agent.id);

    // 3. Give it knowledge.
    let menu = CreateKnowledgeBase::text("Menu", "Margherita pizza £12.");
    agents.knowledge_bases().create(&agent.id, menu).send()?;

    // 4. Inspect what is connected to it.
    for channel in agents.channels().list(&agent.id) {
        let channel = channel?;
        println!("Channel {} is {}.", channel.name, channel.status);
    }

    // 5. Converse, as a test visitor of a web page: ask a question, ...
    let conversations = client.conversations();
    let hello = CreateConversationMessage::webchat("Hello!", "visitor 7");
    let hello = hello.is_test_channel(true);
    let reply = conversations.ask(&agent.id, hello).send()?;
    println!("assistant: {}", reply.text());

    // ... then open the stream of the conversation, ask another question,
    // and wait up to 30 s for each message.
    let messages = conversations.messages();
    let id = reply.conversation_id;
    let mut stream = messages.stream(&agent.id, &id).open()?;
    let question = SendMessage::new("How much is a Margherita pizza?");
    let question = question.role(MessageRole::User);
    messages.send(&agent.id, &id, question).send()?;
    let patience = Duration::from_secs(30);
    while let Received::Message(message) = stream.recv_timeout(patience)? {
        let text = message.message.unwrap_or_default();
        println!("{}: {text}", message.role);
        if message.role == MessageRole::Assistant {
            break;
        }
    }
    Ok(())
}
