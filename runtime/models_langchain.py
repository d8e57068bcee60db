"""Any LangChain chat model behind our port: each message converted once, usage in disjoint buckets, nothing lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from satchel.memory.errors import ConfigError, ModelError
from satchel.memory.normalise import normalise
from satchel.memory.records import Json, Usage
from satchel.runtime.context import tokens
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.failure import describe
from satchel.runtime.models import Answer, spoken

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.runnables import Runnable

WINDOW = 128_000
"""Context window in tokens where a model's profile does not tell it."""

_LIMITS = ("max_tokens", "max_output_tokens")
"""Fields by which chat models bound a reply."""

_NOT_SENT = frozenset({"usage", "token_usage", "logprobs"})
"""Response metadata that no provider wants back."""


def by_name(name: str) -> LangChainModel:
    """The model `provider:model`. Raises `ConfigError` if the extra `models` is missing or the model cannot be made."""
    if find_spec("langchain") is None:
        raise ConfigError(f"model {name!r} needs the extra 'models': pip install 'satchel[models]'")
    try:
        chat = import_module("langchain.chat_models").init_chat_model(name)
    except Exception as error:
        raise ConfigError(f"model {name!r} cannot be made: {describe(error)}") from error
    return LangChainModel(chat, name=name)


class LangChainModel:
    """A LangChain chat model. Our token counter is not its own, so `exact` is False.

    The reply is bounded by `reply_tokens` where the model has a field for that; a model that reasons bounds itself,
    since hidden reasoning would use up the reserve and leave an empty answer.
    """

    exact = False

    def __init__(self, chat: BaseChatModel, *, name: str | None = None) -> None:
        profile = getattr(chat, "profile", None) or {}
        given = name or getattr(chat, "model_name", None) or getattr(chat, "model", None)
        self.name = given if isinstance(given, str) else type(chat).__name__
        self.window = int(profile.get("max_input_tokens") or WINDOW)
        self._chat = chat
        self._reasons = bool(profile.get("reasoning_output")) or any(
            getattr(chat, field, None) for field in ("thinking", "reasoning", "reasoning_effort", "thinking_budget")
        )
        self._converted: WeakKeyDictionary[Message, BaseMessage] = WeakKeyDictionary()
        self._bound: tuple[str, Runnable[Any, Any]] = "[]", chat

    async def call(self, messages: Sequence[Message], tools: Sequence[Json], *, reply_tokens: int) -> Answer:
        """Ask the model; its exceptions become `ModelError` with type and message, keys blanked."""
        prompt = [self._convert(message) for message in messages]
        try:
            reply = await self._bind(tools).ainvoke(prompt, **self._limit(reply_tokens))
        except Exception as error:
            raise ModelError(f"{self.name} gave no answer: {describe(error)}") from error
        if not isinstance(reply, AIMessage):
            raise ModelError(f"{self.name} answered with {type(reply).__name__}, not with an AIMessage")
        return self._answer(reply, messages, tools)

    def _bind(self, tools: Sequence[Json]) -> Runnable[Any, Any]:
        key = json.dumps(list(tools))
        if key != self._bound[0]:
            self._bound = key, self._chat.bind_tools(list(tools)) if tools else self._chat
        return self._bound[1]

    def _limit(self, reply_tokens: int) -> dict[str, Any]:
        fields = type(self._chat).model_fields
        field = next((name for name in _LIMITS if name in fields), None)
        if field is None or self._reasons:
            return {}
        own = getattr(self._chat, field) if field in self._chat.model_fields_set else None
        return {field: min(own or reply_tokens, reply_tokens)}

    def _convert(self, message: Message) -> BaseMessage:
        if (known := self._converted.get(message)) is None:
            known = self._converted[message] = self._made(message)
        return known

    def _made(self, message: Message) -> BaseMessage:
        if message.role == "system":
            return SystemMessage(message.content)
        if message.role == "user":
            return HumanMessage(message.content)
        if message.role == "tool":
            return ToolMessage(message.content, tool_call_id=message.call_id or "", name=message.name)
        calls = [{"type": "tool_call", "id": c.id, "name": c.name, "args": _object(c.args)} for c in message.calls]
        kept = message.opaque if isinstance(message.opaque, dict) else {}
        if kept.get("by") != type(self._chat).__name__:
            return AIMessage(message.content, tool_calls=calls)
        return AIMessage(**{**kept["message"], "tool_calls": calls})

    def _answer(self, reply: AIMessage, messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
        text = str(reply.text)
        calls = tuple(ToolCall(c["id"] or _fresh_id(), c["name"], normalise(c["args"])) for c in reply.tool_calls)
        broken = tuple(
            ToolCall(c["id"] or _fresh_id(), c["name"] or "", c["args"] or "") for c in reply.invalid_tool_calls
        )
        return Answer(text, calls + broken, self._usage(reply, messages, tools), self._opaque(reply))

    def _usage(self, reply: AIMessage, messages: Sequence[Message], tools: Sequence[Json]) -> Usage:
        if reply.usage_metadata is not None:
            return usage(dict(reply.usage_metadata))
        counted = sum(map(tokens.count_message, messages)) + tokens.count_tools(tools)
        calls = [ToolCall("", c["name"], c["args"]) for c in reply.tool_calls]
        return Usage(fresh=counted, output=spoken(str(reply.text), calls), model_calls=1, usd=None)

    def _opaque(self, reply: AIMessage) -> Json:
        """What else than text and calls the same message needs when it is sent again; None for a plain one."""
        extra = {k: v for k, v in reply.additional_kwargs.items() if k not in ("tool_calls", "function_call") and v}
        if isinstance(reply.content, str) and not extra:
            return None
        metadata = {k: v for k, v in reply.response_metadata.items() if k not in _NOT_SENT}
        message = {"content": reply.content, "additional_kwargs": extra, "response_metadata": metadata, "id": reply.id}
        return {"by": type(self._chat).__name__, "message": normalise(message)}


def usage(metadata: dict[str, Any]) -> Usage:
    """LangChain's usage as disjoint buckets: its input holds the cached tokens, its output the reasoning.

    Cache writes come as `cache_creation` or, from langchain-anthropic, as `ephemeral_5m_input_tokens` and
    `ephemeral_1h_input_tokens` with `cache_creation` 0. No bucket is ever negative.
    """
    into, out = metadata.get("input_token_details") or {}, metadata.get("output_token_details") or {}
    read = _count(into.get("cache_read"))
    write = _count(into.get("cache_creation")) or sum(_count(n) for k, n in into.items() if k.startswith("ephemeral_"))
    reasoning = _count(out.get("reasoning"))
    return Usage(
        fresh=max(0, _count(metadata.get("input_tokens")) - read - write),
        cache_read=read,
        cache_write=write,
        output=max(0, _count(metadata.get("output_tokens")) - reasoning),
        reasoning=reasoning,
        model_calls=1,
        usd=None,
    )


def _count(value: object) -> int:
    return max(0, int(value)) if isinstance(value, int | float) else 0


def _object(args: Json) -> dict[str, Json]:
    """Arguments as providers accept them back: an object, also where the model got them wrong."""
    return args if isinstance(args, dict) else {"arguments": args}


def _fresh_id() -> str:
    return f"call_{uuid4().hex[:12]}"
