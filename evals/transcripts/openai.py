"""OpenAI chat messages: `tool_calls` with a `function`, content as text or parts, requests with `tools`.

Logged calls hold the completion as `response`, with `choices` and `usage`, where `prompt_tokens` counts the cached ones
(platform.openai.com/docs/api-reference/chat/object, read 2026-11-21).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from satchel.evals.transcripts import chat
from satchel.evals.transcripts.transcript import Billed, Request, Transcript, arguments, count, usage, words
from satchel.runtime.context.message import Message, Role, ToolCall

if TYPE_CHECKING:
    from satchel.evals.transcripts.source import Source
    from satchel.memory.records import Json

ROLES: Mapping[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool",
    "function": "tool",
}  # fmt: skip


def fits(values: Sequence[Json]) -> bool:
    """Whether these are chats of this format."""
    found = chat.sample(values)
    return bool(found) and all(message.get("role") in ROLES for message in found)


def read(source: Source) -> Iterator[Transcript]:
    """The chats of a file."""
    return chat.read(source, _chat, _reply)


def _chat(_: chat.Head, messages: list[Json]) -> Request:
    return Request(messages=tuple(map(_message, messages)))


def _message(raw: Mapping[str, Json]) -> Message:
    role = ROLES.get(raw["role"])
    if role is None:
        raise ValueError(f"unknown role {str(raw['role'])[:40]!r}")
    calls = tuple(
        ToolCall(str(c.get("id")), str(c["function"]["name"]), arguments(c["function"].get("arguments")))
        for c in raw.get("tool_calls") or ()
    )
    answered = str(raw.get("tool_call_id")) if role == "tool" else None
    return Message(role, words(raw.get("content")), calls, call_id=answered)


def _reply(response: Mapping[str, Json]) -> Request:
    choices = response.get("choices") or []
    spent = response.get("usage")
    billed: tuple[Billed, ...] = ()
    if isinstance(spent, dict):
        into, out = spent.get("prompt_tokens_details") or {}, spent.get("completion_tokens_details") or {}
        used = usage(
            total=count(spent, "prompt_tokens"), read=count(into, "cached_tokens"),
            write=count(into, "cache_write_tokens"), output=count(spent, "completion_tokens"),
            reasoning=count(out, "reasoning_tokens"),
        )  # fmt: skip
        billed = (Billed(model=response.get("model"), usage=used),)
    said = tuple(_message({"role": "assistant", **choice["message"]}) for choice in choices[:1])
    return Request(reply=said, billed=billed, model=response.get("model"))
