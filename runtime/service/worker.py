"""Executes one run: drives its graph, writes its events as they come, and ends it once, under the turn's token."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl

from satchel.memory.errors import LeaseLost, StoreError
from satchel.runtime.service import tracing, wire
from satchel.runtime.service.dispatcher import LEASE
from satchel.runtime.service.faults import Refused
from satchel.runtime.service.outbox import Outbox
from satchel.runtime.service.served import Job, Rest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from satchel.memory.runs import Drop, Events, Turn
    from satchel.memory.streams import Streams
    from satchel.runtime.service.metrics import Metrics
    from satchel.runtime.service.served import Served
    from satchel.runtime.service.webhooks import Webhooks
    from satchel.runtime.telemetry import Telemetry

BEATS = 5
"""Signs of life within one lease."""

ATTEMPTS = 10
"""Times that a run is begun; one that kills its process each time ends as an error."""

GRACE = 5.0
"""Seconds that a run has to come to a crash point when the process is told to end; then it is cut off."""

KEEP, KEEP_RESUMABLE = 60.0, 600.0
"""Seconds that events stay after the end of their run."""

log = logging.getLogger("satchel.service")

MESSAGES = {
    "interrupt": {"error": "UserInterrupt", "message": "the run was interrupted by a request"},
    "rollback": {"error": "UserRollback", "message": "the run was rolled back by a request"},
}


class Worker:
    """Executes turns. `find` gives what serves a graph of a tenant."""

    def __init__(
        self,
        streams: Streams,
        find: Callable[[str, str], Awaitable[Served]],
        metrics: Metrics,
        webhooks: Webhooks,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._runs = streams.runs
        self._streams = streams
        self._webhooks = webhooks
        self._find = find
        self._metrics = metrics
        self._telemetry = telemetry
        self._going: dict[str, tuple[asyncio.Task[bool], RunControl, asyncio.Event]] = {}
        self._why: dict[str, str] = {}

    def look(self, run: str) -> None:
        """Let a run that is executed here ask at once whether it should stop."""
        if run in self._going:
            self._going[run][2].set()

    async def drain(self) -> None:
        """Bring all runs to a crash point and give their turns back, unfinished."""
        going = dict(self._going)
        for _, control, _ in going.values():
            control.request_drain()
        tasks = [task for task, _, _ in going.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE)
        for run, (task, _, _) in going.items():
            if not task.done():
                self._stop(run, "drain")

    async def execute(self, turn: Turn) -> bool:
        """Execute a turn to its end; whatever happens, the run has an end, or waits to be executed again.

        Says whether its thread may hold more to execute.
        """
        try:
            if turn.doc:  # else removed while it waited
                with self._streams.writing((turn.thread, turn.run)):
                    return await self._attend(turn, wire.loads(turn.doc))
        except LeaseLost:
            log.warning("run %s was taken over by another executor; what this one wrote since was refused", turn.run)
        except StoreError:
            log.warning("run %s could not be ended, since the store fails; it will be executed again", turn.run)
        return True

    async def _attend(self, turn: Turn, asked: dict[str, Any]) -> bool:
        control, bell = RunControl(), asyncio.Event()
        if turn.cancel:
            self._why[turn.run] = turn.cancel
        task = asyncio.create_task(self._work(turn, asked, control), name=f"run {turn.run}")
        self._going[turn.run] = (task, control, bell)
        beat = asyncio.create_task(self._beat(turn, bell))
        try:
            await asyncio.wait([task])
            return task.cancelled() or task.result()
        finally:
            beat.cancel()
            del self._going[turn.run]
            self._why.pop(turn.run, None)

    async def _beat(self, turn: Turn, bell: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEASE / BEATS):
                    await bell.wait()
            bell.clear()
            try:
                if action := await self._runs.renew(turn, ttl=LEASE):
                    self._stop(turn.run, action)
            except LeaseLost:
                self._stop(turn.run, "lost")
                return
            except StoreError:
                continue  # the next beat may reach it; if the turn is lost meanwhile, the store refuses our writes

    def _stop(self, run: str, why: str) -> None:
        if run in self._going and run not in self._why:
            self._why[run] = why
            self._going[run][0].cancel()

    def _heed(self, run: str) -> None:
        """Stop here if the run was told to, before it began or where the cancellation was swallowed (`tasks`)."""
        if run in self._why:
            raise asyncio.CancelledError

    async def _served(self, turn: Turn, graph: str) -> Served:
        """What serves the run, which may take its time to be made; a run that is stopped meanwhile ends after it."""
        finding = asyncio.ensure_future(self._find(turn.thread.tenant, graph))
        while not finding.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([finding])
        return finding.result()

    async def _work(self, turn: Turn, asked: dict[str, Any], control: RunControl) -> bool:
        with tracing.run(turn, asked, self._telemetry) as end:
            return await self._run(turn, asked, control, end)

    async def _run(self, turn: Turn, asked: dict[str, Any], control: RunControl, end: Callable[[str], None]) -> bool:
        began = time.monotonic()
        try:
            served = await self._served(turn, asked["graph_id"])
        except Refused as gone:  # its graph is no longer served
            told = wire.error(gone)
            rest = rested(Rest(), told, failed=True)
            end("error")
            ending = {"error": wire.dumps(told), "rest": rest, "drop": "", "keep": KEEP}
            return await self._streams.finish(turn, events=(), status="error", **ending)
        outbox = Outbox(self._streams, turn, last_values=bool(asked.get("wait")))
        status, error = "success", None
        self._metrics.begun()
        try:
            job = Job(turn.thread, turn.run, turn.attempt, asked, _modes(asked), turn.token, control)
            await self._drive(job, served, outbox)
        except (asyncio.CancelledError, GraphDrained) as cut:
            why = "drain" if isinstance(cut, GraphDrained) else self._why.get(turn.run, "drain")
            status, error = "interrupted", MESSAGES.get(why)
            if error is None:
                await self._hand_back(turn, outbox, why)
                return True
            if why == "rollback":
                await served.undo(turn.thread, turn.run)
                status = "rollback"
        except (LeaseLost, StoreError):
            raise
        except Exception as problem:  # noqa: BLE001 - whatever a graph raises is how its run ended
            status, error = "error", wire.error(problem)
            log.info("run %s failed: %s", turn.run, type(problem).__name__)
            await outbox.add("error", error)
        finally:
            self._metrics.ended(status, time.monotonic() - began)
            end(status)
        return await self._finish(turn, asked, served, status, error=error, events=await outbox.rest())

    async def _drive(self, job: Job, served: Served, outbox: Outbox) -> None:
        if job.attempt > ATTEMPTS:
            raise RuntimeError(f"the run was begun {ATTEMPTS} times and never came to an end")
        self._heed(job.run)
        await outbox.add("metadata", {"run_id": job.run, "attempt": job.attempt})
        self._heed(job.run)
        async with aclosing(served.stream(job)) as parts:  # type: ignore[type-var]  # it is a generator
            async for part in parts:
                await outbox.add(part.name, part.data)
                self._heed(job.run)

    async def _hand_back(self, turn: Turn, outbox: Outbox, why: str) -> None:
        if why == "lost":
            return
        await outbox.flush()
        await self._runs.release(turn)

    async def _finish(
        self, turn: Turn, asked: dict[str, Any], served: Served, status: str, *, error: dict[str, str] | None,
        events: Events,
    ) -> bool:  # fmt: skip
        drop: Drop = "run" if status == "rollback" else ""
        values = await served.values(turn.thread) if asked.get("webhook") and not error else None
        if asked.get("temporary"):
            drop = "thread"
            await served.delete(turn.thread)
        rest = Rest() if drop == "thread" else await served.rest(turn.thread)
        told = None
        if asked.get("webhook") and drop != "run":
            told = await self._webhooks.end(turn.thread, turn.run, asked, status, error=error, values=values)
        try:
            more = await self._streams.finish(
                turn,
                status=status,
                error=wire.dumps(error) if error else b"",
                rest=rested(rest, error, failed=status == "error"),
                drop=drop,
                keep=KEEP_RESUMABLE if asked.get("stream_resumable") else KEEP,
                events=events,
            )
        except LeaseLost:
            if told:
                await self._webhooks.forget(told)
            raise
        if told:
            self._webhooks.ring()
        return more


def rested(rest: Rest, error: dict[str, str] | None = None, *, failed: bool = False) -> bytes:
    """How a thread stands, as it is kept."""
    status = "error" if failed else rest.status
    return wire.dumps({"status": status, "interrupts": rest.interrupts, "error": error, "at": wire.now()})


def _modes(asked: dict[str, Any]) -> tuple[str, ...]:
    return tuple(asked.get("stream_mode") or ["values"])
