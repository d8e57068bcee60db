"""The routes of the long-term store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import Response  # noqa: TC002 - FastAPI reads the routes' annotations
from langgraph.store.base import InvalidNamespaceError

from satchel.memory.errors import ConfigError
from satchel.runtime.service import answers, faults
from satchel.runtime.service.caller import Called
from satchel.runtime.service.models import ItemDelete, ItemPut, ItemSearch, NamespaceSearch

if TYPE_CHECKING:
    from langgraph.store.base import Item

router = APIRouter(prefix="/store", tags=["store"])


@router.put("/items")
async def put(body: ItemPut, call: Called) -> Response:
    """Keep an item."""
    if not body.namespace:
        raise faults.Refused(400, "Namespace cannot be empty.")
    where = _checked(body.namespace)
    more: dict[str, Any] = {} if body.ttl is None else {"ttl": body.ttl}
    try:
        await call.service.memory(call.tenant).aput(where, body.key, body.value, **more)
    except InvalidNamespaceError as problem:
        raise faults.Refused(400, str(problem)) from None
    return answers.nothing()


@router.get("/items")
async def get(call: Called, key: str, namespace: str = "", refresh_ttl: bool | None = None) -> Response:  # noqa: FBT001 - a query parameter
    """An item, or null; the labels of `namespace` are joined by dots."""
    where = _checked(call.namespace or namespace.split("."))
    found = await call.service.memory(call.tenant).aget(where, key, refresh_ttl=refresh_ttl)
    return answers.json(None if found is None else _item(found))


@router.delete("/items")
async def delete(body: ItemDelete, call: Called) -> Response:
    """Remove an item; again is nothing."""
    await call.service.memory(call.tenant).adelete(_checked(body.namespace), body.key)
    return answers.nothing()


@router.post("/items/search")
async def search(body: ItemSearch, call: Called) -> Response:
    """Find items below a namespace; without a vector index a `query` ranks nothing, and no item has a score."""
    try:
        found = await call.service.memory(call.tenant).asearch(
            _checked(body.namespace_prefix), filter=body.filter, limit=body.limit, offset=body.offset,
            refresh_ttl=body.refresh_ttl,
        )  # fmt: skip
    except ConfigError as problem:
        raise faults.Refused(400, str(problem)) from None
    return answers.json({"items": [{**_item(one), "score": one.score} for one in found]})


@router.post("/namespaces")
async def namespaces(body: NamespaceSearch, call: Called) -> Response:
    """List namespaces."""
    found = await call.service.memory(call.tenant).alist_namespaces(
        prefix=_maybe(body.prefix), suffix=_maybe(body.suffix), max_depth=body.max_depth, limit=body.limit,
        offset=body.offset,
    )  # fmt: skip
    return answers.json({"namespaces": [list(one) for one in found]})


def _maybe(labels: Sequence[str] | None) -> tuple[str, ...] | None:
    return _checked(labels) if labels else None


def _checked(labels: Sequence[str]) -> tuple[str, ...]:
    for label in labels:
        if not label or "." in label:
            raise faults.wrong(f"Namespace label {label!r} must be a non-empty string without periods")
    return tuple(labels)


def _item(found: Item) -> dict[str, Any]:
    return {
        "namespace": list(found.namespace),
        "key": found.key,
        "value": found.value,
        "created_at": found.created_at.isoformat(),
        "updated_at": found.updated_at.isoformat(),
    }
