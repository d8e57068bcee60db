"""A stored text as rows: the values of JSON, JSON lines, the rows of a table with a header, or lines."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from satchel.runtime.context.jsonpath import kind, pick
from satchel.runtime.context.pattern import Unanswerable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.memory.records import Json

DELIMITERS = "\t,;|"
"""What may stand between the cells of a table."""

SAMPLE = 20
"""Rows of a table that must be as wide as its header."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Texts, the number that each is asked for by, their values where they have any, and what one of them is called."""

    texts: list[str]
    numbers: list[int]
    values: list[Json] | None = None
    noun: str = "line"

    def at(self, places: Sequence[int]) -> Rows:
        """Those at these places."""
        values = None if self.values is None else [self.values[n] for n in places]
        return Rows([self.texts[n] for n in places], [self.numbers[n] for n in places], values, self.noun)


def lines(text: str) -> Rows:
    """The lines of a text."""
    every = text.splitlines()
    return Rows(every, list(range(1, len(every) + 1)))


def at_path(text: str, path: str) -> Rows | str:
    """The values at a path, one a row; a single text, which has lines of its own, as it is. Raises `Unanswerable`."""
    found = pick(_json(text), path)
    value = found[0] if len(found) == 1 else found
    return value if isinstance(value, str) else _values(value if isinstance(value, list) else [value])


def table(text: str) -> Rows:
    """The rows of a text whose shape shows that it has any, else its lines."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            return _values(_listed(json.loads(text)))
        except (ValueError, RecursionError):
            return _json_lines(text) or lines(text)
    return _cells(text) or lines(text)


def dumps(value: Json) -> str:
    """A value as the runtime writes JSON: so the part of a result is a part of its text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _json(text: str) -> Json:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        rows = _json_lines(text)
    if rows is None:
        raise Unanswerable("no path can be followed: the text is not JSON")
    return rows.values


def _values(values: list[Json]) -> Rows:
    try:
        return Rows([dumps(v) for v in values], list(range(1, len(values) + 1)), values, "value")
    except RecursionError:
        raise Unanswerable("the text is nested too deeply") from None


def _listed(value: Json) -> list[Json]:
    """A list, or the only list of objects in an object: what a model means by the rows of a result."""
    if isinstance(value, dict):
        inside = [v for v in value.values() if isinstance(v, list) and v and all(isinstance(row, dict) for row in v)]
        return inside[0] if len(inside) == 1 else [value]
    return value if isinstance(value, list) else [value]


def _json_lines(text: str) -> Rows | None:
    every = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    try:
        values = [json.loads(line) for _, line in every]
    except (ValueError, RecursionError):
        return None
    return Rows([line for _, line in every], [n for n, _ in every], values, "value")


def _cells(text: str) -> Rows | None:
    every = text.splitlines()
    for mark in DELIMITERS:
        if not every or mark not in every[0]:
            continue
        reader = csv.reader(every, delimiter=mark)
        try:
            numbered = [(reader.line_num, row) for row in reader if row]
        except csv.Error:
            continue
        (_, header), *body = numbered
        if body and _is_header(header) and all(len(row) == len(header) for _, row in body[:SAMPLE]):
            values = [dict(zip(header, row, strict=False)) for _, row in body]
            return Rows([mark.join(row) for _, row in body], [n for n, _ in body], values, "row")
    return None


def _is_header(cells: list[str]) -> bool:
    named = all(cell.strip() and not cell.strip()[0].isdigit() for cell in cells)
    return len(cells) > 1 and named and len(set(cells)) == len(cells)


def fields(rows: Rows) -> str:
    """What the first row has, in words."""
    return kind(rows.values[0]) if rows.values else "plain text; name a group of regex"
