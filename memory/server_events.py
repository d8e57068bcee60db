"""The reading side of a run's events on a server with the Redis protocol."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from satchel.memory.keys import stream_key
from satchel.memory.runs import START, Event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from satchel.memory.redis_store import ServerStore
    from satchel.memory.store import ThreadId

BLOCK = 2_000
"""Milliseconds that one wait for news lasts at most, well below the time a connection waits for an answer."""

PAGE = 200
"""Events of one answer, at most, for each stream."""

BELL = 60_000
"""Milliseconds that a bell outlives its last ring."""


class ServerEvents:
    """Events of runs, on one server."""

    def __init__(self, server: ServerStore) -> None:
        self._redis: Any = server.connection.redis
        self._errors = server.connection.errors
        self._rest = server.connection.rest
        self._bell = f"satchel:{{runs}}:bell:{secrets.token_hex(8)}"
        self._heard = START

    async def last(self, thread: ThreadId, run: str) -> str:
        """The id of the newest event of a run."""
        with self._errors():
            found = await self._redis.xrevrange(stream_key(thread, run), count=1)
        return found[0][0].decode() if found else START

    async def page(self, thread: ThreadId, run: str, after: str, count: int) -> list[Event]:
        """Events of a run after an id."""
        with self._errors():
            found = await self._redis.xrange(stream_key(thread, run), min=f"({after}", count=count)
        return [_event(*entry) for entry in found]

    async def news(self, after: Mapping[tuple[ThreadId, str], str]) -> Mapping[tuple[ThreadId, str], list[Event]]:
        """Wait for events after these ids, or until `ring`."""
        streams = {stream_key(*place): place for place in after}
        positions = {key: after[place] for key, place in streams.items()}
        with self._errors():
            answer = await self._redis.xread({self._bell: self._heard, **positions}, count=PAGE, block=BLOCK)
        if not answer:
            await self._rest()  # nothing happens: a crowd that came at once may have left many connections
        got = {key.decode(): entries for key, entries in answer}
        if rung := got.pop(self._bell, None):
            self._heard = rung[-1][0].decode()
        return {streams[key]: [_event(*entry) for entry in entries] for key, entries in got.items()}

    async def ring(self) -> None:
        """End the wait of `news`."""
        with self._errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xadd(self._bell, {"r": ""}, maxlen=1, approximate=False)
                pipe.pexpire(self._bell, BELL)
                await pipe.execute()

    async def aclose(self) -> None:
        """Remove the bell."""
        with self._errors():
            await self._redis.unlink(self._bell)


def _event(at: bytes, fields: Mapping[bytes, bytes]) -> Event:
    return Event(at.decode(), fields[b"e"].decode(), fields[b"d"])
