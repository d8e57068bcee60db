"""Anthropic messages: blocks of `tool_use` and `tool_result`, the system text and `tools` beside the messages.

Logged calls hold the message as `response`; its `input_tokens` are those neither read from nor written to the cache
(platform.claude.com/docs/en/api/messages, read 2026-11-21).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from satchel.evals.transcripts import chat
from satchel.evals.transcripts.transcript import (
    Billed,
    Request,
    Transcript,
    bill,
    blocks,
    call,
    count,
    said,
    usage,
    words,
)  # fmt: skip
from satchel.runtime.context.message import Message

if TYPE_CHECKING:
    from satchel.evals.transcripts.source import Source
    from satchel.memory.records import Json

OWN = ("tool_use", "tool_result", "thinking")
"""Blocks that no other format of messages has."""


def fits(values: Sequence[Json]) -> bool:
    """Whether these are chats of this format."""
    found = chat.sample(values)
    if not found or not all(message.get("role") in ("user", "assistant") for message in found):
        return False
    beside = any("system" in head or _schemas(head.get("tools")) for head in chat.heads(values))
    return beside or any(blocks(message.get("content"), kind) for message in found for kind in OWN)


def _schemas(tools: Json) -> bool:
    return any(isinstance(t, dict) and "input_schema" in t for t in (tools if isinstance(tools, list) else []))


def read(source: Source) -> Iterator[Transcript]:
    """The chats of a file."""
    return chat.read(source, _chat, _reply)


def _chat(head: chat.Head, messages: list[Json]) -> Request:
    turns = (message for raw in messages for message in turn(raw["role"], raw.get("content")))
    return Request(messages=(*said("system", head.get("system")), *turns))


def turn(role: str, content: Json) -> Iterator[Message]:
    """The messages of one turn: a reply with its calls, or results of tools and then the words of the user."""
    if role == "assistant":
        yield Message("assistant", words(content), tuple(call(block) for block in blocks(content, "tool_use")))
        return
    if role != "user":
        raise ValueError(f"unknown role {str(role)[:40]!r}")
    for block in blocks(content, "tool_result"):
        yield Message("tool", words(block.get("content")), call_id=str(block["tool_use_id"]))
    yield from said("user", content)


def spent(found: Mapping[str, Json]) -> Billed:
    """The bill of a message."""
    used: Mapping[str, Json] = found["usage"]
    read, write = count(used, "cache_read_input_tokens"), count(used, "cache_creation_input_tokens")
    total = count(used, "input_tokens") + read + write
    used_up = usage(total=total, read=read, write=write, output=count(used, "output_tokens"))
    return bill(found.get("model"), used_up)


def _reply(response: Mapping[str, Json]) -> Request:
    billed = (spent(response),) if isinstance(response.get("usage"), dict) else ()
    reply = tuple(turn("assistant", response.get("content")))
    return Request(reply=reply, billed=billed, model=response.get("model"))
