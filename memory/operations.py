"""LangGraph's operations on items: get, search, put, delete, list namespaces; answers are those of `InMemoryStore`."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    PutOp,
    SearchItem,
    SearchOp,
)

from satchel.memory.errors import ConfigError
from satchel.memory.filters import WILDCARD, fits, matching
from satchel.memory.item_values import milliseconds, packed, value_of
from satchel.memory.items import Change, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langgraph.store.base import Op, Result

    from satchel.memory.items import Items, Path, Row
    from satchel.memory.records import Json

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def perform(items: Items, ops: list[Op]) -> list[Result]:
    """All writes are checked before anything is read, and everything is read before anything is written."""
    for op in ops:
        _check(op)
    last = {(op.namespace, str(op.key)): op for op in ops if isinstance(op, PutOp)}
    changes = [_change(path, key, op) for (path, key), op in last.items()]
    gets = [Wanted(op.namespace, str(op.key), op.refresh_ttl) for op in ops if isinstance(op, GetOp)]
    rows = iter(await items.get(gets) if gets else ())
    results: list[Result] = []
    for op in ops:
        if isinstance(op, GetOp):
            row = next(rows)
            results.append(None if row is None else Item(**_fields(row, value_of(row))))
        elif isinstance(op, SearchOp):
            results.append(await _search(items, op))
        else:
            results.append(await _list(items, op) if isinstance(op, ListNamespacesOp) else None)
    if changes:
        await items.write(changes)
    return results


async def _search(items: Items, op: SearchOp) -> list[SearchItem]:
    test, skip = matching(op.filter), op.offset
    found: list[tuple[Row, dict[str, Json]]] = []
    if not op.filter:
        rows, skip = items.scan(op.namespace_prefix, skip=skip, most=op.limit), 0
    else:
        rows = items.scan(op.namespace_prefix)
    async with aclosing(rows):
        while len(found) < op.limit and (row := await anext(rows, None)) is not None:
            value = value_of(row)
            if not test(value):
                continue
            if skip:
                skip -= 1
            else:
                found.append((row, value))
    if op.refresh_ttl:
        await items.touch([row for row, _ in found if row.ttl])
    return [SearchItem(**_fields(row, value)) for row, value in found]


async def _list(items: Items, op: ListNamespacesOp) -> list[Path]:
    """The paths come sorted, so cut to a depth they are sorted still, and equal ones stand together."""
    conditions = [(condition.match_type, tuple(condition.path)) for condition in op.match_conditions or ()]
    begins = next((path for kind, path in conditions if kind == "prefix"), ())
    known = begins[: begins.index(WILDCARD)] if WILDCARD in begins else begins
    skip, last = op.offset, None
    found: list[Path] = []
    async with aclosing(items.paths(known)) as paths:
        while len(found) < op.limit and (path := await anext(paths, None)) is not None:
            if not all(fits(kind, path, wanted) for kind, wanted in conditions) or path[: op.max_depth] == last:
                continue
            last = path[: op.max_depth]
            if skip:
                skip -= 1
            else:
                found.append(last)
    return found


def _check(op: Op) -> None:
    """Refuse what cannot be done before anything is. `BaseStore` checks labels too, but not those of a bare `batch`."""
    if isinstance(op, (GetOp, PutOp)):
        _check_labels(op.namespace)
    elif isinstance(op, SearchOp):
        _check_labels(op.namespace_prefix)
        _check_counts(limit=op.limit, offset=op.offset)
        if op.query:
            raise ConfigError(
                "search(query=...) ranks by meaning, and RedisStore has no vector index; search with filter=, or use a "
                "store with an index"
            )
    elif isinstance(op, ListNamespacesOp):
        for condition in op.match_conditions or ():
            _check_labels(condition.path)
        _check_counts(limit=op.limit, offset=op.offset, max_depth=op.max_depth or 0)
    else:
        raise ConfigError(f"{type(op).__name__} is not an operation of a store; use those of langgraph.store.base")


def _check_labels(path: Iterable[object]) -> None:
    for label in path:
        if not isinstance(label, str) or not label or "." in label or "\0" in label:
            raise InvalidNamespaceError(
                f"the namespace label {label!r} of {path} is not a text without '.' and NUL; choose another"
            )


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if count < 0:
            raise ConfigError(f"{name}={count} is below 0; give a count")


def _change(path: Path, key: str, op: PutOp) -> Change:
    if op.value is None:
        return Change(path, key, None)
    return Change(path, key, packed(path, key, op.value), milliseconds(op.ttl))


def _fields(row: Row, value: dict[str, Json]) -> dict[str, Any]:
    created, updated = (_EPOCH + timedelta(microseconds=at) for at in (row.created, row.updated))
    return {"namespace": row.path, "key": row.key, "value": value, "created_at": created, "updated_at": updated}
