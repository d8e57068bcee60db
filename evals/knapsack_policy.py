"""Scripted players of Opaque Knapsack: pure functions of the prompt, with no memory of their own.

A player sees what any reader sees: the words of the task, the answers of the tools beside their calls, and the digest,
if there is one. What the prompt no longer shows it does not know, and asks for again: the amnesia tax.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import count
from random import Random
from typing import TYPE_CHECKING

from satchel.evals.reader import Listing, digests
from satchel.memory.records import Json
from satchel.runtime.context.message import ToolCall
from satchel.runtime.models import Answer

if TYPE_CHECKING:
    from satchel.evals.knapsack_desk import Names
    from satchel.runtime.context.message import Message
    from satchel.runtime.models import Policy

TASK = re.compile(r"weight of (\d+)\. You may inspect (\d+) different")

Fact = tuple[str, tuple[str, ...], Json]
"""A tool, its arguments as texts, and what it answered: an object, or a list of item ids with its full length."""


@dataclass(slots=True)
class Known:
    """What the prompt shows of the game."""

    capacity: int = 0
    inspections: int = 0
    marks: dict[str, None] = field(default_factory=dict)
    stock: int | None = None
    seen: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    spent: bool = False
    finished: bool = False

    @property
    def listed(self) -> bool:
        """Whether the whole stock is in view."""
        return self.stock is not None and len(self.marks) >= self.stock

    @property
    def looks(self) -> int:
        """Inspections left, as far as the prompt shows."""
        return 0 if self.spent else self.inspections - len(self.seen)

    def candidates(self) -> list[str]:
        """Items in view that may go and fit, the densest in value first."""
        room = self.capacity - sum(self.seen[mark][2] for mark in self.taken if mark in self.seen)
        closed = {self.seen[mark][0] for mark in self.refused if mark in self.seen}
        fitting = [
            (value / weight, value, mark)
            for mark, (kind, value, weight) in self.seen.items()
            if weight <= room and kind not in closed and mark not in self.taken and mark not in self.refused
        ]
        return [mark for _, _, mark in sorted(fitting, key=lambda f: (-f[0], -f[1], f[2]))]


def expert(names: Names, *, per_turn: int) -> Policy:
    """Looks at all it may, `per_turn` a time, then takes the densest item that fits, one a turn."""
    return partial(_play, names, per_turn)


def explorer(names: Names) -> Policy:
    """A fool for the controls: picks a tool and an item at random, seeded by the prompt."""
    return partial(_wander, names)


def _play(names: Names, per_turn: int, messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
    known = read(messages, names)
    if known.finished or not tools:
        return Answer(f"Packed {len(known.taken)} articles.")
    fresh = [mark for mark in known.marks if mark not in known.seen]
    wanted = min(per_turn, known.looks)
    asked = any(call.name == names.list_items for call in _last_calls(messages))
    if wanted > len(fresh) and not known.listed and not asked:
        return _calls(messages, [(names.list_items, {})])
    if wanted > 0 and fresh:
        return _calls(messages, [(names.inspect, {names.item_id: mark}) for mark in fresh[:wanted]])
    for mark in known.candidates()[:1]:
        return _calls(messages, [(names.take_item, {names.item_id: mark})])
    return _calls(messages, [(names.finish, {})])


def _wander(names: Names, messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
    known = read(messages, names)
    if known.finished or not tools:
        return Answer("Enough.")
    rng = Random(_digest(messages))  # noqa: S311 - chance that the prompt decides, so that reruns are identical
    name = rng.choice([names.list_items, names.inspect, names.take_item, names.finish])
    item = {names.item_id: rng.choice(list(known.marks) or ["nothing"])}
    return _calls(messages, [(name, item if name in (names.inspect, names.take_item) else {})])


def _calls(messages: Sequence[Message], wanted: Sequence[tuple[str, dict[str, Json]]]) -> Answer:
    """An answer with these calls, their ids made from the prompt and new beside those that stand in it."""
    used = {call.id for message in messages for call in message.calls}
    seed = _digest(messages).hex()[:8]
    ids = (found for n in count() if (found := f"call_{seed}_{n}") not in used)
    return Answer(calls=tuple(ToolCall(next(ids), name, args) for name, args in wanted))


def _digest(messages: Sequence[Message]) -> bytes:
    return hashlib.sha256("\0".join(m.content for m in messages).encode(errors="replace")).digest()


def _last_calls(messages: Sequence[Message]) -> tuple[ToolCall, ...]:
    return next((message.calls for message in reversed(messages) if message.role == "assistant"), ())


def read(messages: Sequence[Message], names: Names) -> Known:
    """All that the prompt shows of the game."""
    known = Known()
    for message in messages:
        if message.role == "user" and (match := TASK.search(message.content)):
            known.capacity, known.inspections = int(match[1]), int(match[2])
    for tool, args, answer in _facts(messages, names):
        _learn(known, names, tool, args, answer)
    return known


def _facts(messages: Sequence[Message], names: Names) -> Iterator[Fact]:
    """What the digest tells first, then what the tools answered."""
    for message in messages:
        if message.role != "user":
            continue
        parts = digests(message.content)
        rows = [part for part in parts if not isinstance(part, Listing)]
        yield from ((row.tool, row.args, row.columns) for row in rows)
        for part in parts:
            if isinstance(part, Listing):
                above = dict.fromkeys(arg for row in rows for arg in row.args if arg.startswith(names.prefix))
                yield part.tool, (), ([*above, *part.rest], part.count)
    calls = {call.id: call for message in messages for call in message.calls}
    for message in messages:
        if message.role == "tool" and message.call_id in calls:
            call = calls[message.call_id]
            args = tuple(map(str, call.args.values())) if isinstance(call.args, dict) else ()
            yield call.name, args, _answer(message.content, names)


@lru_cache(maxsize=4096)
def _answer(content: str, names: Names) -> Json:
    """A tool's answer: its object, or its marks with their number (None where the text was cut)."""
    try:
        value, _ = json.JSONDecoder().raw_decode(content)
    except ValueError:
        return (re.findall(re.escape(names.prefix) + "[0-9a-f]{12}", content), None)
    if isinstance(value, dict) and names.items in value:
        value = value[names.items]
    return (value, len(value)) if isinstance(value, list) else value


def _learn(known: Known, names: Names, tool: str, args: tuple[str, ...], answer: Json) -> None:
    if isinstance(answer, tuple):
        if tool == names.list_items:
            marks, total = answer
            known.marks.update(dict.fromkeys(marks))
            known.stock = total if total is not None else known.stock
        return
    if tool == names.finish:
        known.finished = True
    if not (args and hasattr(answer, "get")):
        return
    mark, error = args[0], answer.get(names.error)
    if tool == names.inspect and {names.kind, names.value, names.weight} <= answer.keys():
        known.seen[mark] = (str(answer[names.kind]), int(answer[names.value]), int(answer[names.weight]))
        known.marks.setdefault(mark)
    elif tool == names.inspect:
        known.spent |= error == "inspection budget spent"
    elif tool == names.take_item and (error is None or error == "already taken"):
        known.taken.add(mark)
    elif tool == names.take_item:
        known.refused.add(mark)
