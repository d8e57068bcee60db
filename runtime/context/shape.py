"""What can be read off a tool's result without knowing the tool: rows of named values, a list, or plain text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from satchel.memory.records import Json

LONGEST = 64
"""Characters of the longest value that may stand in a cell."""

WIDEST = 16
"""Cells of the widest row; a wider object is shown as text."""

MOST_ROWS = 64
"""Objects of the longest list that is shown as rows."""

DEEPEST = 3
"""Levels of objects that are read; deeper ones are left to the whole text."""

LARGEST = 200_000
"""Characters of the largest result that is parsed."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The readable part of a result: rows of (column, value) pairs, named lists of scalars, and whether that is all."""

    rows: tuple[tuple[tuple[str, str], ...], ...] = ()
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()
    whole: bool = False
    many: bool = False


TEXT = Shape()
"""The shape of a result that is none: plain text."""


def shape(text: str) -> Shape:
    """The shape of a result; `TEXT` if it is not JSON, or too wide or too deep to be read as rows."""
    if len(text) > LARGEST or not text.lstrip().startswith(("{", "[")):
        return TEXT
    try:
        value = json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return TEXT
    if isinstance(value, dict):
        return _object(value)
    if value and all(_scalar(v) for v in value):
        return Shape(lists=(("", tuple(map(_cell, value))),), whole=all(_short(v) for v in value))
    if value and len(value) <= MOST_ROWS and all(isinstance(v, dict) for v in value):
        return _table(value)
    return TEXT


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) < len(pairs):  # of two values with one name only the last would be seen
        raise ValueError("a name stands twice")
    return value


def _table(value: list[dict[str, Json]]) -> Shape:
    parts = [_object(v) for v in value]
    if any(len(p.rows) != 1 or p.lists for p in parts):
        return TEXT
    return Shape(rows=tuple(p.rows[0] for p in parts), whole=all(p.whole for p in parts), many=True)


def _object(value: dict[str, Json]) -> Shape:
    cells: list[tuple[str, str]] = []
    lists: list[tuple[str, tuple[str, ...]]] = []
    whole = True
    leaves = _leaves(value, "")
    for path, leaf in leaves:
        if _scalar(leaf) and _short(leaf):
            cells.append((path, _cell(leaf)))
        elif isinstance(leaf, list) and leaf and all(_scalar(v) and _short(v) for v in leaf):
            lists.append((path, tuple(map(_cell, leaf))))
        else:
            whole = False
    if len(cells) > WIDEST or not (cells or lists) or len({path for path, _ in leaves}) < len(leaves):
        return TEXT
    return Shape(rows=(tuple(cells),) if cells else (), lists=tuple(lists), whole=whole)


def _leaves(value: dict[str, Json], path: str) -> list[tuple[str, Json]]:
    out: list[tuple[str, Json]] = []
    for key, leaf in value.items():
        if isinstance(leaf, dict) and leaf and path.count(".") < DEEPEST:
            out += _leaves(leaf, f"{path}{key}.")
        else:
            out.append((path + key, leaf))
    return out


def _scalar(value: Json) -> bool:
    return not isinstance(value, list | dict)


def _short(value: Json) -> bool:
    return len(_cell(value)) <= LONGEST


def _cell(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


SEPARATORS = {ord(mark): json.dumps(mark)[1:-1] for mark in "\x85\u2028\u2029"}
"""Line breaks that JSON leaves as they are."""


def quote(cell: str) -> str:
    """A value as it stands in a row: as it is, or as a JSON string where it would be read as something else."""
    plain = cell.isprintable() and cell == cell.strip() and not any(mark in cell for mark in ',:"[]')
    if plain and cell and cell not in ("-", "older") and not cell.startswith(("@", "|")):
        return cell
    return json.dumps(cell, ensure_ascii=False).translate(SEPARATORS)
