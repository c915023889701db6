"""The installed `bimpeai` runs its whole surface against a server that speaks the Console API.

    surface.py URL KEY [--empty-answers]

Both of its clients make every call that it has, the streams included, and each answer has to fit
the models of the SDK. What the SDK itself gets wrong is in DEFECTS, and has to go wrong exactly so.

With --empty-answers the server answers as briefly as the documents allow: successes without a body
and an empty `meta`. This crate lives with that; the SDK is known not to.
"""

import asyncio
import inspect
import sys

import pydantic

import bimpeai
from introspect import surface

FIRST = bimpeai.__version__.startswith("0.1.")

# Operation, what the caller gets though the call succeeded, and why.
DEFECTS = {
    "agents.integrations.bimpeai.configure": (
        pydantic.ValidationError,
        "of its two documented successes the SDK knows the one with a URL",
    ),
    "phone_numbers.requests.create": (
        TypeError,
        "the documented success has no body, and the SDK wants an envelope",
    ),
}

# The same for a server that leaves out what it may.
EMPTY_DEFECTS = {
    "agents.actions.enable": (TypeError, "a documented success without a body"),
    "agents.actions.disable": (TypeError, "a documented success without a body"),
    "agents.integrations.pipedream.configure": (TypeError, "a documented success without a body"),
    "agents.integrations.mcp_server.test": (TypeError, "a documented success without a body"),
    "agents.integrations.mcp_server.discover": (TypeError, "a documented success without a body"),
    "phone_numbers.list": (pydantic.ValidationError, "the documented empty `meta`"),
    "phone_numbers.requests.list": (pydantic.ValidationError, "the documented empty `meta`"),
    "phone_numbers.requests.create": (TypeError, "the documented success without a body"),
}


class Caller:
    """Makes calls with one of the two clients, and remembers which."""

    def __init__(self, client, loop, defects):
        self.client = client
        self.loop = loop
        self.defects = defects
        self.called = set()
        self.failed_as_known = set()

    def now(self, value):
        return self.loop.run_until_complete(value) if inspect.isawaitable(value) else value

    def operation(self, name):
        self.called.add(f"client.{name}")
        target = self.client
        for part in name.split("."):
            target = getattr(target, part)
        return target

    def __call__(self, name, /, *args, **keywords):
        return self.now(self.operation(name)(*args, **keywords))

    def items(self, name, /, *args, **keywords):
        """The items of all pages, or those of a list that is not paged."""
        result = self(name, *args, **keywords)
        if isinstance(result, list):
            return result
        assert result.meta is not None, name
        if isinstance(result, bimpeai.Page):
            assert [page.data for page in result.pages()][0] == result.data
            return list(result)

        async def walked():
            return [item async for item in result]

        return self.now(walked())

    def stream(self, name, count, /, *args, **keywords):
        """The first messages of a stream, which would go on for ever."""
        stream = self.operation(name)(*args, **keywords)
        if not hasattr(stream, "__aiter__"):
            messages = [next(stream) for _ in range(count)]
            stream.close()
            return messages

        async def taken():
            messages = []
            async for message in stream:
                messages.append(message)
                if len(messages) == count:
                    break
            await stream.aclose()
            return messages

        return self.now(taken())

    def defective(self, name, /, *args, **keywords):
        kind, reason = self.defects[name]
        try:
            self(name, *args, **keywords)
        except kind:
            self.failed_as_known.add(name)
            return
        raise AssertionError(f"{name} did not fail, as it does because {reason}")

    def refused(self, kind, name, /, *args, code, **keywords):
        try:
            self(name, *args, **keywords)
        except kind as error:
            assert type(error) is kind and error.code == code, repr(error)
            assert error.request_id and str(error), repr(error)
            return error
        raise AssertionError(f"{name} was not refused")


RULE = {
    "id": "closed",
    "name": "Closed – “nights”",
    "trigger": "after 22:00 & before noon",
    "condition": None,
    "response": "We open at noon. 🍕",
    "enabled": False,
}


