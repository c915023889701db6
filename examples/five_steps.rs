//! The five steps of a workflow agent, in one screen of code. The README shows this program.

use std::time::Duration;

use bimpeai::agents::{CreateAgent, CreateKnowledgeBase};
use bimpeai::conversations::{ChannelType, CreateConversationMessage};
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

    // 5. Converse, as a test visitor of a web page: open a conversation, ...
    let conversations = client.conversations();
    let visitor = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"; // Any UUID.
    let hello = CreateConversationMessage::new("Hello!")
        .channel_type(ChannelType::Webchat)
        .channel_user_id(visitor)
        .is_test_channel(true);
    conversations.send(&agent.id, hello).send()?;
    let opened = conversations.list(&agent.id).search(visitor).first()?;
    let Some(conversation) = opened else {
        println!("The agent has no conversation yet.");
        return Ok(());
    };

    // ... open its stream, ask a question, and wait up to 30 s for the reply.
    let messages = conversations.messages();
    let mut stream = messages.stream(&agent.id, &conversation.id).open()?;
    let question = SendMessage::new("How much is a Margherita pizza?").role(MessageRole::User);
    messages
        .send(&agent.id, &conversation.id, question)
        .send()?;
    while let Received::Message(message) = stream.recv_timeout(Duration::from_secs(30))? {
        println!("{}: {}", message.role, message.message.unwrap_or_default());
        if message.role == MessageRole::Assistant {
            break;
        }
    }
    Ok(())
}
