//! The table of operations: how each one is called here, with every field by its own setter.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use bimpeai::agents::*;
use bimpeai::calls::MakeCall;
use bimpeai::conversations::{CreateConversationMessage, MessageAttachment, SendMessage};
use bimpeai::pagination::ListRequest;
use bimpeai::phone_numbers::{CreatePhoneNumberRequest, UpdatePhoneNumber};
use bimpeai::request::Request;
use bimpeai::workflows::*;
use bimpeai::{Client, Error};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::cases::{Case, Key};

/// Sends the call of a case. Returns the `data` of its response, decoded and encoded again.
pub(crate) type Call = fn(&Client, &Args<'_>) -> Result<Value, Error>;

pub(crate) struct Row {
    pub(crate) python: &'static str,
    pub(crate) path: &'static str,
    call: Call,
}

/// The entries of the wire that are not operations of this crate: a server may be asked for them,
/// this crate asks for their successor.
pub(crate) const SUPERSEDED: &[(&str, &str)] = &[(
    "client.conversations.messages.stream",
    "/agents/{agent_id}/conversations/{conversation_id}/messages/stream",
)];

/// Makes the call of a case, and panics where it has a field that nothing here sends.
#[track_caller]
pub(crate) fn perform(client: &Client, case: &Case) -> Result<Value, Error> {
    let row = find(&case.key())
        .unwrap_or_else(|| panic!("no row in tests/surface/table.rs for {:?}", case.key()));
    let args = Args {
        case,
        query: Fields::of(&case.query, "the query"),
    };
    let result = (row.call)(client, &args);
    args.query.all_used();
    result
}

fn find(key: &Key) -> Option<&'static Row> {
    let is = |row: &&Row| row.python == key.0 && row.path == key.1;
    ROWS.iter().find(is).or_else(|| {
        let superseded = SUPERSEDED.contains(&(&*key.0, &*key.1));
        ROWS.iter().find(|row| superseded && row.python == key.0)
    })
}

/// Sets the options of a case.
pub(crate) fn with_options<T>(mut request: Request<T>, case: &Case) -> Request<T> {
    for (name, value) in &case.options {
        request = match name.as_str() {
            "idempotency_key" => request.idempotency_key(text(value)),
            "max_retries" => request.max_retries(number(value) as u32),
            "timeout" => request.timeout(Duration::from_secs_f64(fraction(value))),
            "headers" => value
                .as_object()
                .expect("headers")
                .iter()
                .fold(request, |request, (name, value)| {
                    request.header(name, text(value))
                }),
            _ => panic!("no option {name}"),
        };
    }
    request
}

/// The arguments of a case.
pub(crate) struct Args<'a> {
    case: &'a Case,
    query: Fields<'a>,
}

impl Args<'_> {
    fn id(&self, name: &str) -> &str {
        let found = self.case.ids.iter().find(|(known, _)| known == name);
        &found
            .unwrap_or_else(|| panic!("no {name} in {}", self.case.path))
            .1
    }

    fn body<T>(&self, read: impl FnOnce(&Fields<'_>) -> T) -> T {
        let body = self.case.body.as_ref().expect("a body");
        read_fields(body, &self.case.python, read)
    }

    fn send<T: DeserializeOwned + Serialize>(&self, request: Request<T>) -> Result<Value, Error> {
        let request = with_options(request, self.case);
        Ok(serde_json::to_value(request.send()?).expect("it encodes"))
    }

    fn list<T: DeserializeOwned + Serialize>(
        &self,
        mut request: ListRequest<T>,
    ) -> Result<Value, Error> {
        let query = &self.query;
        if let Some(page) = query.take("page") {
            request = request.page(number(page));
        }
        if let Some(limit) = query.take("limit") {
            request = request.limit(number(limit));
        }
        if let Some(search) = query.take("search") {
            request = request.search(text(search));
        }
        if let Some(sort) = query.take("sort") {
            request = request.sort(text(sort));
        }
        Ok(serde_json::to_value(request.send()?.data).expect("it encodes"))
    }
}

/// The fields of an object, each of which has to be taken.
pub(crate) struct Fields<'a> {
    of: &'a str,
    map: &'a Map<String, Value>,
    used: RefCell<BTreeSet<String>>,
}