def workflow_body():
    return {
        "name": "Table booking",
        "system_prompt": 'Say "é" & nothing else.\n',
        "description": "",
        "category": "Food & drink",
        "rules": [RULE],
        "flows": [
            {
                "name": "Book",
                "description": None,
                "priority": 9,
                "is_active": False,
                "trigger_keywords": [{"keyword": "table", "weight": "high"}],
                "conversation_steps": [{"type": "text_response", "content": "When?"}],
            }
        ],
        "tags": [],
        "integrations": ["google_calendar"],
        "channels": ["whatsapp"],
        "actions": [],
        "guide": {"steps": ["One", "Two"]},
        "faq": [{"question": "Open?", "answer": "Yes."}],
        "setup_steps": ["Plain", {"title": "T", "description": "D"}],
        "setup_time": 5,
        "video_url": "https://a.example/v",
    }


def workflows(call):
    public = call.items("workflows.list", scope="public", limit=5)
    assert len(public) > 5, "more than one page"
    assert all(workflow.visibility == "public" and not workflow.is_owner for workflow in public)
    found = call("workflows.list", search="restaurant", scope="public", page=1, limit=1, sort="name")
    assert len(found.data) == 1 and found.has_next_page
    assert call.now(found.get_next_page()).data
    library = call("workflows.retrieve", found.data[0].id)
    if FIRST:
        body = {
            "name": "Old",
            "flows": [{"free": [1, {"é": None}]}],
            "tags": ["a"],
            "rules": [RULE],
            "prompt_config": {"tone": "é"},
        }
    else:
        assert library.rules and library.flows and library.faq and library.setup_steps
        body = workflow_body()
    created = call("workflows.create", **body)
    assert created.is_owner and created.rules[0].response == RULE["response"]
    if FIRST:
        assert created.flows == body["flows"] and created.prompt_config == body["prompt_config"]
    else:
        assert created.flows[0].trigger_keywords[0].weight == "high"
        assert created.setup_steps == body["setup_steps"] and created.setup_time == 5
        clone = call("workflows.clone", source_workflow_id=library.id)
        assert clone.is_owner and clone.id != library.id
        # The wire says youtubeUrl, the SDK looks for youtube_url.
        assert library.guide.youtube_url is None
        assert library.guide.model_extra["youtubeUrl"].startswith("https://")
    updated = call("workflows.update", created.id, name="New é")
    assert updated.name == "New é" and updated.rules == created.rules
    assert call("workflows.delete", created.id) is None
    call.refused(bimpeai.NotFoundError, "workflows.retrieve", created.id, code="not_found")
    call.refused(bimpeai.NotFoundError, "workflows.delete", library.id, code="not_found")
    return library


def agents(call, library):
    body = {
        "name": "Ada “é” 🍕",
        "description": "Takes orders & books tables.",
        "language": "en",
        "persona": "concise",
        "timezone": "Africa/Lagos",
        "logo": "https://a.example/l.png",
        "business_name": "Ada's",
        "business_address": "1 Road",
        "business_email": "ada@a.example",
        "business_description": "Pizza",
        "escalation_email": "boss@a.example",
    }
    if FIRST:
        body |= {"agent_workflow_id": library.id, "system_prompt": "Be kind.", "rules": [RULE]}
    else:
        body |= {"workflow_id": library.id}
    key = f"create-{type(call.client).__name__}-{bimpeai.__version__}"
    created = call("agents.create", **body, idempotency_key=key, timeout=20, max_retries=1)
    again = call("agents.create", **body, idempotency_key=key, headers={"X-Own": "1"})
    assert again == created, "the same key, the same agent"
    agent = call("agents.retrieve", created.id)
    assert agent.name == body["name"] and agent.channels if not FIRST else agent.channel
    if FIRST:
        assert agent.system_prompt == "Be kind." and agent.rules[0].id == RULE["id"]
        flows = call("agents.conversation_flows.list", agent.id)
        assert flows == agent.conversation_flow and flows
    else:
        assert created.workflow.is_owner and created.workflow_id == created.workflow.id
    assert agent.id in [item.id for item in call.items("agents.list", limit=2, sort="-created_at")]
    assert call("agents.list", search=body["name"], page=1).data
    change = {"description": None} if FIRST else {"description": "New"}
    updated = call("agents.update", agent.id, timezone="UTC", **change)
    assert (updated.timezone, updated.description) == ("UTC", change["description"])
    if not FIRST:
        status = call("agents.update_live_status", agent.id, status="paused", status_reason="é")
        assert status.status == "paused" and status.status_reason == "é"
        assert call("agents.get_test_code", agent.id).channels.whatsapp.start_message
    error = call.refused(
        bimpeai.ValidationError, "agents.create", name="", code="validation_error"
    )
    assert "name" in [field["path"] for field in error.field_errors], error.field_errors
    return agent


