"""Session files of the coding agent pi: a header, then entries that name their parent from version 2 on.

Of branches the one written last counts. A compaction's summary is left out and the path goes on: full history is what
it would have been. What was injected for one call alone is not there. System text and tool schemas are not recorded.
Shapes: packages/coding-agent/docs/session.md of badlogic/pi-mono, versions 1 to 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from satchel.evals.transcripts.source import Source, at
from satchel.evals.transcripts.transcript import (
    Billed,
    Transcript,
    bill,
    blocks,
    call,
    count,
    renamed,
    said,
    transcript,
    usage,
    words,
)  # fmt: skip
from satchel.evals.transcripts.tree import roots
from satchel.runtime.context.message import Message

if TYPE_CHECKING:
    from satchel.memory.records import Json

INJECTED = ("custom", "hookMessage")
"""Roles of messages that extensions put in; the model reads them as the user's."""


def fits(values: Sequence[Json]) -> bool:
    """Whether these are entries of such a session."""
    kinds = [value.get("type") if isinstance(value, dict) else None for value in values]
    held = any(
        isinstance(v, dict) and v.get("type") == "message" and isinstance(v.get("message"), dict) for v in values
    )
    return "session" in kinds and held


def read(source: Source) -> Iterator[Transcript]:
    """The run of a session; more than one if its entries have several roots."""
    entries: dict[str, tuple[str, Mapping[str, Json]]] = {}
    parents: dict[str, str | None] = {}
    model: Json = None
    for where, value in source.records:
        if at(where, lambda entry: entry.get("type"), value) == "session":
            model = value.get("modelId", model)
            continue
        name = value.get("id") if isinstance(value.get("id"), str) else where
        parent = value["parentId"] if "parentId" in value else next(reversed(entries), None)
        entries[name], parents[name] = (where, value), parent if isinstance(parent, str) else None
    found = [_run(source.name, [entries[name] for name in path], model) for path in roots(list(entries), parents)]
    runs = [run for run in found if run.trajectory.messages]
    yield from (renamed(run, f"{source.name}#{n}") if len(runs) > 1 else run for n, run in enumerate(runs, 1))


def _run(name: str, path: Sequence[tuple[str, Mapping[str, Json]]], model: Json) -> Transcript:
    messages: list[Message] = []
    billed: list[Billed] = []
    compactions = 0
    for where, entry in path:
        kind = entry.get("type")
        compactions += kind == "compaction"
        if kind == "custom_message":
            messages.extend(at(where, lambda value: list(said("user", value.get("content"))), entry))
        elif kind == "message":
            messages.extend(at(where, lambda value: list(_messages(value["message"])), entry))
            billed.extend(at(where, lambda value: list(_billed(value["message"])), entry))
    model = next((bill.model for bill in billed if bill.model), model)
    return transcript(name, messages, model=model, billed=billed, compactions=compactions)


def _messages(raw: Mapping[str, Json]) -> Iterator[Message]:
    role, content = raw["role"], raw.get("content")
    if role == "assistant":
        calls = tuple(call(block, args="arguments") for block in blocks(content, "toolCall"))
        text = words(content)
        if text or calls:  # a reply that was broken off before it said anything is not sent again
            yield Message("assistant", text, calls)
    elif role == "toolResult":
        yield Message("tool", words(content), call_id=str(raw["toolCallId"]))
    elif role == "user" or role in INJECTED:
        yield from said("user", content)
    elif role == "bashExecution" and not raw.get("excludeFromContext"):
        yield Message("user", f"Ran `{raw['command']}`\n{raw.get('output') or ''}")


def _billed(raw: Mapping[str, Json]) -> Iterator[Billed]:
    used = raw.get("usage")
    if raw["role"] != "assistant" or not isinstance(used, dict):
        return
    read, write = count(used, "cacheRead"), count(used, "cacheWrite")
    cost = used.get("cost")
    yield bill(
        raw.get("model"),
        usage(
            total=count(used, "input") + read + write, read=read, write=write, output=count(used, "output"),
            usd=cost.get("total") if isinstance(cost, dict) else None,
        ),
    )  # fmt: skip
