"""Figures about rows: `count`, `sum:price`, `min:price`, `max:price`, `avg:price`, `group:city`, several at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import TYPE_CHECKING

from satchel.runtime.context.pattern import Unanswerable
from satchel.runtime.context.rows import Rows, fields
from satchel.runtime.context.shape import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from satchel.memory.records import Json

GROUPS = 40
"""Groups that are shown, the greatest first."""

KEY = 80
"""Characters of a value of the text that are shown."""

WORDS = re.compile(r"(?:^|(?<=[\s,;)]))(count|sum|min|max|avg|mean|group)(?:[\s_]*by)?\b[\s:=(]*", re.IGNORECASE)
NUMBER = re.compile(r"[$€£]?\s*([-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d{1,3})?)\s*%?", re.ASCII)
LONGEST = 64
"""Characters of a number."""

EXACT = Context(prec=60, traps=[])
"""Sums in decimal, so that ten times 0.1 is 1, with more digits than a float has; nothing in it raises."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure: what is done, and with which field (empty: the row itself)."""

    word: str
    field: str


def parse(asked: str) -> list[Measure]:
    """The measures that are asked for. Raises `Unanswerable`."""
    found = list(WORDS.finditer(asked))
    if not found or asked[: found[0].start()].strip():
        raise Unanswerable(f"aggregate {asked[:KEY]!r} is not understood; say count, sum:price or group:city sum:price")
    ends = [match.start() for match in found[1:]] + [len(asked)]
    return [
        Measure("avg" if (word := m[1].lower()) == "mean" else word, asked[m.end() : end].strip(" \t\n,;()'\"`:"))
        for m, end in zip(found, ends, strict=True)
    ]


def aggregate(rows: Rows, asked: str) -> str:
    """The figures, one a line. Raises `Unanswerable`."""
    measures = parse(asked)
    groups = [m for m in measures if m.word == "group"]
    figures = [m for m in measures if m.word != "group"] or [Measure("count", "")]
    columns = {m.field: [cell(rows.values[n] if rows.values else text, m.field) for n, text in enumerate(rows.texts)]
               for m in measures if m.field or m.word != "count"}  # fmt: skip
    for field, column in columns.items():
        if rows.texts and all(value is None for value in column):
            raise Unanswerable(f"no {rows.noun} has {field[:KEY]!r}; the first is {fields(rows)}"[:1_000])
    if not groups:
        every = range(len(rows.texts))
        return "\n".join(f"{_name(m)}: {_figure(m, columns, every, rows)[1]}" for m in figures)
    return _grouped([columns[m.field] for m in groups], figures, columns, rows)


def _grouped(keys: list[list[Json]], figures: list[Measure], columns: dict[str, list[Json]], rows: Rows) -> str:
    places: dict[str, list[int]] = {}
    for n in range(len(rows.texts)):
        places.setdefault(", ".join(shown(column[n]) for column in keys), []).append(n)
    found = [(key, [_figure(m, columns, at, rows) for m in figures]) for key, at in places.items()]
    found.sort(key=lambda group: (-group[1][0][0], group[0]))
    lines = [f"{key}: " + ", ".join(f"{_name(m)} {made[1]}" for m, made in zip(figures, made_, strict=True))
             for key, made_ in found[:GROUPS]]  # fmt: skip
    rest = [f"[... {len(found) - GROUPS:,} of {len(found):,} groups follow; narrow with query]"]
    return "\n".join([*lines, *(rest if len(found) > GROUPS else [])])


def _figure(m: Measure, columns: dict[str, list[Json]], at: Sequence[int], rows: Rows) -> tuple[Decimal, str]:
    """The figure of some rows, as what groups are ordered by and as text."""
    if m.word == "count":
        count = sum(columns[m.field][n] is not None for n in at) if m.field else len(at)
        return Decimal(count), f"{count}"
    cells = [(n, columns[m.field][n]) for n in at]
    numbers = [(n, value) for n, raw in cells if (value := number(raw)) is not None]
    if not numbers:
        return Decimal("-Infinity"), _texts(m, cells, rows)
    left = len(cells) - len(numbers)
    note = f" ({left} of {len(cells)} have no number)" if left else ""
    total = Decimal(0)
    for _, value in numbers:
        total = EXACT.add(total, value)
    if m.word in ("min", "max"):
        best: Callable[..., tuple[int, Decimal]] = min if m.word == "min" else max
        place, value = best(numbers, key=lambda pair: pair[1])
        return value, f"{plain(value)} at {rows.noun} {rows.numbers[place]}{note}"
    value = total if m.word == "sum" else EXACT.divide(total, Decimal(len(numbers)))
    return value, plain(value) + note


def _texts(m: Measure, cells: list[tuple[int, Json]], rows: Rows) -> str:
    """The least or greatest of texts, such as dates."""
    texts = [(value, n) for n, value in cells if isinstance(value, str)]
    if m.word not in ("min", "max") or not texts:
        return "none has a number"
    value, place = min(texts) if m.word == "min" else max(texts, key=lambda pair: (pair[0], -pair[1]))
    return f"{shown(value)} at {rows.noun} {rows.numbers[place]} (as text)"


def _name(m: Measure) -> str:
    return f"{m.word} of {shown(m.field)}" if m.field else m.word


def cell(value: Json, field: str) -> Json:
    """A field of a value: by its name, by a path of names, or by its name in other letters; None if it is not there."""
    if not field:
        return value.get("") if isinstance(value, dict) else None if isinstance(value, list) else value
    name = re.sub(r"^[$@]\.", "", field)
    if isinstance(value, dict):
        if name in value:
            return value[name]
        first, _, rest = name.partition(".")
        if rest and first in value:
            return cell(value[first], rest)
        return next((v for k, v in value.items() if k.strip().lower() == name.lower()), None)
    return None


def number(value: Json) -> Decimal | None:
    """The number that a value is, or that a text says: `1,234.50`, `$5`, `12 %`."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = value.strip() if isinstance(value, str) else repr(value)
    match = NUMBER.fullmatch(text) if len(text) <= LONGEST else None
    if match is None or not any(mark.isdigit() for mark in match[1]):
        return None
    return EXACT.create_decimal(match[1].replace(",", ""))


def plain(value: Decimal) -> str:
    """A number without needless digits."""
    short = EXACT.normalize(value)
    return f"{short:f}" if -LONGEST < short.adjusted() < LONGEST else str(short)


def shown(value: Json) -> str:
    """A value of the text, marked as quoted where it could be read as something else."""
    text = value if isinstance(value, str) else repr(value) if isinstance(value, float) else _json(value)
    return quote(text if len(text) <= KEY else text[:KEY] + "...")


def _json(value: Json) -> str:
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)[: 2 * KEY]