def knowledge(call, agent):
    text = {"type": "text", "name": "Menu", "content": "Margherita £12.", "description": None}
    menu = call("agents.knowledge_bases.create", agent.id, text)
    page = {"type": "url", "name": "Hours", "url": "https://a.example/hours"}
    hours = call("agents.knowledge_bases.create", agent.id, page, idempotency_key="hours")
    listed = call.items("agents.knowledge_bases.list", agent.id)
    assert [item.id for item in listed] == [menu.id, hours.id]
    updated = call("agents.knowledge_bases.update", agent.id, menu.id, name="Menu é")
    assert updated.name == "Menu é"
    assert call("agents.knowledge_bases.delete", agent.id, hours.id) is None
    assert len(call("agents.knowledge_bases.list", agent.id)) == 1


def connected(call, agent):
    assert call.items("agents.integrations.list", agent.id)[0].type
    assert call.items("agents.channels.list", agent.id)[0].type
    actions = call.items("agents.actions.list", agent.id)
    assert actions and actions[0].action_name
    return actions


def integrations(call, agent):
    actions = connected(call, agent)
    ids = [action.id for action in actions[:2]]
    assert call("agents.actions.disable", agent.id, action_ids=ids).updated_count == len(ids)
    switched = {action.action_name: action.is_enabled for action in call("agents.actions.list", agent.id)}
    assert not switched[actions[0].action_name]
    # An id may change when its action is first switched.
    ids = [action.id for action in call("agents.actions.list", agent.id)][:2]
    assert call("agents.actions.enable", agent.id, action_ids=ids).updated_count == len(ids)

    name = "agents.integrations.bimpeai"
    before = call(f"{name}.list", agent.id)
    assert len(before) == 5 and all(item.id is None for item in before if not item.is_connected)
    url = call(f"{name}.configure", agent.id, type="google_calendar")
    assert url.onboarding_url.startswith("https://")
    keys = {"public_key": "pk", "secret_key": "sk", "currency": "NGN"}
    call.defective(f"{name}.configure", agent.id, type="paystack", **keys)
    paystack = {item.type: item for item in call(f"{name}.list", agent.id)}["paystack"]
    assert paystack.is_connected, "it is connected, whatever the SDK says"
    call.refused(
        bimpeai.BadRequestError,
        f"{name}.configure",
        agent.id,
        type="stripe",
        public_key="invalid",
        secret_key="invalid",
        currency="USD",
        code="integration_connection_failed",
    )
    assert call(f"{name}.disconnect", agent.id, paystack.id) is None

    name = "agents.integrations.pipedream"
    app = {"app_slug": "notion", "app_name": "Notion", "app_icon": "https://a.example/i.png"}
    assert call(f"{name}.configure", agent.id, **app).onboarding_url
    (notion,) = call(f"{name}.list", agent.id)
    assert notion.config.app_slug == "notion"

    name = "agents.integrations.mcp_server"
    server = call(
        f"{name}.configure",
        agent.id,
        name="Docs é",
        server_url="https://mcp.a.example",
        transport="http_sse",
        auth_type="bearer",
        auth_config={"token": "t"},
    )
    assert server.config.transport == "http_sse"
    assert call(f"{name}.test", agent.id, server.id).success
    assert call(f"{name}.discover", agent.id, server.id).created > 0
    assert call(f"{name}.tools.list", agent.id, server.id)
    assert call(f"{name}.list", agent.id) == [server]
    call.refused(
        bimpeai.BadRequestError, f"{name}.disconnect", agent.id, notion.id, code="bad_request"
    )
    assert call(f"{name}.disconnect", agent.id, server.id) is None
    assert call("agents.integrations.pipedream.disconnect", agent.id, notion.id) is None

    name = "agents.integrations.custom_api"
    api = call(
        f"{name}.configure",
        agent.id,
        name="Orders",
        description="é",
        base_url="https://api.a.example",
        auth_type="api_key",
        auth_config={"api_key": "k", "header_name": "X-Key"},
        test_endpoint="/ping",
    )
    tool = call(
        f"{name}.tools.add",
        agent.id,
        api.id,
        {
            "name": "Find order",
            "http_method": "GET",
            "url_template": "/orders/{{number}}",
            "url_params": [
                {
                    "name": "numbers",
                    "type": "array",
                    "description": "é",
                    "required": False,
                    "items": {"name": "n", "type": "integer", "description": ""},
                }
            ],
            "body_params": [],
            "headers_template": {"X-Shop": "lagos"},
            "response_mapping": {"path": "data"},
            "require_human_approval": False,
            "timeout": 1000,
        },
    )
    assert [item.id for item in call(f"{name}.tools.list", agent.id, api.id)] == [tool.id]
    assert call(f"{name}.list", agent.id) == [api]
    assert call(f"{name}.tools.delete", agent.id, api.id, tool.id) is None
    assert call(f"{name}.disconnect", agent.id, api.id) is None


