"""The routes of runs: start, stream, wait, join, cancel, list, remove; on a thread, or on one of their own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response

from satchel.memory.runs import START
from satchel.runtime.service import answers, faults, runs, streaming, threads, wire
from satchel.runtime.service.caller import Called
from satchel.runtime.service.models import RunCreate, RunField, RunsCancel

if TYPE_CHECKING:
    from satchel.memory.store import ThreadId
    from satchel.runtime.service.caller import Caller

router = APIRouter(tags=["runs"])

Action = Literal["interrupt", "rollback"]
NONE_TO_CANCEL = "No runs found to cancel."


@router.post("/runs")
async def create_ephemeral(body: RunCreate, call: Called) -> Response:
    """Start a run on a thread of its own."""
    return await _create(call, body, None)


@router.post("/threads/{thread}/runs")
async def create(thread: str, body: RunCreate, call: Called) -> Response:
    """Start a run."""
    return await _create(call, body, thread)


async def _create(call: Caller, body: RunCreate, thread: str | None) -> Response:
    made = await runs.accept(call, body, thread)
    return answers.json(made.shown, headers={"Content-Location": made.path if thread else f"/runs/{made.run}"})


@router.post("/runs/stream")
async def stream_ephemeral(body: RunCreate, call: Called) -> Response:
    """Start a run on a thread of its own and read its events."""
    return await _stream(call, body, None)


@router.post("/threads/{thread}/runs/stream")
async def stream(thread: str, body: RunCreate, call: Called) -> Response:
    """Start a run and read its events."""
    return await _stream(call, body, thread)


async def _stream(call: Caller, body: RunCreate, thread: str | None) -> Response:
    made = await runs.accept(call, body, thread)
    cancel, kept = body.on_disconnect == "cancel", thread is not None
    return await streaming.stream(
        call, made.thread, made.run, after=None, ids=made.resumable, cancel=cancel, kept=kept, new=True
    )


@router.post("/runs/wait")
async def wait_ephemeral(body: RunCreate, call: Called) -> Response:
    """Start a run on a thread of its own and wait for its values."""
    return await _wait(call, body, None)


@router.post("/threads/{thread}/runs/wait")
async def wait(thread: str, body: RunCreate, call: Called) -> Response:
    """Start a run and wait for its values."""
    return await _wait(call, body, thread)


async def _wait(call: Caller, body: RunCreate, thread: str | None) -> Response:
    made = await runs.accept(call, body.model_copy(update={"stream_mode": ["values"]}), thread, wait=True)
    cancel = body.on_disconnect == "cancel"
    return await streaming.answer(call, made.thread, made.run, cancel=cancel, kept=thread is not None, new=True)


@router.post("/runs/batch")
async def batch(body: list[RunCreate], call: Called) -> Response:
    """Start several runs, each on its thread or on one of its own."""
    if not body:
        raise faults.wrong("a batch holds at least one run")
    made = [await runs.accept(call, one, one.thread_id) for one in body]
    return answers.json([one.shown for one in made])


@router.post("/runs/cancel")
async def cancel_many(body: RunsCancel, call: Called, action: Action = "interrupt") -> Response:
    """Stop runs: those named of a thread, or all of the caller's with a status."""
    if body.status is not None and (body.thread_id is not None or body.run_ids is not None):
        raise faults.wrong("give thread_id and run_ids, or a status, not both")
    if body.thread_id is not None and body.run_ids:
        at = await threads.of(call, body.thread_id)
        wanted = [(at, runs.checked(run)) for run in body.run_ids]
    elif body.status is not None:
        wanted = await _with_status(call, body.status)
    else:
        raise faults.wrong("give thread_id and run_ids, or a status")
    done = await asyncio.gather(*(runs.stop(call, at, run, action) for at, run in wanted))
    if not any(done):
        raise faults.missing(NONE_TO_CANCEL)
    return answers.nothing()


async def _with_status(call: Caller, status: str) -> list[tuple[ThreadId, str]]:
    found: list[tuple[ThreadId, str]] = []
    for row in await call.service.runs.rows(await call.service.runs.listed(call.tenant)):
        if not call.sees(wire.loads(row.doc)):
            continue
        going = [run for run in await call.service.runs.runs(row.thread) if run.id in row.queue] if row.queue else []
        found += [(row.thread, run.id) for run in going if status in {"all", run.status}]
    return found


