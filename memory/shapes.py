"""What each field of a record may hold, derived once from its dataclass: how positional values become a record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import partial
from types import NoneType
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


_SHAPES: dict[Any, tuple[Field, ...]] = {}


def shape(kind: type[Any]) -> tuple[Field, ...]:
    """The fields of a dataclass, in their stored order."""
    if kind not in _SHAPES:
        hints = get_type_hints(kind)
        _SHAPES[kind] = tuple(
            Field(f.name, f.default if f.default_factory is MISSING else f.default_factory(), _reader(hints[f.name]))
            for f in fields(kind)
        )
    return _SHAPES[kind]


def build(kind: type[Any], values: Json) -> Any:
    """A dataclass from its values in order; what is missing takes its default. Raises TypeError or ValueError."""
    known = shape(kind)
    if type(values) is not list or len(values) > len(known):
        raise TypeError(f"not the fields of {kind.__name__}")
    return kind(**{field.name: field.read(value) for field, value in zip(known, values, strict=False)})


def flat(value: object) -> Json:
    """The JSON from which `build` makes a dataclass again: values in order, without trailing defaults, all the way."""
    if is_dataclass(value) and not isinstance(value, type):
        known = shape(type(value))
        return _trimmed([flat(getattr(value, field.name)) for field in known], known)
    if isinstance(value, tuple | list):
        return [flat(v) for v in value]
    return {k: flat(v) for k, v in value.items()} if isinstance(value, Mapping) else value


def values(record: object) -> list[Json]:
    """The values of a record in order, without trailing defaults. Raises TypeError or ValueError for a wrong one."""
    known = shape(type(record))
    out = []
    for field in known:
        value = getattr(record, field.name)
        value = values(value) if type(value) is records.Usage else value
        field.read(value)
        out.append(value)
    return _trimmed(out, known)


def _trimmed(values: list[Json], known: tuple[Field, ...]) -> list[Json]:
    """Without the trailing values that are defaults; an empty tuple stands as an empty list."""
    while values and (last := known[len(values) - 1].default) is not MISSING and type(values[-1]) is _plainly(last):
        if values[-1] != (list(last) if type(last) is tuple else last):
            break
        values.pop()
    return values


def _plainly(default: object) -> type:
    return list if type(default) is tuple else type(default)


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


def _reader(hint: Any) -> Callable[[Json], Any]:
    special: dict[object, Callable[[Json], Any]] = {int: _int, float: _float, Any: json}
    if hint in special:
        return special[hint]
    if isinstance(hint, type):
        return partial(build if is_dataclass(hint) else _plain, hint)
    if get_origin(hint) in (dict, Mapping):
        return _object
    if get_origin(hint) is Literal:
        return partial(_choice, get_args(hint))
    if get_origin(hint) is tuple:
        first, *more = get_args(hint)
        return partial(_many, _reader(first)) if more == [...] else partial(_each, [_reader(a) for a in (first, *more)])
    (inner,) = (part for part in get_args(hint) if part is not NoneType)  # `X | None`
    return partial(_optional, _reader(inner))


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


def _many(inner: Callable[[Json], Any], value: Json) -> tuple[Any, ...]:
    if type(value) is not list:
        raise TypeError(f"{type(value).__name__} in place of a list")
    return tuple(map(inner, value))


def _each(inner: list[Callable[[Json], Any]], value: Json) -> tuple[Any, ...]:
    if type(value) is not list or len(value) != len(inner):
        raise TypeError(f"not a list of {len(inner)}")
    return tuple(read(part) for read, part in zip(inner, value, strict=True))


def _choice(known: tuple[object, ...], value: Json) -> Json:
    if value not in known:
        raise TypeError(f"an unknown choice in place of one of {known}")
    return value


def _object(value: Json) -> Json:
    if type(value) is not dict:
        raise TypeError(f"{type(value).__name__} in place of an object")
    return json(value)
