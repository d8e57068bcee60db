"""The store `memory://`: everything in this process, gone with it; the double that tests and replays run on."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from satchel.memory.errors import ConfigError, LeaseLost, ThreadBusy, ThreadExists, ThreadNotFound
from satchel.memory.fields import MemoryFields
from satchel.memory.sentences import absent, busy, exists, foreign, hollow, lost, moved, too_long
from satchel.memory.store import Head, Lease

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Sequence

    from satchel.memory.store import ThreadId


@dataclass(slots=True)
class _Thread:
    fence: int = 0
    token: str = ""
    until: float = 0.0
    op: str = ""
    entries: list[bytes] = field(default_factory=list)
    cursor: dict[str, bytes] = field(default_factory=dict)
    shared: int = 0
    lineage: bytes = b""
    at: float = 0.0
    expire: float | None = None


class MemoryStore:
    """A `Store` without a server. Two of them share nothing; pass the same one to share threads.

    `clock` tells the seconds since 1970 that expiry goes by.
    """

    url = "memory://"

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.fields = MemoryFields()
        self._clock = clock
        self._threads: dict[ThreadId, _Thread] = {}

    async def acquire(self, thread: ThreadId, *, ttl: float) -> Lease:
        """Take the thread for `ttl` seconds; `ThreadBusy` while it is held."""
        await self._purge(thread)
        kept = self._threads.setdefault(thread, _Thread())
        left = kept.until - time.monotonic()
        if left > 0:
            raise ThreadBusy(busy(thread, "this process", left))
        kept.fence += 1
        kept.token = f"{kept.fence}-{secrets.token_hex(8)}"
        kept.until = time.monotonic() + ttl
        return Lease(thread, kept.token)

    async def renew(self, lease: Lease, *, ttl: float) -> None:
        """Hold the thread for `ttl` more seconds; `LeaseLost` if it was taken."""
        self._held(lease).until = time.monotonic() + ttl

    async def release(self, lease: Lease) -> None:
        """Give the thread back, if it is ours."""
        kept = self._threads.get(lease.thread)
        if kept is not None and kept.token == lease.token:
            kept.until, kept.token = 0.0, ""
            if not kept.entries and not kept.cursor:
                del self._threads[lease.thread]

    async def append(self, lease: Lease, *, op: str, expected: int, entries: Sequence[bytes]) -> int:
        """Append entries in one step and return the new length."""
        kept = self._held(lease)
        if kept.entries and kept.op == op:
            return len(kept.entries)
        if len(kept.entries) != expected:
            raise LeaseLost(moved(lease.thread, len(kept.entries), expected))
        kept.entries += entries
        kept.op = op
        kept.at = self._clock()
        return len(kept.entries)

    async def settle(self, lease: Lease) -> bool:
        """Nothing to wait for: it is kept in this process alone."""
        self._held(lease)
        return False

    async def head(self, thread: ThreadId) -> Head | None:
        """The end of the thread's log, or None."""
        kept = self._kept(thread)
        return Head(len(kept.entries), kept.at, kept.expire, kept.lineage) if kept else None

    async def read(self, thread: ThreadId, start: int = 0, stop: int | None = None) -> list[bytes]:
        """Entries `start` to `stop`."""
        kept = self._kept(thread)
        return kept.entries[start:stop] if kept else []

    async def threads(self, tenant: str = "default") -> list[ThreadId]:
        """All threads of a tenant, sorted by name."""
        found = (thread for thread in self._threads if thread.tenant == tenant and self._kept(thread))
        return sorted(found, key=lambda thread: thread.name)

    async def delete(self, thread: ThreadId) -> None:
        """Forget the thread and its fields; `ThreadBusy` while it is held."""
        had = thread in self._threads or bool(await self.fields.names(thread))
        kept = self._threads.get(thread, _Thread())
        if (left := kept.until - time.monotonic()) > 0:
            raise ThreadBusy(busy(thread, "this process", left))
        self._threads.pop(thread, None)
        await self.fields.delete(thread)
        if not had:
            raise ThreadNotFound(absent(thread))

    async def size(self, thread: ThreadId) -> int:
        """Bytes of the thread's own entries."""
        kept = self._kept(thread)
        return sum(map(len, kept.entries[kept.shared :])) if kept else 0

    async def fork(self, source: ThreadId, target: ThreadId, length: int, *, lineage: bytes = b"") -> None:
        """Make a thread that begins as another one."""
        if source.tenant != target.tenant:
            raise ConfigError(foreign(source, target))
        kept = self._kept(source)
        if kept is None:
            raise ThreadNotFound(absent(source))
        if not 0 < length <= len(kept.entries):
            raise ConfigError(too_long(source, length, len(kept.entries)))
        await self._new(target)
        self._threads[target] = _Thread(
            entries=kept.entries[:length], shared=length,
            lineage=lineage, at=self._clock(), expire=kept.expire,
        )  # fmt: skip

    async def create(self, thread: ThreadId, entries: AsyncIterable[bytes]) -> int:
        """Make a thread of these entries, seen once the last one is there."""
        await self._new(thread)
        made = [entry async for entry in entries]
        if not made:
            raise ConfigError(hollow(thread))
        await self._new(thread)  # while the entries came, somebody may have begun it
        self._threads[thread] = _Thread(entries=made, at=self._clock())
        return len(made)

    async def keep(self, thread: ThreadId, seconds: float | None) -> None:
        """Let the thread expire, or not."""
        kept = self._kept(thread)
        if kept is None:
            raise ThreadNotFound(absent(thread))
        kept.at, kept.expire = self._clock(), seconds

    async def sweep(self, tenant: str = "default") -> list[ThreadId]:
        """Remove the threads whose time is over."""
        gone = [thread for thread in list(self._threads) if thread.tenant == tenant and await self._purge(thread)]
        return sorted(gone, key=lambda thread: thread.name)

    async def put_cursor(self, thread: ThreadId, fields: dict[str, bytes], drop: Sequence[str] = ()) -> None:
        """Write and drop named small values."""
        cursor = self._threads.setdefault(thread, _Thread()).cursor
        cursor.update(fields)
        for name in drop:
            cursor.pop(name, None)

    async def cursor(self, thread: ThreadId) -> dict[str, bytes]:
        """All named small values."""
        await self._purge(thread)
        kept = self._threads.get(thread)
        return dict(kept.cursor) if kept is not None else {}

    async def check(self) -> list[str]:
        """One sentence: nothing outlives the process."""
        return ["memory:// keeps nothing: every thread is gone when this process ends"]

    async def aclose(self) -> None:
        """Nothing to close."""

    def _kept(self, thread: ThreadId) -> _Thread | None:
        """The thread, if it has a log and its time is not over."""
        kept = self._threads.get(thread)
        return kept if kept is not None and kept.entries and not self._over(kept) else None

    def _over(self, kept: _Thread) -> bool:
        over = kept.expire is not None and self._clock() >= kept.at + kept.expire
        return over and kept.until <= time.monotonic()

    async def _purge(self, thread: ThreadId) -> bool:
        kept = self._threads.get(thread)
        over = kept is not None and self._over(kept)
        if over:
            await self.delete(thread)
        return over

    async def _new(self, thread: ThreadId) -> None:
        """Refuse a name that is taken."""
        await self._purge(thread)
        kept = self._threads.get(thread)
        if kept is not None and kept.until > time.monotonic():
            raise ThreadBusy(busy(thread, "this process", kept.until - time.monotonic()))
        if kept is not None and kept.entries:
            raise ThreadExists(exists(thread))

    def _held(self, lease: Lease) -> _Thread:
        kept = self._threads.get(lease.thread)
        if kept is None or kept.token != lease.token:
            raise LeaseLost(lost(lease.thread))
        return kept