@router.get("/threads/{thread}/runs")
async def listed(
    thread: str,
    call: Called,
    limit: Annotated[int, Query(ge=0, le=1_000)] = 10,
    offset: Annotated[int, Query(ge=0)] = 0,
    status: str | None = None,
    *,
    select: Annotated[list[RunField] | None, Query()] = None,
) -> Response:
    """The runs of a thread, newest first."""
    row = await threads.found(call, thread)
    rows = [one for one in reversed(await call.service.runs.runs(row.thread)) if status in {None, one.status}]
    found = [runs.of_row(row.thread, one) for one in rows[offset : offset + limit]]
    return answers.json([{k: v for k, v in one.items() if not select or k in select} for one in found])


@router.get("/threads/{thread}/runs/{run}")
async def get(thread: str, run: str, call: Called) -> Response:
    """A run."""
    return answers.json(runs.of_row(*await runs.found(call, thread, run)))


@router.delete("/threads/{thread}/runs/{run}")
async def delete(thread: str, run: str, call: Called) -> Response:
    """Remove a run with its checkpoints, as the reference server does; one that goes on is stopped first."""
    at, row = await runs.found(call, thread, run)
    if row.status not in runs.ENDED:
        await runs.stop(call, at, row.id, "interrupt")
        await _ended(call, at, row.id)
    await (await call.service.served(call.tenant, wire.loads(row.doc)["graph_id"])).undo(at, row.id)
    await call.service.runs.forget(at, row.id)
    return answers.nothing()


@router.get("/threads/{thread}/runs/{run}/join")
async def join(thread: str, run: str, call: Called, *, cancel_on_disconnect: bool = False) -> Response:
    """Wait for the values at the end of a run."""
    return await _join(call, await threads.of(call, thread), runs.checked(run), cancel=cancel_on_disconnect)


async def _join(call: Caller, at: ThreadId, run: str, *, cancel: bool = False) -> Response:
    row = await call.service.runs.run(at, run)
    if row is not None and row.status in runs.ENDED:
        headers = streaming.place(f"/threads/{at.name}/runs/{run}", "join")
        return answers.json(await streaming.final(call, at, run), headers=headers)
    if row is None and await call.service.runs.last(at, run) == START:
        return answers.json(streaming.GONE)
    return await streaming.answer(call, at, run, cancel=cancel)


@router.get("/threads/{thread}/runs/{run}/stream")
async def join_stream(
    thread: str,
    run: str,
    call: Called,
    stream_mode: Annotated[list[str] | None, Query()] = None,
    last_event_id: Annotated[str | None, Header()] = None,
    *,
    cancel_on_disconnect: bool = False,
) -> Response:
    """The events of a run: from `Last-Event-ID` on, all for who comes first, else those to come."""
    at, name = await threads.of(call, thread), runs.checked(run)
    row = await call.service.runs.run(at, name)
    if row is None and await call.service.runs.last(at, name) == START:
        return streaming.nothing(at, name)
    resumable = row is not None and b'"stream_resumable":true' in row.doc
    modes = [mode for given in stream_mode or () for mode in given.split(",") if mode]
    return await streaming.stream(
        call, at, name, after=streaming.position(last_event_id), modes=modes, ids=resumable or bool(last_event_id),
        cancel=cancel_on_disconnect,
    )  # fmt: skip


@router.post("/threads/{thread}/runs/{run}/cancel")
async def cancel(thread: str, run: str, call: Called, action: Action = "interrupt", *, wait: bool = False) -> Response:
    """Stop a run, and with `wait` wait until it has ended."""
    at, name = await threads.of(call, thread), runs.checked(run)
    if not await runs.stop(call, at, name, action):
        raise faults.missing(NONE_TO_CANCEL)
    if not wait:
        return Response(status_code=202)
    await _ended(call, at, name)
    headers: dict[str, Any] = streaming.place(f"/threads/{at.name}/runs/{name}", "join")
    return answers.json({}, headers=headers)


async def _ended(call: Caller, at: ThreadId, run: str) -> None:
    answer = await streaming.answer(call, at, run)
    async for _ in answer.body_iterator:
        pass
