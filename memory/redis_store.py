"""The store on a server with the Redis protocol: Redis or Valkey from 6.2 on, embedded or external."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff

from satchel.memory import scripts
from satchel.memory.errors import ConfigError, DamagedEntry, LeaseLost, ThreadBusy, ThreadNotFound
from satchel.memory.holder import HELD, Holder, nonce_of, owner, replaceable
from satchel.memory.keys import index, keys, member, named
from satchel.memory.redis_client import Scripts, script, translated
from satchel.memory.redis_errors import judge, public
from satchel.memory.redis_fields import ServerFields
from satchel.memory.sentences import absent, busy, lost, moved
from satchel.memory.store import Head, Lease, ThreadId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from satchel.memory.embedded import EmbeddedServer

CONNECTIONS = 16
"""Of one store; a further command waits for one to be free."""

TIMEOUT = 5.0
"""Seconds for a connection, and for an answer; then tried `RETRIES` times more: each command here may be sent twice."""

RETRIES = 4
CHUNK = 1_900
"""Entries of one script call: some services take no more than 3,999 arguments."""

BATCH = 500
"""Entries of one read."""


class ServerStore:
    """A `Store` on one server. It belongs to the event loop it is first used in; `url` shows no credentials."""

    def __init__(self, url: str, *, server: EmbeddedServer | None = None) -> None:
        self.url = public(url)
        self._server = server
        self._redis = _client(url)
        self.fields = ServerFields(self._redis, url)
        self._acquire = self._script(scripts.ACQUIRE)
        self._renew = self._script(scripts.RENEW)
        self._release = self._script(scripts.RELEASE)
        self._append = self._script(scripts.APPEND)
        self._delete = self._script(scripts.DELETE)

    async def acquire(self, thread: ThreadId, *, ttl: float) -> Lease:
        """Take the thread; a holder that died on this machine is replaced at once, else `ThreadBusy`."""
        nonce = secrets.token_hex(8)
        HELD.add(nonce)
        try:
            return await self._take(thread, (nonce, _ms(ttl), Holder.here().text()))
        except BaseException:
            HELD.discard(nonce)
            raise

    async def _take(self, thread: ThreadId, args: tuple[str, int, str]) -> Lease:
        with self._errors():
            reply = await self._acquire(keys(thread)[:2], (*args, ""))
            if reply[0] == b"busy" and (dead := replaceable(reply[1])):
                reply = await self._acquire(keys(thread)[:2], (*args, dead))
            if reply[0] == b"busy":
                raise ThreadBusy(busy(thread, owner(reply[1]), reply[2] / 1000))
            if reply[2] != b"0":
                await self._index(thread)
        return Lease(thread, reply[1].decode())

    async def renew(self, lease: Lease, *, ttl: float) -> None:
        """Hold the thread for `ttl` more seconds; `LeaseLost` if it was taken."""
        with self._errors():
            if not await self._renew(keys(lease.thread)[:2], (lease.token, _ms(ttl), Holder.here().text())):
                raise LeaseLost(lost(lease.thread))

    async def release(self, lease: Lease) -> None:
        """Give the thread back, if it is ours; if the server cannot be told, this process knows."""
        HELD.discard(nonce_of(lease.token))
        with self._errors():
            await self._release(keys(lease.thread)[:2], (lease.token,))

    async def append(
        self, lease: Lease, *, op: str, expected: int, entries: Sequence[bytes], mark: int | None = None
    ) -> int:
        """Append entries in one atomic step (one HSET; above `CHUNK` entries one transaction) and return the length."""
        key = keys(lease.thread)[:1]
        parts = list(_parts(op, expected, entries, mark))
        with self._errors():
            if len(parts) == 1:
                replies = [await self._append(key, (lease.token, *parts[0]))]
            else:
                async with self._redis.pipeline(transaction=True) as pipe:
                    for part in parts:
                        pipe.eval(scripts.APPEND, 1, *key, lease.token, *part)
                    replies = await pipe.execute()
            word, length = replies[-1][0], int(replies[-1][1])
            if word == b"lost":
                raise LeaseLost(lost(lease.thread))
            if word == b"moved":
                raise LeaseLost(moved(lease.thread, length, expected))
            if expected == 0:
                await self._index(lease.thread)
        return length

    async def head(self, thread: ThreadId) -> Head | None:
        """The end of the thread's log, or None."""
        with self._errors():
            length, mark = await _got(self._redis.hmget(keys(thread)[0], ["n", "m"]))
        if length is None:
            return None
        try:
            return Head(int(length), int(mark or 0))
        except ValueError as error:
            raise DamagedEntry(f"the head of thread {thread.name!r} is not ours; remove the thread") from error

    async def read(self, thread: ThreadId, start: int = 0, stop: int | None = None) -> list[bytes]:
        """Entries `start` to `stop`; `DamagedEntry` if one is missing inside the log."""
        head = await self.head(thread)
        stop = min(stop if stop is not None else (1 << 62), head.length if head else 0)
        out: list[bytes | None] = []
        for first in range(start, stop, BATCH):
            fields = [str(seq) for seq in range(first, min(first + BATCH, stop))]
            with self._errors():
                out += await _got(self._redis.hmget(keys(thread)[0], fields))
        if None in out:
            missing = start + out.index(None)
            raise DamagedEntry(f"entry {missing} of thread {thread.name!r} is missing; restore the store, or remove it")
        return [entry for entry in out if entry is not None]

    async def threads(self, tenant: str = "default") -> list[ThreadId]:
        """All threads of a tenant, sorted by name."""
        with self._errors():
            names = await _got(self._redis.smembers(index(tenant)))
        found = (ThreadId(named(name), tenant) for name in names)
        return sorted(found, key=lambda thread: thread.name)

    async def delete(self, thread: ThreadId) -> None:
        """Remove every key of the thread; `ThreadBusy` while it is held."""
        lease = await self.acquire(thread, ttl=TIMEOUT)
        HELD.discard(nonce_of(lease.token))
        with self._errors():
            reply = await self._delete(keys(thread), (lease.token,))
            await _got(self._redis.srem(*member(thread)))
        if reply == b"lost":
            raise ThreadBusy(busy(thread, "another executor", TIMEOUT))
        if reply == b"absent":
            raise ThreadNotFound(absent(thread))

    async def size(self, thread: ThreadId) -> int:
        """Bytes of the thread's entries."""
        head = await self.head(thread)
        total = 0
        for first in range(0, head.length if head else 0, BATCH):
            with self._errors():
                async with self._redis.pipeline(transaction=False) as pipe:
                    for seq in range(first, min(first + BATCH, head.length if head else 0)):
                        pipe.hstrlen(keys(thread)[0], str(seq))
                    total += sum(await pipe.execute())
        return total

    async def put_cursor(self, thread: ThreadId, fields: dict[str, bytes], drop: Sequence[str] = ()) -> None:
        """Write and drop named small values in one transaction."""
        key = keys(thread)[2]
        with self._errors():
            async with self._redis.pipeline(transaction=bool(drop and fields)) as pipe:
                if drop:
                    pipe.hdel(key, *drop)
                if fields:
                    pipe.hset(key, items=[part for pair in fields.items() for part in pair])
                await pipe.execute()

    async def cursor(self, thread: ThreadId) -> dict[str, bytes]:
        """All named small values."""
        with self._errors():
            kept = await _got(self._redis.hgetall(keys(thread)[2]))
        return {name.decode(): value for name, value in kept.items()}

    async def check(self) -> list[str]:
        """Read what the server says of itself; `StoreUnsafe` for a replica, or if it may evict threads."""
        with self._errors():
            return judge(await self._redis.info(), self.url)

    def scripts(self) -> Scripts:
        """Scripts of others over the same connections; closing them closes the store."""
        return Scripts(self._redis, self.url, self.aclose)

    async def aclose(self) -> None:
        """Close the connections; the embedded server ends when nobody uses it any more."""
        with self._errors():
            await self._redis.aclose()
        if self._server is not None:
            self._server.release()

    def _script(self, text: str) -> Callable[[Sequence[str], Sequence[Any]], Awaitable[Any]]:
        return script(self._redis, text)

    async def _index(self, thread: ThreadId) -> None:
        await _got(self._redis.sadd(*member(thread)))

    def _errors(self) -> AbstractContextManager[None]:
        return translated(self.url)


def _client(url: str) -> Redis:
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=4 * TIMEOUT,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(ExponentialWithJitterBackoff(cap=0.5, base=0.02), RETRIES),
        )
    except ValueError:
        raise ConfigError(f"{public(url)!r} is not an address; write redis://host:port, rediss:// or unix://") from None
    return Redis.from_pool(pool)


async def _got(answer: Any) -> Any:
    """The answer of a command, which redis-py types as "perhaps awaitable"."""
    return await answer


def _parts(op: str, expected: int, entries: Sequence[bytes], mark: int | None) -> Iterator[tuple[Any, ...]]:
    """The arguments of the script calls that make up one append; only the last one bears the operation's own name."""
    before = ""
    for first in range(0, max(1, len(entries)), CHUNK):
        last = first + CHUNK >= len(entries)
        name = op if last else f"{op}\0{first}"
        at = "" if mark is None or not last else mark
        yield (name, before, expected + first, at, *entries[first : first + CHUNK])
        before = name


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
