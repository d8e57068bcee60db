"""A run's events in this process, for `memory://`."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from satchel.memory.runs import END, START, Event, Written, order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from satchel.memory.store import ThreadId


class MemoryEvents:
    """Events of runs, without a server."""

    def __init__(self) -> None:
        self._streams: dict[tuple[ThreadId, str], list[Event]] = {}
        self._event = 0
        self._news = asyncio.Event()
        self._rung = False

    async def last(self, thread: ThreadId, run: str) -> str:
        """The id of the newest event of a run."""
        events = self._events(thread, run)
        return events[-1].id if events else START

    async def page(self, thread: ThreadId, run: str, after: str, count: int) -> list[Event]:
        """Events of a run after an id."""
        return [event for event in self._events(thread, run) if order(event.id) > order(after)][:count]

    async def news(self, after: Mapping[tuple[ThreadId, str], str]) -> Mapping[tuple[ThreadId, str], list[Event]]:
        """Wait for events after these ids, or until `ring`."""
        while True:
            self._news.clear()
            pages = {place: await self.page(*place, at, 200) for place, at in after.items()}
            found = {place: page for place, page in pages.items() if page}
            if found:
                return found
            await self._news.wait()
            if self._rung:
                self._rung = False
                return {}

    async def ring(self) -> None:
        """End the wait of `news`."""
        self._rung = True
        self._news.set()

    async def aclose(self) -> None:
        """Nothing to let go of."""

    def _events(self, thread: ThreadId, run: str) -> list[Event]:
        return self._streams.get((thread, run), [])

    def _add(self, place: tuple[ThreadId, str], events: Sequence[tuple[str, bytes]]) -> Written:
        kept = self._streams.setdefault(place, [])
        before = kept[-1].id if kept else START
        for name, data in events:
            self._event += 1
            kept.append(Event(f"{time.time_ns() // 1_000_000}-{self._event}", name, data))
        self._news.set()
        return Written(before, tuple(event.id for event in kept[len(kept) - len(events) :]))

    def _close(
        self, thread: ThreadId, run: str, status: str, keep: float, events: Sequence[tuple[str, bytes]] = ()
    ) -> Written:
        written = self._add((thread, run), [*events, (END, status.encode())])
        asyncio.get_running_loop().call_later(keep, self._streams.pop, (thread, run), None)
        return written