def conversations(call, agent):
    first = call.items("conversations.list", agent.id)[0]
    if FIRST:
        assert call("conversations.list", agent.id, channel="messenger", search="x").data == []
    else:
        reply = call(
            "conversations.send",
            agent.id,
            message="How much is a Margherita? 🍕",
            channel_type="whatsapp",
            channel_user_id="+2348012345678",
            channel_username="Bola é",
            is_test_channel=True,
        )
        assert reply.role == "assistant" and "£12" in reply.message
        filters = {"is_test_channel": True, "is_ai_chat_paused": False, "needs_attention": False}
        found = call("conversations.list", agent.id, channel="test_whatsapp", sort="created_at")
        assert call("conversations.list", agent.id, **filters).data
        first = found.data[-1]
        assert call("conversations.set_ai_status", agent.id, first.id, is_ai_chat_paused=True)
        spoken = call(
            "conversations.messages.send", agent.id, first.id, message="It is me.", role="assistant"
        )
        assert call("conversations.messages.retrieve", agent.id, first.id, spoken.id) == spoken
        call("conversations.set_ai_status", agent.id, first.id, is_ai_chat_paused=False)
    assert call("conversations.retrieve", agent.id, first.id).id == first.id
    name = "conversations.messages"
    attached = (
        {"attachments": [{"type": "image", "url": "https://a.example/i.png"}]} if FIRST else {}
    )
    sent = call(f"{name}.send", agent.id, first.id, message='Hours? "é" & 🍕\n', **attached)
    assert sent.message == 'Hours? "é" & 🍕\n'
    if not FIRST:
        call(f"{name}.list", agent.id, first.id, search="Hours", sort="-created_at")
    assert sent.id in [message.id for message in call.items(f"{name}.list", agent.id, first.id, limit=1)]
    ticket = call(f"{name}.stream_ticket", agent.id, first.id)
    assert ticket.ticket and ticket.expires_in > 0
    # The answer of the agent comes while the stream is open.
    (answer,) = call.stream(f"{name}.stream", 1, agent.id, first.id, after=sent.id)
    assert answer.role == "assistant" and answer.conversation_id == first.id
    listed = call.items(f"{name}.list", agent.id, first.id)
    assert answer.id in [message.id for message in listed]


def calls(call, agent):
    if FIRST:
        call.refused(bimpeai.APINotImplementedError, "calls.list", code="not_implemented")
        return
    made = call("calls.make", agent.id, {"destination": "+2348012345678", "is_test_call": True})
    assert made.status == "initiated"
    seen = [call("calls.retrieve", agent.id, made.call_id).status for _ in range(4)]
    assert seen[-1] == "ended", seen
    listed = call.items("calls.list", agent.id, is_test_call=True, status="ended", limit=1)
    assert [item.id for item in listed] == [made.call_id]
    call.refused(
        bimpeai.ValidationError,
        "calls.make",
        agent.id,
        {"destination": "0801", "is_test_call": True},
        code="validation_error",
    )


