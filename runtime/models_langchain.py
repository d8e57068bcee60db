"""Any LangChain chat model behind our port: laid out for its provider, usage in disjoint buckets, nothing lost."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain_core.messages import AIMessage

from satchel.memory.errors import ConfigError, ModelError
from satchel.memory.normalise import normalise
from satchel.memory.records import Json, Usage
from satchel.runtime.budget import SAFETY
from satchel.runtime.context import tokens
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.failure import describe
from satchel.runtime.faults import understood
from satchel.runtime.messages_langchain import Layout
from satchel.runtime.meter import Meter, conversation
from satchel.runtime.models import Answer, spoken
from satchel.runtime.prices import find
from satchel.runtime.providers import KEYS, provider, without

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
    """The model `provider:model`.

    Raises `ConfigError` if the extra `models` is missing, if the provider is unknown or its package missing, if there
    is no key in the environment, or if the model cannot be made.
    """
    if find_spec("langchain") is None:
        raise ConfigError(f"model {name!r} needs the extra 'models': pip install 'satchel[models]'")
    keys = KEYS.get(name.partition(":")[0], ())
    if keys and not any(os.environ.get(key) for key in keys):
        raise ConfigError(f"model {name!r} needs a key: set {keys[0]}, or give a LangChain chat model that has one")
    try:
        chat = import_module("langchain.chat_models").init_chat_model(name)
    except Exception as error:
        raise ConfigError(f"model {name!r} cannot be made: {describe(error)}") from error
    return LangChainModel(chat, name=name)


class LangChainModel:
    """A LangChain chat model; `exact` says that it counts in o200k_base, as we do.

    The reply is bounded by `reply_tokens` where the model has a field for that; a model that reasons bounds itself,
    since hidden reasoning would use up the reserve and leave an empty answer. Where the provider is known, retries of
    its client are turned off: the runtime tries again itself and counts that.
    """

    def __init__(self, chat: BaseChatModel, *, name: str | None = None) -> None:
        profile = getattr(chat, "profile", None) or {}
        given = name or getattr(chat, "model_name", None) or getattr(chat, "model", None)
        self.name = given if isinstance(given, str) else type(chat).__name__
        self.window = int(profile.get("max_input_tokens") or WINDOW)
        self.exact = tokens.is_own(self.name.rpartition(":")[2])
        self.provider = provider(type(chat).__name__, self.name)
        self._layout = Layout(type(chat).__name__, self.provider)
        self._meter = Meter()
        self._chat = self.provider.alone(chat)
        self._reasons = bool(profile.get("reasoning_output")) or any(
            getattr(chat, field, None) for field in ("thinking", "reasoning", "reasoning_effort", "thinking_budget")
        )
        self._bound: tuple[str, Runnable[Any, Any]] = "[]", self._chat

    async def call(self, messages: Sequence[Message], tools: Sequence[Json], *, reply_tokens: int) -> Answer:
        """Ask the model; its exceptions become `ModelError` with type and message, keys blanked."""
        prompt, options = self._layout.prompt(messages), self.options(messages, reply_tokens)
        predicted = self._predicted(messages, tools)
        try:
            reply = await self._bind(tools, messages).ainvoke(prompt, **options)
        except Exception as error:
            raise understood(error, self.name) from error
        if not isinstance(reply, AIMessage):
            raise ModelError(f"{self.name} answered with {type(reply).__name__}, not with an AIMessage")
        return self._answer(reply, messages, tools, predicted)

    def _bind(self, tools: Sequence[Json], messages: Sequence[Message]) -> Runnable[Any, Any]:
        if not tools and self.provider.declared:
            called = sorted({call.name for message in messages for call in message.calls})
            if called:
                stubs = [_named(name) for name in called]
                bound: Runnable[Any, Any] = self._chat.bind_tools(stubs, tool_choice=self.provider.declared)
                return bound
        key = json.dumps(list(tools))
        if key != self._bound[0]:
            known = [without(tool, self.provider.unknown) for tool in tools]
            self._bound = key, self._chat.bind_tools(known) if tools else self._chat
        return self._bound[1]

    def options(self, messages: Sequence[Message], reply_tokens: int) -> dict[str, Any]:
        """What goes with a request beside messages and tools: the bound of the reply, the provider's cache settings."""
        options: dict[str, Any] = dict(self.provider.options)
        if self.provider.keyed:
            begin = "\0".join(conversation(messages)).encode()
            options["prompt_cache_key"] = f"satchel-{hashlib.sha256(begin).hexdigest()[:24]}"
        fields = type(self._chat).model_fields
        field = next((name for name in _LIMITS if name in fields), None)
        if field is not None and not self._reasons:
            own = getattr(self._chat, field) if field in self._chat.model_fields_set else None
            options[field] = min(own or reply_tokens, reply_tokens)
        return options

    def _predicted(self, messages: Sequence[Message], tools: Sequence[Json]) -> int | None:
        """Tokens that the provider should have in its cache, by its rules; None if we know none.

        Near the minimum nothing is predicted where our counter is not the model's.
        """
        if self.provider.minimum is None:
            return None
        price = find(self.name)
        minimum = price.min_prefix if price and price.min_prefix else self.provider.minimum
        cached = self._meter.measure(messages, tools).cached
        sure = minimum * (1.0 if self.exact else SAFETY)
        return cached // self.provider.step * self.provider.step if cached >= sure else 0

    def _answer(
        self, reply: AIMessage, messages: Sequence[Message], tools: Sequence[Json], predicted: int | None
    ) -> Answer:
        text = str(reply.text)
        calls = tuple(replace(call, id=call.id or _fresh_id()) for call in said_calls(reply))
        return Answer(
            text, calls, self.usage(reply, messages, tools), opaque(reply, type(self._chat).__name__), predicted
        )

    def usage(self, reply: AIMessage, messages: Sequence[Message], tools: Sequence[Json]) -> Usage:
        """What a reply cost by its provider's report, or by our own count where there is none."""
        if reply.usage_metadata is not None:
            return usage(dict(reply.usage_metadata), reply.response_metadata.get("token_usage"))
        counted = sum(map(tokens.count_message, messages)) + tokens.count_tools(tools)
        calls = [ToolCall("", c["name"], c["args"]) for c in reply.tool_calls]
        return Usage(fresh=counted, output=spoken(str(reply.text), calls), model_calls=1, usd=None)


