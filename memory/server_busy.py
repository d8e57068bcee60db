"""The scripts of runs on a server with the Redis protocol, and the list of threads that may hold runs."""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING, Any

from satchel.memory import keys, run_scripts
from satchel.memory.keys import RunKeys
from satchel.memory.server_events import ServerEvents
from satchel.memory.store import ThreadId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.memory.redis_store import ServerStore

QUIET = 60_000
"""Milliseconds after which a thread without runs is no longer listed as busy."""

LOOKS = 500
"""Threads that are looked at in one go."""


class ServerBusy(ServerEvents):
    """What runs of a service stand on, on one server."""

    def __init__(self, server: ServerStore) -> None:
        super().__init__(server)
        self._gone: list[tuple[int, str]] = []
        self._scripts = {
            name: server.connection.script(getattr(run_scripts, name))
            for name in vars(run_scripts)
            if name.isupper() and not name.startswith("_")
        }

    async def waiting(self) -> list[ThreadId]:
        """Threads that may hold runs to execute; those without any for a while are taken off the list."""
        gone, self._gone = self._gone, []
        await self._idle(gone)
        with self._errors():
            found = await self._redis.zrange(keys.BUSY, 0, -1, withscores=True)
        waiting: list[ThreadId] = []
        for first in range(0, len(found), LOOKS):
            waiting += await self._full(found[first : first + LOOKS])
        return waiting

    async def _full(self, listed: Sequence[tuple[bytes, float]]) -> list[ThreadId]:
        """Those of the listed threads that hold runs."""
        threads = [ThreadId(*keys.addressed(name)) for name, _ in listed]
        with self._errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                for thread in threads:
                    pipe.execute_command("EXISTS", RunKeys.of(thread).q)  # as in `ServerFields.delete`
                full = await pipe.execute()
        before = now() - QUIET
        found = zip(listed, full, strict=True)
        await self._idle([(before, name) for (name, named), there in found if not there and named < before])
        return [thread for thread, there in zip(threads, full, strict=True) if there]

    async def _idle(self, threads: Sequence[tuple[int, str | bytes]]) -> None:
        """Take threads off the list that nobody has named since a moment, in milliseconds since 1970."""
        if threads:
            await self._run("IDLE", [keys.BUSY], [*chain.from_iterable(threads)])

    async def _run(
        self, script: str, names: Sequence[str], args: Sequence[Any], first: Sequence[Sequence[Any]] = ()
    ) -> Any:
        with self._errors():
            return await self._scripts[script](names, args, first)


def now() -> int:
    """This moment, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
