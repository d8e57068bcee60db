"""The store `memory://`: everything in this process, gone with it; the double that tests and replays run on."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from satchel.memory.errors import LeaseLost, ThreadBusy, ThreadNotFound
from satchel.memory.fields import MemoryFields
from satchel.memory.sentences import absent, busy, lost, moved
from satchel.memory.store import Head, Lease

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.memory.store import ThreadId


@dataclass(slots=True)
class _Thread:
    fence: int = 0
    token: str = ""
    until: float = 0.0
    op: str = ""
    mark: int = 0
    entries: list[bytes] = field(default_factory=list)
    cursor: dict[str, bytes] = field(default_factory=dict)


class MemoryStore:
    """A `Store` without a server. Two of them share nothing; pass the same one to share threads."""

    url = "memory://"

    def __init__(self) -> None:
        self.fields = MemoryFields()
        self._threads: dict[ThreadId, _Thread] = {}

    async def acquire(self, thread: ThreadId, *, ttl: float) -> Lease:
        """Take the thread for `ttl` seconds; `ThreadBusy` while it is held."""
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

    async def append(
        self, lease: Lease, *, op: str, expected: int, entries: Sequence[bytes], mark: int | None = None
    ) -> int:
        """Append entries in one step and return the new length."""
        kept = self._held(lease)
        if kept.entries and kept.op == op:
            return len(kept.entries)
        if len(kept.entries) != expected:
            raise LeaseLost(moved(lease.thread, len(kept.entries), expected))
        kept.entries += entries
        kept.op = op
        kept.mark = kept.mark if mark is None else mark
        return len(kept.entries)

    async def settle(self, lease: Lease) -> bool:
        """Nothing to wait for: it is kept in this process alone."""
        self._held(lease)
        return False

    async def head(self, thread: ThreadId) -> Head | None:
        """The end of the thread's log, or None."""
        kept = self._threads.get(thread)
        return Head(len(kept.entries), kept.mark) if kept is not None and kept.entries else None

    async def read(self, thread: ThreadId, start: int = 0, stop: int | None = None) -> list[bytes]:
        """Entries `start` to `stop`."""
        kept = self._threads.get(thread)
        return kept.entries[start:stop] if kept is not None else []

    async def threads(self, tenant: str = "default") -> list[ThreadId]:
        """All threads of a tenant, sorted by name."""
        found = (thread for thread, kept in self._threads.items() if thread.tenant == tenant and kept.entries)
        return sorted(found, key=lambda thread: thread.name)

    async def delete(self, thread: ThreadId) -> None:
        """Forget the thread; `ThreadBusy` while it is held."""
        lease = await self.acquire(thread, ttl=1)
        if not self._threads.pop(lease.thread).entries:
            raise ThreadNotFound(absent(thread))

    async def size(self, thread: ThreadId) -> int:
        """Bytes of the thread's entries."""
        kept = self._threads.get(thread)
        return sum(map(len, kept.entries)) if kept is not None else 0

    async def put_cursor(self, thread: ThreadId, fields: dict[str, bytes], drop: Sequence[str] = ()) -> None:
        """Write and drop named small values."""
        cursor = self._threads.setdefault(thread, _Thread()).cursor
        cursor.update(fields)
        for name in drop:
            cursor.pop(name, None)

    async def cursor(self, thread: ThreadId) -> dict[str, bytes]:
        """All named small values."""
        kept = self._threads.get(thread)
        return dict(kept.cursor) if kept is not None else {}

    async def check(self) -> list[str]:
        """One sentence: nothing outlives the process."""
        return ["memory:// keeps nothing: every thread is gone when this process ends"]

    async def aclose(self) -> None:
        """Nothing to close."""

    def _held(self, lease: Lease) -> _Thread:
        kept = self._threads.get(lease.thread)
        if kept is None or kept.token != lease.token:
            raise LeaseLost(lost(lease.thread))
        return kept
