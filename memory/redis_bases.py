"""Where the entries of a forked thread stand on a server: its own, and those that it shares with other threads.

The log of a fork names its base: how many of its first entries are those of another thread, that thread's incarnation
(a nonce, for a name may be given again) and its name. Entries below that are read there. Whoever removes a thread
hands them over to its forks before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from satchel.memory import scripts
from satchel.memory.errors import DamagedEntry
from satchel.memory.keys import forks_key, keys, listed, named
from satchel.memory.store import ThreadId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Script = Callable[[Sequence[str], Sequence[Any]], Awaitable[Any]]

BATCH = 500
"""Entries of one read, and of one script call that writes."""

ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Base:
    """The first `length` entries are those of `owner`, in its incarnation `nonce`; `raw` is how that stands."""

    owner: ThreadId
    length: int
    nonce: bytes
    raw: bytes

    @classmethod
    def of(cls, thread: ThreadId, raw: bytes | None) -> Base | None:
        """The base of a thread from what its log says; `DamagedEntry` for what is not ours."""
        if raw is None:
            return None
        try:
            length, nonce, name = raw.split(b" ")
            return cls(ThreadId(named(name), thread.tenant), int(length), nonce, raw)
        except ValueError as error:
            raise DamagedEntry(f"the base of thread {thread.name!r} is not ours; remove the thread") from error

    @classmethod
    def on(cls, owner: ThreadId, length: int, nonce: bytes) -> Base:
        """A new base."""
        return cls(owner, length, nonce, b"%d %b %b" % (length, nonce, listed(owner).encode()))


class Bases:
    """Reads through bases, and keeps them whole. Its methods raise errors of the server as they are."""

    def __init__(self, redis: Any, script: Callable[[str], Script]) -> None:
        self._redis = redis
        self._register = script(scripts.REGISTER)
        self._hand_over = script(scripts.HAND_OVER)

    async def of(self, thread: ThreadId) -> Base | None:
        """The base of a thread, None if all its entries are its own."""
        return Base.of(thread, await self._redis.hget(keys(thread)[0], "b"))

    async def depth(self, base: Base | None) -> int:
        """How many threads lie below."""
        count = 0
        while base is not None:
            base, count = await self.of(base.owner), count + 1
        return count

    async def read(self, thread: ThreadId, start: int, stop: int, *, forked: bool) -> list[bytes]:
        """Entries `start` to `stop`, read again if the threads below are removed meanwhile; `DamagedEntry`."""
        while True:
            pieces, trail = await self._pieces(thread, start, stop) if forked else ([(thread, start, stop)], [])
            out: list[bytes | None] = []
            for owner, first, last in pieces:
                out += await self._entries(owner, first, last)
            if len(pieces) > 1 and (await self._pieces(thread, start, stop))[1] != trail:
                continue  # a thread below was removed, or has another incarnation now
            if None in out:
                missing = start + out.index(None)
                raise DamagedEntry(
                    f"entry {missing} of thread {thread.name!r} is missing; restore the store, or remove it"
                )
            return [entry for entry in out if entry is not None]

    async def register(self, base: Base, fork: ThreadId) -> bool:
        """List a fork with the thread that it shares entries with; False if that has gone."""
        names = (keys(base.owner)[0], forks_key(base.owner))
        return bool(await self._register(names, (base.nonce, base.length, listed(fork))))

    async def unregister(self, base: Base, fork: ThreadId) -> None:
        """Take a fork off that list."""
        await self._redis.srem(forks_key(base.owner), listed(fork))

    async def hand_over(self, thread: ThreadId) -> None:
        """Give each fork of a thread the entries that stand here, and our base in place of us.

        It may be killed anywhere: a fork that has got some entries still reads all of them here.
        """
        for name in await self._redis.smembers(forks_key(thread)):
            fork = ThreadId(named(name), thread.tenant)
            for _ in range(ATTEMPTS):
                if await self._handed(thread, fork):
                    break
            else:
                raise DamagedEntry(f"thread {thread.name!r} cannot be parted from its fork {fork.name!r}; try again")
            await self._redis.srem(forks_key(thread), name)

    async def _handed(self, thread: ThreadId, fork: ThreadId) -> bool:
        base = await self.of(fork)
        nonce = await self._redis.hget(keys(thread)[0], "i")
        if base is None or base.owner != thread or base.nonce != nonce:
            return True  # a fork that never came to be, or is gone
        below = await self.of(thread)
        if below is not None and not await self.register(below, fork):
            return False  # our own base is being removed, and we are about to get what it has
        log = keys(fork)[:1]
        start = below.length if below else 0
        for first in range(start, base.length, BATCH):
            last = min(first + BATCH, base.length)
            found = await self._entries(thread, first, last)
            pairs = [part for n, entry in enumerate(found, first) if entry is not None for part in (n, entry)]
            if not await self._hand_over(log, (base.raw, base.raw, *pairs)):
                return False
        return bool(await self._hand_over(log, (base.raw, below.raw if below else b"")))

    async def _pieces(
        self, thread: ThreadId, start: int, stop: int
    ) -> tuple[list[tuple[ThreadId | None, int, int]], list[bytes]]:
        """Whose entries these are, from the first on (None: nobody's); and the bases as they stood."""
        pieces: list[tuple[ThreadId | None, int, int]] = []
        trail: list[bytes] = []
        owner, nonce = thread, b""
        while True:
            raw, incarnation = await self._redis.hmget(keys(owner)[0], ["b", "i"])
            trail += [raw or b"", incarnation or b""]
            if nonce and nonce != incarnation:
                return [(None, start, stop), *pieces], trail
            base = Base.of(owner, raw)
            low = min(max(start, base.length), stop) if base else start
            pieces.insert(0, (owner, low, stop))
            if base is None or start >= base.length:
                return pieces, trail
            owner, nonce, stop = base.owner, base.nonce, min(stop, base.length)

    async def _entries(self, owner: ThreadId | None, start: int, stop: int) -> list[bytes | None]:
        if owner is None:
            return [None] * (stop - start)
        out: list[bytes | None] = []
        for first in range(start, stop, BATCH):
            fields = [str(seq) for seq in range(first, min(first + BATCH, stop))]
            out += await self._redis.hmget(keys(owner)[0], fields)
        return out
