"""The port that wakes executors, and the one in this process.

A dispatcher owes nothing but a wake-up, at least once: order, exclusion and the end of a run are kept by `Runs`. It
names threads, never runs: whoever is woken executes the first run of the thread that is due.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from satchel.memory.errors import StoreError
from satchel.memory.runs import NoTurn, Turn

if TYPE_CHECKING:
    from satchel.memory.runs import Runs
    from satchel.memory.store import ThreadId

LEASE = 10.0
"""Seconds that a turn is held without a sign of life."""

LOOK = 5.0
"""Seconds between two looks at what waits and was not woken."""

SLOTS = 64
"""Runs that one process executes at once."""

Execute = Callable[[Turn], Awaitable[bool]]
"""Executes a turn; whether its thread may hold more to execute."""


class Dispatcher(Protocol):
    """Wakes executors."""

    async def dispatch(self, thread: ThreadId) -> None:
        """There is something to execute in a thread."""

    async def cancel(self, thread: ThreadId, run: str) -> None:
        """A run was asked to stop; its executor, wherever it is, may look at once."""

    async def schedule(self, thread: ThreadId, seconds: float) -> None:
        """There will be something to execute in so many seconds."""

    async def worker(self) -> None:
        """Execute until cancelled: first what was waiting when it started."""


class InProcess:
    """Executes in this process, at most `slots` runs at once."""

    def __init__(
        self,
        runs: Runs,
        execute: Execute,
        stop: Callable[[str], None],
        *,
        slots: int = SLOTS,
    ) -> None:
        self._runs = runs
        self._execute = execute
        self._stop = stop
        self._slots = asyncio.Semaphore(slots)
        self._tasks: dict[ThreadId, asyncio.Task[None]] = {}
        self._again: set[ThreadId] = set()
        self._later: dict[ThreadId, asyncio.TimerHandle] = {}
        self._closed = False

    async def dispatch(self, thread: ThreadId) -> None:
        """Execute what the thread holds; if that is going on, look once more at its end."""
        if self._closed:
            return
        if thread in self._tasks:
            self._again.add(thread)
            return
        self._tasks[thread] = asyncio.create_task(self._drain(thread), name=f"runs of {thread.name}")

    async def cancel(self, thread: ThreadId, run: str) -> None:  # noqa: ARG002 - the port names it
        """Stop the run, if this process executes it."""
        self._stop(run)

    async def schedule(self, thread: ThreadId, seconds: float) -> None:
        """Dispatch the thread later."""
        if thread in self._later:
            self._later.pop(thread).cancel()
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        self._later[thread] = loop.call_later(seconds, self._due, thread)

    async def worker(self) -> None:
        """Look for threads that wait: those that a crash left, and those that another process could not serve."""
        while True:
            with contextlib.suppress(StoreError):  # the next look may reach it
                for thread in await self._runs.waiting():
                    if thread not in self._tasks:
                        await self.dispatch(thread)
            await asyncio.sleep(LOOK)

    async def aclose(self) -> None:
        """Take nothing more and wait for what runs; whoever closes has told it to stop."""
        self._closed = True
        for timer in self._later.values():
            timer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    def _due(self, thread: ThreadId) -> None:
        self._later.pop(thread, None)
        self._hold = asyncio.ensure_future(self.dispatch(thread))

    async def _drain(self, thread: ThreadId) -> None:
        try:
            async with self._slots:
                while not self._closed:
                    self._again.discard(thread)
                    turn = await self._runs.claim(thread, ttl=LEASE)
                    if isinstance(turn, NoTurn):
                        if turn.seconds is not None:
                            await self.schedule(thread, turn.seconds + 0.01)
                        if thread not in self._again:
                            return
                        continue
                    if not await self._execute(turn) and thread not in self._again:
                        return
        except StoreError:
            pass  # the thread keeps its runs, and the worker looks again
        finally:
            del self._tasks[thread]
