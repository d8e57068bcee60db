"""What is shown of a text that is too large: JSON by its shape, else its head and tail; binary is described.

A preview says how much is left out and where the whole is. Of a JSON document the first and last entries of each list
are shown, and of the columns of a table the least and greatest number:

    {"columns":["id","price"],"rows":[["a",3],"... 97 of 100 not shown; price 1 to 95 ...",["y",7],["z",9]]}
    [... parts not shown; whole text: res:123456789 ...]
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from satchel.runtime.context import tokens
from satchel.runtime.context.slim import COLUMNS, LARGEST, ROWS, Literal, document

if TYPE_CHECKING:
    from satchel.memory.records import Json

BLOB = re.compile(
    r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{512,}={0,2}"
    r"|^(?:[A-Za-z0-9+/]{60,76}\r?\n){8,}[A-Za-z0-9+/]*={0,2}",
    re.MULTILINE,
)
"""Base64 on one line, or on lines of the widths of PEM (RFC 7468) and MIME (RFC 2045)."""

MAGIC = {
    "iVBORw0KGgo": "PNG image", "/9j/": "JPEG image", "R0lGOD": "GIF image", "UklGR": "RIFF: WebP or sound",
    "JVBERi0": "PDF", "UEsDB": "ZIP or an office document", "H4sI": "gzip", "MII": "certificate or key",
}  # fmt: skip
"""What the first bytes of a file look like in base64."""

MOST, LEAST = 32, 2
"""Entries of a list that a preview shows at most, and at least."""

LONG = 400
"""Characters of a text in a JSON document that a preview shows."""

NOTE = 32
"""Tokens of the line that says what is not shown and where it is, at most."""


def preview(text: str, limit: int, handle: str) -> str:
    """A text in about `limit` tokens, and where the whole is; a short text comes back as it is."""
    if 4 * len(text) <= limit or tokens.at_most(text, limit) <= limit:  # a character has up to 4 bytes
        return text
    return _outline(text, limit, handle) or _ends(text, limit, handle)


def describe(text: str, handle: str) -> str:
    """The text with what is binary in it described; itself if nothing is."""

    def said(match: re.Match[str]) -> str:
        name = next((f", {name}" for start, name in MAGIC.items() if match[0].startswith(start)), "")
        return f"[base64{name}, {len(match[0]):,} characters not shown; whole text: {handle}]"

    return BLOB.sub(said, text)


def _ends(text: str, limit: int, handle: str) -> str:
    head, tail = limit * 6 // 10, limit * 2 // 10
    first = tokens.decode(tokens.encode(text[: head * 16])[:head])
    last = tokens.decode(tokens.encode(text[-tail * 16 :])[-tail:]) if tail else ""
    if len(first) + len(last) >= len(text):
        return text
    gap = len(text) - len(first) - len(last)
    return f"{first}\n[... {gap:,} of {len(text):,} characters not shown; whole text: {handle} ...]\n{last}"


def _outline(text: str, limit: int, handle: str) -> str | None:
    """The JSON document in a text with the middle of its lists and long texts left out; None if that does not do."""
    if len(text) > LARGEST:
        return None
    try:
        found = document(text, _DECODER)
        if found is None:
            return None
        value, start, end = found
        after = f"{text[end:]}\n[... parts not shown; whole text: {handle} ...]"
        most = MOST
        while most >= LEAST:
            shown = text[:start] + _Outline(most, ascii_only=text.isascii()).text(value) + after
            if tokens.at_most(shown, limit) <= limit:
                return shown
            most = most * 2 // 3
    except RecursionError:
        pass
    return None


_DECODER = json.JSONDecoder(parse_int=Literal, parse_float=Literal, parse_constant=Literal, strict=False)


class _Outline:
    """Writes a document with at most `most` entries of each list."""

    def __init__(self, most: int, *, ascii_only: bool) -> None:
        self._most = most
        self._ascii_only = ascii_only

    def text(self, value: Json) -> str:
        if isinstance(value, Literal):
            return value
        if isinstance(value, list):
            return self._list(value, ())
        if isinstance(value, dict):
            columns = value.get(COLUMNS)
            inner = [
                (k, self._list(v, columns) if k == ROWS and isinstance(v, list) and columns else self.text(v))
                for k, v in self._some(value)
            ]
            return "{" + ",".join(f"{self._quoted(k)}:{v}" for k, v in inner) + "}"
        if isinstance(value, str) and len(value) > LONG:
            return self._quoted(f"{value[:LONG]}... {len(value) - LONG:,} of {len(value):,} characters not shown")
        return json.dumps(value, ensure_ascii=self._ascii_only)

    def _quoted(self, text: str) -> str:
        return json.dumps(text, ensure_ascii=self._ascii_only)

    def _some(self, value: dict[str, Json]) -> list[tuple[str, Json]]:
        every = list(value.items())
        if len(every) <= 2 * self._most:
            return every
        note = (f"... {len(every) - 2 * self._most:,} of {len(every):,} names not shown", None)
        return [*every[: self._most], note, *every[-self._most :]]

    def _list(self, value: list[Json], columns: Sequence[Json]) -> str:
        if len(value) <= self._most:
            return f"[{','.join(map(self.text, value))}]"
        head, tail = self._most - self._most // 3, self._most // 3
        ranges = [f"; {name} {span}" for n, name in enumerate(columns) if (span := _range(value, n))]
        note = f"... {len(value) - head - tail:,} of {len(value):,} not shown{''.join(ranges)} ..."
        shown = [*map(self.text, value[:head]), self._quoted(note), *map(self.text, value[len(value) - tail :])]
        return f"[{','.join(shown)}]"


def _range(rows: Sequence[Json], column: int) -> str:
    """The least and the greatest of a column of numbers, as they are written; nothing if it has others."""
    cells = [row[column] for row in rows if isinstance(row, list) and len(row) > column]
    if not cells or not all(isinstance(cell, Literal) for cell in cells):
        return ""
    return f"{min(cells, key=float)} to {max(cells, key=float)}"
