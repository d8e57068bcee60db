"""`Runs` in this process, gone with it: the double of `ServerRuns` behind `memory://`."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from satchel.memory.errors import LeaseLost
from satchel.memory.memory_events import MemoryEvents
from satchel.memory.runs import Admitted, NoTurn, RunRow, ThreadRow, Turn
from satchel.memory.sentences import lost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.memory.fields import MemoryFields
    from satchel.memory.runs import Action, Drop, Events, Strategy, Written
    from satchel.memory.store import ThreadId


@dataclass(slots=True)
class _Kept:
    doc: bytes
    made: int
    rest: bytes = b""
    queue: list[str] = field(default_factory=list)
    runs: dict[str, RunRow] = field(default_factory=dict)
    begun: str = ""
    fence: int = 0
    token: str = ""
    until: float = 0.0


class MemoryRuns(MemoryEvents):
    """Threads, runs and events of a service, without a server."""

    def __init__(self, fields: MemoryFields) -> None:
        self._threads: dict[ThreadId, _Kept] = {}
        self._fields = fields
        super().__init__()
        self._made = 0

    async def create(self, thread: ThreadId, doc: bytes) -> bool:
        """Make a thread; False if there is one already."""
        if thread in self._threads:
            return False
        self._made += 1
        self._threads[thread] = _Kept(doc, self._made)
        return True

    async def row(self, thread: ThreadId) -> ThreadRow | None:
        """A thread, or None."""
        kept = self._threads.get(thread)
        return ThreadRow(thread, kept.doc, kept.rest, tuple(kept.queue)) if kept else None

    async def rows(self, threads: Sequence[ThreadId]) -> list[ThreadRow]:
        """Those of the threads that are there."""
        return [row for thread in threads if (row := await self.row(thread))]

    async def replace(self, thread: ThreadId, old: bytes, new: bytes) -> bool:
        """Put a new `doc` in the place of an old one."""
        kept = self._threads.get(thread)
        if kept is None or kept.doc != old:
            return False
        self._made += 1
        kept.doc, kept.made = new, self._made
        return True

    async def settle(self, thread: ThreadId, rest: bytes) -> None:
        """Say how the thread stands, without a run."""
        if thread in self._threads:
            self._threads[thread].rest = rest

    async def listed(self, tenant: str) -> list[ThreadId]:
        """All threads of a tenant, the one that was changed last first."""
        found = [thread for thread in self._threads if thread.tenant == tenant]
        return sorted(found, key=lambda thread: -self._threads[thread].made)

    async def delete(self, thread: ThreadId) -> bool:
        """Remove a thread with its runs and events."""
        kept = self._threads.pop(thread, None)
        self._fields.turn(thread, "")
        for run in kept.runs if kept else ():
            self._streams.pop((thread, run), None)
        return kept is not None

    async def admit(
        self, thread: ThreadId, run: str, doc: bytes, *, strategy: Strategy, due: int, make: bytes | None, limit: int
    ) -> Admitted:
        """Accept a run, once."""
        if self._events(thread, run) and await self.run(thread, run) is None:
            return Admitted("over")
        if thread not in self._threads:
            if make is None:
                return Admitted("absent")
            await self.create(thread, make)
        kept = self._threads[thread]
        before = tuple(kept.queue)
        if run in kept.runs:
            return Admitted("ok")
        if strategy == "reject" and before:
            return Admitted("busy")
        if len(before) >= limit:
            return Admitted("full")
        if strategy in {"interrupt", "rollback"}:
            for other in before:
                kept.runs[other] = replace(kept.runs[other], cancel=strategy)
        kept.runs[run] = RunRow(run, doc, "pending", 0, "", due, _now(), b"", read=False)
        kept.queue.append(run)
        return Admitted("ok", before)

    async def claim(self, thread: ThreadId, *, ttl: float) -> Turn | NoTurn:
        """Take the thread's turn."""
        kept = self._threads.get(thread)
        if kept is None:
            return NoTurn(held=False, seconds=None)
        if kept.token and kept.until > time.monotonic():
            return NoTurn(held=True, seconds=kept.until - time.monotonic())
        waiting = [kept.runs[run] for run in ([kept.begun] if kept.begun else kept.queue)]
        now = _now()
        for row in waiting:
            if kept.begun or row.due <= now or row.cancel:
                kept.fence += 1
                kept.token = f"{kept.fence}-{secrets.token_hex(8)}"
                self._fields.turn(thread, kept.token)
                kept.until = time.monotonic() + ttl
                kept.begun = row.id
                kept.runs[row.id] = replace(row, status="running", attempt=row.attempt + 1, updated=now)
                return Turn(thread, row.id, kept.token, row.attempt + 1, row.cancel, row.doc)
        soonest = min((row.due for row in waiting), default=None)
        return NoTurn(held=False, seconds=None if soonest is None else max(0, soonest - now) / 1000)

    async def renew(self, turn: Turn, *, ttl: float) -> str:
        """Hold the turn for `ttl` more seconds."""
        kept = self._held(turn)
        kept.until = time.monotonic() + ttl
        return kept.runs[turn.run].cancel if turn.run in kept.runs else ""

    async def release(self, turn: Turn) -> None:
        """Give the turn back with its run not ended."""
        kept = self._threads.get(turn.thread)
        if kept is not None and kept.token == turn.token:
            kept.token = ""
            self._fields.turn(turn.thread, "")
            if turn.run in kept.runs:
                kept.runs[turn.run] = replace(kept.runs[turn.run], status="pending")

    async def finish(
        self, turn: Turn, *, status: str, error: bytes, rest: bytes, drop: Drop, keep: float, events: Events = ()
    ) -> tuple[bool, Written]:
        """End the run and the turn."""
        kept = self._held(turn)
        self._leave(kept, turn.run)
        kept.token, kept.rest = "", rest
        self._fields.turn(turn.thread, "")
        if drop:
            kept.runs.pop(turn.run, None)
        elif turn.run in kept.runs:
            kept.runs[turn.run] = replace(kept.runs[turn.run], status=status, error=error, updated=_now())
        if drop == "thread":
            del self._threads[turn.thread]
        return bool(kept.queue), self._close(turn.thread, turn.run, status, keep, events)

    async def append(self, turn: Turn, events: Events) -> Written:
        """Append events to the run's stream."""
        self._held(turn)
        return self._add((turn.thread, turn.run), events)

    async def cancel(self, thread: ThreadId, run: str, action: Action, *, keep: float) -> str:
        """Stop a run."""
        kept = self._threads.get(thread)
        row = kept.runs.get(run) if kept else None
        if kept is None or row is None:
            return "absent"
        if row.status == "running":
            kept.runs[run] = replace(row, cancel=action)
            return "asked"
        if row.status != "pending":
            return "ended"
        self._leave(kept, run)
        if action == "rollback":
            del kept.runs[run]
        else:
            kept.runs[run] = replace(row, status="interrupted", updated=_now())
        self._close(thread, run, "interrupted", keep)
        return "stopped"

    async def forget(self, thread: ThreadId, run: str) -> bool:
        """Remove a run and its events."""
        kept = self._threads.get(thread)
        if kept is None or run not in kept.runs:
            return False
        self._leave(kept, run)
        self._streams.pop((thread, run), None)
        del kept.runs[run]
        return True

    async def run(self, thread: ThreadId, run: str) -> RunRow | None:
        """A run, or None."""
        kept = self._threads.get(thread)
        return kept.runs.get(run) if kept else None

    async def runs(self, thread: ThreadId) -> list[RunRow]:
        """All runs of a thread, in order."""
        kept = self._threads.get(thread)
        return list(kept.runs.values()) if kept else []

    async def thread_of(self, tenant: str, run: str) -> ThreadId | None:
        """The thread of a run, or None."""
        found = (thread for thread, kept in self._threads.items() if thread.tenant == tenant and run in kept.runs)
        return next(found, None)

    async def taken(self, thread: ThreadId, run: str) -> bool:
        """Note that somebody reads the run's events."""
        kept = self._threads.get(thread)
        row = kept.runs.get(run) if kept else None
        if kept is None or row is None or row.read:
            return False
        kept.runs[run] = replace(row, read=True)
        return True

    async def waiting(self) -> list[ThreadId]:
        """Threads that hold runs to execute."""
        return [thread for thread, kept in self._threads.items() if kept.queue]

    def _held(self, turn: Turn) -> _Kept:
        kept = self._threads.get(turn.thread)
        if kept is None or kept.token != turn.token:
            raise LeaseLost(lost(turn.thread))
        return kept

    @staticmethod
    def _leave(kept: _Kept, run: str) -> None:
        if run in kept.queue:
            kept.queue.remove(run)
        if kept.begun == run:
            kept.begun = ""


def _now() -> int:
    return time.time_ns() // 1_000_000
