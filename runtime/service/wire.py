"""Values as the wire has them: JSON, with what LangGraph's state and events hold."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, cast

import orjson
from langgraph.types import Interrupt
from pydantic import BaseModel

from satchel.runtime.failure import redact

AS_WE_WRITE = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
"""What orjson leaves to `_plain`, so that what it cannot write is written alike by `json`."""

DEEPEST = 254
"""Levels of lists and mappings, as many as orjson writes; what is deeper is told in short."""

SHORT = 200
"""Characters that are told of what is too deep, or stands in itself."""

LARGEST = 10**4300
"""The least integer with more digits than Python reads by default."""


def dumps(value: object) -> bytes:
    """JSON in one line. Numbers that JSON has not got become null; a key that is no text becomes what its JSON is."""
    try:
        return orjson.dumps(value, _plain, AS_WE_WRITE)
    except TypeError:  # an integer above 64 bits, a key that is no text, half of a surrogate pair, too deep
        text = _json(_clean(value, ()))
    return text.encode(errors="replace")


def loads(data: bytes) -> Any:
    """The value of JSON; an empty text is an empty mapping."""
    return json.loads(data) if data else {}


def now() -> str:
    """This moment, as the API writes it."""
    return datetime.now(UTC).isoformat()


def at(milliseconds: int) -> str:
    """A moment in milliseconds since 1970, as the API writes it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


def _plain(value: object) -> Any:
    """What JSON has not got, as something that it has: the first row whose kind it is, else a text."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    if dataclasses.is_dataclass(value) and not isinstance(value, (type, Interrupt)):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    shape = next((shape for kinds, shape in _SHAPES if isinstance(value, kinds)), str)
    return shape(value)


def _clean(value: object, within: tuple[int, ...]) -> Any:
    """What orjson could not write, made writable; `within` are the ids of what it stands in."""
    if isinstance(value, (int, float)):
        return value if abs(value) < (LARGEST if isinstance(value, int) else math.inf) else None
    if value is None or isinstance(value, str):
        return value
    if len(within) >= DEEPEST or id(value) in within:
        return reprlib.repr(value)[:SHORT]
    within = (*within, id(value))
    if isinstance(value, dict):
        return {_key(key, within): _clean(item, within) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item, within) for item in value]
    return _clean(_plain(value), within)


def _key(key: object, within: tuple[int, ...]) -> str:
    text = _clean(key, within)
    return text if isinstance(text, str) else _json(text)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def interrupt(found: Interrupt) -> dict[str, Any]:
    """An interrupt, as events have it."""
    schema = getattr(found, "response_schema", None)
    return {"value": found.value, "id": found.id, "response_schema": cast("Any", schema)}


def error(problem: BaseException) -> dict[str, str]:
    """An error, as events and answers have it."""
    return {"error": type(problem).__name__, "message": safe(str(problem))}


def safe(message: str) -> str:
    """A message without what it must not tell: secrets, the lines of a traceback, folders of this machine."""
    if "Traceback (most recent call last)" in message:
        message = message.rstrip().rpartition("\n")[2]
    return _FOLDERS.sub("", redact(message[:MESSAGE]))


MESSAGE = 2_000
"""Characters of an error's message that are told."""

_FOLDERS = re.compile(r"(?<![\w:/.])(?:/[\w.@+~-]+)+/(?=[\w.@+~-]+)|\b[A-Za-z]:\\(?:[^\\\s:]+\\)+")
"""The folders of an absolute path, of which the last part is told; what follows `scheme:/` is an address."""


_SHAPES: list[tuple[Any, Callable[[Any], Any]]] = [
    (Enum, lambda value: value.value),
    (float, float),
    (Interrupt, interrupt),
    (BaseException, error),
    (Mapping, dict),
    ((bytes, bytearray), str),
    ((set, frozenset, Sequence), list),
    (datetime, datetime.isoformat),
]
