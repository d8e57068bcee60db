"""What a search and a list of namespaces ask for, as predicates: equality, comparisons and paths with wildcards.

Filters are those of LangGraph's `InMemoryStore`, with two differences: an item without a number where a comparison
needs one does not match, instead of ending the search with a `TypeError`; and a filter that can match nothing by its
form is refused before anything is read.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from satchel.memory.errors import ConfigError

if TYPE_CHECKING:
    from satchel.memory.items import Path
    from satchel.memory.records import Json

Test = Callable[[Any], bool]

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_EQUAL: Mapping[str, Callable[[Any, Any], bool]] = {"$eq": operator.eq, "$ne": operator.ne}

WILDCARD = "*"


def matching(wanted: Mapping[str, Json] | None) -> Test:
    """Whether a value has what a filter wants of its fields; `ConfigError` for an operator that is not known."""
    tests = {name: _test(field) for name, field in (wanted or {}).items()}
    return lambda value: all(test(value.get(name)) for name, test in tests.items())


def fits(kind: str, path: Path, wanted: Path) -> bool:
    """Whether a path begins (`prefix`) or ends (`suffix`) with the wanted labels, of which `*` stands for any."""
    if kind not in {"prefix", "suffix"}:
        raise ConfigError(f"a namespace cannot be matched by {kind!r}; write 'prefix' or 'suffix'")
    part = path[: len(wanted)] if kind == "prefix" else path[len(path) - len(wanted) :]
    return len(path) >= len(wanted) and all(want in (WILDCARD, label) for label, want in zip(part, wanted, strict=True))


def _test(wanted: Json) -> Test:
    if isinstance(wanted, dict):
        if any(name.startswith("$") for name in wanted):
            tests = [_operator(name, operand) for name, operand in wanted.items()]
            return lambda value: all(test(value) for test in tests)
        inner = matching(wanted)
        return lambda value: isinstance(value, dict) and inner(value)
    if isinstance(wanted, (list, tuple)):
        each = [_test(item) for item in wanted]
        return lambda value: isinstance(value, list) and len(value) == len(each) and all(map(_apply, each, value))
    return lambda value: bool(value == wanted)


def _apply(test: Test, value: Json) -> bool:
    return test(value)


def _operator(name: str, operand: Json) -> Test:
    if name in _EQUAL:
        same = _EQUAL[name]
        return lambda value: bool(same(value, operand))
    if name not in _COMPARE:
        known = ", ".join([*_EQUAL, *_COMPARE])
        raise ConfigError(f"a filter has no operator {name!r}; known are {known}")
    limit = _number(operand)
    if limit is None:
        raise ConfigError(f"a filter compares numbers, and {operand!r} after {name} is none; give a number")
    compare = _COMPARE[name]
    return lambda value: (number := _number(value)) is not None and compare(number, limit)


def _number(value: Json) -> float | None:
    """A number, or the one that a text spells; None for all else."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
