"""The built-in tool `recall`: reads a stored text again, in part, without putting all of it into the prompt."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from satchel.prompts import render
from satchel.runtime.context import tokens

if TYPE_CHECKING:
    from satchel.memory.records import Json

NAME = "recall"
LIMIT = 1_000
"""Tokens of one answer of recall."""

AROUND = 1
"""Lines shown before and after a line that matches a query."""

WIDE = 600
"""Characters of a matching line that are shown."""


def schema() -> dict[str, Json]:
    """The tool schema, in wire form."""
    text = {"type": "string"}
    properties = {"ref": text, "query": text, "lines": text, "path": text}
    parameters = {"type": "object", "properties": properties, "required": ["ref"]}
    return {
        "type": "function",
        "function": {"name": NAME, "description": render("recall"), "parameters": parameters},
    }


def select(
    text: str, *, query: str | None = None, lines: str | None = None, path: str | None = None, limit: int = LIMIT
) -> str:
    """The part of a text that was asked for, in at most `limit` tokens.

    `path` picks a value inside JSON (`a.b.0`), `lines` a range of lines (`10-20`, from 1), `query` the lines that hold
    these words, with their neighbours. A part that is not there is answered by a sentence, not by an exception.
    """
    steps: list[tuple[str | None, Callable[[str, str], str]]] = [(path, _path), (lines, _lines), (query, _query)]
    for value, pick in steps:
        if value:
            text = pick(text, value)
    return _bounded(text, limit)


def _bounded(text: str, limit: int) -> str:
    head = text[: limit * 16]
    ids = tokens.encode(head)
    if len(ids) <= limit and len(head) == len(text):
        return text
    shown = tokens.decode(ids[: limit - 40])
    lines = shown.count("\n") + 1
    total = text.count("\n") + 1
    return (
        f"{shown}\n[... {len(text) - len(shown):,} characters follow; shown: lines 1-{lines} of {total}; narrow it ...]"
    )


def _path(text: str, path: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "(no path can be followed: the text is not JSON)"
    for step in filter(None, re.split(r"[.\[\]]+", path.removeprefix("$"))):
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, ValueError, TypeError):
            return f"(nothing at {path!r}: no {step!r} in {_kind(value)})"
    return value if isinstance(value, str) else tokens.compact(value)


def _kind(value: Json) -> str:
    if isinstance(value, dict):
        return "an object with the keys " + ", ".join(islice(map(str, value), 20))
    return f"a list of {len(value)}" if isinstance(value, list) else "a plain value"


def _lines(text: str, lines: str) -> str:
    match = re.fullmatch(r"\s*(\d{1,9})\s*(?:[-:,]\s*(\d{1,9})\s*)?", lines)
    if not match:
        return f"(lines {lines!r} is not a range such as 10-20)"
    first, last = int(match[1]), int(match[2] or match[1])
    every = text.splitlines()
    return "\n".join(every[max(0, first - 1) : last]) or f"(no lines {lines}: the text has {len(every)})"


def _query(text: str, query: str) -> str:
    words = query.lower().split()
    every = text.splitlines()
    found = (n for n, line in enumerate(every) if all(word in line.lower() for word in words))
    near = (n for hit in islice(found, LIMIT) for n in range(max(0, hit - AROUND), min(len(every), hit + AROUND + 1)))
    shown = "\n".join(f"{n + 1}: {_around(every[n], words)}" for n in dict.fromkeys(near))
    return shown or f"(no line holds {query!r})"


def _around(line: str, words: Sequence[str]) -> str:
    """The line, or of a long one the part around the first word that it holds."""
    if len(line) <= WIDE:
        return line
    lower = line.lower()
    start = max(0, min((at for word in words if (at := lower.find(word)) >= 0), default=0) - WIDE // 3)
    return f"{'... ' * (start > 0)}{line[start : start + WIDE]}{' ...' * (start + WIDE < len(line))}"


def arguments(args: Json) -> dict[str, str | None]:
    """The arguments of a call of recall; whatever is not text is made text, whatever is unknown is left out."""
    given: dict[str, Json] = args if isinstance(args, dict) else {"ref": args}
    names: Sequence[str] = ("ref", "query", "lines", "path")
    return {name: None if given.get(name) is None else str(given[name]) for name in names}
