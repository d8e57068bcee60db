"""How threads on a server come to be other than by appending, and how they go: fork, create, expire, remove."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from satchel.memory import scripts
from satchel.memory.errors import ConfigError, LeaseLost, StoreError, ThreadBusy, ThreadExists, ThreadNotFound
from satchel.memory.keys import due_key, fields_key, fields_member, forks_key, index, keys, listed, member, named
from satchel.memory.redis_bases import ATTEMPTS, BATCH, Base, Bases
from satchel.memory.sentences import absent, exists, foreign, hollow, lost, too_long
from satchel.memory.store import Head, Lease, ThreadId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from satchel.memory.redis_bases import Script

HOLD = 30.0
"""Seconds of the lease under which a thread is made or removed; renewed with each batch."""

DEEPEST = 16
"""Threads that a fork may read through; the next one has its entries copied."""

ROOM = 4 << 20
"""Bytes after which a batch of entries is sent."""

SWEPT = 10
"""Threads that one `keep` looks at."""


class Retention:
    """A part of `ServerStore`: what it makes and removes in several steps, safe to be killed between any two."""

    _redis: Any
    _errors: Callable[[], AbstractContextManager[None]]

    def _retain(self, script: Callable[[str], Script]) -> None:
        self._bases = Bases(self._redis, script)
        self._delete, self._held, self._finish = map(script, (scripts.DELETE, scripts.HELD, scripts.FINISH))
        self._keep, self._identify = script(scripts.KEEP), script(scripts.IDENTIFY)

    if TYPE_CHECKING:  # what the store itself does
        acquire: Callable[..., Awaitable[Lease]]
        renew: Callable[..., Awaitable[None]]
        release: Callable[[Lease], Awaitable[None]]
        head: Callable[[ThreadId], Awaitable[Head | None]]
        read: Callable[..., Awaitable[list[bytes]]]
        _take: Callable[..., Awaitable[Lease | None]]

    async def threads(self, tenant: str = "default") -> list[ThreadId]:
        """All threads of a tenant, sorted by name."""
        return [thread for thread in await self._listed(tenant) if await self.head(thread) is not None]

    async def delete(self, thread: ThreadId) -> None:
        """Remove every key of the thread; its forks get what they share with it before."""
        lease = await self._take(thread, HOLD, over=True)
        if lease is None:
            raise AssertionError
        base, reply = None, b"shared"
        with self._errors():
            for _ in range(ATTEMPTS):
                await self._bases.hand_over(thread)
                base = await self._bases.of(thread)
                reply = await self._delete((*keys(thread), fields_key(thread), forks_key(thread)), (lease.token,))
                if reply != b"shared":
                    break
            if reply == b"lost":
                raise ThreadBusy(lost(thread))
            if reply == b"shared":
                raise StoreError(f"thread {thread.name!r} is forked all the time; remove it when that has ended")
            if base is not None:
                await self._bases.unregister(base, thread)
            await self._redis.zrem(due_key(thread.tenant), listed(thread))
            await self._redis.srem(*fields_member(thread))
            await self._redis.srem(*member(thread))
        if reply == b"absent":
            raise ThreadNotFound(absent(thread))

    async def fork(self, source: ThreadId, target: ThreadId, length: int, *, lineage: bytes = b"") -> None:
        """Make a thread that begins as another one and shares its entries: the fork says so first, then its base."""
        if source.tenant != target.tenant:
            raise ConfigError(foreign(source, target))
        head = await self.head(source)
        if head is None:
            raise ThreadNotFound(absent(source))
        if not 0 < length <= head.length:
            raise ConfigError(too_long(source, length, head.length))
        given = ["n", length, *(["l", lineage] if lineage else ())]
        async with self._new(target) as lease:
            with self._errors():
                expire = await self._redis.hget(keys(source)[0], "x")
                given += ["x", expire] if expire else []
                if not await self._share(source, lease, length):
                    for first in range(0, length, BATCH):
                        await self._put(lease, first, await self.read(source, first, min(first + BATCH, length)))
                await self._become(lease, given)
                if expire:
                    await self._redis.zadd(
                        due_key(target.tenant), {listed(target): _ms(await self._clock()) + int(expire)}
                    )

    async def create(self, thread: ThreadId, entries: AsyncIterable[bytes]) -> int:
        """Make a thread of these entries, seen once the last one is there."""
        async with self._new(thread) as lease:
            length, batch = 0, []
            async for entry in entries:
                batch.append(entry)
                if len(batch) == BATCH or sum(map(len, batch)) > ROOM:
                    await self._put(lease, length, batch)
                    length, batch = length + len(batch), []
            if batch:
                await self._put(lease, length, batch)
            length += len(batch)
            if not length:
                raise ConfigError(hollow(thread))
            await self._become(lease, ["n", length])
        return length

    async def keep(self, thread: ThreadId, seconds: float | None) -> None:
        """Let the thread expire, or not; some that are due by now are removed."""
        if await self.head(thread) is None:
            raise ThreadNotFound(absent(thread))
        with self._errors():
            due = await self._keep(keys(thread)[:1], ("" if seconds is None else _ms(seconds),))
            if due is None:
                raise ThreadNotFound(absent(thread))
            if seconds is None:
                await self._redis.zrem(due_key(thread.tenant), listed(thread))
            else:
                await self._redis.zadd(due_key(thread.tenant), {listed(thread): due})
        await self._expire(thread.tenant, SWEPT)

    async def sweep(self, tenant: str = "default") -> list[ThreadId]:
        """Remove the threads whose time is over, and what a killed `fork` or `create` left behind."""
        gone = await self._expire(tenant, None)
        for thread in await self._listed(tenant):
            if await self._is_left(thread):
                await self._gone(thread)
        return sorted(gone, key=lambda thread: thread.name)

    async def _expire(self, tenant: str, most: int | None) -> list[ThreadId]:
        """Remove what is due; the list of deadlines is a hint, for a commit puts a deadline off."""
        gone = []
        with self._errors():
            now = _ms(await self._clock())
            names = await self._redis.zrangebyscore(due_key(tenant), "-inf", now, start=0, num=most or -1)
        for name in names:
            thread = ThreadId(named(name), tenant)
            head = await self.head(thread)
            if head is None and await self._is_over(thread) and await self._gone(thread):
                gone.append(thread)
            with self._errors():
                if head is None or head.at is None or head.expire is None:
                    await self._redis.zrem(due_key(tenant), name)
                else:
                    await self._redis.zadd(due_key(tenant), {name: max(now + 1, _ms(head.at + head.expire))})
        return gone

    async def _passed(self, thread: ThreadId, head: Head) -> bool:
        over = await self._clock() >= (head.at or 0) + (head.expire or 0)
        return over and not await self._redis.exists(keys(thread)[1])

    async def _is_over(self, thread: ThreadId) -> bool:
        """Whether the time of a thread is over; one that has no log yet is being made."""
        with self._errors():
            expires = all(await self._redis.hmget(keys(thread)[0], ["n", "x"]))
        return expires and await self.head(thread) is None

    async def _is_left(self, thread: ThreadId) -> bool:
        """Whether a thread is listed but has no log; one with fields is LangGraph's."""
        with self._errors():
            if await self._redis.hexists(keys(thread)[0], "n"):
                return False
            return not await self._redis.exists(fields_key(thread))

    async def _gone(self, thread: ThreadId) -> bool:
        """Remove a thread that nobody sees any more; False if somebody has it."""
        try:
            await self.delete(thread)
        except ThreadBusy:
            return False
        except ThreadNotFound:
            pass
        return True

    async def _listed(self, tenant: str) -> list[ThreadId]:
        with self._errors():
            names = await self._redis.smembers(index(tenant))
        return sorted((ThreadId(named(name), tenant) for name in names), key=lambda thread: thread.name)

    async def _clock(self) -> float:
        seconds, micros = await self._redis.time()
        return float(seconds + micros / 1e6)

    @asynccontextmanager
    async def _new(self, thread: ThreadId) -> AsyncIterator[Lease]:
        """The lease of a thread that is to be made; what was made of it is gone again if that fails."""
        lease = await self.acquire(thread, ttl=HOLD)
        try:
            if await self.head(thread) is not None:
                raise ThreadExists(exists(thread))
            yield lease
        finally:
            await self.release(lease)

    async def _share(self, source: ThreadId, lease: Lease, length: int) -> bool:
        """Give a new thread its base, the nearest thread that has all of the prefix; False if that lies too deep."""
        for _ in range(ATTEMPTS):
            owner = source
            while (base := await self._bases.of(owner)) is not None and length <= base.length:
                owner = base.owner
            if await self._bases.depth(base) >= DEEPEST - 1:
                return False
            known = await self._identify(keys(owner)[:1], (secrets.token_hex(4),))
            if known is None:
                if owner == source:
                    raise ThreadNotFound(absent(source))
                continue
            new = Base.on(owner, length, known[1])
            await self._write(lease, ["b", new.raw])
            if await self._bases.register(new, lease.thread):
                return True
        raise ThreadNotFound(absent(source))

    async def _put(self, lease: Lease, start: int, entries: list[bytes]) -> None:
        await self._write(lease, [part for n, entry in enumerate(entries, start) for part in (n, entry)])
        await self.renew(lease, ttl=HOLD)

    async def _write(self, lease: Lease, pairs: list[Any]) -> None:
        with self._errors():
            if not await self._held(keys(lease.thread)[:1], (lease.token, *pairs)):
                raise LeaseLost(lost(lease.thread))

    async def _become(self, lease: Lease, pairs: list[Any]) -> None:
        with self._errors():
            if not await self._finish(keys(lease.thread)[:1], (lease.token, *pairs)):
                raise LeaseLost(lost(lease.thread))


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
