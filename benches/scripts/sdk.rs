//! The same call with this crate. `benches/build_cost.sh` builds it.

fn main() -> Result<(), bimpeai::Error> {
    let client = bimpeai::Client::from_env()?;
    let agent = client.agents().retrieve("agt_1").send()?;
    println!(
        "{} {} {} {:?} {:?} {:?} {:?} {:?} {} {}",
        agent.id,
        agent.name,
        agent.description,
        agent.workflow_id,
        agent.language,
        agent.persona,
        agent.timezone,
        agent.status,
        agent.created_at,
        agent.updated_at
    );
    Ok(())
}
