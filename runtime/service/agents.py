"""An Agent as the service drives it: its log is the state, and `messages` is a view of that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from satchel.memory.errors import ConfigError, ModelError, ThreadBusy, ThreadNotFound
from satchel.memory.forks import fork_thread
from satchel.memory.log import read_log
from satchel.runtime.budget import LIMITS, Budget
from satchel.runtime.service import ledger, snapshots, view
from satchel.runtime.service.served import Job, Part, Place, Rest

if TYPE_CHECKING:
    from satchel.memory.records import Ended, Entry
    from satchel.memory.store import ThreadId
    from satchel.runtime.agent import Agent
    from satchel.runtime.session import Session

PATIENCE = 30.0
"""Seconds that a run waits for the log of its thread, which an executor that was cut off may still hold."""

PAUSE = 0.1

T = TypeVar("T")


class ServedAgent:
    """An agent of one tenant."""

    def __init__(self, name: str, agent: Agent) -> None:
        self.name = name
        self._agent = agent

    async def stream(self, job: Job) -> AsyncIterator[Part]:
        """Drive a run. What its log holds already is not done again, so any attempt after the first goes on there."""
        session = await self._open(job.thread)
        try:
            await _begin(session, f"run {job.run}", job.asked)
            shown = view.Shown(job, session.log.entries)
            for part in shown.first():
                yield part
            if not session.finished:
                async for event in self._agent.events(session):
                    for part in shown.after(event, session.log.entries):
                        yield part
            for part in shown.last(session.log.entries):
                yield part
            result = session.result()
        finally:
            await asyncio.shield(session.close())
        if result.outcome == "failed":
            raise ModelError(result.detail)

    async def rest(self, thread: ThreadId) -> Rest:
        """How the thread stands: interrupted if its last run waits for somebody."""
        return view.rest(await self._log(thread))

    async def values(self, thread: ThreadId) -> Any:
        """Messages, outcome and output."""
        log = await self._log(thread)
        return view.values(log) if log else None

    async def state(self, thread: ThreadId, place: Place, *, subgraphs: bool = False) -> dict[str, Any]:  # noqa: ARG002 - an agent has no subgraphs
        """The state of the thread; at a checkpoint, what the log held then."""
        log = await self._log(thread)
        return view.state(thread, log[: int(place.id)] if place.id and place.id.isdigit() else log)

    async def history(
        self, thread: ThreadId, place: Place, *, limit: int, before: str | None, metadata: Mapping[str, Any] | None
    ) -> list[dict[str, Any]]:
        """The states at the ends of the thread's turns, newest first."""
        if place.id or metadata:
            return []
        return view.history(thread, await self._log(thread), limit=limit, before=before)

    async def update(self, thread: ThreadId, place: Place, values: Any, as_node: str | None) -> dict[str, Any]:  # noqa: ARG002 - the port names it
        """Refused: the log of an agent is written by its runs alone."""
        raise ConfigError(f"thread {thread.name} is that of an agent, whose state is its log; start a run to change it")

    async def replay(self, thread: ThreadId, supersteps: list[list[tuple[Any, str | None]]]) -> None:  # noqa: ARG002 - the port names it
        """Refused, as `update`."""
        await self.update(thread, Place(), None, None)

    async def undo(self, thread: ThreadId, run: str) -> None:
        """End the run: nothing leaves a log, but what was cut off is no part of what comes."""
        session = await self._open(thread)
        try:
            if session.log.find(f"run {run}") and not session.finished:
                await session.cancel()
        finally:
            await asyncio.shield(session.close())

    async def copy(self, source: ThreadId, target: ThreadId) -> None:
        """Fork a thread's log at its last turn: a copy of its own that shares what it has."""
        with suppress(ThreadNotFound):
            await fork_thread(await self._agent.store(), source, target)

    async def prune(self, thread: ThreadId) -> None:
        """Nothing to do: a log has no old states."""

    async def delete(self, thread: ThreadId) -> None:
        """Remove the log."""
        store = await self._agent.store()
        with suppress(ThreadNotFound):
            await _patiently(lambda: store.delete(thread))

    async def usage(self, thread: ThreadId) -> dict[str, Any]:
        """What all runs of the thread used, as the log has it."""
        return ledger.usage(await self._log(thread))

    async def result(self, thread: ThreadId, ref: str, part: Mapping[str, str | None]) -> str:
        """A stored text of the thread."""
        return await ledger.result(await read_log(await self._agent.store(), thread), ref, part)

    async def prompts(self, thread: ThreadId, run: str) -> list[dict[str, Any]]:
        """The prompts of a run, made again from the log: the same state gives the same bytes."""
        return ledger.prompts(self._agent.spec, await self._log(thread), f"run {run}")

    def resume(self, interrupt: str, response: Any) -> Any:  # noqa: ARG002 - the port names it
        """An agent waits for one answer at a time."""
        return response

    def schemas(self) -> dict[str, Any]:
        """JSON schemas: messages in, messages and an outcome out."""
        return view.schemas(self.name)

    def drawing(self, *, xray: int | bool) -> dict[str, Any]:
        """Nodes and edges."""
        return snapshots.drawing(self._agent.graph.get_graph(xray=xray))

    def subgraphs(self, ns: str | None, *, recurse: bool) -> dict[str, Any]:  # noqa: ARG002 - the port names it
        """An agent has none."""
        return {}

    async def _log(self, thread: ThreadId) -> list[Entry]:
        try:
            return await read_log(await self._agent.store(), thread)
        except ThreadNotFound:
            return []

    async def _open(self, thread: ThreadId) -> Session:
        """The thread with its whole log, although its state came from a snapshot: what is shown and begun is all."""
        session = await _patiently(lambda: self._agent._session(thread.name))  # noqa: SLF001 - the agent's own way to open a thread
        try:
            await session.log.rewind()
        except BaseException:
            await asyncio.shield(session.close())
            raise
        return session


async def _patiently(action: Callable[[], Awaitable[T]]) -> T:
    """The outcome of an action on a thread that an executor which was cut off may still hold. Raises `ThreadBusy`."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return await action()
        except ThreadBusy:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(PAUSE)


async def _begin(session: Session, op: str, asked: Mapping[str, Any]) -> None:
    """Begin the run, or go on with it if the log holds its beginning."""
    if session.log.find(op):
        if not session.finished:
            await session.resume(None)
        return
    task = view.task(asked)
    if task is None:
        more = _more(asked)
        ended = session.history.ended
        if not (session.finished and _over(ended, more)):
            await session.resume(more, op=op)
        return
    if not session.finished:
        await session.cancel()
    await session.begin(task, op=op)


def _over(ended: Ended | None, more: Budget | None) -> bool:
    """Whether there is nothing to go on with."""
    return ended is None or ended.outcome == "done" or (ended.outcome in LIMITS and not more)


def _more(asked: Mapping[str, Any]) -> Budget | None:
    """The budget that a resume adds: `{"resume": {"add_budget": {"steps": 20}}}`. Raises `ConfigError`."""
    resume = (asked.get("command") or {}).get("resume")
    given = resume.get("add_budget") if isinstance(resume, Mapping) else None
    if not given:
        return None
    known = [limit.name for limit in fields(Budget)]
    if not isinstance(given, Mapping) or set(given) - set(known):
        raise ConfigError(f"add_budget={given!r:.80} names no limits; known are {', '.join(known)}")
    return Budget(**given)
