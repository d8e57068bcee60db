"""OpenAI chat messages: `tool_calls` with a `function`, content as text or parts, requests with `tools`.

Logged calls hold the completion as `response`, with `choices` and `usage`, where `prompt_tokens` counts the cached ones
(platform.openai.com/docs/api-reference/chat/object, read 2026-11-21).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from satchel.evals.transcripts import chat
from satchel.evals.transcripts.transcript import Billed, Request, Transcript, arguments, bill, count, usage, words
from satchel.runtime.context.message import Message, Role, ToolCall

if TYPE_CHECKING:
    from satchel.evals.transcripts.source import Source
    from satchel.memory.records import Json

ROLES: Mapping[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool",
    "function": "tool",
}  # fmt: skip

READ = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")
"""Cached input: OpenAI's in the details, Moonshot's beside them; DeepSeek's; Anthropic's behind LiteLLM."""

WRITTEN = ("cache_write_tokens", "cache_creation_input_tokens")


def fits(values: Sequence[Json]) -> bool:
    """Whether these are chats of this format."""
    found = chat.sample(values)
    return bool(found) and all(message.get("role") in ROLES for message in found)


def read(source: Source) -> Iterator[Transcript]:
    """The chats of a file."""
    return chat.read(source, _chat, _reply)


def _chat(_: chat.Head, messages: list[Json]) -> Request:
    return Request(messages=tuple(map(message, messages)))


def message(raw: Mapping[str, Json]) -> Message:
    """A message of a chat. A `function_call`, as calls were written before there were several, has its name as id."""
    role = ROLES.get(raw["role"])
    if role is None:
        raise ValueError(f"unknown role {str(raw['role'])[:40]!r}")
    every = [*(raw.get("tool_calls") or ()), *_before_tools(raw.get("function_call"))]
    calls = tuple(
        ToolCall(str(c.get("id")), str(c["function"]["name"]), arguments(c["function"].get("arguments"))) for c in every
    )
    answered = str(raw.get("tool_call_id") or raw.get("name")) if role == "tool" else None
    return Message(role, words(raw.get("content")) or words(raw.get("refusal")), calls, call_id=answered)


def _before_tools(call: Json) -> list[Json]:
    return [{"id": call.get("name"), "function": call}] if isinstance(call, dict) else []


def _reply(response: Mapping[str, Json]) -> Request:
    choices = response.get("choices") or []
    spent = response.get("usage")
    billed: tuple[Billed, ...] = ()
    if isinstance(spent, dict):
        into, out = spent.get("prompt_tokens_details") or {}, spent.get("completion_tokens_details") or {}
        used = usage(
            total=count(spent, "prompt_tokens"), read=count({**spent, **into}, *READ),
            write=count({**spent, **into}, *WRITTEN), output=count(spent, "completion_tokens"),
            reasoning=count(out, "reasoning_tokens"),
        )  # fmt: skip
        billed = (bill(response.get("model"), used),)
    said = tuple(message({"role": "assistant", **choice["message"]}) for choice in choices[:1])
    return Request(reply=said, billed=billed, model=response.get("model"))
