"""Models: the scripted model, LangChain chat models behind our port, and how a model is named."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import StructuredTool, ToolException
from langchain_core.tools import tool as langchain_tool
from pydantic import Field

from satchel.memory.errors import ConfigError, ModelError
from satchel.memory.records import Json, Usage
from satchel.prompts import render
from satchel.runtime.context import tokens
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.models import Answer, Scripted, echo, resolve, script
from satchel.runtime.models_langchain import LangChainModel, usage
from satchel.runtime.tools import ToolOutput, as_tools

TASK = Message("user", "Count the boxes.")
SCHEMA: Json = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {}}}


class Chat(BaseChatModel):
    """A chat model that gives prepared messages and keeps what it was sent."""

    replies: list[Any]
    sent: list[list[BaseMessage]] = Field(default_factory=list)
    options: list[dict[str, Any]] = Field(default_factory=list)
    bound: list[list[Any]] = Field(default_factory=list)
    max_tokens: int | None = None
    thinking: dict[str, Any] | None = None
    model_name: str = "gpt-5"

    @property
    def _llm_type(self) -> str:
        return "test"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's signature
        run_manager: Any = None,  # noqa: ARG002 - as above
        **kwargs: Any,
    ) -> ChatResult:
        self.sent.append(messages)
        self.options.append(kwargs)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return ChatResult(generations=[ChatGeneration(message=reply)])

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        self.bound.append(list(tools))
        return self.bind(tools=list(tools), **kwargs)


THINKING = AIMessage(
    content=[
        {"type": "thinking", "thinking": "Where could they be?", "signature": "c2lnbmF0dXJl"},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "yard"}},
    ],
    tool_calls=[{"id": "c1", "name": "look", "args": {"at": "yard"}}],
    response_metadata={"model_provider": "anthropic", "usage": {"input_tokens": 7}, "id": "msg_1"},
    id="run-1",
    usage_metadata={
        "input_tokens": 1000,
        "output_tokens": 90,
        "total_tokens": 1090,
        "input_token_details": {"cache_read": 600, "cache_creation": 300},
        "output_token_details": {"reasoning": 40},
    },
)


async def call(model: Any, messages: Sequence[Message] = (TASK,), tools: Sequence[Json] = ()) -> Answer:
    answer = await model.call(messages, tools, reply_tokens=100)
    assert isinstance(answer, Answer)
    return answer


# ------------------------------------------------------------------ scripted


async def test_echo_answers_with_the_last_words_of_the_user() -> None:
    assert (
        await call(resolve("sim:echo"), [TASK, Message("assistant", "3"), Message("user", "Sure?")])
    ).text == "Sure?"


async def test_a_scripted_model_reports_the_cached_prefix() -> None:
    model = Scripted(script(Answer("one", (ToolCall("", "look", {}),)), "two"))
    first = await call(model, [TASK], [SCHEMA])
    size = tokens.count_message(TASK) + tokens.count_tools([SCHEMA])
    output = tokens.count("one") + tokens.count('{"args":{},"name":"look"}')
    assert first.usage == Usage(cache_write=size, output=output, model_calls=1, usd=None)
    reply = Message("assistant", first.text, first.calls)
    result = Message("tool", "3", call_id=first.calls[0].id)
    second = await call(model, [TASK, reply, result], [SCHEMA])
    assert second.text == "two"
    assert second.usage is not None
    assert second.usage.cache_read == size
    assert second.usage.cache_write == tokens.count_message(reply) + tokens.count_message(result)


async def test_a_text_longer_than_the_reserve_is_cut() -> None:
    answer = await call(Scripted(script("word " * 500)))
    assert tokens.count(answer.text) == 100


async def test_a_script_goes_on_by_the_prompt_alone_also_after_a_fold() -> None:
    policy = script(Answer(calls=(ToolCall("", "look", {"at": 1}), ToolCall("mine", "look", {}))), "two", "three")
    assert [c.id for c in policy([TASK], ()).calls] == ["call_0_0", "mine"]
    assert policy([TASK, Message("assistant", "x")], ()).text == "two"
    digest = f"{render('summary', tag='k3v9', recall='')}\n{render('end', tag='k3v9', turns='1')}"
    folded = Message("user", f"{TASK.content}\n\n{digest}")
    assert policy([Message("system", "s"), folded, Message("assistant", "x")], ()).text == "three"


async def test_a_script_that_is_used_up_says_so() -> None:
    with pytest.raises(ModelError, match="has 1 answers and was asked for one more"):
        await call(Scripted(script("a")), [TASK, Message("assistant", "a")])


# ------------------------------------------------------------------ names


def test_a_satchel_model_is_taken_as_it_is() -> None:
    model = Scripted(echo)
    assert resolve(model) is model


def test_a_langchain_model_is_wrapped() -> None:
    model = resolve(Chat(replies=[]))
    assert isinstance(model, LangChainModel)
    assert (model.name, model.window, model.exact) == ("gpt-5", 128_000, True)
    assert not LangChainModel(Chat(replies=[], model_name="claude-opus-5")).exact
    assert resolve(Chat(replies=[], profile={"max_input_tokens": 9000})).window == 9000


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("sim:ecko", "did you mean 'sim:echo'"),
        ("gpt-5", "give 'provider:model'"),
        (7, "7 is no model"),
        (None, "None is no model"),
    ],
)
def test_what_is_no_model_is_refused(model: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(model)


def test_a_provider_s_model_without_the_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain", None)
    with pytest.raises(ConfigError, match=r"pip install 'satchel\[models\]'"):
        resolve("openai:gpt-5")


# ------------------------------------------------------------------ LangChain


async def test_usage_comes_in_disjoint_buckets() -> None:
    answer = await call(LangChainModel(Chat(replies=[THINKING])))
    assert answer.usage == Usage(
        fresh=100, cache_read=600, cache_write=300, output=50, reasoning=40, model_calls=1, usd=None
    )


@pytest.mark.parametrize(
    ("metadata", "buckets"),
    [
        ({"input_tokens": 10, "output_tokens": 5}, (10, 0, 0, 5, 0)),
        ({"input_tokens": 10, "output_tokens": 5, "input_token_details": {"cache_read": 30}}, (0, 30, 0, 5, 0)),
        ({"input_tokens": 10, "output_tokens": 5, "output_token_details": {"reasoning": 9}}, (10, 0, 0, 0, 9)),
        ({"input_tokens": 10, "input_token_details": {"cache_read": None}, "output_tokens": None}, (10, 0, 0, 0, 0)),
        (
            {"input_tokens": 10, "input_token_details": {"cache_creation": 0, "ephemeral_5m_input_tokens": 4}},
            (6, 0, 4, 0, 0),
        ),
        ({}, (0, 0, 0, 0, 0)),
    ],
)
def test_no_bucket_is_negative(metadata: dict[str, Any], buckets: tuple[int, ...]) -> None:
    found = usage(metadata)
    assert (found.fresh, found.cache_read, found.cache_write, found.output, found.reasoning) == buckets


async def test_missing_usage_is_counted() -> None:
    answer = await call(LangChainModel(GenericFakeChatModel(messages=iter([AIMessage("four boxes")]))))
    assert answer.text == "four boxes"
    assert answer.usage == Usage(fresh=tokens.count_message(TASK), output=2, model_calls=1, usd=None)


async def test_a_message_with_more_than_text_is_sent_back_unmodified_after_storage() -> None:
    chat = Chat(replies=[THINKING, AIMessage("4")])
    model = LangChainModel(chat)
    answer = await call(model)
    assert (answer.text, answer.calls) == ("I look.", (ToolCall("c1", "look", {"at": "yard"}),))
    stored = json.loads(json.dumps(answer.opaque))
    reply = Message("assistant", answer.text, answer.calls, opaque=stored)
    await call(model, [TASK, reply, Message("tool", "4", call_id="c1", name="look")])
    sent = chat.sent[1][1]
    assert isinstance(sent, AIMessage)
    assert sent.content == THINKING.content
    assert sent.tool_calls == THINKING.tool_calls
    assert sent.id == THINKING.id
    assert sent.response_metadata == {"model_provider": "anthropic", "id": "msg_1"}


async def test_signatures_beside_the_content_are_kept_too() -> None:
    extra = {"tool_calls": [{"raw": 1}], "__gemini_function_call_thought_signatures__": {"c1": "c2ln"}, "refusal": None}
    answer = await call(LangChainModel(Chat(replies=[AIMessage("x", additional_kwargs=extra)])))
    assert answer.opaque["message"]["additional_kwargs"] == {
        "__gemini_function_call_thought_signatures__": {"c1": "c2ln"}
    }


async def test_a_plain_message_has_nothing_opaque() -> None:
    assert (
        await call(LangChainModel(Chat(replies=[AIMessage("x", additional_kwargs={"refusal": None})])))
    ).opaque is None


async def test_opaque_parts_of_another_provider_are_left_out() -> None:
    chat = Chat(replies=[AIMessage("x")])
    reply = Message("assistant", "I look.", opaque={"by": "ChatOther", "message": {"content": [{"type": "odd"}]}})
    await call(LangChainModel(chat), [TASK, reply, Message("user", "And?")])
    assert chat.sent[0][1].content == "I look."


async def test_each_role_becomes_its_message_and_each_message_is_converted_once() -> None:
    chat = Chat(replies=[AIMessage("a"), AIMessage("b")])
    model = LangChainModel(chat)
    reply = Message("assistant", "", (ToolCall("c1", "look", {"at": 1}), ToolCall("c2", "look", '{"at": ')))
    messages = [Message("system", "s"), TASK, reply, *(Message("tool", "4", call_id=c) for c in ("c1", "c2"))]
    await call(model, messages)
    await call(model, [*messages, Message("assistant", "5"), Message("user", "Sure?")])
    assert [type(m) for m in chat.sent[0]] == [SystemMessage, HumanMessage, AIMessage, ToolMessage, ToolMessage]
    assert all(a is b for a, b in zip(chat.sent[0], chat.sent[1], strict=False))
    sent = chat.sent[0][2]
    assert isinstance(sent, AIMessage)
    assert [c["args"] for c in sent.tool_calls] == [{"at": 1}, {"arguments": '{"at": '}]


async def test_tools_are_bound_once_for_each_set_of_schemas() -> None:
    chat = Chat(replies=[AIMessage("a") for _ in range(4)])
    model, other = LangChainModel(chat), {**SCHEMA, "function": {**SCHEMA["function"], "name": "recall"}}
    for tools in ([SCHEMA], [dict(SCHEMA)], [SCHEMA, other], []):
        await call(model, tools=tools)
    assert [len(bound) for bound in chat.bound] == [1, 2]
    assert [len(options.get("tools", ())) for options in chat.options] == [1, 1, 2, 0]


async def test_calls_that_are_not_json_keep_their_text_for_the_check_to_answer() -> None:
    broken = {"id": "c9", "name": "look", "args": '{"at": ', "error": "cut", "type": "invalid_tool_call"}
    reply = AIMessage("", invalid_tool_calls=[broken], tool_calls=[{"id": None, "name": "look", "args": {}}])
    first, second = (await call(LangChainModel(Chat(replies=[reply])))).calls
    assert first.id.startswith("call_")
    assert second == ToolCall("c9", "look", '{"at": ')


async def test_a_failing_provider_is_a_model_error_without_keys() -> None:
    chat = Chat(replies=[ValueError("401: key sk-abcdefgh12345678 " + "x" * 5000)])
    with pytest.raises(ModelError, match=r"gpt-5 gave no answer: ValueError: 401: key \*\*\* x+ \.\.\.$") as caught:
        await call(LangChainModel(chat))
    assert len(str(caught.value)) < 600


async def test_a_model_that_cannot_bind_tools_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="NotImplementedError"):
        await call(LangChainModel(GenericFakeChatModel(messages=iter([AIMessage("x")]))), tools=[SCHEMA])


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({}, {"max_tokens": 100}),
        ({"max_tokens": 50}, {"max_tokens": 50}),
        ({"max_tokens": 5000}, {"max_tokens": 100}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, {}),
        ({"profile": {"reasoning_output": True}}, {}),
    ],
)
async def test_the_reply_is_bounded_where_the_model_has_a_field_and_does_not_reason(
    settings: dict[str, Any], sent: dict[str, int]
) -> None:
    chat = Chat(replies=[AIMessage("a")], **settings)
    await call(LangChainModel(chat))
    assert chat.options == [sent]


# ------------------------------------------------------------------ LangChain tools


async def test_langchain_tools_are_tools() -> None:
    @langchain_tool
    def add(a: int, b: int = 1) -> int:
        """Add two numbers."""
        return a + b

    async def fetch(url: str) -> dict[str, str]:
        """Fetch a page."""
        return {"url": url}

    page = StructuredTool.from_function(coroutine=fetch, metadata={"effect": "read"})
    first, second = as_tools([add, page])
    assert (first.name, first.effect, first.description) == ("add", "write", "Add two numbers.")
    assert (second.name, second.effect) == ("fetch", "read")
    assert first.schema["function"]["parameters"]["required"] == ["a"]
    assert await first.invoke({"a": 2}, key="k") == ToolOutput("3")
    assert await second.invoke({"url": "x"}, key="k") == ToolOutput('{"url":"x"}')
    for args, text in (({}, "a: missing, expected integer"), ({"a": 1, "c": 1}, "c: unknown argument; there are a, b")):
        bad = await first.invoke(args, key="k")
        assert bad.error
        assert text in bad.text


async def test_a_failing_langchain_tool_is_a_result() -> None:
    @langchain_tool
    def fail() -> str:
        """Fail."""
        raise ToolException("no luck")

    (failing,) = as_tools([fail])
    assert await failing.invoke({}, key="k") == ToolOutput("ToolException: no luck", error=True)


def test_a_langchain_tool_with_a_wrong_effect_is_refused() -> None:
    def look() -> str:
        """Look."""
        return ""

    with pytest.raises(ConfigError, match="effect='erase' is none of read, idempotent, write"):
        as_tools([StructuredTool.from_function(look, metadata={"effect": "erase"})])
