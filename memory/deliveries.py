"""What has to be told to somebody outside and has not been yet: kept in the store, so that no crash forgets it.

A delivery is a name and bytes of a tenant, with a moment from which on it may be tried. Who takes one has it to itself
until then; if it is not done by then, another takes it: so it is told at least once.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from satchel.memory import keys
from satchel.memory.sealed_fields import scope_of
from satchel.memory.store import ThreadId

if TYPE_CHECKING:
    from satchel.memory.keyring import Keyring
    from satchel.memory.redis_store import ServerStore

TAKE = """
-- KEYS due    ARGV member, now, next (ms)
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due or tonumber(due) > tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
return 1
"""

Name = tuple[str, str]
"""The tenant and the name of a delivery."""


class Deliveries(Protocol):
    """Keeps deliveries. All methods raise `StoreError` or one of its children and nothing else."""

    async def put(self, name: Name, body: bytes, *, wait: float) -> None:
        """Keep a delivery, or another text for it; it may be tried in `wait` seconds."""

    async def due(self, count: int) -> list[Name]:
        """Deliveries that may be tried now, at most so many."""

    async def take(self, name: Name, *, wait: float) -> bytes | None:
        """Have a delivery that is due for `wait` seconds; None if another one has it."""

    async def done(self, name: Name) -> None:
        """Forget a delivery."""


class MemoryDeliveries:
    """`Deliveries` in this process."""

    def __init__(self) -> None:
        self._kept: dict[Name, tuple[float, bytes]] = {}

    async def put(self, name: Name, body: bytes, *, wait: float) -> None:
        """Keep a delivery."""
        self._kept[name] = (time.monotonic() + wait, body)

    async def due(self, count: int) -> list[Name]:
        """Deliveries that may be tried now."""
        now = time.monotonic()
        return [name for name, (at, _) in self._kept.items() if at <= now][:count]

    async def take(self, name: Name, *, wait: float) -> bytes | None:
        """Have a delivery that is due."""
        at, body = self._kept.get(name, (float("inf"), b""))
        if at > time.monotonic():
            return None
        self._kept[name] = (time.monotonic() + wait, body)
        return body

    async def done(self, name: Name) -> None:
        """Forget a delivery."""
        self._kept.pop(name, None)


class ServerDeliveries:
    """`Deliveries` on a server with the Redis protocol: the bodies with their tenant, the moments in one list."""

    def __init__(self, server: ServerStore) -> None:
        self._redis: Any = server.connection.redis
        self._errors = server.connection.errors
        self._take = server.connection.script(TAKE)

    async def put(self, name: Name, body: bytes, *, wait: float) -> None:
        """Keep a delivery: the body first, so that whoever finds the name finds it, too."""
        with self._errors():
            await self._redis.hset(keys.deliveries_key(name[0]), name[1], body)
            await self._redis.zadd(keys.DELIVERIES, {_member(name): _ms(wait)})

    async def due(self, count: int) -> list[Name]:
        """Deliveries that may be tried now."""
        with self._errors():
            found = await self._redis.zrangebyscore(keys.DELIVERIES, "-inf", _ms(0), start=0, num=count)
        return [_named(member) for member in found]

    async def take(self, name: Name, *, wait: float) -> bytes | None:
        """Have a delivery that is due."""
        with self._errors():
            if not await self._take([keys.DELIVERIES], [_member(name), _ms(0), _ms(wait)]):
                return None
            body: bytes | None = await self._redis.hget(keys.deliveries_key(name[0]), name[1])
            if body is None:
                await self._redis.zrem(keys.DELIVERIES, _member(name))
            return body

    async def done(self, name: Name) -> None:
        """Forget a delivery."""
        with self._errors():
            await self._redis.zrem(keys.DELIVERIES, _member(name))
            await self._redis.hdel(keys.deliveries_key(name[0]), name[1])


class SealedDeliveries(ServerDeliveries):
    """`ServerDeliveries` whose bodies are encrypted on their way; names and moments stay open."""

    def __init__(self, server: ServerStore, keyring: Keyring) -> None:
        super().__init__(server)
        self._keys = keyring

    async def put(self, name: Name, body: bytes, *, wait: float) -> None:
        """Keep a delivery."""
        await super().put(name, self._keys.seal(_scope(name[0]), name[1].encode(), body), wait=wait)

    async def take(self, name: Name, *, wait: float) -> bytes | None:
        """Have a delivery that is due, opened."""
        body = await super().take(name, wait=wait)
        return body and self._keys.open(_scope(name[0]), name[1].encode(), body, f"delivery {name[1]}")


def _scope(tenant: str) -> bytes:
    return scope_of(ThreadId("satchel deliveries", tenant))


def _member(name: Name) -> str:
    return ":".join(quote(part, safe="") for part in name)


def _named(member: bytes) -> Name:
    tenant, _, name = member.partition(b":")
    return keys.named(tenant), keys.named(name)


def _ms(wait: float) -> int:
    return int((time.time() + wait) * 1000)
