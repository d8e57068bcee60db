"""Growing lists: a list that begins as the one before it is kept as a reference to that one and its new items.

`Pieces` remembers, for one channel, the last list that was written or read. An item that is still what it was is not
serialised again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from satchel.memory.list_seen import Seen
from satchel.memory.marks import mark
from satchel.memory.points import LIST_ID, entry_name

if TYPE_CHECKING:
    from satchel.memory.points import Segments

MOST_SEGMENTS = 64
"""Pieces of one list; above, it is written anew, so that loading it stays one read of its items."""


@dataclass(slots=True)
class Pieces:
    """The last list of a channel."""

    refs: list[bytes] = field(default_factory=list)
    segments: Segments = ()
    seen: Seen = field(default_factory=Seen)

    @classmethod
    def of(cls, items: Sequence[object], refs: list[bytes], segments: Segments) -> Pieces:
        """What is remembered of a list that was read."""
        return cls(refs, segments, Seen(items))

    def write(self, items: list[Any], refer: Callable[[Any], bytes]) -> tuple[Pieces, dict[bytes, bytes]]:
        """How to keep a list: what it shares with the last one as pieces of that, the rest as new entries."""
        before = len(self.refs)
        if self.seen.still(items):
            new = [refer(item) for item in items[before:]]
            same, refs, seen = before, self.refs, self.seen
            refs += new
            seen.add(items[same:])
        else:
            known = self.seen.places()
            refs = [self.refs[known[id(item)]] if id(item) in known else refer(item) for item in items]
            seen, same = self.seen.rearranged(items, known), _alike(self.refs, refs)
        kept, last = _cut(self.segments, same), same
        if same == len(refs):
            return Pieces(refs, kept, seen), {}
        if kept and same == before:
            of = kept[-1][0]
            kept = kept[:-1]
        else:
            of = mark(LIST_ID)
        if len(kept) >= MOST_SEGMENTS:
            of, kept, last = mark(LIST_ID), (), 0
        entries = {entry_name(of, n): refs[n] for n in range(last, len(refs))}
        return Pieces(refs, (*kept, (of, len(refs))), seen), entries


def _alike(one: list[bytes], other: list[bytes]) -> int:
    """How many first references two lists share."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))


def _cut(segments: Segments, length: int) -> Segments:
    """The pieces of the first items."""
    out: list[tuple[bytes, int]] = []
    for of, end in segments:
        out.append((of, min(end, length)))
        if end >= length:
            break
    return tuple(out) if length else ()
