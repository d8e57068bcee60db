"""The threads, runs and events of a service on a server that sees none of their texts.

Sealed are what was asked, the thread's own text, how it stands, errors, and the data of events, each bound to its
thread and run. Open stays what the scripts work with: status, order, times, and the names of events.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from satchel.memory.runs import END, NoTurn, Turn
from satchel.memory.sealed_fields import scope_of
from satchel.memory.server_runs import ServerRuns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from satchel.memory.keyring import Keyring
    from satchel.memory.redis_store import ServerStore
    from satchel.memory.runs import Admitted, Drop, Event, Events, RunRow, Strategy, ThreadRow, Written
    from satchel.memory.store import ThreadId

_DOC, _REST, _RUN, _ERROR, _EVENT = b"thread", b"rest", b"run ", b"error ", b"event "


class SealedRuns(ServerRuns):
    """`ServerRuns` whose texts are encrypted on their way."""

    def __init__(self, server: ServerStore, keys: Keyring) -> None:
        super().__init__(server)
        self._keys = keys

    async def create(self, thread: ThreadId, doc: bytes) -> bool:
        """Make a thread."""
        return await super().create(thread, self._seal(thread, _DOC, doc))

    async def rows(self, threads: Sequence[ThreadId]) -> list[ThreadRow]:
        """Those of the threads that are there, opened."""
        return [
            replace(row, doc=self._open(row.thread, _DOC, row.doc), rest=self._open(row.thread, _REST, row.rest))
            for row in await super().rows(threads)
        ]

    async def replace(self, thread: ThreadId, old: bytes, new: bytes) -> bool:
        """Put a new `doc` in the place of an old one, which may be sealed with another key, or plain."""
        new = self._seal(thread, _DOC, new)
        stands = next((row.doc for row in await super().rows([thread])), b"")
        if stands != new and self._open(thread, _DOC, stands) != old:
            return False
        return await super().replace(thread, stands, new)

    async def settle(self, thread: ThreadId, rest: bytes) -> None:
        """Say how the thread stands."""
        await super().settle(thread, self._seal(thread, _REST, rest))

    async def admit(
        self, thread: ThreadId, run: str, doc: bytes, *, strategy: Strategy, due: int, make: bytes | None, limit: int
    ) -> Admitted:
        """Accept a run."""
        doc = self._seal(thread, _RUN + run.encode(), doc)
        make = make and self._seal(thread, _DOC, make)
        return await super().admit(thread, run, doc, strategy=strategy, due=due, make=make, limit=limit)

    async def claim(self, thread: ThreadId, *, ttl: float) -> Turn | NoTurn:
        """Take the thread's turn; what was asked is opened."""
        turn = await super().claim(thread, ttl=ttl)
        if isinstance(turn, NoTurn) or not turn.doc:
            return turn
        return replace(turn, doc=self._open(thread, _RUN + turn.run.encode(), turn.doc))

    async def finish(
        self, turn: Turn, *, status: str, error: bytes, rest: bytes, drop: Drop, keep: float, events: Events = ()
    ) -> tuple[bool, Written]:
        """End the run and the turn."""
        error = self._seal(turn.thread, _ERROR + turn.run.encode(), error)
        rest = self._seal(turn.thread, _REST, rest)
        sealed = self._sealed(turn, events)
        return await super().finish(turn, status=status, error=error, rest=rest, drop=drop, keep=keep, events=sealed)

    async def append(self, turn: Turn, events: Events) -> Written:
        """Append events to the run's stream."""
        return await super().append(turn, self._sealed(turn, events))

    def _sealed(self, turn: Turn, events: Events) -> Events:
        place = _EVENT + turn.run.encode()
        return [(name, self._seal(turn.thread, place, data)) for name, data in events]

    async def page(self, thread: ThreadId, run: str, after: str, count: int) -> list[Event]:
        """Events of a run after an id, opened."""
        return [self._event(thread, run, event) for event in await super().page(thread, run, after, count)]

    async def news(self, after: Mapping[tuple[ThreadId, str], str]) -> Mapping[tuple[ThreadId, str], list[Event]]:
        """Wait for events after these ids."""
        found = await super().news(after)
        return {place: [self._event(*place, event) for event in events] for place, events in found.items()}

    async def _rows(self, thread: ThreadId, runs: Sequence[str]) -> list[RunRow]:
        return [
            replace(
                row,
                doc=self._open(thread, _RUN + row.id.encode(), row.doc),
                error=self._open(thread, _ERROR + row.id.encode(), row.error),
            )
            for row in await super()._rows(thread, runs)
        ]

    def _event(self, thread: ThreadId, run: str, event: Event) -> Event:
        if event.name == END:  # a script writes it
            return event
        return replace(event, data=self._open(thread, _EVENT + run.encode(), event.data))

    def _seal(self, thread: ThreadId, place: bytes, plain: bytes) -> bytes:
        return self._keys.seal(scope_of(thread), b"service " + place, plain) if plain else plain

    def _open(self, thread: ThreadId, place: bytes, data: bytes) -> bytes:
        return self._keys.open(scope_of(thread), b"service " + place, data, f"a run of thread {thread.name!r}")
