"""Named values of a thread on a server with the Redis protocol: one hash, changed by one script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from satchel.memory import scripts
from satchel.memory.fields import Changed
from satchel.memory.keys import RunKeys, fields_key, fields_member, index_of_fields, named
from satchel.memory.marks import mark
from satchel.memory.store import ThreadId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.memory.connection import Connection
    from satchel.memory.fields import Change

CHUNK = 1_900
"""Fields of one command: some services take no more than 3,999 arguments."""


class ServerFields:
    """`Fields` over the connections of a store."""

    def __init__(self, connection: Connection) -> None:
        self._redis = connection.redis
        self._errors = connection.errors
        self._change = connection.script(scripts.CHANGE)

    async def get(self, thread: ThreadId, names: Sequence[bytes]) -> list[bytes | None]:
        """The values of these names."""
        out: list[bytes | None] = []
        for first in range(0, len(names), CHUNK):
            with self._errors():
                out += await _got(self._redis.hmget(fields_key(thread), list(names[first : first + CHUNK])))
        return out

    async def names(self, thread: ThreadId) -> list[bytes]:
        """All names of the thread."""
        with self._errors():
            return cast("list[bytes]", await _got(self._redis.hkeys(fields_key(thread))))

    async def change(self, thread: ThreadId, change: Change) -> Changed:
        """Do it in one script, or not at all."""
        words: list[bytes | int | str] = [
            b"*" if change.generation is None else change.generation,
            "*" if change.size is None else change.size,
            mark(6),
            change.token,
        ]
        for part in (change.put.items(), change.fresh.items(), change.top.items(), change.push):
            words += [len(part), *(word for pair in part for word in pair)]
        with self._errors():
            reply = await self._change([fields_key(thread), RunKeys.of(thread).fence], [*words, *change.drop])
        how = cast("Literal['done', 'stale', 'taken', 'lost']", reply[0].decode())
        return Changed(how, reply[1])

    async def enlist(self, thread: ThreadId) -> None:
        """List the thread."""
        with self._errors():
            await _got(self._redis.sadd(*fields_member(thread)))

    async def threads(self, tenant: str) -> list[ThreadId]:
        """The tenant's threads that are listed, sorted by name."""
        with self._errors():
            listed = await _got(self._redis.smembers(index_of_fields(tenant)))
        return sorted((ThreadId(named(name), tenant) for name in listed), key=lambda thread: thread.name)

    async def delete(self, thread: ThreadId) -> None:
        """Remove the hash, and the thread from the list."""
        with self._errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.execute_command("UNLINK", fields_key(thread))  # a cluster's `unlink` is no part of a pipeline
                pipe.srem(*fields_member(thread))
                await pipe.execute()


async def _got(answer: Any) -> Any:
    """The answer of a command, which redis-py types as "perhaps awaitable"."""
    return await answer
