"""A recalled text as parts of the text that it came from, so that a log does not hold the same text twice.

What is stored of such a result is the text without its copies, and `cuts`: a flat list of `own, skip, length`, which
says that after the next `own` characters of what is stored come `length` characters of the source, from `skip` behind
the end of the copy before. Reading needs no more than that: it asks neither the tool again nor the clock, so a later
version of the tool gives the same bytes.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from satchel.memory.errors import DamagedEntry
from satchel.memory.records import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from satchel.memory.records import Entry, Json, Record

WORTH = 24
"""Characters of the shortest copy that is cut out: a cut itself takes up to some 11 bytes."""

MISSES = 16
"""Lines that are not found behind the one before, until the search is given up: each costs a pass over the source."""

LARGEST = 1 << 20
"""Characters of the longest text that is put together again; a result of recall is far shorter."""

_MARKED = re.compile(r"(?:\d+[:-] ?)?(?:\.\.\. )?(.*?)(?: \.\.\.)?\n?", re.DOTALL)
_TRIPLE = 3


def thin(record: Result, whole: str) -> Result:
    """The result as it is stored, without what is a copy of a part of `whole`."""
    pieces = _pieces(record.text, marked=False)
    if not pieces or record.text[slice(*pieces[0])] not in whole:
        pieces = _pieces(record.text, marked=True)
    cuts, rest = _cut(record.text, pieces, whole)
    return replace(record, text=rest, cuts=cuts) if cuts else record


def _pieces(text: str, *, marked: bool) -> list[tuple[int, int]]:
    """What may be a copy: each line with its end, or without its end and the marks that a query puts around it."""
    found, start = [], 0
    for line in text.splitlines(keepends=True):
        first, last = _MARKED.fullmatch(line).span(1) if marked else (0, len(line))  # type: ignore[union-attr]  # fits any
        if last - first >= WORTH:
            found.append((start + first, start + last))
        start += len(line)
    return found


def _cut(text: str, pieces: list[tuple[int, int]], whole: str) -> tuple[list[int], str]:
    cuts: list[int] = []
    rest: list[str] = []
    end = hint = misses = 0
    for start, stop in pieces:
        piece = text[start:stop]
        at = whole.find(piece, hint)
        if at < 0:
            misses += 1
            at = whole.find(piece, 0, hint + len(piece))
        if misses > MISSES:
            break
        if at < 0:
            continue
        if cuts and start == end and at == hint:
            cuts[-1] += len(piece)
        else:
            rest.append(text[end:start])
            cuts += [start - end, at - hint, len(piece)]
        hint, end = at + len(piece), stop
    return cuts, "".join([*rest, text[end:]])


def source(entry: Entry) -> int | None:
    """The entry from which a result takes parts of its text, if it stands here as it is stored."""
    record = entry.record
    return record.of if isinstance(record, Result) and record.cuts is not None else None


def filled(entries: Iterable[Entry], near: Mapping[int, Entry], text_of: Callable[[Record], str | None]) -> list[Entry]:
    """The entries with all results whole; `near` holds the entries that they refer to. Raises `DamagedEntry`."""

    def whole(entry: Entry) -> Entry:
        record = entry.record
        if not isinstance(record, Result) or record.cuts is None:
            return entry
        found = near.get(-1 if record.of is None else record.of)
        plain = found and found.seq < entry.seq and source(found) is None
        return replace(entry, record=fill(record, text_of(found.record) if found and plain else None, entry.seq))

    return [whole(entry) for entry in entries]


def fill(record: Result, whole: str | None, seq: int) -> Result:
    """The result at entry `seq` as it was; `DamagedEntry` if its cuts do not fit the text that they came from."""
    parts = None if whole is None else _parts(record.cuts, record.text, whole)
    if parts is None:
        raise DamagedEntry(f"entry {seq} refers to a text that is not there; restore the store, or remove the thread")
    return replace(record, text="".join(parts), cuts=None)


def _parts(cuts: Json, text: str, whole: str) -> list[str] | None:
    if type(cuts) is not list or len(cuts) % _TRIPLE or not all(type(n) is int for n in cuts):
        return None
    parts: list[str] = []
    held = at = total = 0
    for n in range(0, len(cuts), _TRIPLE):
        own, skip, length = cuts[n : n + _TRIPLE]
        start, total = at + skip, total + length
        if own < 0 or length < 0 or held + own > len(text) or start < 0 or total > LARGEST:
            return None
        at = start + length
        if at > len(whole):
            return None
        parts += [text[held : held + own], whole[start:at]]
        held += own
    return [*parts, text[held:]]
