//! Conversions between the forms of an agent.

use super::{Agent, AgentCreateResponse, AgentDetail, CreateAgent};
use crate::types::FieldPresence;

/// Converts a longer form of an agent into the one of lists, without what only the longer one has.
macro_rules! into_agent {
    ($($from:ident),*) => { $(
        impl From<$from> for Agent {
            fn from(agent: $from) -> Self {
                Agent {
                    id: agent.id,
                    name: agent.name,
                    description: agent.description,
                    workflow_id: agent.workflow_id,
                    language: agent.language,
                    persona: agent.persona,
                    timezone: agent.timezone,
                    logo: agent.logo,
                    business_name: agent.business_name,
                    business_address: agent.business_address,
                    business_email: agent.business_email,
                    business_description: agent.business_description,
                    test_channel_code: agent.test_channel_code,
                    status: agent.status,
                    status_reason: agent.status_reason,
                    escalation_email: agent.escalation_email,
                    created_at: agent.created_at,
                    updated_at: agent.updated_at,
                    agent_workflow_id: agent.agent_workflow_id,
                    system_prompt: agent.system_prompt,
                    rules: agent.rules,
                    extra: agent.extra,
                    presence: FieldPresence::BUILT,
                }
            }
        }
    )* };
}
into_agent!(AgentDetail, AgentCreateResponse);

impl From<&str> for CreateAgent {
    fn from(name: &str) -> Self {
        CreateAgent::new(name)
    }
}

impl From<String> for CreateAgent {
    fn from(name: String) -> Self {
        CreateAgent::new(name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn fields() -> Value {
        json!({
            "id": "agt_1", "name": "Ada", "description": "Helps.", "workflow_id": "wf_1",
            "language": "en", "persona": "concise", "timezone": "UTC", "logo": "https://a.example",
            "business_name": "B", "business_address": "1 Way", "business_email": "b@example.com",
            "business_description": "Sells.", "test_channel_code": "c1", "status": "live",
            "status_reason": "ready", "escalation_email": "e@example.com",
            "created_at": "2026-06-05T08:00:00.000Z", "updated_at": "2026-06-05T08:00:01.000Z",
            "agent_workflow_id": "wf_1", "system_prompt": "Be brief.",
            "rules": [{"id": "r", "name": "R", "condition": "c", "content": "t", "is_enabled": true}],
            "unknown": 1,
        })
    }

    #[test]
    fn the_short_form_has_all_fields_of_the_longer_ones() {
        let agent: Agent = serde_json::from_value(fields()).unwrap();
        let mut longer = fields();
        longer["workflow"] = json!({"id": "wf_1"});
        let created: AgentCreateResponse = serde_json::from_value(longer).unwrap();
        assert_eq!(Agent::from(created), agent);

        let mut longer = fields();
        longer["knowledge_bases"] = json!([{"id": "kb_1"}]);
        longer["channels"] = json!([]);
        let detail: AgentDetail = serde_json::from_value(longer).unwrap();
        let short = Agent::from(detail);
        assert_eq!(short, agent);
        assert_eq!(serde_json::to_value(short).unwrap(), fields());
    }
}
