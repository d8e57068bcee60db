"""One reader of events for all who follow runs in this process, each at its own pace with a bounded buffer.

Who is behind reads pages by itself; who has caught up is handed what the one shared reader gets. One that does not
take what it is handed loses its buffer, not its place: it reads pages again from there. What this process writes it
hands on itself, once the store has it, so nobody asks the store for that.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from satchel.memory.errors import StoreError
from satchel.memory.runs import END, START, Event, order
from satchel.memory.tasks import ended

if TYPE_CHECKING:
    from collections.abc import Iterator

    from satchel.memory.runs import Events, Runs, Turn, Written
    from satchel.memory.store import ThreadId

    Place = tuple[ThreadId, str]

BUFFER, PAGE = 256, 100
"""Events that wait for one follower, and of one page, at most."""

AGAIN, SOON, LAST = 0.2, 0.05, 1.0
"""Seconds until the shared reader tries a silent store again, that it leaves a run to this process, which may be about
to execute it, and that it has to end when it is told to."""


class Follower:
    """One reader of one run, from an id on. Made by `Streams.follow`."""

    def __init__(self, streams: Streams, place: Place, after: str, *, behind: bool) -> None:
        self.place = place
        self.after = after
        self._streams = streams
        self._behind = True
        self._joins = not behind
        self._handed: deque[Event] = deque()
        self._more = asyncio.Event()

    async def next(self, seconds: float) -> list[Event]:
        """The next events, in order; none after so many seconds, or sooner if it was woken. Raises `StoreError`."""
        for _ in range(2):  # again if something came meanwhile; not for ever, for it may be gone
            if self._behind and (page := await self._page()):
                return page
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._more.wait()
        self._more.clear()
        taken = list(self._handed)
        self._handed.clear()
        if taken and not self._behind:
            self.after = taken[-1].id
            return taken
        return []

    async def _page(self) -> list[Event]:
        """The next events from the store; if these are all, what follows is handed, or sets it behind again."""
        page: list[Event] = []
        if not self._joins:
            page = await self._streams.runs.page(*self.place, self.after, PAGE)
        self._joins = False
        if page:
            self.after = page[-1].id
        if len(page) < PAGE:
            self._handed.clear()
            self._behind = not self._streams.join(self)
        return page

    def hand(self, events: list[Event], before: str) -> None:
        """Take events that follow an id, or fall behind if some may be missing."""
        known = order(self._handed[-1].id if self._handed else self.after)
        if self._behind or order(before) > known or len(self._handed) + len(events) > BUFFER:
            self.miss()
            return
        self._handed.extend(event for event in events if order(event.id) > known)
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
    """The followers of this process, their one reader, and what is written here."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self._followers: dict[Place, set[Follower]] = {}
        self._after: dict[Place, str] = {}
        self._writing: dict[Place, str] = {}
        self._bells: defaultdict[ThreadId, set[asyncio.Event]] = defaultdict(set)
        self._reader: asyncio.Task[None] | None = None
        self._asked: dict[Place, str] = {}
        self._soon: asyncio.TimerHandle | None = None
        self._ringing: asyncio.Task[None] | None = None
        self._ended = False

    def follow(self, thread: ThreadId, run: str, after: str, *, behind: bool = True) -> Follower:
        """A follower of a run's events after an id; close it at the end. Not `behind` is who knows of none to read."""
        return Follower(self, (thread, run), after, behind=behind)

    def join(self, follower: Follower) -> bool:
        """Hand a follower what comes after its place; False if there is something already."""
        place = follower.place
        self._followers.setdefault(place, set()).add(follower)
        if order(self._writing.get(place, START)) > order(follower.after):
            return False
        known = self._after.get(place)
        if known is None or order(known) > order(follower.after):
            self._after[place] = follower.after
            if place not in self._writing and self._soon is None:
                self._soon = asyncio.get_running_loop().call_later(SOON, self._look)
        return True

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

    @property
    def going(self) -> int:
        """How many runs are executed here."""
        return len(self._writing)

    @contextmanager
    def writing(self, place: Place) -> Iterator[None]:
        """Between claiming a run's turn and its end: nobody else writes events of it."""
        self._writing[place] = START
        for bell in self._bells.get(place[0], ()):
            bell.set()
        try:
            yield
        finally:
            del self._writing[place]
            if place in self._after:  # it goes on elsewhere
                self._look()

    @contextmanager
    def beginnings(self, thread: ThreadId) -> Iterator[asyncio.Event]:
        """What is set when a run of a thread begins in this process."""
        bell = asyncio.Event()
        self._bells[thread].add(bell)
        try:
            yield bell
        finally:
            self._bells[thread].discard(bell)
            if not self._bells[thread]:
                del self._bells[thread]

    async def append(self, turn: Turn, events: Events) -> None:
        """Write events and hand them on. Raises `StoreError`."""
        self._tell(turn, events, await self.runs.append(turn, events))

    async def finish(self, turn: Turn, *, events: Events, status: str, **end: Any) -> bool:
        """End a run, as `Runs.finish` does, and hand its last events on. Raises `StoreError`."""
        more, written = await self.runs.finish(turn, events=events, status=status, **end)
        self._tell(turn, [*events, (END, status.encode())], written)
        return more

    async def aclose(self) -> None:
        """End the reader: by itself, since a command that is cut off takes its connection with it."""
        self._ended = True
        if self._soon is not None:
            self._soon.cancel()
        if self._ringing is not None:
            await asyncio.wait([self._ringing], timeout=LAST)
            await ended(self._ringing)
        if self._reader is not None:
            await self._ring()
            await asyncio.wait([self._reader], timeout=LAST)
            await ended(self._reader)
        self._reader = self._ringing = None
        with suppress(StoreError):
            await self.runs.aclose()

    def _tell(self, turn: Turn, events: Events, written: Written) -> None:
        place = (turn.thread, turn.run)
        if not written.ids:  # a reply was lost, and with it where they stand
            for follower in self._followers.get(place, ()):
                follower.miss()
            return
        newest = written.ids[-1]
        if place in self._writing:
            self._writing[place] = newest
        if place in self._after:
            self._after[place] = newest
        made = [Event(at, name, data) for at, (name, data) in zip(written.ids, events, strict=True)]
        for follower in self._followers.get(place, ()):
            follower.hand(made, written.before)
        if events[-1][0] == END:
            self._after.pop(place, None)

    def _look(self) -> None:
        """Let the reader ask for what it does not ask for yet."""
        self._soon = None
        if self._reader is None:
            self._reader = asyncio.create_task(self._read(), name="shared reader of events")
        elif self._unasked() and (self._ringing is None or self._ringing.done()):
            self._ringing = asyncio.create_task(self._ring(), name="bell of the shared reader")

    async def _ring(self) -> None:
        with suppress(StoreError):  # the reader looks up by itself now and then
            await self.runs.ring()

    def _wanted(self) -> dict[Place, str]:
        return {place: after for place, after in self._after.items() if place not in self._writing}

    def _unasked(self) -> bool:
        """Whether something is wanted that the reader does not ask for, or only from a later place on."""
        asked = self._asked
        return any(place not in asked or order(asked[place]) > order(after) for place, after in self._wanted().items())

    async def _read(self) -> None:
        while not self._ended:
            self._asked = asked = self._wanted()
            try:
                news = await self.runs.news(asked)
            except StoreError:
                self.wake()
                await asyncio.sleep(AGAIN)
                continue
            for place, events in news.items():
                if self._after.get(place) != asked[place]:
                    continue  # who joined meanwhile is further back, or all were handed it where it was written
                self._after[place] = events[-1].id
                for follower in self._followers.get(place, ()):
                    follower.hand(events, asked[place])
