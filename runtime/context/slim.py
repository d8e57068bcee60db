"""Lossless slimming of a tool's result: JSON without blanks, lists of like objects as tables, repeated lines once.

A slimmed document is JSON still. Objects with the same names stand as

    {"each":{"status":"final"},"columns":["id","code.text"],"rows":[["1","K"],["2","K",{"note":"late"}]]}

`each` holds what is the same in all of them, a row its values in the order of the columns, and a last object what only
this row has. A name with dots is a path, `[0]` the only element of a list. Rows of an object of objects stand under
their names. No number, text or order of a list is changed: the test of this module has the document back from it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from satchel.memory.records import Json

SMALLEST, LARGEST = 256, 1_000_000
"""Characters of the shortest text worth slimming, and of the longest that is read for it."""

WORTH = 0.95
"""Share of the characters above which a text stays as it is."""

LIKE = 2
"""Objects of the shortest list that may stand as a table."""

ALIKE = 3
"""Lines of the shortest run that stands as one."""

COLUMNS, ROWS, EACH = "columns", "rows", "each"

DEEPEST = 4
"""Levels of objects whose names become paths."""

_SURROGATE = re.compile("[\ud800-\udfff]")
AGAIN = "[the line above, "
"""What stands below a line that stood several times."""


class Literal(str):
    """A number as it was written."""

    __slots__ = ()


def slim(text: str) -> str:
    """A text in fewer characters that say the same; itself where little is gained."""
    if not SMALLEST <= len(text) <= LARGEST:
        return text
    shorter = _document(text) or _lines(text)
    return shorter if len(shorter) <= WORTH * len(text) else text


def document(text: str, decoder: json.JSONDecoder) -> tuple[Json, int, int] | None:
    """The JSON document that a text is for the most part, its first character and the one behind it; None if none is.

    Raises `RecursionError` for one that is nested too deep.
    """
    for start in sorted(at for mark in "{[" if (at := text.find(mark)) >= 0):
        with suppress(json.JSONDecodeError):
            value, end = decoder.raw_decode(text, start)
            if 2 * (end - start) > len(text):
                return value, start, end
    return None


def _document(text: str) -> str | None:
    """The text with the JSON document in it slimmed; None if that cannot be."""
    try:
        if found := document(text, _DECODER):
            value, start, end = found
            shorter = _Writer(ascii_only=text.isascii()).text(value)
            return None if _SURROGATE.search(shorter) else text[:start] + shorter + text[end:]
    except (_Ambiguous, RecursionError):
        pass
    return None


class _Ambiguous(Exception):
    """A name that stands twice, or an object that would be taken for a table of ours."""


def _pairs(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) < len(pairs) or {COLUMNS, ROWS} <= value.keys():
        raise _Ambiguous
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=Literal, parse_float=Literal, parse_constant=Literal, strict=False
)


class _Writer:
    """Writes a document, each list and object as it is or as a table, whichever is shorter."""

    def __init__(self, *, ascii_only: bool) -> None:
        self._ascii_only = ascii_only
        self._written: dict[int, str] = {}

    def text(self, value: Json) -> str:
        if isinstance(value, Literal):
            return value
        if not isinstance(value, dict | list) or not value:
            return json.dumps(value, ensure_ascii=self._ascii_only)
        if (known := self._written.get(id(value))) is None:
            known = self._written[id(value)] = min(filter(None, (self._plain(value), self._table(value))), key=len)
        return known

    def _plain(self, value: dict[str, Json] | list[Json]) -> str:
        if isinstance(value, list):
            return f"[{','.join(map(self.text, value))}]"
        return self._object((k, self.text(v)) for k, v in value.items())

    def _object(self, pairs: Iterable[tuple[str, str]]) -> str:
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=self._ascii_only)}:{v}" for k, v in pairs) + "}"

    def _table(self, value: dict[str, Json] | list[Json]) -> str | None:
        objects = list(value.values()) if isinstance(value, dict) else value
        if len(objects) < LIKE or not all(isinstance(v, dict) and _named(v) for v in objects):
            return None
        rows = [{path: self.text(v) for path, v in _leaves(v, "", DEEPEST)} for v in objects]
        first, *rest = rows
        common = {path: None for path in first if all(path in row for row in rest)}
        each = {path: first[path] for path in common if all(row[path] == first[path] for row in rest)}
        columns = [path for path in common if path not in each]
        shown = [self._row(row, columns, common) for row in rows]
        body = self._object(zip(value, shown, strict=True)) if isinstance(value, dict) else f"[{','.join(shown)}]"
        parts = {EACH: self._object(each.items()), COLUMNS: f"[{','.join(map(self.text, columns))}]", ROWS: body}
        return self._object((k, v) for k, v in parts.items() if k != EACH or each)

    def _row(self, row: dict[str, str], columns: Sequence[str], common: Container[str]) -> str:
        own = [(path, v) for path, v in row.items() if path not in common]
        return f"[{','.join([*(row[c] for c in columns), *([self._object(own)] if own else ())])}]"


def _named(value: dict[str, Json]) -> bool:
    """Whether the names in an object cannot be taken for paths."""
    return bool(value) and not any("." in name or "[" in name for name in value)


def _leaves(value: dict[str, Json], path: str, deep: int) -> Iterator[tuple[str, Json]]:
    for name, leaf in value.items():
        only = leaf[0] if isinstance(leaf, list) and len(leaf) == 1 else leaf
        if deep and isinstance(only, dict) and _named(only):
            yield from _leaves(only, f"{path}{name}{'.' if only is leaf else '[0].'}", deep - 1)
        else:
            yield path + name, leaf


def _lines(text: str) -> str:
    """The text with each run of the same line written once, and how often it stands there."""
    if AGAIN in text:
        return text
    out: list[str] = []
    for line, run in groupby(text.split("\n")):
        times = sum(1 for _ in run)
        again = f"{AGAIN}{times:,} times]"
        out += [line, again] if times >= ALIKE and (times - 1) * (len(line) + 1) > len(again) else [line] * times
    return "\n".join(out)
