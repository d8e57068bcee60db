"""What each field of a record may hold, derived once from its dataclass: how positional values become a record."""

from __future__ import annotations

import math
from dataclasses import MISSING, dataclass, fields
from functools import cache, partial
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from satchel.memory import records
from satchel.memory.normalise import DEEPEST, GREATEST, LEAST

if TYPE_CHECKING:
    from collections.abc import Callable

    from satchel.memory.records import Json, Record

KINDS: tuple[type[Record], ...] = (
    records.Opened,
    records.Started,
    records.Said,
    records.Reply,
    records.Call,
    records.Result,
    records.Fold,
    records.Page,
    records.Charge,
    records.Ended,
)
"""The number of a kind is its place here. Stored logs depend on it: add at the end, never reorder."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field by its name, its default, and the reader that gives its value back or raises."""

    name: str
    default: object
    read: Callable[[Json], Any]


@cache
def shapes() -> dict[type[Any], tuple[Field, ...]]:
    """The fields of every kind of record and of `Usage`, in their stored order."""
    return {kind: _shape(kind) for kind in (*KINDS, records.Usage)}


def build(kind: type[Any], values: Json) -> Any:
    """A record from its values in order; what is missing takes its default. Raises TypeError or ValueError."""
    shape = shapes()[kind]
    if type(values) is not list or len(values) > len(shape):
        raise TypeError(f"not the fields of {kind.__name__}")
    return kind(**{field.name: field.read(value) for field, value in zip(shape, values, strict=False)})


def values(record: object) -> list[Json]:
    """The values of a record in order, without trailing defaults. Raises TypeError or ValueError for a wrong one."""
    shape = shapes()[type(record)]
    out = []
    for field in shape:
        value = getattr(record, field.name)
        value = values(value) if type(value) is records.Usage else value
        field.read(value)
        out.append(value)
    while out and type(out[-1]) is type(shape[len(out) - 1].default) and out[-1] == shape[len(out) - 1].default:
        out.pop()
    return out


def json(value: Json, depth: int = 0) -> Json:
    """The value itself; TypeError if anything inside it is not JSON."""
    kind = type(value)
    if kind in (str, int, bool, NoneType):
        return value
    if kind is float:
        return _float(value)
    if depth > DEEPEST or kind not in (list, dict):
        raise TypeError(f"not JSON: {kind.__name__} at depth {depth}")
    if kind is dict and not all(type(key) is str for key in value):
        raise TypeError("not JSON: a key that is not text")
    for item in value.values() if kind is dict else value:
        json(item, depth + 1)
    return value


def _shape(kind: type[Any]) -> tuple[Field, ...]:
    hints = get_type_hints(kind)
    return tuple(
        Field(f.name, f.default if f.default_factory is MISSING else f.default_factory(), _reader(hints[f.name]))
        for f in fields(kind)
    )


def _reader(hint: Any) -> Callable[[Json], Any]:
    special: dict[object, Callable[[Json], Any]] = {int: _int, float: _float, Any: json}
    if hint in special:
        return special[hint]
    if hint is records.Usage:
        return partial(build, records.Usage)
    if get_origin(hint) is dict:
        return _object
    if get_origin(hint) is Literal:
        return partial(_choice, get_args(hint))
    if isinstance(hint, UnionType):  # `X | None`
        (inner,) = (part for part in get_args(hint) if part is not NoneType)
        return partial(_optional, _reader(inner))
    return partial(_plain, hint)


def _plain(kind: type, value: Json) -> Json:
    if type(value) is not kind:
        raise TypeError(f"{type(value).__name__} in place of {kind.__name__}")
    return value


def _int(value: Json) -> int:
    if type(value) is not int or not LEAST <= value <= GREATEST:
        raise TypeError(f"{type(value).__name__} in place of an integer of 64 bits")
    return value


def _float(value: Json) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise TypeError(f"{type(value).__name__} in place of a finite number")
    return float(value)


def _optional(inner: Callable[[Json], Any], value: Json) -> Any:
    return None if value is None else inner(value)


def _choice(known: tuple[object, ...], value: Json) -> Json:
    if value not in known:
        raise TypeError(f"an unknown choice in place of one of {known}")
    return value


def _object(value: Json) -> Json:
    if type(value) is not dict:
        raise TypeError(f"{type(value).__name__} in place of an object")
    return json(value)