def said_calls(reply: AIMessage) -> tuple[ToolCall, ...]:
    """The calls of a reply, those with broken arguments after the others; an id that is missing is empty."""
    calls = (ToolCall(c["id"] or "", c["name"], normalise(c["args"])) for c in reply.tool_calls)
    broken = (ToolCall(c["id"] or "", c["name"] or "", c["args"] or "") for c in reply.invalid_tool_calls)
    return (*calls, *broken)


def opaque(reply: AIMessage, by: str) -> Json:
    """What else than text and calls the same message needs when it is sent again; None for a plain one.

    `by` names the client that understands it.
    """
    extra = {k: v for k, v in reply.additional_kwargs.items() if k not in ("tool_calls", "function_call") and v}
    if isinstance(reply.content, str) and not extra:
        return None
    metadata = {k: v for k, v in reply.response_metadata.items() if k not in _NOT_SENT}
    message = {"content": reply.content, "additional_kwargs": extra, "response_metadata": metadata, "id": reply.id}
    return {"by": by, "message": normalise(message)}


def usage(metadata: dict[str, Any], raw: Json = None) -> Usage:
    """LangChain's usage as disjoint buckets: its input holds the cached tokens, its output the reasoning.

    Cache writes come as `cache_creation` or, from langchain-anthropic, as `ephemeral_5m_input_tokens` and
    `ephemeral_1h_input_tokens` with `cache_creation` 0. Cached tokens that LangChain leaves out (langchain-mistralai
    1.1.6) are taken from `raw`, the usage as the provider sent it. No bucket is ever negative.
    """
    into, out = metadata.get("input_token_details") or {}, metadata.get("output_token_details") or {}
    details = (raw.get("prompt_tokens_details") or {}) if isinstance(raw, dict) else {}
    read = _count(into.get("cache_read")) or _count(details.get("cached_tokens"))
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


def _named(name: str) -> Json:
    """A tool by its name alone."""
    parameters = {"type": "object", "properties": {}}
    return {"type": "function", "function": {"name": name, "description": "", "parameters": parameters}}


def _count(value: object) -> int:
    return max(0, int(value)) if isinstance(value, int | float) else 0


def _fresh_id() -> str:
    return f"call_{uuid4().hex[:12]}"
