"""The built-in tool `recall`: reads or queries a stored text without putting all of it into the prompt."""

from __future__ import annotations

import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, islice, takewhile
from typing import TYPE_CHECKING, Any

from satchel.prompts import render
from satchel.runtime.context import tokens
from satchel.runtime.context.aggregate import aggregate as figures
from satchel.runtime.context.pattern import Unanswerable, hits
from satchel.runtime.context.rows import Rows, at_path, table
from satchel.runtime.context.rows import lines as lines_of

if TYPE_CHECKING:
    from satchel.memory.records import Json

NAME = "recall"
LIMIT = 1_000
"""Tokens of one answer of recall."""

NOTE = 60
"""Tokens set aside for the line that says how to go on."""

AROUND = 1
"""Lines shown before and after a line that matches."""

WIDE = 600
"""Characters of a matching line that are shown."""

FIELDS = ("ref", "lines", "query", "regex", "path", "aggregate")


def schema() -> dict[str, Json]:
    """The tool schema, in wire form."""
    text = {"type": "string"}
    parameters = {"type": "object", "properties": dict.fromkeys(FIELDS, text)}
    return {
        "type": "function",
        "function": {"name": NAME, "description": render("recall"), "parameters": parameters},
    }


def arguments(args: Json) -> dict[str, str | None]:
    """The arguments of a call of recall; whatever is not text is made text, whatever is unknown is left out."""
    given: dict[str, Json] = args if isinstance(args, dict) else {"ref": args}
    return {name: None if given.get(name) is None else str(given[name]) for name in FIELDS}


def select(
    text: str,
    limit: int = LIMIT,
    /,
    *,
    lines: str | None = None,
    query: str | None = None,
    regex: str | None = None,
    path: str | None = None,
    aggregate: str | None = None,
) -> str:
    """The part of a text that was asked for, or figures about it, in at most `limit` tokens.

    In this order: `path` picks values inside JSON, one a line, `lines` a range (`10-20`, from 1), `query` the lines
    that hold these words, `regex` those that it matches, both with their neighbours; `aggregate` counts or sums what is
    left. Never raises: what cannot be answered is answered by a sentence.
    """
    try:
        picked = at_path(text, path) if path else text
        if isinstance(picked, str) and not (lines or query or regex or aggregate) and _fits(picked, limit):
            return picked
        rows = picked if isinstance(picked, Rows) else table(picked) if aggregate else lines_of(picked)
        part = _range(rows, lines) if lines else rows
        if aggregate:
            return _bounded(_only(figures(_matching(part, query, regex), aggregate)), limit)
        return _bounded(_near(part, query, regex) if query or regex else part, limit, last=part.numbers[-1:])
    except Unanswerable as error:
        return _bounded(_only(f"({error})"), limit)


def search(
    stored: Sequence[tuple[str, str]], limit: int = LIMIT, /, *, query: str | None = None, regex: str | None = None
) -> str:
    """The lines of (handle, text) pairs that hold these words and that the pattern matches, each after its handle."""
    found = [(handle, number, line) for handle, text in stored for number, line in enumerate(text.splitlines(), 1)]
    rows = Rows([line for _, _, line in found], list(range(len(found))))
    try:
        part = _matching(rows, query, regex).numbers[:LIMIT]
    except Unanswerable as error:
        return _bounded(_only(f"({error})"), limit)
    word = (query or "").lower().partition(" ")[0]
    told = []
    for handle, number, line in (found[n] for n in part):
        told.append(f"{handle} line {number}: {_around(line, max(0, line.lower().find(word)))}")
    return _bounded(_only("\n".join(told) or f"(no stored text holds {query or regex!r})"), limit)


def _only(text: str) -> Rows:
    return Rows(text.splitlines(), [])


