"""Threads as the API has them: a document of ours, how the last run left it, and the state of its graph."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from satchel.memory.store import ThreadId
from satchel.runtime.service import crons, faults, wire
from satchel.runtime.service.auth import NOBODY
from satchel.runtime.service.extracts import Extract
from satchel.runtime.service.worker import rested

if TYPE_CHECKING:
    from satchel.memory.runs import ThreadRow
    from satchel.runtime.service.caller import Caller
    from satchel.runtime.service.models import ThreadSearch
    from satchel.runtime.service.served import Served

Thread = dict[str, Any]

SORT = "updated_at"
"""What a search is sorted by, newest first, unless it says otherwise."""


def checked(name: str) -> str:
    """A thread's id, as a UUID is written. Raises 422."""
    try:
        return str(uuid.UUID(name))
    except (ValueError, AttributeError):
        raise faults.wrong("Invalid thread ID: must be a UUID") from None


async def of(call: Caller, name: str) -> ThreadId:
    """A thread of the caller; one that it must not see becomes one of nobody, and so is not there. Raises 422."""
    at = ThreadId(checked(name), call.tenant)
    if call.wanted is None:
        return at
    row = await call.service.runs.row(at)
    return at if row is None or call.sees(wire.loads(row.doc)) else ThreadId(at.name, NOBODY)


def document(call: Caller, metadata: Mapping[str, Any] | None = None, **more: Any) -> bytes:
    """The document of a new thread."""
    moment = wire.now()
    kept = {"tenant": call.tenant, "metadata": metadata or {}, "config": {}}
    return wire.dumps({**kept, "created_at": moment, "updated_at": moment, **more})


async def found(call: Caller, name: str) -> ThreadRow:
    """A thread. Raises 422, and 404 if there is none."""
    row = await call.service.runs.row(await of(call, name))
    if row is None or not call.sees(wire.loads(row.doc)) or await over(call, row):
        raise faults.missing(f"Thread with ID {name} not found")
    return row


async def changed(call: Caller, thread: ThreadId, change: Mapping[str, Any]) -> ThreadRow:
    """Merge metadata and config into a thread's document. Raises 404."""
    while True:
        row = await call.service.runs.row(thread)
        if row is None:
            raise faults.missing(f"Thread with ID {thread.name} not found")
        old = wire.loads(row.doc)
        new = {**old, **{key: {**(old.get(key) or {}), **value} for key, value in change.items()}}
        if new == old:
            return row
        doc = wire.dumps({**new, "updated_at": wire.now()})
        if await call.service.runs.replace(thread, row.doc, doc):
            return replace(row, doc=doc)


async def over(call: Caller, row: ThreadRow) -> bool:
    """Whether the thread's time is over: then it is removed. One that keeps its newest state loses the others."""
    doc = wire.loads(row.doc)
    if row.queue or not doc.get("ttl") or wire.now() <= _end(doc, wire.loads(row.rest)):
        return False
    if doc["ttl"]["strategy"] == "delete":
        await remove(call, row.thread)
        return True
    if served := await graph_of(call, row):
        await served.prune(row.thread)
    await call.service.runs.replace(row.thread, row.doc, wire.dumps({**doc, "ttl": None}))
    return False


def _end(doc: Mapping[str, Any], rest: Mapping[str, Any]) -> str:
    last = datetime.fromisoformat(max(doc["updated_at"], rest.get("at", "")))
    return (last + timedelta(minutes=doc["ttl"]["ttl"])).isoformat()


async def remove(call: Caller, at: ThreadId) -> None:
    """Remove a thread with its runs and its state; a run that goes on is stopped."""
    row = await call.service.runs.row(at)
    served = await graph_of(call, row) if row else None
    queue = row.queue if row else ()
    await call.service.runs.delete(at)
    await asyncio.gather(*(call.service.dispatcher.cancel(at, run) for run in queue))
    if served is not None:
        await served.delete(at)
    await crons.forget(call.service.crons, at.tenant, "thread_id", at.name)


async def graph_of(call: Caller, row: ThreadRow) -> Served | None:
    """What serves the thread's graph; None if no run has named one, or it is no longer served."""
    name = wire.loads(row.doc)["metadata"].get("graph_id")
    return await call.service.served(call.tenant, name) if name in call.service.graphs else None


async def served_of(call: Caller, row: ThreadRow) -> Served:
    """What serves the thread's graph. Raises 400 if no run has named one."""
    served = await graph_of(call, row)
    if served is None:
        name = row.thread.name
        raise faults.Refused(400, f"Thread '{name}' has no graph yet; start a run, or set its metadata.graph_id")
    return served


async def settled(call: Caller, row: ThreadRow, served: Served) -> None:
    """Note how the thread stands after its state was changed from outside."""
    await call.service.runs.settle(row.thread, rested(await served.rest(row.thread)))


