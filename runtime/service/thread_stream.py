"""The events of a thread: those of its runs one after the other, and of the runs to come, until the reader leaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from satchel.memory.runs import END, START
from satchel.runtime.service import runs, streaming, threads, wire
from satchel.runtime.service.caller import Called

if TYPE_CHECKING:
    from satchel.memory.runs import Event, RunRow
    from satchel.memory.store import ThreadId
    from satchel.runtime.service.caller import Caller

router = APIRouter(tags=["threads"])

POLL = 0.2
"""Seconds between two looks for a run to come, which another process may execute."""


async def told(call: Caller, at: ThreadId, after: str | None) -> AsyncIterator[tuple[RunRow, Event] | None]:
    """Events of all runs after an id, with their runs; None for what is to come. None in between is a sign of life.

    One run is executed at a time and ids are times of the store, so they grow over the runs of a thread.
    """
    service = call.service
    seen = {row.id for row in await service.runs.runs(at) if row.status in runs.ENDED} if after is None else set()
    start = START if after is None or after in streaming.FROM_THE_START else after
    beat = time.monotonic()
    with service.streams.beginnings(at) as bell:
        while not service.draining:
            bell.clear()
            rows = [row for row in await service.runs.runs(at) if row.id not in seen and row.status != "pending"]
            if rows:
                seen.add(rows[0].id)
                async for event in _events(call, at, rows[0], start):
                    yield None if event is None else (rows[0], event)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await bell.wait()
            if time.monotonic() - beat >= streaming.BEAT:
                beat = time.monotonic()
                yield None


async def _events(call: Caller, at: ThreadId, row: RunRow, start: str) -> AsyncIterator[Event | None]:
    if row.status not in runs.ENDED:
        async for event in streaming.events(call, at, row.id, start):
            yield event
        return
    while page := await call.service.runs.page(at, row.id, start, 100):  # nothing more comes, so nothing is waited for
        for one in page:
            yield one
        start = page[-1].id


@router.get("/threads/{thread}/stream")
async def stream(
    thread: str,
    call: Called,
    stream_mode: Annotated[list[str] | None, Query()] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """The events of a thread, from `Last-Event-ID` on or those to come; with `lifecycle` beginnings and ends alone."""
    row = await threads.found(call, thread)
    modes = {mode for given in stream_mode or () for mode in given.split(",")} or {"run_modes"}
    body = _sse(call, row.thread, streaming.position(last_event_id), whole="run_modes" in modes)
    return StreamingResponse(body, media_type=streaming.SSE, headers=streaming.HEADERS)


async def _sse(call: Caller, at: ThreadId, after: str | None, *, whole: bool) -> AsyncIterator[bytes]:
    async for one in told(call, at, after):
        if one is None:
            yield b": heartbeat\n\n"
            continue
        row, event = one
        name, data = event.name, event.data
        if name == END:
            name, data = "metadata", wire.dumps({"run_id": row.id, "status": "run_done"})
        if whole or name == "metadata":
            yield b"event: %b\ndata: %b\nid: %b\n\n" % (name.encode(), data, event.id.encode())
