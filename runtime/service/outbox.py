"""The events of one run on their way to its stream: in order, and small ones together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from satchel.memory.errors import SatchelError
from satchel.runtime.service.wire import dumps

if TYPE_CHECKING:
    from satchel.memory.runs import Events, Turn
    from satchel.memory.streams import Streams

SMALL = ("metadata", "message")
"""What waits for what comes next: how the names of such events begin."""

WAIT, MORE, LONGEST = 0.01, 0.002, 0.1
"""Seconds that it waits: at least, more for each run that this process executes, and at most."""

MOST = 32
"""Pieces that wait, at most."""


class Outbox:
    """Writes events.

    All but what is small is written before the graph goes on, so before its next checkpoint: a step that is kept has
    its events. With `last_values` only the last `values` are written, at the end, and nothing small is in a hurry.
    """

    def __init__(self, streams: Streams, turn: Turn, *, last_values: bool) -> None:
        self._streams = streams
        self._turn = turn
        self._last_values = last_values
        self._values: Any = None
        self._waiting: list[tuple[str, bytes]] = []
        self._order = asyncio.Lock()
        self._timer: asyncio.Task[None] | None = None
        self._failed: SatchelError | None = None

    async def add(self, name: str, data: Any) -> None:
        """Write an event, soon."""
        if self._last_values and name == "values":
            self._values = data
            return
        self._waiting.append((name, dumps(data)))
        if not name.startswith(SMALL) or len(self._waiting) >= MOST:
            await self._write()
        elif self._timer is None and not self._last_values:
            self._timer = asyncio.create_task(self._soon())

    async def flush(self) -> None:
        """Write what waits."""
        if events := await self.rest():
            await self._streams.append(self._turn, events)

    async def rest(self) -> Events:
        """Take what waits, in order after what was written: the events of the run's end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        async with self._order:
            if self._failed:
                raise self._failed
            events, self._waiting = self._waiting, []
        return events if self._values is None else [*events, ("values", dumps(self._values))]

    async def _soon(self) -> None:
        await asyncio.sleep(min(WAIT + MORE * self._streams.going, LONGEST))
        self._timer = None
        try:
            await self._write()
        except SatchelError as problem:  # told to whoever writes next: nobody waits for this task
            self._failed = problem

    async def _write(self) -> None:
        async with self._order:
            if self._failed:
                raise self._failed
            events, self._waiting = self._waiting, []
            if events:
                await self._streams.append(self._turn, events)
