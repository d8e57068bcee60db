"""What is done again and again at set times: a tenant's crons, and which of all tenants is due first.

A cron is a text of the service's own under an id, with a moment at which somebody has to look at it. Whoever changes it
names the revision that it read, and the change is refused if another stands there: so of several processes that find
the same cron due, one has it. All crons share a slot, so that text and moment change in one step.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from satchel.memory import keys
from satchel.memory.sealed_fields import scope_of
from satchel.memory.store import ThreadId

if TYPE_CHECKING:
    from satchel.memory.keyring import Keyring
    from satchel.memory.redis_store import ServerStore

Name = tuple[str, str]
"""The tenant and the id of a cron."""

Put = Literal["done", "stale", "full"]
"""What became of a change: another revision stands there, or the tenant has as many as it may."""

PUT = """
-- KEYS crons, due    ARGV id, revision (0: none yet), doc, member of due, moment (or empty), limit
local rev = tonumber(redis.call('HGET', KEYS[1], ARGV[1] .. ' n') or '0')
local old = tonumber(ARGV[2])
if rev ~= old then
  local again = rev == old + 1 and redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[3]
  return again and 'done' or 'stale'
end
if rev == 0 and redis.call('HLEN', KEYS[1]) >= 2 * tonumber(ARGV[6]) then return 'full' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3], ARGV[1] .. ' n', rev + 1)
if ARGV[5] == '' then
  redis.call('ZREM', KEYS[2], ARGV[4])
else
  redis.call('ZADD', KEYS[2], ARGV[5], ARGV[4])
end
return 'done'
"""
"""Sent again after its answer was lost, it finds its own text and changes nothing."""

DELETE = """
-- KEYS crons, due    ARGV id, member of due
redis.call('ZREM', KEYS[2], ARGV[2])
redis.call('HDEL', KEYS[1], ARGV[1] .. ' n')
return redis.call('HDEL', KEYS[1], ARGV[1])
"""


@dataclass(frozen=True, slots=True)
class CronRow:
    """A cron as it stands: the service's own text, and its revision, from 1."""

    id: str
    doc: bytes
    revision: int


class Crons(Protocol):
    """Keeps crons. All methods raise `StoreError` or one of its children and nothing else."""

    async def put(self, name: Name, doc: bytes, *, at: int | None, revision: int = 0, limit: int = 0) -> Put:
        """Put a text in the place of a revision (0: make it, if the tenant has fewer than `limit`).

        It is due `at` milliseconds since 1970; None: never.
        """

    async def get(self, name: Name) -> CronRow | None:
        """A cron, or None."""

    async def all(self, tenant: str) -> list[CronRow]:
        """All crons of a tenant, in no order."""

    async def delete(self, name: Name) -> bool:
        """Remove a cron; False if there is none."""

    async def due(self, count: int) -> tuple[int, list[tuple[Name, int]]]:
        """The store's time, and the crons of all tenants that are due first, with when; milliseconds since 1970."""


class MemoryCrons:
    """`Crons` in this process."""

    def __init__(self) -> None:
        self._kept: dict[Name, tuple[CronRow, int | None]] = {}

    async def put(self, name: Name, doc: bytes, *, at: int | None, revision: int = 0, limit: int = 0) -> Put:
        """Put a text in the place of a revision."""
        known = self._kept.get(name)
        if (known[0].revision if known else 0) != revision:
            return "stale"
        if not known and sum(tenant == name[0] for tenant, _ in self._kept) >= limit:
            return "full"
        self._kept[name] = CronRow(name[1], doc, revision + 1), at
        return "done"

    async def get(self, name: Name) -> CronRow | None:
        """A cron, or None."""
        known = self._kept.get(name)
        return known[0] if known else None

    async def all(self, tenant: str) -> list[CronRow]:
        """All crons of a tenant."""
        return [row for (of, _), (row, _) in self._kept.items() if of == tenant]

    async def delete(self, name: Name) -> bool:
        """Remove a cron."""
        return self._kept.pop(name, None) is not None

    async def due(self, count: int) -> tuple[int, list[tuple[Name, int]]]:
        """This process's time, and the crons that are due first."""
        waiting = [(name, at) for name, (_, at) in self._kept.items() if at is not None]
        return time.time_ns() // 1_000_000, sorted(waiting, key=lambda one: one[1])[:count]


class ServerCrons:
    """`Crons` on a server with the Redis protocol: a hash of texts for each tenant, and one list of moments."""

    def __init__(self, server: ServerStore) -> None:
        self._redis: Any = server.connection.redis
        self._errors = server.connection.errors
        self._put = server.connection.script(PUT)
        self._delete = server.connection.script(DELETE)

    async def put(self, name: Name, doc: bytes, *, at: int | None, revision: int = 0, limit: int = 0) -> Put:
        """Put a text in the place of a revision."""
        args = [name[1], revision, doc, keys.cron_member(*name), "" if at is None else at, limit]
        with self._errors():
            how = await self._put([keys.crons_key(name[0]), keys.CRONS], args)
        return cast("Put", how.decode())

    async def get(self, name: Name) -> CronRow | None:
        """A cron, or None."""
        with self._errors():
            doc, revision = await self._redis.hmget(keys.crons_key(name[0]), [name[1], f"{name[1]} n"])
        return None if doc is None else CronRow(name[1], doc, int(revision))

    async def all(self, tenant: str) -> list[CronRow]:
        """All crons of a tenant."""
        with self._errors():
            kept = await self._redis.hgetall(keys.crons_key(tenant))
        docs = {name: doc for name, doc in kept.items() if not name.endswith(b" n")}
        return [CronRow(name.decode(), doc, int(kept[name + b" n"])) for name, doc in docs.items()]

    async def delete(self, name: Name) -> bool:
        """Remove a cron."""
        with self._errors():
            return bool(await self._delete([keys.crons_key(name[0]), keys.CRONS], [name[1], keys.cron_member(*name)]))

    async def due(self, count: int) -> tuple[int, list[tuple[Name, int]]]:
        """The server's time, and the crons that are due first."""
        with self._errors():
            seconds, micros = await self._redis.time()
            found = await self._redis.zrange(keys.CRONS, 0, count - 1, withscores=True)
        due = [(keys.cron_of(member), int(at)) for member, at in found]
        return int(seconds) * 1000 + int(micros) // 1000, due


class SealedCrons(ServerCrons):
    """`ServerCrons` whose texts are encrypted on their way; ids and moments stay open."""

    def __init__(self, server: ServerStore, keyring: Keyring) -> None:
        super().__init__(server)
        self._keys = keyring

    async def put(self, name: Name, doc: bytes, *, at: int | None, revision: int = 0, limit: int = 0) -> Put:
        """Put a text in the place of a revision."""
        sealed = self._keys.seal(_scope(name[0]), name[1].encode(), doc)
        return await super().put(name, sealed, at=at, revision=revision, limit=limit)

    async def get(self, name: Name) -> CronRow | None:
        """A cron, opened."""
        row = await super().get(name)
        return row and self._opened(name[0], row)

    async def all(self, tenant: str) -> list[CronRow]:
        """All crons of a tenant, opened."""
        return [self._opened(tenant, row) for row in await super().all(tenant)]

    def _opened(self, tenant: str, row: CronRow) -> CronRow:
        return replace(row, doc=self._keys.open(_scope(tenant), row.id.encode(), row.doc, f"cron {row.id}"))


def _scope(tenant: str) -> bytes:
    return scope_of(ThreadId("satchel crons", tenant))
