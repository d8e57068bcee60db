"""Any Python value as JSON that can be stored: same value, same JSON; nothing raises, nothing is silently dropped."""

from __future__ import annotations

import base64
import math
import re
from collections import deque
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date, time
from enum import Enum
from hashlib import blake2s
from reprlib import Repr
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from satchel.memory.records import Json

DEEPEST = 100
"""Levels of nesting that are kept; what lies deeper becomes its repr."""

MOST = 2_000_000
"""Values inside one value that are kept; a text says how many more each container had."""

LEAST, GREATEST = -(1 << 63), (1 << 64) - 1
"""The integers that are kept as integers."""

_SCALARS = (str, int, float, bytes, bytearray, memoryview, date, time)
_REPR = 1_000
_BYTES = 1 << 20
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


def normalise(value: object) -> Json:
    """Make any value storable JSON.

    Kept: None, booleans, text, finite floats, integers of 64 bits (signed or unsigned), lists, dicts with text keys.
    Lone surrogates are escaped visibly; NaN, infinities and greater integers become text; tuples and deques become
    lists, sets sorted lists; keys become text (on a clash with `'` added); dataclasses, pydantic models and mappings
    become dicts; enums their value; dates ISO text. Bytes become the text that they are in UTF-8, else
    `base64:...`, else above 1 MiB a description with length and digest. All else, also a cycle and what lies deeper
    than `DEEPEST`, becomes its repr in at most 1,000 characters, without memory addresses.
    """
    return _Walk().value(value, 0)


def text(value: str) -> str:
    """The text with lone surrogates escaped visibly."""
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="backslashreplace").decode()
    return value


class _Walk:
    """One pass over a value; knows what it is inside of, and how much it has seen."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._seen = 0

    def value(self, value: object, depth: int) -> Json:
        self._seen += 1
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, _SCALARS) and not isinstance(value, Enum):
            return _scalar(value)
        if depth >= DEEPEST or id(value) in self._open:
            return _described(value)
        self._open.add(id(value))
        try:
            return self._inside(value, depth + 1)
        except Exception:  # noqa: BLE001 - values of strangers may raise anything when looked at
            return _described(value)
        finally:
            self._open.discard(id(value))

    def _inside(self, value: object, depth: int) -> Json:
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, (list, tuple, deque)):
            return self._list(value, depth)
        if isinstance(value, AbstractSet):
            return sorted(self._list(value, depth), key=lambda item: (type(item).__name__, str(item)))
        inner = _converted(value)
        return _described(value) if inner is value else self.value(inner, depth)

    def _list(self, value: Collection[object], depth: int) -> list[Json]:
        out: list[Json] = []
        for item in value:
            if self._seen >= MOST:
                return [*out, f"<{len(value) - len(out)} more values>"]
            out.append(self.value(item, depth))
        return out

    def _mapping(self, value: Mapping[object, object], depth: int) -> dict[str, Json]:
        out: dict[str, Json] = {}
        for key, item in value.items():
            if self._seen >= MOST:
                return out | {f"<{len(value) - len(out)} more values>": None}
            name = _key(key)
            while name in out:
                name += "'"
            out[name] = self.value(item, depth)
        return out


def _converted(value: object) -> object:
    """The value behind an enum, a dataclass or a pydantic model; itself if it is none of them."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, type):
        return value
    if is_dataclass(value):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    dump = getattr(value, "model_dump", None)
    return dump() if callable(dump) else value


def _key(key: object) -> str:
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    plain = _scalar(key) if isinstance(key, _SCALARS) and not isinstance(key, Enum) else _described(key)
    return plain if isinstance(plain, str) else repr(plain)


def _scalar(value: object) -> Json:
    if isinstance(value, str):
        return text(str.__str__(value))
    if isinstance(value, int):
        return int(value) if LEAST <= value <= GREATEST else _digits(int(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _infinite(value)
    return text(value.isoformat()) if isinstance(value, (date, time)) else _bytes(value)


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # Python refuses to write out more than some thousand digits (CVE-2020-10735)
        return hex(value)


def _infinite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _bytes(raw: object) -> str:
    value = bytes(cast("bytes", raw))
    try:
        return value.decode()
    except UnicodeDecodeError:
        if len(value) <= _BYTES:
            return "base64:" + base64.b64encode(value).decode()
        return f"<{len(value)} bytes, blake2s {blake2s(value).hexdigest()}>"


def _described(value: object) -> str:
    short = Repr()
    short.maxstring = short.maxother = short.maxlong = _REPR
    try:
        described = short.repr(value)
    except Exception:  # noqa: BLE001 - as above; a RecursionError too
        described = f"<{type(value).__name__}>"
    described = _ADDRESS.sub("", described)
    return text(described if len(described) <= _REPR else described[:_REPR] + "...")
