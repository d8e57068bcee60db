"""The store on a server with the Redis protocol: Redis or Valkey from 6.2 on, embedded or external."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from satchel.memory import scripts
from satchel.memory.connection import Connection
from satchel.memory.errors import DamagedEntry, LeaseLost, StoreError, StoreUnsafe, ThreadBusy
from satchel.memory.health import judge
from satchel.memory.holder import HELD, Holder, nonce_of, owner, replaceable
from satchel.memory.keys import keys, member
from satchel.memory.redis_bases import BATCH, Base
from satchel.memory.redis_client import Scripts
from satchel.memory.redis_fields import ServerFields
from satchel.memory.redis_retention import Retention
from satchel.memory.sentences import behind, busy, lost, moved, older
from satchel.memory.settling import settle, settle_here
from satchel.memory.store import Head, Lease, ThreadId

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from satchel.memory.embedded import EmbeddedServer

CHUNK = 1_900
"""Entries of one script call: some services take no more than 3,999 arguments."""


EMPTY = 2
"""What a release answers that left no thread."""


class ServerStore(Retention):
    """A `Store` on one server. It belongs to the event loop it is first used in; `url` shows no credentials."""

    def __init__(self, url: str, *, server: EmbeddedServer | None = None) -> None:
        self.connection = Connection(url)
        self.url = self.connection.url
        self._server = server
        self._redis = self.connection.redis
        self._errors = self.connection.errors
        self.fields = ServerFields(self.connection)
        script = self.connection.script
        self._acquire, self._renew = script(scripts.ACQUIRE), script(scripts.RENEW)
        self._release, self._append = script(scripts.RELEASE), script(scripts.APPEND)
        self._retain(script)

    async def acquire(self, thread: ThreadId, *, ttl: float) -> Lease:
        """Take the thread; a holder that died on this machine is replaced at once, else `ThreadBusy`."""
        while (lease := await self._take(thread, ttl)) is None:
            await self._gone(thread)
        return lease

    async def _take(self, thread: ThreadId, ttl: float, *, over: bool = False) -> Lease | None:
        """`acquire`; None for a thread whose time is over, unless that is what is wanted."""
        nonce = secrets.token_hex(8)
        HELD.add(nonce)
        lease = None
        try:
            lease = await self._ask(thread, (nonce, _ms(ttl), Holder.here().text()), "1" if over else "")
        finally:
            if lease is None:
                HELD.discard(nonce)
        return lease

    async def _ask(self, thread: ThreadId, args: tuple[str, int, str], last: str) -> Lease | None:
        with self._errors():
            await self._index(thread)  # first, so that nothing is ever kept that is not listed
            reply = await self._acquire(keys(thread)[:2], (*args, "", last))
            if reply[0] == b"busy" and (dead := replaceable(reply[1])):
                reply = await self._acquire(keys(thread)[:2], (*args, dead, last))
            if reply[0] == b"over":
                return None
            if reply[0] == b"busy":
                raise ThreadBusy(busy(thread, owner(reply[1]), reply[2] / 1000))
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
            if await self._release(keys(lease.thread)[:2], (lease.token,)) == EMPTY:
                await _got(self._redis.srem(*member(lease.thread)))

    async def append(self, lease: Lease, *, op: str, expected: int, entries: Sequence[bytes]) -> int:
        """Append entries in one atomic step (one HSET; above `CHUNK` entries one transaction) and return the length."""
        key = keys(lease.thread)[:1]
        parts = list(_parts(op, expected, entries))
        with self._errors():
            if len(parts) == 1:
                replies = [await self._append(key, (lease.token, *parts[0]))]
            else:
                calls = [(key, (lease.token, *part)) for part in parts]
                replies = await self.connection.atomically(scripts.APPEND, calls)
            word, length = replies[-1][0], int(replies[-1][1])
            if word != b"ok":
                raise _refused(lease, replies[-1], expected)
            if expected == 0:  # another one that released the empty thread may have taken it off the list
                await self._index(lease.thread)
        return length

    async def settle(self, lease: Lease) -> bool:
        """Wait for the disk: ours, if the server is embedded, else the server's."""
        if self._server is None:
            return await settle(self.connection, lease)
        return await settle_here(self.connection, self._server, lease)

    async def head(self, thread: ThreadId) -> Head | None:
        """The end of the thread's log, or None."""
        return (await self._look(thread))[0]

    async def read(self, thread: ThreadId, start: int = 0, stop: int | None = None) -> list[bytes]:
        """Entries `start` to `stop`; `DamagedEntry` if one is missing inside the log."""
        head, base = await self._look(thread)
        stop = min(stop if stop is not None else (1 << 62), head.length if head else 0)
        with self._errors():
            return await self._bases.read(thread, start, stop, forked=base is not None) if start < stop else []

    async def size(self, thread: ThreadId) -> int:
        """Bytes of the thread's entries."""
        head, base = await self._look(thread)
        total, length = 0, head.length if head else 0
        for first in range(base.length if base else 0, length, BATCH):
            with self._errors():
                async with self._redis.pipeline(transaction=False) as pipe:
                    for seq in range(first, min(first + BATCH, length)):
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
        if await self._is_over(thread):
            return {}
        with self._errors():
            kept = await _got(self._redis.hgetall(keys(thread)[2]))
        return {name.decode(): value for name, value in kept.items()}

    async def check(self) -> list[str]:
        """Read what the server says of itself; `StoreUnsafe` for a replica, or if it may evict threads."""
        with self._errors():
            infos = await self.connection.each("info")
        return [warning for url, info in infos.items() for warning in judge(info, url)]

    def scripts(self) -> Scripts:
        """Scripts of others over the same connections; closing them closes the store."""
        return Scripts(self.connection, self.aclose)

    async def aclose(self) -> None:
        """Close the connections; the embedded server ends when nobody uses it any more."""
        with self._errors():
            await self.connection.aclose()
        if self._server is not None:
            self._server.release()

    async def _look(self, thread: ThreadId) -> tuple[Head | None, Base | None]:
        """The head of a thread that is there and whose time is not over, and its base."""
        with self._errors():
            found = await _got(self._redis.hmget(keys(thread)[0], ["n", "a", "x", "l", "b"]))
            if found[0] is None:
                return None, None
            head = _head(thread, found)
            if head.expire is not None and await self._passed(thread, head):
                return None, None
        return head, Base.of(thread, found[4])

    async def _index(self, thread: ThreadId) -> None:
        await _got(self._redis.sadd(*member(thread)))


