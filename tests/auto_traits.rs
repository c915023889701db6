//! Public types can be moved to other threads, shared between them, and used across a caught panic.

use std::collections::BTreeSet;
use std::panic::{RefUnwindSafe, UnwindSafe};

use bimpeai::agents::Agent;

fn assert_traits<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}

/// Asserts the traits of each type, and returns the names of all of them.
macro_rules! types {
    ($( $module:ident: $( $name:ident $(<$argument:ty>)? ),*; )*) => {{
        $( $( assert_traits::<types!(@path $module $name $(<$argument>)?)>(); )* )*
        BTreeSet::from([ $( $( stringify!($name) ),* ),* ])
    }};
    (@path root $name:ident $(<$argument:ty>)?) => { bimpeai::$name $(<$argument>)? };
    (@path $module:ident $name:ident $(<$argument:ty>)?) => { bimpeai::$module::$name $(<$argument>)? };
}

#[test]
fn all_public_types_are_send_sync_and_unwind_safe() {
    let mut asserted = types! {
        root:
            Client, ClientBuilder, Error, Headers;
        agents:
            Actions, Agent, AgentAction, AgentChannel, AgentCreateResponse, AgentDetail,
            AgentIntegration, AgentLiveStatus, AgentLiveStatusValue, AgentPersona, AgentTestCode,
            Agents, BimpeaiConfigure, BimpeaiConfigureResult, BimpeaiConnectResult,
            BimpeaiIntegration, BimpeaiIntegrationType, BimpeaiIntegrations, BulkActionUpdate,
            Channels, ConversationFlow, ConversationFlows, CreateAgent, CreateKnowledgeBase,
            CustomApiConfig, CustomApiConfigure, CustomApiCreateTool, CustomApiIntegration,
            CustomApiIntegrations, CustomApiTools, DeploymentChannels, DeploymentInstagramChannel,
            DeploymentMessengerChannel, DeploymentTelephonyChannel, DeploymentWhatsAppChannel,
            IntegrationAction, IntegrationAuthConfig, IntegrationAuthType, IntegrationConfigField,
            IntegrationSummary, IntegrationTool, Integrations, KnowledgeBaseItem,
            KnowledgeBaseSummary, KnowledgeBaseType, KnowledgeBases, McpServerConfig,
            McpServerConfigure, McpServerDiscoverResult, McpServerIntegration,
            McpServerIntegrations, McpServerTestResult, McpServerTools, McpServerTransport,
            OnboardingUrl, ParameterDefinition, ParameterType, PipedreamConfigure,
            PipedreamIntegration, PipedreamIntegrationConfig, PipedreamIntegrations, Rule,
            RuleInput, ToolHttpMethod, ToolResponseMapping, UpdateAgent, UpdateKnowledgeBase,
            UpdateLiveStatus;
        calls:
            Call, CallDetail, CallStatus, Calls, MakeCall, MakeCallResult, MakeCallStatus,
            WaitRequest;
        conversations:
            AskRequest, AttachmentType, ChannelType, Conversation, ConversationAiStatus, ConversationChannel,
            ConversationDetail, Conversations, CreateConversationMessage, Message,
            MessageAttachment, MessageRole, Messages, Reply, SendMessage, StreamHeartbeatEvent,
            StreamMessageEvent, StreamTicket;
        error:
            ApiError, ApiErrorKind, CancelledError, ConnectionError, DecodeError, ErrorCode,
            FieldError, RateLimit, RateLimitedError, SkippedMessageError, TimeoutError, UserError;
        pagination:
            Items<Agent>, ListRequest<Agent>, Page<Agent>, Pages<Agent>, PaginationMeta;
        phone_numbers:
            CreatePhoneNumberRequest, PhoneNumber, PhoneNumberDetail, PhoneNumberRegion,
            PhoneNumberRequest, PhoneNumberRequests, PhoneNumbers, UpdatePhoneNumber;
        provision:
            AgentSpec, Applied, ApplyRequest, Change, ChangeAction, ChangedResource, CustomApiSpec,
            ExportRequest, KnowledgeSpec, WorkflowSpec;
        request:
            ApiResponse<Agent>, Request<Agent>;
        sse:
            Decoder, Event, Oversized;
        stream:
            LifecycleStream, MessageStream, Received, ReceivedEvent, StreamEvent, StreamHandle,
            StreamPosition, StreamRequest;
        types:
            Extra, Patch<Agent>, Secret, SecretValue, Timestamp, UnknownValue;
        workflows:
            CreateWorkflow, Flow, FlowInput, FlowStep, FlowStepInput, FlowTriggerKeyword,
            FlowTriggerKeywordInput, KeywordWeight, SetupStep, SetupStepDetail, UpdateWorkflow,
            Workflow, WorkflowFaq, WorkflowFaqInput, WorkflowGuide, WorkflowGuideInput,
            WorkflowScope, WorkflowVisibility, Workflows;
        emulator:
            Emulator, EmulatorBuilder, Fault, Generation, ParseFaultError, RecordedRequest;
    };
    assert_traits::<bimpeai::Attempt<'static>>();
    asserted.insert("Attempt");
    let snapshot = include_str!("data/public-api.txt");
    let words = snapshot.lines().flat_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words
            .iter()
            .position(|word| ["struct", "enum"].contains(word));
        at.and_then(|at| words.get(at + 1).copied())
    });
    let public: BTreeSet<&str> = words
        .filter(|path| path.starts_with("bimpeai::"))
        // In a feature that needs a newer Rust; see tests/heavy/tests/batch/types.rs.
        .filter(|path| !path.starts_with("bimpeai::batch::"))
        .filter_map(|path| path.split('<').next()?.rsplit("::").next())
        .collect();
    assert!(public.len() > 100, "{public:?}");
    let missing: Vec<_> = public.difference(&asserted).collect();
    assert!(missing.is_empty(), "add to the list above: {missing:?}");
}
