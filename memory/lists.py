"""Growing lists: a list that begins as the one before it is kept as a reference to that one and its new items.

`Pieces` remembers, for one channel, the last list that was written or read, so that an item that cannot have changed
is not serialised again: the same message, whose fields are the same texts, or immutable.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import is_
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage

from satchel.memory.points import LIST_ID, entry_name

if TYPE_CHECKING:
    from satchel.memory.points import Segments

MOST_SEGMENTS = 64
"""Pieces of one list; above, it is written anew, so that loading it stays one read of its items."""

_SIMPLE = frozenset((str, int, float, bool, bytes, type(None)))


class _Mark:
    """An item as it was: for a message the texts and numbers of its fields, and its containers spelled out."""

    __slots__ = ("containers", "item", "text", "values")

    def __init__(self, item: object) -> None:
        self.item = item
        self.values: tuple[object, ...] | None = () if type(item) in _SIMPLE else None
        self.containers: tuple[object, ...] = ()
        self.text = ""
        if isinstance(item, BaseMessage):
            values = tuple(item.__dict__.values())
            containers = (item.__pydantic_extra__, *(value for value in values if type(value) not in _SIMPLE))
            if all(_plain(value) for value in containers):
                self.values, self.containers = values, containers
                self.text = repr(containers) if any(containers) else ""

    def holds(self, item: object) -> bool:
        """Whether the item is certainly what it was."""
        if item is not self.item or self.values is None:
            return False
        if not self.values:
            return True
        now = item.__dict__
        return (
            len(now) == len(self.values)
            and all(map(is_, now.values(), self.values))
            and (repr(self.containers) == self.text if self.text else not any(self.containers))
        )


def _plain(value: object) -> bool:
    """Whether a value is made of lists, dicts and simple values alone, so that its text says all of it."""
    if type(value) is list:
        return all(map(_plain, value))
    if type(value) is dict:
        return all(type(key) is str for key in value) and all(map(_plain, value.values()))
    return type(value) in _SIMPLE


@dataclass(slots=True)
class Pieces:
    """The last list of a channel."""

    refs: list[bytes] = field(default_factory=list)
    segments: Segments = ()
    marks: list[_Mark] = field(default_factory=list)

    @classmethod
    def of(cls, items: Sequence[object], refs: list[bytes], segments: Segments) -> Pieces:
        """What is remembered of a list that was read."""
        return cls(refs, segments, [_Mark(item) for item in items])

    def write(self, items: list[Any], refer: Callable[[Any], bytes]) -> tuple[Pieces, dict[bytes, bytes]]:
        """How to keep a list: what it shares with the last one as pieces of that, the rest as new entries."""
        both = enumerate(zip(self.marks, items, strict=False))
        same = next((n for n, (mark, item) in both if not mark.holds(item)), min(len(self.marks), len(items)))
        refs = self.refs[:same] + [refer(item) for item in items[same:]]
        marks = self.marks[:same] + [_Mark(item) for item in items[same:]]
        while same < min(len(refs), len(self.refs)) and refs[same] == self.refs[same]:
            same += 1
        kept, last = _cut(self.segments, same), same
        if same == len(refs):
            return Pieces(refs, kept, marks), {}
        if kept and same == len(self.refs):
            of = kept[-1][0]
            kept = kept[:-1]
        else:
            of = secrets.token_bytes(LIST_ID)
        if len(kept) >= MOST_SEGMENTS:
            of, kept, last = secrets.token_bytes(LIST_ID), (), 0
        entries = {entry_name(of, n): refs[n] for n in range(last, len(refs))}
        return Pieces(refs, (*kept, (of, len(refs))), marks), entries


def _cut(segments: Segments, length: int) -> Segments:
    """The pieces of the first items."""
    out: list[tuple[bytes, int]] = []
    for of, end in segments:
        out.append((of, min(end, length)))
        if end >= length:
            break
    return tuple(out) if length else ()
