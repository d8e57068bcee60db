"""The routes of threads: create, find, copy, prune, state, history."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header
from fastapi.responses import Response  # noqa: TC002 - FastAPI reads the routes' annotations

from satchel.memory.store import ThreadId
from satchel.runtime.service import answers, faults, threads
from satchel.runtime.service.caller import Called
from satchel.runtime.service.models import (
    History,
    StateAt,
    StateUpdate,
    ThreadCreate,
    ThreadPatch,
    ThreadPrune,
    ThreadSearch,
)
from satchel.runtime.service.served import Place

if TYPE_CHECKING:
    from satchel.runtime.service.caller import Caller

router = APIRouter(tags=["threads"])

EMPTY: dict[str, Any] = {
    "values": {},
    "next": [],
    "tasks": [],
    "metadata": None,
    "created_at": None,
    "checkpoint": None,
    "parent_checkpoint": None,
    "interrupts": [],
    "checkpoint_id": None,
    "parent_checkpoint_id": None,
}
"""The state of a thread on which nothing has run."""


@router.post("/threads")
async def create(body: ThreadCreate, call: Called) -> Response:
    """Make a thread, with a state if supersteps are given."""
    name = threads.checked(body.thread_id) if body.thread_id else str(uuid.uuid4())
    metadata = {**(body.metadata or {}), **({"graph_id": body.graph_id} if body.graph_id else {})}
    at = ThreadId(name, call.tenant)
    more = {"ttl": body.ttl.model_dump()} if body.ttl else {}
    made = await call.service.runs.create(at, threads.document(call, metadata, **more))
    if not made and (row := await call.service.runs.row(at)) and await threads.over(call, row):
        made = await call.service.runs.create(at, threads.document(call, metadata, **more))
    if not made and body.if_exists != "do_nothing":
        raise faults.conflict(f"Thread with ID {name} already exists")
    row = await threads.found(call, name)
    if made and body.supersteps:
        served = await threads.served_of(call, row)
        steps = [[_update(one) for one in step.get("updates", ())] for step in body.supersteps]
        await _tried(served.replay(at, steps))
        await threads.settled(call, row, served)
        row = await threads.found(call, name)
    return answers.json(await threads.shown(call, row))


def _update(given: Mapping[str, Any]) -> tuple[Any, str | None]:
    if given.get("command"):
        return {"__command__": given["command"]}, given.get("as_node")
    return given.get("values"), given.get("as_node")


@router.post("/threads/search")
async def search(body: ThreadSearch, call: Called) -> Response:
    """Find threads."""
    found, total = await threads.search(call, body)
    return answers.page(found, total, body.offset)


@router.post("/threads/count")
async def count(body: ThreadSearch, call: Called) -> Response:
    """Count threads."""
    found = body.model_copy(update={"limit": 1, "offset": 0, "select": ["thread_id"]})
    return answers.json((await threads.search(call, found))[1])


@router.post("/threads/prune")
async def prune(body: ThreadPrune, call: Called) -> Response:
    """Remove threads, or all of their states but the newest."""
    done = 0
    for name in body.thread_ids:
        row = await call.service.runs.row(await threads.of(call, name))
        if row is None:
            continue
        done += 1
        if body.strategy == "delete":
            await threads.remove(call, row.thread)
        elif served := await threads.graph_of(call, row):
            await served.prune(row.thread)
    return answers.json({"pruned_count": done})


@router.get("/threads/{thread}")
async def get(thread: str, call: Called, include: str = "") -> Response:
    """A thread; `include=ttl` says how long it stays."""
    row = await threads.found(call, thread)
    more = {"ttl": threads.kept_until(row)} if "ttl" in include.split(",") else {}
    return answers.json({**await threads.shown(call, row), **more})


@router.patch("/threads/{thread}")
async def patch(
    thread: str, body: ThreadPatch, call: Called, prefer: Annotated[str | None, Header()] = None
) -> Response:
    """Merge metadata into a thread's; with `Prefer: return=minimal` nothing is answered."""
    change = {"metadata": body.metadata or {}, **({"ttl": body.ttl.model_dump()} if body.ttl else {})}
    row = await threads.changed(call, await threads.of(call, thread), change)
    if prefer == "return=minimal":
        return answers.nothing()
    return answers.json(await threads.shown(call, row))