impl<'a> Fields<'a> {
    fn of(map: &'a Map<String, Value>, of: &'a str) -> Self {
        Fields {
            of,
            map,
            used: RefCell::default(),
        }
    }

    fn take(&self, name: &str) -> Option<&'a Value> {
        // `r#type` is `type`.
        let name = name.trim_start_matches("r#");
        self.used.borrow_mut().insert(name.to_owned());
        self.map.get(name)
    }

    fn must(&self, name: &str) -> &'a Value {
        self.take(name)
            .unwrap_or_else(|| panic!("{} lacks {name}", self.of))
    }

    fn text(&self, name: &str) -> &'a str {
        text(self.must(name))
    }

    #[track_caller]
    fn all_used(&self) {
        let used = self.used.borrow();
        let left: Vec<_> = self.map.keys().filter(|key| !used.contains(*key)).collect();
        assert!(
            left.is_empty(),
            "nothing here sends {left:?} of {}",
            self.of
        );
    }
}

#[track_caller]
fn read_fields<T>(map: &Map<String, Value>, of: &str, read: impl FnOnce(&Fields<'_>) -> T) -> T {
    let fields = Fields::of(map, of);
    let built = read(&fields);
    fields.all_used();
    built
}

/// Calls the setter of each given field; null has its own method.
macro_rules! set {
    ($body:expr, $fields:ident; $($name:ident $(/ $clear:ident)? : $convert:expr),* $(,)?) => {{
        let mut body = $body;
        $( body = match $fields.take(stringify!($name)) {
            None => body,
            $( Some(Value::Null) => body.$clear(), )?
            Some(value) => body.$name($convert(value)),
        }; )*
        body
    }};
}

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is not a string"))
}

fn flag(value: &Value) -> bool {
    value.as_bool().expect("true or false")
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("an integer")
}