REQUEST = {
    "business_name": "Ada's é",
    "intended_use": "Tables & orders",
    "region": "ng",
    "agent_count": 1,
    "outbound_minutes": 0,
}


def phone_numbers(call, agent):
    call.defective("phone_numbers.requests.create", **REQUEST, submitted_by_agent_id=agent.id)
    requests = call.items("phone_numbers.requests.list", limit=50)
    assert requests[-1].business_name == REQUEST["business_name"], "it was made all the same"
    numbers = call.items("phone_numbers.list", search="+44", sort="created_at")
    # Numbers are given by people: a server has one only where its owner saw to that.
    if not numbers:
        call.refused(bimpeai.NotFoundError, "phone_numbers.retrieve", "none", code="not_found")
        call.refused(bimpeai.NotFoundError, "phone_numbers.update", "none", code="not_found")
        return
    number = call("phone_numbers.retrieve", numbers[0].id)
    assert number.inbound_enabled
    taken = call("phone_numbers.update", number.id, agent_id=agent.id, label="Front é")
    assert (taken.agent_id, taken.label) == (agent.id, "Front é")
    assert call("phone_numbers.update", number.id, agent_id=None).agent_id is None


def whole(call):
    agent = agents(call, workflows(call))
    knowledge(call, agent)
    if FIRST:
        connected(call, agent)
    else:
        integrations(call, agent)
    conversations(call, agent)
    calls(call, agent)
    if not FIRST:
        phone_numbers(call, agent)
        assert call("agents.delete", agent.id) is None
        call.refused(bimpeai.NotFoundError, "agents.retrieve", agent.id, code="not_found")


def empty_answers(call):
    (workflow, *_) = call.items("workflows.list", scope="public")
    agent = call("agents.create", workflow_id=workflow.id, name="Ada", description="é")
    ids = [call("agents.actions.list", agent.id)[0].id]
    call.defective("agents.actions.disable", agent.id, action_ids=ids)
    action = call("agents.actions.list", agent.id)[0]
    assert not action.is_enabled, "it was done all the same"
    call.defective("agents.actions.enable", agent.id, action_ids=[action.id])
    call.defective("agents.integrations.pipedream.configure", agent.id, app_slug="notion")
    name = "agents.integrations.mcp_server"
    server = call(f"{name}.configure", agent.id, name="Docs", server_url="https://a.example")
    call.defective(f"{name}.test", agent.id, server.id)
    call.defective(f"{name}.discover", agent.id, server.id)
    call.defective("phone_numbers.list")
    call.defective("phone_numbers.requests.list")
    call.defective("phone_numbers.requests.create", **REQUEST)


def main(url, key, *options):
    empty = "--empty-answers" in options
    defects = {} if FIRST else EMPTY_DEFECTS if empty else DEFECTS
    if FIRST and empty:
        sys.exit("the first generation has no answers to leave out")
    loop = asyncio.new_event_loop()
    known = set(surface()["methods"])
    for kind in (bimpeai.BimpeAI, bimpeai.AsyncBimpeAI):
        wrong = Caller(kind(api_key="sk_wrong", base_url=url), loop, {})
        wrong.refused(bimpeai.AuthenticationError, "agents.list", code="api_key_invalid")
        call = Caller(kind(api_key=key, base_url=url), loop, defects)
        (empty_answers if empty else whole)(call)
        assert empty or call.called == known, sorted(known ^ call.called)
        assert call.failed_as_known == set(defects), "a known defect is gone"
        close = call.client.close if hasattr(call.client, "close") else call.client.aclose
        call.now(close())
        what = "answers left empty" if empty else "whole surface"
        print(
            f"surface: bimpeai {bimpeai.__version__} {kind.__name__}, {what}: "
            f"{len(call.called)} operations, {len(defects)} known defects"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
