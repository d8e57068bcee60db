"""Events of a run as Server-Sent Events, and waiting for its end as one JSON answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse

from satchel.memory.runs import END, START
from satchel.runtime.service import faults, runs, threads, wire

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from satchel.memory.runs import Event
    from satchel.memory.store import ThreadId
    from satchel.runtime.service.caller import Caller

BEAT = 5.0
"""Seconds between two signs of life on a quiet connection."""

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
SSE = "text/event-stream; charset=utf-8"
FROM_THE_START = {"-1", "0", "0-0"}

NONE = {"error": "HTTPException", "message": "404: Run not found"}
GONE = {"__error__": NONE}
"""The answer about a run that was removed."""

NAMES = {"messages-tuple": "messages"}
"""Modes whose events have another name."""


class Streamed(StreamingResponse):
    """A streamed answer that ends when its client goes; sent by the request's own task, which saves two."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI names it
        """See ASGI."""
        answering, gone = asyncio.current_task(), False

        async def watch() -> None:
            nonlocal gone
            await self.listen_for_disconnect(receive)
            gone = True
            if answering is not None:
                answering.cancel()

        watching = asyncio.create_task(watch())
        try:
            await self.stream_response(send)
        except asyncio.CancelledError:
            if not gone or answering is None or answering.uncancel():
                raise
        finally:
            watching.cancel()
            if isinstance(self.body_iterator, AsyncGenerator):
                await self.body_iterator.aclose()


def place(path: str, below: str) -> dict[str, str]:
    """The headers that say where a run is found, and where to go on when the connection breaks."""
    return {"Location": f"{path}/{below}", "Content-Location": path}


def position(given: str | None) -> str | None:
    """A `Last-Event-ID`. Raises 422 for what cannot be one."""
    if not given:
        return None
    first, _, second = given.partition("-")
    if given in FROM_THE_START or (first.isdigit() and (not second or second.isdigit())):
        return given
    raise faults.wrong(f"Last-Event-ID {given[:40]!r} is not the id of an event")


async def stream(
    call: Caller,
    thread: ThreadId,
    run: str,
    *,
    after: str | None,
    modes: Sequence[str] = (),
    ids: bool,
    cancel: bool = False,
    kept: bool = True,
    new: bool = False,
) -> StreamingResponse:
    """The events of a run after an id. Without one, whoever comes first gets all, who comes later what is to come.

    Of a run that is `kept` it is noted that its events were read. `new` is one that this very request has made.
    """
    service = call.service
    first = (await service.runs.taken(thread, run)) if kept else new
    if after is not None:
        start = START if after in FROM_THE_START else after
    else:
        start = START if first or new else await service.runs.last(thread, run)
    shown = frozenset(NAMES.get(mode, mode) for mode in modes)
    body = _sse(call, thread, run, start, shown, ids=ids, cancel=cancel, new=new)
    headers = {**HEADERS, **place(f"/threads/{thread.name}/runs/{run}", "stream")}
    return Streamed(body, media_type=SSE, headers=headers)


def nothing(thread: ThreadId, run: str) -> StreamingResponse:
    """The events of a run that is not there, or no longer: an error."""
    headers = {**HEADERS, **place(f"/threads/{thread.name}/runs/{run}", "stream")}
    return StreamingResponse([b"event: error\ndata: %b\n\n" % wire.dumps(NONE)], media_type=SSE, headers=headers)


async def _sse(
    call: Caller, thread: ThreadId, run: str, start: str, modes: frozenset[str], *, ids: bool, cancel: bool, new: bool
) -> AsyncIterator[bytes]:
    ended = False
    try:
        async with aclosing(pages(call, thread, run, start, new=new)) as found:
            async for some in found:
                ended = bool(some) and some[-1].name == END
                if block := b"".join(_block(event, ids=ids) for event in some if _shown(event, modes)):
                    yield block
                elif not some:
                    yield b": heartbeat\n\n"
        ended = True
    finally:
        if cancel and not ended:
            runs.leave(call, thread, run)


