//! One call by hand: what a user writes without an SDK, with the retries and the error type that a
//! script needs. `benches/build_cost.sh` builds it; the crate is not in it.

use std::time::Duration;

use serde::Deserialize;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0} is not set")]
    Unset(&'static str),
    #[error("the connection failed: {0}")]
    Connection(#[from] ureq::Error),
    #[error("HTTP {status}: {message}")]
    Api { status: u16, message: String },
    #[error("the response is not what is documented: {0}")]
    Decode(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Envelope {
    data: Agent,
}

#[derive(Deserialize)]
struct ApiMessage {
    message: String,
}

#[derive(Deserialize)]
struct Agent {
    id: String,
    name: String,
    description: String,
    workflow_id: Option<String>,
    language: Option<String>,
    persona: Option<String>,
    timezone: Option<String>,
    status: Option<String>,
    created_at: String,
    updated_at: String,
}

fn variable(name: &'static str) -> Result<String, Error> {
    std::env::var(name).map_err(|_| Error::Unset(name))
}

fn retrieve(agent: &ureq::Agent, url: &str, key: &str) -> Result<Agent, backoff::Error<Error>> {
    let response = agent
        .get(url)
        .header("authorization", format!("Bearer {key}"))
        .header("accept", "application/json")
        .call();
    let mut response = response.map_err(|error| backoff::Error::transient(Error::from(error)))?;
    let status = response.status();
    let body = response.body_mut().read_to_vec();
    let body = body.map_err(|error| backoff::Error::transient(Error::from(error)))?;
    if status.is_success() {
        let decoded = serde_json::from_slice::<Envelope>(&body);
        return Ok(decoded.map_err(|error| backoff::Error::permanent(error.into()))?.data);
    }
    let message = serde_json::from_slice(&body).map_or_else(
        |_| String::from_utf8_lossy(&body).into_owned(),
        |ApiMessage { message }| message,
    );
    let error = Error::Api {
        status: status.as_u16(),
        message,
    };
    Err(match status.as_u16() {
        408 | 429 | 500.. => backoff::Error::transient(error),
        _ => backoff::Error::permanent(error),
    })
}

fn main() -> Result<(), Error> {
    let key = variable("BIMPEAI_API_KEY")?;
    let base = variable("BIMPEAI_BASE_URL")?;
    let url = format!("{base}/api/v1/console/agents/agt_1");
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .new_agent();
    let waits = backoff::ExponentialBackoffBuilder::new()
        .with_max_elapsed_time(Some(Duration::from_secs(60)))
        .build();
    let agent = backoff::retry(waits, || retrieve(&agent, &url, &key)).map_err(|error| match error {
        backoff::Error::Permanent(error) | backoff::Error::Transient { err: error, .. } => error,
    })?;
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
