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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{CallInfo, CallTraits};
    use crate::headers::Headers;
    use crate::http::{Response, error_body};

    fn api(status: u16, body: &str) -> Error {
        let response = Response {
            call: CallInfo {
                operation: "POST /agents".to_owned(),
                attempts: 1,
                request_id: None,
                sent: true,
                traits: CallTraits::STREAM,
                page: None,
            },
            status,
            headers: Headers::default(),
            body: body.as_bytes().to_vec(),
        };
        error_body::api_error(response, "")
    }

    #[test]
    fn advice_follows_from_the_operation() {
        const NO: &str = r#"{"code":"bad_request","message":"no"}"#;
        const LIMIT: &str = r#"{"code":"integration_limit_reached","message":"no"}"#;
        const OTHER: &str = r#"{"code":"conflict","message":"This Idempotency-Key was used with a different body."}"#;
        const DIFFERENT: &str = r#"{"code":"conflict","message":"A different state."}"#;
        const NO_KEY: &str = r#"{"code":"bad_request","message":"no Idempotency-Key"}"#;
        // Whether it is a refusal, evaluated by the API, and whether the outcome is unknown.
        for (status, body, expected) in [
            (400, NO, [true, true, false]),
            (422, NO, [true, true, false]),
            (422, "<html>", [true, false, false]),
            (404, NO, [true, false, false]),
            (401, NO, [true, false, false]),
            (499, NO, [true, false, false]),
            (400, NO_KEY, [true, true, false]),
            (400, OTHER, [false, false, true]),
            (422, OTHER, [false, false, true]),
            (408, NO, [false, false, true]),
            (409, NO, [false, false, true]),
            (409, OTHER, [false, false, true]),
            (409, LIMIT, [true, true, false]),
            (429, NO, [false, false, false]),
            (500, NO, [false, false, true]),
            (503, LIMIT, [false, false, true]),
            (301, NO, [false, false, true]),
        ] {
            let error = api(status, body);
            let found = [is_refusal(&error), is_evaluated(&error), is_unknown(&error)];
            assert_eq!(found, expected, "{status} {body}");
            let in_progress = status == 409 && [NO, DIFFERENT].contains(&body);
            assert_eq!(may_be_in_progress(&error), in_progress, "{status} {body}");
        }
        assert!(may_be_in_progress(&api(409, DIFFERENT)));
    }

    #[test]
    fn advice_follows_from_credentials_and_plan() {
        const FULL: &str = r#"{"code":"agent_limit_reached","message":"no"}"#;
        const FULL_IN_WORDS: &str = r#"{"code":"bad_request","message":"Agent limit reached."}"#;
        const FORBIDDEN: &str = r#"{"code":"forbidden","message":"no"}"#;
        const SCOPE: &str = r#"{"code":"insufficient_scope","message":"no"}"#;
        for (status, body, unauthenticated, full) in [
            (401, "", true, false),
            (407, "", true, false),
            (403, "", false, false),
            (403, FORBIDDEN, true, false),
            (403, SCOPE, true, false),
            (400, FORBIDDEN, false, false),
            (403, FULL, false, true),
            (402, FULL, false, true),
            (400, FULL_IN_WORDS, false, true),
            (403, FULL_IN_WORDS, false, true),
            (404, FULL_IN_WORDS, false, false),
        ] {
            let error = api(status, body);
            let found = (is_unauthenticated(&error), is_agent_limit(&error));
            assert_eq!(found, (unauthenticated, full), "{status} {body}");
            assert_eq!(
                is_evaluated(&error),
                full || status == 400,
                "{status} {body}"
            );
            let expected = match (unauthenticated, full) {
                (true, _) => Some(Reason::Authentication(error.to_string())),
                (_, true) => Some(Reason::AgentLimit(error.to_string())),
                _ => None,
            };
            assert_eq!(reason(&error), expected);
        }
    }

    #[test]
    fn a_failed_call_is_counted_under_its_status_and_code_or_its_kind() {
        for (error, kind) in [
            (api(400, r#"{"code":"bad_request"}"#), "400 bad_request"),
            (api(502, "<html>"), "502"),
            (Error::user("wrong"), "invalid request"),
        ] {
            assert_eq!(call_kind(&error), kind);
            assert_eq!(reason(&error), None);
        }
        let error = Error::user("wrong");
        assert!(!is_unknown(&error) && !is_refusal(&error) && !is_evaluated(&error));
        assert!(!is_unauthenticated(&error) && !is_agent_limit(&error));
    }
}