fn fraction(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn items(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn texts(value: &Value) -> Vec<&str> {
    items(value).iter().map(text).collect()
}

fn each<T>(value: &Value, one: impl Fn(&Value) -> T) -> Vec<T> {
    items(value).iter().map(one).collect()
}

fn part<T>(value: &Value, of: &str, read: impl FnOnce(&Fields<'_>) -> T) -> T {
    read_fields(value.as_object().expect(of), of, read)
}

fn rules(value: &Value) -> Vec<RuleInput> {
    each(value, |rule| {
        part(rule, "RuleInput", |f| {
            let rule = RuleInput::new(
                f.text("id"),
                f.text("name"),
                f.text("trigger"),
                f.text("response"),
                flag(f.must("enabled")),
            );
            set!(rule, f; condition / clear_condition: text, action / clear_action: text)
        })
    })
}

fn flows(value: &Value) -> Vec<FlowInput> {
    each(value, |flow| {
        part(flow, "FlowInput", |f| {
            let flow = set!(FlowInput::new(f.text("name")), f;
                description / clear_description: text,
                category / clear_category: text,
                priority: number,
                is_active: flag,
                trigger_keywords: keywords,
                conversation_steps: steps,
            );
            // The flows of the first generation are free-form objects.
            match f.take("nodes") {
                Some(nodes) => flow.extra("nodes", nodes.clone()),
                None => flow,
            }
        })
    })
}

fn keywords(value: &Value) -> Vec<FlowTriggerKeywordInput> {
    each(value, |keyword| {
        part(
            keyword,
            "FlowTriggerKeywordInput",
            |f| set!(FlowTriggerKeywordInput::new(f.text("keyword")), f; weight: text),
        )
    })
}

fn steps(value: &Value) -> Vec<FlowStepInput> {
    each(value, |step| {
        part(step, "FlowStepInput", |f| {
            set!(FlowStepInput::new(f.text("type")), f;
                content: text, action: text, followup: text)
        })
    })
}

fn guide(value: &Value) -> WorkflowGuideInput {
    part(
        value,
        "WorkflowGuideInput",
        |f| set!(WorkflowGuideInput::new(texts(f.must("steps"))), f; youtube_url: text),
    )
}

fn faq(value: &Value) -> Vec<WorkflowFaqInput> {
    each(value, |item| {
        part(item, "WorkflowFaqInput", |f| {
            WorkflowFaqInput::new(f.text("question"), f.text("answer"))
        })
    })
}

fn credentials(value: &Value) -> IntegrationAuthConfig {
    part(value, "IntegrationAuthConfig", |f| {
        set!(IntegrationAuthConfig::new(), f;
            token: text, api_key: text, header_name: text, username: text, password: text)
    })
}

fn parameters(value: &Value) -> Vec<ParameterDefinition> {
    each(value, parameter)
}

fn parameter(value: &Value) -> ParameterDefinition {
    part(value, "ParameterDefinition", |f| {
        let parameter =
            ParameterDefinition::new(f.text("name"), f.text("type"), f.text("description"));
        set!(parameter, f; required: flag, items: parameter_items, properties: Value::clone)
    })
}

fn parameter_items(value: &Value) -> ParameterDefinition {
    parameter(value)
}

fn mapping(value: &Value) -> ToolResponseMapping {
    part(
        value,
        "ToolResponseMapping",
        |f| set!(ToolResponseMapping::new(), f; path: text, success_message: text, error_message: text),
    )
}

fn attachments(value: &Value) -> Vec<MessageAttachment> {
    each(value, |attachment| {
        part(attachment, "MessageAttachment", |f| {
            MessageAttachment::new(f.text("type"), f.text("url"))
        })
    })
}

fn create_agent(f: &Fields<'_>) -> CreateAgent {
    set!(CreateAgent::new(f.text("name")), f;
        workflow_id: text,
        agent_workflow_id / clear_agent_workflow_id: text,
        description / clear_description: text,
        system_prompt / clear_system_prompt: text,
        rules / clear_rules: rules,
        language / clear_language: text,
        persona / clear_persona: text,
        timezone / clear_timezone: text,
        logo / clear_logo: text,
        business_name / clear_business_name: text,
        business_address / clear_business_address: text,
        business_email / clear_business_email: text,
        business_description / clear_business_description: text,
        escalation_email / clear_escalation_email: text,
    )
}

fn update_agent(f: &Fields<'_>) -> UpdateAgent {
    set!(UpdateAgent::new(), f;
        name: text,
        workflow_id: text,
        agent_workflow_id / clear_agent_workflow_id: text,
        description / clear_description: text,
        system_prompt / clear_system_prompt: text,
        rules / clear_rules: rules,
        language / clear_language: text,
        persona / clear_persona: text,
        timezone / clear_timezone: text,
        logo / clear_logo: text,
        business_name / clear_business_name: text,
        business_address / clear_business_address: text,
        business_email / clear_business_email: text,
        business_description / clear_business_description: text,
        escalation_email / clear_escalation_email: text,
    )
}

fn create_knowledge_base(f: &Fields<'_>) -> CreateKnowledgeBase {
    // `text()` and `url()` set one of the two; here both are asked for.
    let mut body = CreateKnowledgeBase::new(f.text("type"), f.text("name"));
    body.content = f.take("content").map(text).map(str::to_owned);
    body.url = f.take("url").map(text).map(str::to_owned);
    set!(body, f; description / clear_description: text)
}

fn create_workflow(f: &Fields<'_>) -> CreateWorkflow {
    set!(CreateWorkflow::new(f.text("name")), f;
        system_prompt: text,
        description: text,
        category: text,
        rules: rules,
        flows: flows,
        tags: texts,
        integrations: texts,
        channels: texts,
        actions: texts,
        guide: guide,
        faq: faq,
        setup_steps: Vec::<Value>::clone_items,
        setup_time: fraction,
        video_url: text,
        prompt_config: Value::clone,
    )
}

fn update_workflow(f: &Fields<'_>) -> UpdateWorkflow {
    set!(UpdateWorkflow::new(), f;
        name: text,
        system_prompt: text,
        description: text,
        category: text,
        rules: rules,
        flows: flows,
        tags: texts,
        integrations: texts,
        channels: texts,
        actions: texts,
        guide: guide,
        faq: faq,
        setup_steps: Vec::<Value>::clone_items,
        setup_time: fraction,
        video_url: text,
        prompt_config: Value::clone,
    )
}

trait CloneItems {
    fn clone_items(value: &Value) -> Vec<Value>;
}

impl CloneItems for Vec<Value> {
    fn clone_items(value: &Value) -> Vec<Value> {
        items(value).to_vec()
    }
}

fn create_tool(f: &Fields<'_>) -> CustomApiCreateTool {
    let tool = CustomApiCreateTool::new(
        f.text("name"),
        f.text("http_method"),
        f.text("url_template"),
    );
    set!(tool, f;
        description: text,
        url_params: parameters,
        body_params: parameters,
        headers_template: Value::clone,
        body_template: Value::clone,
        auth_type: text,
        auth_config: Value::clone,
        response_mapping: mapping,
        category: text,
        require_human_approval: flag,
        timeout: number,
    )
}

fn create_phone_number_request(f: &Fields<'_>) -> CreatePhoneNumberRequest {
    let request = CreatePhoneNumberRequest::new(
        f.text("business_name"),
        f.text("intended_use"),
        f.text("region"),
        number(f.must("agent_count")),
        number(f.must("outbound_minutes")),
    );
    set!(request, f; submitted_by_agent_id: text)
}

macro_rules! rows {
    ($( $python:literal, $path:literal => |$client:ident, $args:ident| $call:expr; )*) => {
        pub(crate) const ROWS: &[Row] = &[ $( Row {
            python: concat!("client.", $python),
            path: $path,
            call: |$client, $args| $call,
        }, )* ];
    };
}

rows! {
    "agents.list", "/agents" => |c, a| a.list(c.agents().list());
    "agents.create", "/agents" => |c, a| a.send(c.agents().create(a.body(create_agent)));
    "agents.retrieve", "/agents/{agent_id}" => |c, a| a.send(c.agents().retrieve(a.id("agent_id")));
    "agents.update", "/agents/{agent_id}" => |c, a| {
        a.send(c.agents().update(a.id("agent_id"), a.body(update_agent)))
    };
    "agents.delete", "/agents/{agent_id}" => |c, a| a.send(c.agents().delete(a.id("agent_id")));
    "agents.update_live_status", "/agents/{agent_id}/live-status" => |c, a| {
        let body = a.body(|f| {
            set!(UpdateLiveStatus::new(f.text("status")), f; status_reason: text)
        });
        a.send(c.agents().update_live_status(a.id("agent_id"), body))
    };
    "agents.get_test_code", "/agents/{agent_id}/deployment/agent-test-code" => |c, a| {
        a.send(c.agents().get_test_code(a.id("agent_id")))
    };
    "agents.knowledge_bases.list", "/agents/{agent_id}/knowledge_bases" => |c, a| {
        a.send(c.agents().knowledge_bases().list(a.id("agent_id")))
    };
    "agents.knowledge_bases.create", "/agents/{agent_id}/knowledge_bases" => |c, a| {
        let body = a.body(create_knowledge_base);
        a.send(c.agents().knowledge_bases().create(a.id("agent_id"), body))
    };
    "agents.knowledge_bases.update", "/agents/{agent_id}/knowledge_bases/{kb_id}" => |c, a| {
        let body = a.body(|f| {
            set!(UpdateKnowledgeBase::new(), f;
                name: text,
                description / clear_description: text,
                content / clear_content: text,
                url / clear_url: text,
            )
        });
        a.send(c.agents().knowledge_bases().update(a.id("agent_id"), a.id("kb_id"), body))
    };
    "agents.knowledge_bases.delete", "/agents/{agent_id}/knowledge_bases/{kb_id}" => |c, a| {
        a.send(c.agents().knowledge_bases().delete(a.id("agent_id"), a.id("kb_id")))
    };
    "agents.integrations.list", "/agents/{agent_id}/integrations" => |c, a| {
        a.send(c.agents().integrations().list(a.id("agent_id")))
    };
    "agents.channels.list", "/agents/{agent_id}/channels" => |c, a| {
        a.send(c.agents().channels().list(a.id("agent_id")))
    };
    "agents.actions.list", "/agents/{agent_id}/actions" => |c, a| {
        a.send(c.agents().actions().list(a.id("agent_id")))
    };
    "agents.actions.enable", "/agents/{agent_id}/actions/enable" => |c, a| {
        let ids = a.body(|f| texts(f.must("action_ids")).into_iter().map(str::to_owned).collect::<Vec<_>>());
        a.send(c.agents().actions().enable(a.id("agent_id"), ids))
    };
    "agents.actions.disable", "/agents/{agent_id}/actions/disable" => |c, a| {
        let ids = a.body(|f| texts(f.must("action_ids")).into_iter().map(str::to_owned).collect::<Vec<_>>());
        a.send(c.agents().actions().disable(a.id("agent_id"), ids))
    };
    "agents.conversation_flows.list", "/agents/{agent_id}/conversation_flows" => |c, a| {
        a.send(c.agents().conversation_flows().list(a.id("agent_id")))
    };

    "agents.integrations.bimpeai.list", "/agents/{agent_id}/integrations/bimpeai" => |c, a| {
        a.send(c.agents().integrations().bimpeai().list(a.id("agent_id")))
    };
    "agents.integrations.bimpeai.configure", "/agents/{agent_id}/integrations/bimpeai/configure" => |c, a| {
        let body = a.body(|f| {
            set!(BimpeaiConfigure::new(f.text("type")), f;
                token: text, public_key: text, secret_key: text, currency: text)
        });
        a.send(c.agents().integrations().bimpeai().configure(a.id("agent_id"), body))
    };
    "agents.integrations.bimpeai.disconnect", "/agents/{agent_id}/integrations/bimpeai/{integration_id}" => |c, a| {
        let family = c.agents().integrations().bimpeai();
        a.send(family.disconnect(a.id("agent_id"), a.id("integration_id")))
    };
    "agents.integrations.pipedream.list", "/agents/{agent_id}/integrations/pipedream" => |c, a| {
        a.send(c.agents().integrations().pipedream().list(a.id("agent_id")))
    };
    "agents.integrations.pipedream.configure", "/agents/{agent_id}/integrations/pipedream/configure" => |c, a| {
        let body = a.body(|f| {
            set!(PipedreamConfigure::new(f.text("app_slug")), f; app_name: text, app_icon: text)
        });
        a.send(c.agents().integrations().pipedream().configure(a.id("agent_id"), body))
    };
    "agents.integrations.pipedream.disconnect", "/agents/{agent_id}/integrations/pipedream/{integration_id}" => |c, a| {
        let family = c.agents().integrations().pipedream();
        a.send(family.disconnect(a.id("agent_id"), a.id("integration_id")))
    };
    "agents.integrations.mcp_server.list", "/agents/{agent_id}/integrations/mcp_server" => |c, a| {
        a.send(c.agents().integrations().mcp_server().list(a.id("agent_id")))
    };
    "agents.integrations.mcp_server.configure", "/agents/{agent_id}/integrations/mcp_server/configure" => |c, a| {
        let body = a.body(|f| {
            set!(McpServerConfigure::new(f.text("name"), f.text("server_url")), f;
                transport: text, auth_type: text, auth_config: credentials)
        });
        a.send(c.agents().integrations().mcp_server().configure(a.id("agent_id"), body))
    };
    "agents.integrations.mcp_server.test", "/agents/{agent_id}/integrations/mcp_server/{integration_id}/test" => |c, a| {
        let family = c.agents().integrations().mcp_server();
        a.send(family.test(a.id("agent_id"), a.id("integration_id")))
    };
    "agents.integrations.mcp_server.discover", "/agents/{agent_id}/integrations/mcp_server/{integration_id}/discover" => |c, a| {
        let family = c.agents().integrations().mcp_server();
        a.send(family.discover(a.id("agent_id"), a.id("integration_id")))
    };
    "agents.integrations.mcp_server.tools.list", "/agents/{agent_id}/integrations/mcp_server/{integration_id}/tools" => |c, a| {
        let tools = c.agents().integrations().mcp_server().tools();
        a.send(tools.list(a.id("agent_id"), a.id("integration_id")))
    };
    "agents.integrations.mcp_server.disconnect", "/agents/{agent_id}/integrations/mcp_server/{integration_id}" => |c, a| {
        let family = c.agents().integrations().mcp_server();
        a.send(family.disconnect(a.id("agent_id"), a.id("integration_id")))
    };
    "agents.integrations.custom_api.list", "/agents/{agent_id}/integrations/custom_api" => |c, a| {
        a.send(c.agents().integrations().custom_api().list(a.id("agent_id")))
    };
    "agents.integrations.custom_api.configure", "/agents/{agent_id}/integrations/custom_api/configure" => |c, a| {
        let body = a.body(|f| {
            set!(CustomApiConfigure::new(f.text("name")), f;
                description: text,
                base_url: text,
                auth_type: text,
                auth_config: credentials,
                test_endpoint: text,
            )
        });
        a.send(c.agents().integrations().custom_api().configure(a.id("agent_id"), body))
    };
    "agents.integrations.custom_api.tools.list", "/agents/{agent_id}/integrations/custom_api/{integration_id}/tools" => |c, a| {
        let tools = c.agents().integrations().custom_api().tools();
        a.send(tools.list(a.id("agent_id"), a.id("integration_id")))
    };
    "agents.integrations.custom_api.tools.add", "/agents/{agent_id}/integrations/custom_api/{integration_id}/tools" => |c, a| {
        let tools = c.agents().integrations().custom_api().tools();
        a.send(tools.add(a.id("agent_id"), a.id("integration_id"), a.body(create_tool)))
    };
    "agents.integrations.custom_api.tools.delete", "/agents/{agent_id}/integrations/custom_api/{integration_id}/tools/{tool_id}" => |c, a| {
        let tools = c.agents().integrations().custom_api().tools();
        a.send(tools.delete(a.id("agent_id"), a.id("integration_id"), a.id("tool_id")))
    };
    "agents.integrations.custom_api.disconnect", "/agents/{agent_id}/integrations/custom_api/{integration_id}" => |c, a| {
        let family = c.agents().integrations().custom_api();
        a.send(family.disconnect(a.id("agent_id"), a.id("integration_id")))
    };

    "workflows.list", "/workflows" => |c, a| {
        let mut list = c.workflows().list();
        if let Some(scope) = a.query.take("scope") {
            list = list.scope(text(scope));
        }
        a.list(list)
    };
    "workflows.create", "/workflows" => |c, a| a.send(c.workflows().create(a.body(create_workflow)));
    "workflows.clone", "/workflows/clone" => |c, a| {
        let source = a.body(|f| f.text("source_workflow_id").to_owned());
        a.send(c.workflows().clone(source))
    };
    "workflows.retrieve", "/workflows/{workflow_id}" => |c, a| {
        a.send(c.workflows().retrieve(a.id("workflow_id")))
    };
    "workflows.update", "/workflows/{workflow_id}" => |c, a| {
        a.send(c.workflows().update(a.id("workflow_id"), a.body(update_workflow)))
    };
    "workflows.delete", "/workflows/{workflow_id}" => |c, a| {
        a.send(c.workflows().delete(a.id("workflow_id")))
    };

    "conversations.list", "/agents/{agent_id}/conversations" => |c, a| {
        let mut list = c.conversations().list(a.id("agent_id"));
        if let Some(channel) = a.query.take("channel") {
            list = list.channel(text(channel));
        }
        if let Some(is_test_channel) = a.query.take("is_test_channel") {
            list = list.is_test_channel(flag(is_test_channel));
        }
        if let Some(is_ai_chat_paused) = a.query.take("is_ai_chat_paused") {
            list = list.is_ai_chat_paused(flag(is_ai_chat_paused));
        }
        if let Some(needs_attention) = a.query.take("needs_attention") {
            list = list.needs_attention(flag(needs_attention));
        }
        a.list(list)
    };
    "conversations.send", "/agents/{agent_id}/conversations/messages" => |c, a| {
        let body = a.body(|f| {
            set!(CreateConversationMessage::new(f.text("message")), f;
                role: text,
                conversation_id: text,
                channel_type: text,
                channel_user_id: text,
                channel_username: text,
                is_test_channel: flag,
            )
        });
        a.send(c.conversations().send(a.id("agent_id"), body))
    };
    "conversations.retrieve", "/agents/{agent_id}/conversations/{conversation_id}" => |c, a| {
        a.send(c.conversations().retrieve(a.id("agent_id"), a.id("conversation_id")))
    };
    "conversations.set_ai_status", "/agents/{agent_id}/conversations/{conversation_id}/ai-status" => |c, a| {
        let paused = a.body(|f| flag(f.must("is_ai_chat_paused")));
        a.send(c.conversations().set_ai_status(a.id("agent_id"), a.id("conversation_id"), paused))
    };
    "conversations.messages.list", "/agents/{agent_id}/conversations/{conversation_id}/messages" => |c, a| {
        a.list(c.conversations().messages().list(a.id("agent_id"), a.id("conversation_id")))
    };
    "conversations.messages.send", "/agents/{agent_id}/conversations/{conversation_id}/messages" => |c, a| {
        let body = a.body(|f| {
            set!(SendMessage::new(f.text("message")), f; role: text, attachments: attachments)
        });
        let messages = c.conversations().messages();
        a.send(messages.send(a.id("agent_id"), a.id("conversation_id"), body))
    };
    "conversations.messages.retrieve", "/agents/{agent_id}/conversations/{conversation_id}/messages/{message_id}" => |c, a| {
        let messages = c.conversations().messages();
        a.send(messages.retrieve(a.id("agent_id"), a.id("conversation_id"), a.id("message_id")))
    };
    "conversations.messages.stream_ticket", "/agents/{agent_id}/conversations/{conversation_id}/stream-ticket" => |c, a| {
        let messages = c.conversations().messages();
        a.send(messages.stream_ticket(a.id("agent_id"), a.id("conversation_id")))
    };
    "conversations.messages.stream", "/agents/{agent_id}/conversations/{conversation_id}/stream" => |c, a| {
        let messages = c.conversations().messages();
        let mut stream = messages
            .stream(a.id("agent_id"), a.id("conversation_id"))
            .reconnect(false);
        if let Some(after) = a.query.take("after") {
            stream = stream.after(text(after));
        }
        let first = stream.open()?.next().expect("a message")?;
        Ok(serde_json::to_value(first).expect("it encodes"))
    };

    "calls.list", "/agents/{agent_id}/calls" => |c, a| {
        let mut list = c.calls().list(a.id("agent_id"));
        if let Some(is_test_call) = a.query.take("is_test_call") {
            list = list.is_test_call(flag(is_test_call));
        }
        if let Some(status) = a.query.take("status") {
            list = list.status(text(status));
        }
        a.list(list)
    };
    "calls.make", "/agents/{agent_id}/calls" => |c, a| {
        let body = a.body(|f| MakeCall::new(f.text("destination"), flag(f.must("is_test_call"))));
        a.send(c.calls().make(a.id("agent_id"), body))
    };
    "calls.retrieve", "/agents/{agent_id}/calls/{call_id}" => |c, a| {
        a.send(c.calls().retrieve(a.id("agent_id"), a.id("call_id")))
    };
    "calls.list", "/calls" => |c, a| a.send(c.calls().list_all());

    "phone_numbers.list", "/phone-numbers" => |c, a| a.list(c.phone_numbers().list());
    "phone_numbers.requests.list", "/phone-numbers/request" => |c, a| {
        a.list(c.phone_numbers().requests().list())
    };
    "phone_numbers.requests.create", "/phone-numbers/request" => |c, a| {
        a.send(c.phone_numbers().requests().create(a.body(create_phone_number_request)))
    };
    "phone_numbers.retrieve", "/phone-numbers/{phone_number_id}" => |c, a| {
        a.send(c.phone_numbers().retrieve(a.id("phone_number_id")))
    };
    "phone_numbers.update", "/phone-numbers/{phone_number_id}" => |c, a| {
        let body = a.body(|f| {
            set!(UpdatePhoneNumber::new(), f; agent_id / clear_agent_id: text, label: text)
        });
        a.send(c.phone_numbers().update(a.id("phone_number_id"), body))
    };
}
