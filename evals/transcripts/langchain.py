"""LangChain messages as `messages_to_dict`, `dumpd` or `model_dump` write them (langchain-core 1.x)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from satchel.evals.transcripts import chat
from satchel.evals.transcripts.transcript import Billed, Request, Transcript, arguments, bill, count, usage, words
from satchel.runtime.context.message import Message, Role, ToolCall

if TYPE_CHECKING:
    from satchel.evals.transcripts.source import Source
    from satchel.memory.records import Json

KINDS: Mapping[str, Role] = {
    "system": "system", "human": "user", "ai": "assistant", "tool": "tool", "function": "tool",
    "AIMessageChunk": "assistant", "HumanMessageChunk": "user", "SystemMessageChunk": "system",
    "ToolMessageChunk": "tool",
}  # fmt: skip


def fits(values: Sequence[Json]) -> bool:
    """Whether these are messages of this format."""
    found = chat.sample(values)
    return bool(found) and all(_fields(message).get("type") in KINDS and "role" not in message for message in found)


def _fields(raw: Mapping[str, Json]) -> Mapping[str, Json]:
    """The fields of a message, in whichever of the three wrappings."""
    if isinstance(raw.get("data"), dict):
        return {"type": raw.get("type"), **raw["data"]}
    return raw["kwargs"] if raw.get("lc") and isinstance(raw.get("kwargs"), dict) else raw


def read(source: Source) -> Iterator[Transcript]:
    """The chats of a file, with the usage that their replies hold."""
    return chat.read(source, _chat)


def _chat(_: chat.Head, messages: list[Json]) -> Request:
    found = [_fields(raw) for raw in messages]
    billed = tuple(_billed(fields) for fields in found if isinstance(fields.get("usage_metadata"), dict))
    model = next((bill.model for bill in billed if bill.model), None)
    return Request(messages=tuple(map(_message, found)), billed=billed, model=model)


def _message(fields: Mapping[str, Json]) -> Message:
    role = KINDS.get(fields["type"])
    if role is None:
        raise ValueError(f"unknown type {str(fields['type'])[:40]!r}")
    every = [*(fields.get("tool_calls") or ()), *(fields.get("invalid_tool_calls") or ())]
    calls = tuple(ToolCall(str(c.get("id")), str(c.get("name")), arguments(c.get("args"))) for c in every)
    answered = str(fields.get("tool_call_id")) if role == "tool" else None
    return Message(role, words(fields.get("content")), calls, call_id=answered)


def _billed(fields: Mapping[str, Json]) -> Billed:
    used, about = fields["usage_metadata"], fields.get("response_metadata") or {}
    into, out = used.get("input_token_details") or {}, used.get("output_token_details") or {}
    return bill(
        about.get("model_name", about.get("model")),
        usage(
            total=count(used, "input_tokens"), read=count(into, "cache_read"), write=count(into, "cache_creation"),
            output=count(used, "output_tokens"), reasoning=count(out, "reasoning"),
        ),
    )  # fmt: skip
