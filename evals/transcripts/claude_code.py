"""Claude Code's session files: a line an entry, each naming its parent.

One reply is as many lines as it has blocks, all with its message id and its usage. Of branches the one written last
counts, with all results of its calls. A side chain is a run of its own. Where history was compacted the path goes on
over the boundary and the summary is left out: full history is what it would have been. System text and tool schemas are
not recorded. Shapes as in sessions of the versions 1.0 to 2.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from satchel.evals.transcripts.anthropic import spent, turn
from satchel.evals.transcripts.source import Source, at
from satchel.evals.transcripts.transcript import Billed, Transcript, blocks, renamed, transcript
from satchel.evals.transcripts.tree import roots
from satchel.runtime.context.message import Message

if TYPE_CHECKING:
    from satchel.memory.records import Json

SPOKEN = ("user", "assistant")


def fits(values: Sequence[Json]) -> bool:
    """Whether these are entries of such a session."""
    return any(_spoken(value) and ("sessionId" in value or "parentUuid" in value) for value in values)


def _spoken(value: Json) -> bool:
    return isinstance(value, dict) and value.get("type") in SPOKEN and isinstance(value.get("message"), dict)


@dataclass(slots=True)
class _Entries:
    """The entries of a file by their ids, in order: the lines of each reply by its id, and of the results of a call."""

    values: dict[str, Mapping[str, Json]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    parents: dict[str, str | None] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    results: dict[str, list[str]] = field(default_factory=dict)

    def add(self, where: str, value: Json) -> None:
        if not isinstance(value, dict):
            raise TypeError("an entry is no object")
        name = value.get("uuid")
        if not isinstance(name, str):
            if _spoken(value):
                name = where  # an old version without ids: the entry before is the parent
                value = {"parentUuid": next(reversed(self.values), None), **value}
            else:
                return
        if name not in self.values:  # a resumed session repeats what it goes on with
            parent = value.get("parentUuid") or value.get("logicalParentUuid")
            self.values[name], self.places[name] = value, where
            self.parents[name] = parent if isinstance(parent, str) else None
            self.order[name] = len(self.order)
            if reply := self.reply(name):
                self.lines.setdefault(reply, []).append(name)
            for block in blocks(self.content(name), "tool_result"):
                self.results.setdefault(str(block.get("tool_use_id")), []).append(name)

    def kept(self, path: Sequence[str]) -> list[str]:
        """A path, with the other blocks of its replies and the results of their calls."""
        replies = {reply for name in path if (reply := self.reply(name))}
        on = {*path, *(line for reply in replies for line in self.lines[reply])}
        calls = {str(b.get("id")) for name in on for b in blocks(self.content(name), "tool_use")}
        on.update(line for call in calls for line in self.results.get(call, ()))
        return sorted(on, key=self.order.__getitem__)

    def reply(self, name: str) -> str | None:
        """The message id of a line of a reply."""
        value = self.values[name]
        found = value["message"].get("id") if value.get("type") == "assistant" and _spoken(value) else None
        return found if isinstance(found, str) else None

    def content(self, name: str) -> Json:
        """The content of an entry's message, if it has one."""
        value = self.values[name]
        return value["message"].get("content") if _spoken(value) else None


def read(source: Source) -> Iterator[Transcript]:
    """The runs of a session: the main one, and each side chain."""
    entries = _Entries()
    for where, value in source.records:
        at(where, partial(entries.add, where), value)
    found = [_run(source.name, entries, entries.kept(path)) for path in roots(list(entries.values), entries.parents)]
    runs = [run for run in found if run.trajectory.messages]
    yield from (renamed(run, f"{source.name}#{n}") if len(runs) > 1 else run for n, run in enumerate(runs, 1))


def _run(name: str, entries: _Entries, path: Sequence[str]) -> Transcript:
    said: list[list[Message]] = []  # a reply is one list with a part for each of its lines
    replies: dict[str, list[Message]] = {}
    billed: dict[str, Billed] = {}
    compactions = 0
    for key in path:
        value, reply = entries.values[key], entries.reply(key)
        compactions += value.get("subtype") == "compact_boundary"
        if not _spoken(value) or value.get("isCompactSummary") or value.get("isApiErrorMessage"):
            continue
        found = at(entries.places[key], lambda entry: list(turn(entry["type"], entry["message"].get("content"))), value)
        if reply is not None and isinstance(value["message"].get("usage"), dict):
            billed[reply] = at(entries.places[key], lambda entry: spent(entry["message"]), value)
        if reply is None:
            said.extend([message] for message in found)
        elif reply in replies:
            replies[reply].extend(found)
        else:
            replies[reply] = found
            said.append(found)
    model = next((bill.model for bill in billed.values() if bill.model), None)
    messages = _together([_joined(parts) for parts in said])
    return transcript(name, messages, model=model, billed=billed.values(), compactions=compactions)


def _joined(parts: Sequence[Message]) -> Message:
    if len(parts) == 1:
        return parts[0]
    content = "\n".join(filter(None, (part.content for part in parts)))
    return Message("assistant", content, tuple(call for part in parts for call in part.calls))


def _together(messages: Sequence[Message]) -> Iterator[Message]:
    """The messages, each reply followed at once by the results of its calls, whenever they came."""
    results = {m.call_id: m for m in messages if m.role == "tool"}
    asked = {call.id for m in messages for call in m.calls}
    for message in messages:
        if message.role != "tool" or message.call_id not in asked:
            yield message
        yield from (results.pop(call.id) for call in message.calls if call.id in results)