@router.delete("/threads/{thread}")
async def delete(thread: str, call: Called) -> Response:
    """Remove a thread with its runs and its state; a run that goes on is stopped."""
    row = await threads.found(call, thread)
    await threads.remove(call, row.thread)
    return answers.nothing()


@router.post("/threads/{thread}/copy")
async def copy(thread: str, call: Called) -> Response:
    """A new thread with the same metadata and state."""
    row = await threads.found(call, thread)
    target = ThreadId(str(uuid.uuid4()), call.tenant)
    served = await threads.graph_of(call, row)
    if served is not None:
        await served.copy(row.thread, target)
    await call.service.runs.create(target, row.doc)
    if row.rest:
        await call.service.runs.settle(target, row.rest)
    return answers.json(await threads.shown(call, await threads.found(call, target.name)))


@router.get("/threads/{thread}/state")
async def state(thread: str, call: Called, *, subgraphs: bool = False) -> Response:
    """The newest state."""
    return await _state(call, thread, Place(), subgraphs=subgraphs)


@router.post("/threads/{thread}/state/checkpoint")
async def state_at(thread: str, body: StateAt, call: Called) -> Response:
    """The state at a checkpoint."""
    return await _state(call, thread, _place(body.checkpoint), subgraphs=body.subgraphs)


@router.get("/threads/{thread}/state/{checkpoint}")
async def state_of(thread: str, checkpoint: str, call: Called, *, subgraphs: bool = False) -> Response:
    """The state at a checkpoint."""
    return await _state(call, thread, Place(id=checkpoint), subgraphs=subgraphs)


async def _state(call: Caller, thread: str, place: Place, *, subgraphs: bool) -> Response:
    row = await threads.found(call, thread)
    served = await threads.graph_of(call, row)
    if served is None:
        return answers.json(EMPTY)
    return answers.json(await served.state(row.thread, place, subgraphs=subgraphs))


@router.post("/threads/{thread}/state")
async def update(thread: str, body: StateUpdate, call: Called) -> Response:
    """Change the state; refused while a run waits or goes on."""
    row = await threads.found(call, thread)
    if row.queue:
        raise faults.conflict(f"Thread {thread} has in-flight runs: {', '.join(row.queue[:10])}")
    served = await threads.served_of(call, row)
    given = {**(body.checkpoint or {}), **({"checkpoint_id": body.checkpoint_id} if body.checkpoint_id else {})}
    where = await _tried(served.update(row.thread, _place(given), body.values, body.as_node))
    await threads.settled(call, row, served)
    kept = {key: where.get(key) for key in ("thread_id", "checkpoint_ns", "checkpoint_id")}
    return answers.json({"checkpoint": kept, "configurable": kept, "checkpoint_id": kept["checkpoint_id"]})


@router.post("/threads/{thread}/history")
async def history(thread: str, body: History, call: Called) -> Response:
    """States, newest first."""
    return await _history(call, thread, body)


@router.get("/threads/{thread}/history")
async def history_of(thread: str, call: Called, limit: int = 10, before: str | None = None) -> Response:
    """States, newest first."""
    return await _history(call, thread, History(limit=min(max(limit, 1), 1_000), before=before))


async def _history(call: Caller, thread: str, body: History) -> Response:
    row = await threads.found(call, thread)
    served = await threads.graph_of(call, row)
    if served is None:
        return answers.json([])
    before = body.before
    if isinstance(before, dict):
        before = (before.get("configurable") or before).get("checkpoint_id")
    found = await served.history(
        row.thread, _place(body.checkpoint or {}), limit=body.limit, before=before, metadata=body.metadata
    )
    return answers.json(found)


def _place(given: Mapping[str, Any]) -> Place:
    return Place(str(given.get("checkpoint_ns") or ""), given.get("checkpoint_id") or None)


async def _tried(change: Any) -> Any:
    """The outcome of a change of state; what the graph refuses is the caller's fault."""
    from langgraph.errors import InvalidUpdateError  # noqa: PLC0415 - loaded with the first graph

    try:
        return await change
    except InvalidUpdateError as problem:
        raise faults.Refused(400, str(problem)) from None