async def shown(call: Caller, row: ThreadRow, select: Collection[str] | None = None) -> Thread:
    """A thread, as the API has it, or the parts of it that are selected."""
    doc, rest = wire.loads(row.doc), wire.loads(row.rest)
    thread: Thread = {
        "thread_id": row.thread.name,
        "created_at": doc["created_at"],
        "updated_at": max(doc["updated_at"], rest.get("at", "")),
        "state_updated_at": rest.get("at", doc["updated_at"]),
        "metadata": doc["metadata"],
        "status": "busy" if row.queue else rest.get("status", "idle"),
        "config": doc["config"],
        "values": None,
        "error": rest.get("error"),
        "interrupts": rest.get("interrupts") or {},
    }
    if select is None or "values" in select:
        served = await graph_of(call, row)
        thread["values"] = await served.values(row.thread) if served else None
    return thread if select is None else {key: value for key, value in thread.items() if key in select}


async def search(call: Caller, body: ThreadSearch) -> tuple[list[Thread], int]:
    """The threads that a search asks for, and how many there are without limit and offset."""
    runs = call.service.runs
    extract = Extract(body.extract or {})
    plain = not (body.metadata or body.values or body.status or body.sort_by or body.ids is not None or call.wanted)
    if plain:
        names = await runs.listed(call.tenant)
        ordered = names[::-1] if body.sort_order == "asc" else names
        page = await runs.rows(ordered[body.offset : body.offset + body.limit])
        return await _all(call, page, body.select, extract), len(names)
    rows = await matching(call, body)
    rows.sort(key=lambda row: _key(row, body.sort_by or SORT), reverse=body.sort_order != "asc")
    return await _all(call, rows[body.offset : body.offset + body.limit], body.select, extract), len(rows)


async def matching(call: Caller, body: ThreadSearch) -> list[ThreadRow]:
    """All threads that a search asks for, in no order."""
    runs = call.service.runs
    names = [await of(call, name) for name in body.ids] if body.ids is not None else await runs.listed(call.tenant)
    seen = [row for row in await runs.rows(names) if _matches(row, body) and call.sees(wire.loads(row.doc))]
    rows = [row for row in seen if not await over(call, row)]
    if not body.values:
        return rows
    kept = await asyncio.gather(*(_values(call, row) for row in rows))
    return [row for row, values in zip(rows, kept, strict=True) if contains(values, body.values)]


async def _all(call: Caller, rows: Sequence[ThreadRow], select: Sequence[str] | None, extract: Extract) -> list[Thread]:
    wanted = None if select is None else {*select, *extract.roots}
    found = await asyncio.gather(*(shown(call, row, wanted) for row in rows))
    if not extract.roots:
        return list(found)
    parts = [extract.of(wire.loads(wire.dumps(one))) for one in found]
    kept = [{key: value for key, value in one.items() if select is None or key in select} for one in found]
    return [{**one, "extracted": part} for one, part in zip(kept, parts, strict=True)]


async def _values(call: Caller, row: ThreadRow) -> Any:
    served = await graph_of(call, row)
    return wire.loads(wire.dumps(await served.values(row.thread))) if served else None


def _matches(row: ThreadRow, body: ThreadSearch) -> bool:
    if body.metadata and not contains(wire.loads(row.doc)["metadata"], body.metadata):
        return False
    return body.status in {None, _status(row)}


def _status(row: ThreadRow) -> str:
    return "busy" if row.queue else str(wire.loads(row.rest).get("status", "idle"))


def _key(row: ThreadRow, by: str) -> str:
    doc, rest = wire.loads(row.doc), wire.loads(row.rest)
    made: dict[str, str] = {
        "thread_id": row.thread.name,
        "status": _status(row),
        "created_at": doc["created_at"],
        "updated_at": max(doc["updated_at"], rest.get("at", "")),
        "state_updated_at": rest.get("at", doc["updated_at"]),
    }
    return made[by]


def kept_until(row: ThreadRow) -> dict[str, Any] | None:
    """How long the thread stays; None for ever."""
    doc = wire.loads(row.doc)
    if not doc.get("ttl"):
        return None
    end = _end(doc, wire.loads(row.rest))
    return {"strategy": doc["ttl"]["strategy"], "ttl_minutes": doc["ttl"]["ttl"], "expires_at": end}


def contains(whole: Any, part: Any) -> bool:
    """Whether a JSON value holds another: each key of a mapping, each item of a list, or the same value."""
    if isinstance(part, Mapping):
        return isinstance(whole, Mapping) and all(key in whole and contains(whole[key], part[key]) for key in part)
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(contains(one, item) for one in whole) for item in part)
    return bool(whole == part)