def _shown(event: Event, modes: frozenset[str]) -> bool:
    if event.name == END:
        return False
    return not modes or event.name == "error" or event.name.partition("|")[0].partition("/")[0] in modes


def _block(event: Event, *, ids: bool) -> bytes:
    at = f"id: {event.id}\n".encode() if ids else b""
    return b"event: %b\ndata: %b\n%b\n" % (event.name.encode(), event.data, at)


async def events(call: Caller, thread: ThreadId, run: str, start: str) -> AsyncIterator[Event | None]:
    """The events of `pages` one by one, None for each empty one."""
    async with aclosing(pages(call, thread, run, start)) as found:
        async for some in found:
            if not some:
                yield None
            for event in some:
                yield event


async def pages(
    call: Caller, thread: ThreadId, run: str, start: str, *, new: bool = False
) -> AsyncGenerator[Sequence[Event]]:
    """Events up to the last as they come, none for each while without one; ends early when the server ends."""
    service = call.service
    follower = service.streams.follow(thread, run, start, behind=not new)
    service.metrics.reading(1)
    quiet = time.monotonic()
    try:
        while not service.draining:
            events = await follower.next(BEAT)
            if events:
                quiet = time.monotonic()
                yield events
                if events[-1].name == END:
                    return
            elif time.monotonic() - quiet >= BEAT:
                quiet = time.monotonic()
                row = await service.runs.run(thread, run)
                if row is None or row.status in runs.ENDED:
                    # the end may have come between the last look and this one
                    yield await service.runs.page(thread, run, follower.after, 1_000)
                    return
                yield ()
    finally:
        service.metrics.reading(-1)
        await follower.aclose()


async def answer(
    call: Caller, thread: ThreadId, run: str, *, cancel: bool = False, kept: bool = True, new: bool = False
) -> StreamingResponse:
    """The values at the end of a run as one JSON answer, with a newline now and then before it.

    Of a run that is `kept` it is noted that its events were read.
    """
    headers = place(f"/threads/{thread.name}/runs/{run}", "join")
    body = _answer(call, thread, run, cancel=cancel, kept=kept, new=new)
    return Streamed(body, media_type="application/json", headers=headers)


async def _answer(
    call: Caller, thread: ThreadId, run: str, *, cancel: bool, kept: bool, new: bool
) -> AsyncIterator[bytes]:
    newest: dict[str, bytes] = {}
    ended = False
    beat = time.monotonic()
    try:
        async with aclosing(pages(call, thread, run, START, new=new)) as found:
            async for some in found:
                newest |= {event.name: event.data for event in some}
                if not some or time.monotonic() - beat > BEAT:
                    beat = time.monotonic()
                    yield b"\n"
        ended = not call.service.draining
        if not ended:
            raise ConnectionAbortedError("the server is ending")  # a broken answer is asked for again, an empty one not
    finally:
        if cancel and not ended and not call.service.draining:
            runs.leave(call, thread, run)
    if ended:
        if kept:
            await call.service.runs.taken(thread, run)
        yield _told(newest) or wire.dumps(await final(call, thread, run))


def _told(newest: Mapping[str, bytes]) -> bytes | None:
    """The answer, from the newest event of each name; None if they do not tell."""
    if newest.get(END) == b"rollback":
        return wire.dumps(GONE)
    if "error" in newest:
        return b'{"__error__":%b}' % newest["error"]
    return newest.get("values")


async def final(call: Caller, thread: ThreadId, run: str) -> Any:
    """What is known of an ended run without its events: its error, or the values of its thread."""
    row = await call.service.runs.run(thread, run)
    if row is None:
        return GONE
    if row.status == "error":
        return {"__error__": wire.loads(row.error)}
    known = await call.service.runs.row(thread)
    served = await threads.graph_of(call, known) if known else None
    found = (await served.values(thread) if served else None) or {}
    asked = [one for some in wire.loads(known.rest).get("interrupts", {}).values() for one in some] if known else []
    return {**found, "__interrupt__": asked} if asked and isinstance(found, dict) else found