def _range(rows: Rows, asked: str) -> Rows:
    match = re.fullmatch(r"\s*(\d{1,9})\s*([-:,]\s*(\d{1,9})?)?\s*", asked)
    if not match:
        raise Unanswerable(f"lines {asked[:80]!r} is not a range such as 10-20")
    first = int(match[1])
    last = int(match[3]) if match[3] else sys.maxsize if match[2] else first
    found = range(bisect_left(rows.numbers, first), bisect_right(rows.numbers, last))
    if not found:
        raise Unanswerable(f"no lines {asked.strip()}: the text has {len(rows.texts)} {rows.noun}s")
    return rows.at(found)


def _matching(rows: Rows, query: str | None, regex: str | None) -> Rows:
    """The rows that hold the words and that the pattern matches; of plain lines, the groups of the match as fields."""
    if query:
        rows = rows.at(list(_holding(rows.texts, query)))
    if not regex:
        return rows
    found = list(hits(regex, rows.texts))
    part = rows.at([n for n, _ in found])
    return part if rows.values else replace(part, values=[_groups(match) for _, match in found])


def _groups(match: Any) -> dict[str, Json]:
    numbered = {str(n): match[n] for n in range(len(match.groups()) + 1)}
    return {**numbered, **match.groupdict(), "": match[1] if match.groups() else match[0]}


def _holding(texts: Sequence[str], query: str) -> Iterator[int]:
    words = query.lower().split()
    for n, text in enumerate(texts):
        lower = text.lower()
        if all(word in lower for word in words):
            yield n


def _near(rows: Rows, query: str | None, regex: str | None) -> Rows:
    """The matching rows and their neighbours, each with its number."""
    held = list(islice(_holding(rows.texts, query), None if regex else LIMIT)) if query else range(len(rows.texts))
    starts: dict[int, int] = {}
    if regex:
        texts = rows.texts if not query else [rows.texts[n] for n in held]
        starts = {held[n]: match.start() for n, match in islice(((n, m) for n, m in hits(regex, texts)), LIMIT)}
    else:
        words = (query or "").lower().split()
        starts = {n: min((at for w in words if (at := rows.texts[n].lower().find(w)) >= 0), default=0) for n in held}
    near = dict.fromkeys(
        n for hit in starts for n in range(max(0, hit - AROUND), min(len(rows.texts), hit + AROUND + 1))
    )
    if not near:
        asked = " and ".join(repr(what[:200]) for what in (query, regex) if what)
        raise Unanswerable(f"no {rows.noun} holds {asked}")
    shown = rows.at(list(near))
    return replace(shown, texts=[f"{rows.numbers[n]}: {_around(rows.texts[n], starts.get(n, 0))}" for n in near])


def _around(line: str, at: int) -> str:
    """The line, or of a long one the part around the first match."""
    if len(line) <= WIDE:
        return line
    start = max(0, at - WIDE // 3)
    return f"{'... ' * (start > 0)}{line[start : start + WIDE]}{' ...' * (start + WIDE < len(line))}"


def _fits(text: str, limit: int) -> bool:
    return len(text) <= limit * 16 and tokens.count(text) <= limit


def _bounded(rows: Rows, limit: int, last: Sequence[int] = ()) -> str:
    """The rows as text, or those of them that fit and a line that says how to go on."""
    sizes = accumulate(len(text) + 1 for text in rows.texts)
    head = rows.texts[: 1 + sum(1 for _ in takewhile(lambda size: size <= limit * 16, sizes))]
    text = "\n".join(head)
    if len(head) == len(rows.texts) and _fits(text, limit):
        return text
    shown = tokens.decode(tokens.encode(text[: limit * 16])[: limit - NOTE])
    whole = sum(1 for size in accumulate(len(line) + 1 for line in head) if size - 1 <= len(shown))
    if not whole or not rows.numbers:
        shown = shown.rstrip("\ufffd")
        left = len(head[0] if rows.numbers else text) - len(shown)
        return f"{shown}\n[... {left:,} more characters; narrow it with path, query or regex ...]"
    onward = f"lines={rows.numbers[whole - 1] + 1}-{last[0] if last else ''}"
    return "\n".join(head[:whole]) + f"\n[... more {rows.noun}s follow; go on with {onward} ...]"