async def _got(answer: Any) -> Any:
    """The answer of a command, which redis-py types as "perhaps awaitable"."""
    return await answer


def _parts(op: str, expected: int, entries: Sequence[bytes]) -> Iterator[tuple[Any, ...]]:
    """The arguments of the script calls that make up one append; only the last one bears the operation's own name."""
    before = ""
    for first in range(0, max(1, len(entries)), CHUNK):
        last = first + CHUNK >= len(entries)
        name = op if last else f"{op}\0{first}"
        yield (name, before, expected + first, *entries[first : first + CHUNK])
        before = name


def _refused(lease: Lease, reply: Sequence[Any], expected: int) -> StoreError:
    """Why an append was refused; a shorter log or an older token tells of a store that has lost acknowledged writes."""
    length = int(reply[1])
    if reply[0] == b"moved" and length < expected:
        return StoreUnsafe(behind(lease.thread, length, expected))
    if reply[0] == b"moved":
        return LeaseLost(moved(lease.thread, length, expected))
    count = [int(token.partition("-")[0] or 0) for token in (reply[2].decode(), lease.token)]
    return LeaseLost(older(lease.thread) if count[0] < count[1] else lost(lease.thread))


def _head(thread: ThreadId, found: Sequence[bytes | None]) -> Head:
    try:
        length, at, expire = (None if value is None else int(value) for value in found[:3])
    except ValueError as error:
        raise DamagedEntry(f"the head of thread {thread.name!r} is not ours; remove the thread") from error
    return Head(length or 0, at and at / 1000, expire and expire / 1000, found[3] or b"")


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
