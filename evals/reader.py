"""Reads the digest of a prompt the way any reader could: tables of earlier calls, and lists, by the shape of the lines.

Only the grammar of the digest is known here, no tool and no task, so each scripted policy can use it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

BLOCK = re.compile(r"^\[satchel (\S+)[^\n]*\]\n(.*?)^\[/satchel \1(?: [^\n]*)?\]", re.DOTALL | re.MULTILINE)
HEADER = re.compile(r"@ (?P<tool>[^(]+)\((?P<args>[^)]*)\)\S* -> (?P<rest>.*)")
LISTING = re.compile(r"(?P<count>\d+) values?(?:, \d+ above)?(?:; rest: ?(?P<rest>.*))?")
HANDLES = re.compile(r"(?:(?:^|\s)\s*res:[0-9a-z]{4,32})+(?: (?:says|names): .*)?$")
CELL = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^,"]*)\s*(?:,|$)')
ENDS = ("@ older: ", "@ texts")
"""What stands behind the tables."""
QUOTED_KEY = re.compile(r'((?:"(?:[^"\\]|\\.)*"|[^":])*):(?: |$)')


@dataclass(frozen=True, slots=True)
class Row:
    """One earlier call in a table: its tool, its arguments as texts, and the columns of its result as texts."""

    tool: str
    args: tuple[str, ...]
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that an earlier call gave: how many values it had, and those that stand nowhere else in the digest."""

    tool: str
    count: int
    rest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Header:
    """What the header of a table says: its tool, how many arguments a row has, and the columns as written."""

    tool: str
    args: int
    columns: list[str]


@lru_cache(maxsize=64)
def digests(text: str) -> tuple[Row | Listing, ...]:
    """All rows and lists in the digest blocks of a message, in order; missing values are left out of `columns`."""
    return tuple(part for block in BLOCK.finditer(text) for part in _block(block[2]))


def _block(body: str) -> Iterator[Row | Listing]:
    header: _Header | None = None
    for raw in body.splitlines():
        line = HANDLES.sub("", raw)
        if raw.startswith(ENDS):
            header = None
        elif match := HEADER.fullmatch(line):
            found = LISTING.fullmatch(match["rest"])
            if found:
                yield Listing(_plain(match["tool"]), int(found["count"]), _cells(found["rest"] or ""))
            columns = [] if match["rest"] == "behind" else _split(match["rest"].removeprefix("[] "))
            header = None if found else _Header(_plain(match["tool"]), len(_split(match["args"])), columns)
        elif header and (row := _row(header, line)):
            yield row


def _row(header: _Header, line: str) -> Row | None:
    """The row of a line, or None if its arguments or its cells are not as many as the header says."""
    match = QUOTED_KEY.match(line)
    if not match:
        return None
    args, values = _cells(match[1]), _split(line[match.end() :])
    cells = iter(values)
    parts = [column.partition("=") for column in header.columns]
    if len(args) != header.args or len(values) != sum(not fixed for _, fixed, _ in parts):
        return None
    shown = ((_plain(name), value if fixed else next(cells)) for name, fixed, value in parts)
    return Row(header.tool, args, {name: _plain(cell) for name, cell in shown if cell != "-"})


def _split(text: str) -> list[str]:
    """Raw cells of a line, still quoted."""
    return [match[1].strip() for match in CELL.finditer(text) if match[0]]


def _cells(text: str) -> tuple[str, ...]:
    return tuple(map(_plain, _split(text)))


def _plain(cell: str) -> str:
    """The value of a cell: a JSON string is decoded, anything else stands for itself."""
    if not cell.startswith('"'):
        return cell
    try:
        return str(json.loads(cell))
    except ValueError:
        return cell
