"""One reader of events for all who follow runs in this process, each at its own pace with a bounded buffer.

Who is behind reads pages by itself; who has caught up is handed what the one shared reader gets. One that does not
take what it is handed loses its buffer, not its place: it reads pages again from there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from satchel.memory.errors import StoreError
from satchel.memory.runs import order
from satchel.memory.tasks import ended

if TYPE_CHECKING:
    from satchel.memory.runs import Event, Runs
    from satchel.memory.store import ThreadId

    Place = tuple[ThreadId, str]

BUFFER = 256
"""Events that wait for one follower, at most."""

PAGE = 100
"""Events of one page."""

LOOKS = 2
"""Followers that look into the store at once; with the shared reader that is all the connections they take."""

AGAIN = 0.2
"""Seconds until the shared reader tries a store again that gave no answer."""


class Follower:
    """One reader of one run, from an id on. Made by `Streams.follow`."""

    def __init__(self, streams: Streams, place: Place, after: str) -> None:
        self.place = place
        self.after = after
        self._streams = streams
        self._behind = True
        self._handed: deque[Event] = deque()
        self._more = asyncio.Event()

    async def next(self, seconds: float) -> list[Event]:
        """The next events, in order; none after so many seconds, or sooner if it was woken. Raises `StoreError`."""
        if self._behind:
            async with self._streams.looks:
                page = await self._streams.runs.page(*self.place, self.after, PAGE)
                if page:
                    self.after = page[-1].id
                if len(page) < PAGE:
                    self._handed.clear()
                    self._behind = False  # what follows is handed, or sets it again
                    await self._streams.join(self)
            if page:
                return page
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._more.wait()
        self._more.clear()
        known = order(self.after)
        taken = [event for event in self._handed if order(event.id) > known]
        self._handed.clear()
        if taken and not self._behind:
            self.after = taken[-1].id
            return taken
        return []

    def hand(self, events: list[Event]) -> None:
        """Take events from the shared reader, or fall behind."""
        if len(self._handed) + len(events) > BUFFER:
            self.miss()
        else:
            self._handed.extend(events)
            self._more.set()

    def miss(self) -> None:
        """Events may be missing from what is handed: read pages from the last known place."""
        self._handed.clear()
        self._behind = True
        self._more.set()

    async def aclose(self) -> None:
        """Follow no longer."""
        self._streams.leave(self)


class Streams:
    """The followers of this process and their one reader."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self.looks = asyncio.Semaphore(LOOKS)
        self._followers: dict[Place, set[Follower]] = {}
        self._after: dict[Place, str] = {}
        self._reader: asyncio.Task[None] | None = None

    def follow(self, thread: ThreadId, run: str, after: str) -> Follower:
        """A follower of a run's events after an id; close it at the end."""
        return Follower(self, (thread, run), after)

    async def join(self, follower: Follower) -> None:
        """Hand a follower what comes after its place; those of its run that are further get some events again."""
        self._followers.setdefault(follower.place, set()).add(follower)
        if self._reader is None:
            self._reader = asyncio.create_task(self._read(), name="shared reader of events")
        known = self._after.get(follower.place)
        if known is None or order(known) > order(follower.after):
            self._after[follower.place] = follower.after
            await self.runs.ring()

    def leave(self, follower: Follower) -> None:
        """Hand a follower nothing any more."""
        others = self._followers.get(follower.place, set())
        others.discard(follower)
        if not others:
            self._followers.pop(follower.place, None)
            self._after.pop(follower.place, None)

    def wake(self) -> None:
        """Let every follower look up, although there is nothing new."""
        for followers in self._followers.values():
            for follower in followers:
                follower.miss()

    async def aclose(self) -> None:
        """End the reader."""
        if self._reader is not None:
            await ended(self._reader)
            self._reader = None
        with suppress(StoreError):
            await self.runs.aclose()

    async def _read(self) -> None:
        while True:
            asked = dict(self._after)
            try:
                news = await self.runs.news(asked)
            except StoreError:
                self.wake()
                await asyncio.sleep(AGAIN)
                continue
            for place, events in news.items():
                if self._after.get(place) != asked[place]:
                    continue  # who joined meanwhile is further back: all are handed what follows that
                self._after[place] = events[-1].id
                for follower in self._followers.get(place, ()):
                    follower.hand(events)
