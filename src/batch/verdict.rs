//! What an error of a call tells about the operation and the job.

use crate::error::{Error, ErrorCode};

use super::stop::Reason;

/// Returns whether the operation may have been performed, judging by this attempt alone.
pub(super) fn is_unknown(error: &Error) -> bool {
    match error {
        Error::Api(api) => match api.status() {
            // Refused for its rate, not performed.
            429 => false,
            400..=499 => !is_refusal(error),
            _ => true,
        },
        Error::User(_) => false,
        _ => error.may_have_been_sent(),
    }
}

/// Returns whether the server refuses this request for good.
pub(super) fn is_refusal(error: &Error) -> bool {
    match error {
        Error::Api(api) => match api.status() {
            409 => api.code() == Some(&ErrorCode::IntegrationLimitReached),
            408 | 429 => false,
            status => (400..500).contains(&status) && !is_about_key(error),
        },
        _ => false,
    }
}

/// Returns whether the server says that the key belongs to another request. The outcome of that one
/// is unknown here, so this does not justify a new key.
fn is_about_key(error: &Error) -> bool {
    match error {
        Error::Api(api) => {
            let message = api.message().to_ascii_lowercase();
            message.contains("idempotency") && message.contains("different")
        }
        _ => false,
    }
}

/// Returns whether the API itself evaluated the request and refused it, as opposed to a gateway or a
/// check before it.
pub(super) fn is_evaluated(error: &Error) -> bool {
    let Error::Api(api) = error else {
        return false;
    };
    let is_its_own = || {
        serde_json::from_slice::<serde_json::Value>(api.body())
            .is_ok_and(|body| body.get("message").is_some())
    };
    match api.status() {
        400 | 422 => is_refusal(error) && is_its_own(),
        409 => is_refusal(error),
        _ => is_agent_limit(error),
    }
}

pub(super) fn is_unauthenticated(error: &Error) -> bool {
    match error {
        Error::Api(api) => match api.status() {
            401 | 407 => true,
            403 => matches!(
                api.code(),
                Some(ErrorCode::InsufficientScope | ErrorCode::Forbidden)
            ),
            _ => false,
        },
        _ => false,
    }
}

/// Returns whether the plan allows no more agents. The live API responds with 400 and this text,
/// other servers with the code.
pub(super) fn is_agent_limit(error: &Error) -> bool {
    match error {
        Error::Api(api) => {
            api.code() == Some(&ErrorCode::AgentLimitReached)
                || matches!(api.status(), 400 | 403)
                    && api
                        .message()
                        .to_ascii_lowercase()
                        .contains("agent limit reached")
        }
        _ => false,
    }
}

pub(super) fn may_be_in_progress(error: &Error) -> bool {
    error.status() == Some(409) && !is_refusal(error) && !is_about_key(error)
}

/// Returns why an error ends the job, if it does.
pub(super) fn reason(error: &Error) -> Option<Reason> {
    if is_unauthenticated(error) {
        Some(Reason::Authentication(error.to_string()))
    } else if is_agent_limit(error) {
        Some(Reason::AgentLimit(error.to_string()))
    } else {
        matches!(error, Error::Cancelled(_)).then_some(Reason::Interrupted)
    }
}

/// Returns the name under which a failed call is counted.
pub(super) fn call_kind(error: &Error) -> String {
    match error {
        Error::Api(api) => match api.code() {
            Some(code) => format!("{} {code}", api.status()),
            None => api.status().to_string(),
        },
        Error::Connection(_) => "connection".to_owned(),
        Error::Timeout(_) => "timeout".to_owned(),
        Error::Decode(_) => "undecodable response".to_owned(),
        Error::User(_) => "invalid request".to_owned(),
        Error::RateLimited(_) => "rate limit".to_owned(),
        Error::Cancelled(_) => "cancelled".to_owned(),
        // Of streams, which no step is.
        Error::SkippedMessage(_) => "skipped message".to_owned(),
    }
}
