"""A store whose values are encrypted: a wrapper around the bytes of any other, with a key for each thread.

What stays open is what the server itself needs or compares: names of threads and tenants, sizes, times, operations,
names of channels and ids of checkpoints. An entry is bound to the thread and the position where it was written; of a
fork the lineage, sealed too, says which thread that is.
"""

from __future__ import annotations

from bisect import bisect_right
from contextlib import suppress
from typing import TYPE_CHECKING

from satchel.memory.codec import pack, unpack
from satchel.memory.errors import DamagedEntry
from satchel.memory.sealed_fields import SealedFields, scope_of
from satchel.memory.store import ThreadId

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Sequence

    from satchel.memory.fields import Fields
    from satchel.memory.keyring import Keyring
    from satchel.memory.store import Head, Lease, Store


class SealedStore:
    """A `Store` that seals what it hands to another one; what that one holds unsealed stays readable."""

    def __init__(self, inner: Store, keys: Keyring) -> None:
        self.inner = inner
        self.keys = keys
        self.url = inner.url
        self.fields: Fields = SealedFields(inner.fields, keys)

    async def acquire(self, thread: ThreadId, *, ttl: float) -> Lease:
        """Take the thread."""
        return await self.inner.acquire(thread, ttl=ttl)

    async def renew(self, lease: Lease, *, ttl: float) -> None:
        """Hold the thread longer."""
        await self.inner.renew(lease, ttl=ttl)

    async def release(self, lease: Lease) -> None:
        """Give the thread back."""
        await self.inner.release(lease)

    async def append(self, lease: Lease, *, op: str, expected: int, entries: Sequence[bytes]) -> int:
        """Append entries, each sealed for its place; sent again they are the same bytes."""
        sealed = [self._seal(lease.thread, seq, entry) for seq, entry in enumerate(entries, expected)]
        return await self.inner.append(lease, op=op, expected=expected, entries=sealed)

    async def settle(self, lease: Lease) -> bool:
        """Wait for the server's disk."""
        return await self.inner.settle(lease)

    async def head(self, thread: ThreadId) -> Head | None:
        """The end of the thread's log."""
        return await self.inner.head(thread)

    async def read(self, thread: ThreadId, start: int = 0, stop: int | None = None) -> list[bytes]:
        """Entries, opened; `WrongKey` if no key at hand opens one, `DamagedEntry` if it was moved or altered."""
        head = await self.inner.head(thread)
        lineage = self._lineage(thread, head)
        out = []
        for seq, entry in enumerate(await self.inner.read(thread, start, stop), start):
            writer = lineage[at][0] if (at := bisect_right([end for _, end in lineage], seq)) < len(lineage) else None
            origin = thread if writer is None else ThreadId(writer, thread.tenant)
            what = f"entry {seq} of thread {thread.name!r}"
            out.append(self.keys.open(scope_of(origin), b"entry %d" % seq, entry, what))
        return out

    async def threads(self, tenant: str = "default") -> list[ThreadId]:
        """All threads of a tenant."""
        return await self.inner.threads(tenant)

    async def delete(self, thread: ThreadId) -> None:
        """Remove the thread."""
        await self.inner.delete(thread)

    async def size(self, thread: ThreadId) -> int:
        """Bytes as stored, sealed."""
        return await self.inner.size(thread)

    async def fork(self, source: ThreadId, target: ThreadId, length: int, *, lineage: bytes = b"") -> None:  # noqa: ARG002 - ours takes its place
        """Fork a thread; its lineage says who wrote the entries that it shares."""
        of_source = self._lineage(source, await self.inner.head(source))
        writers = [[name, end] for name, end in of_source if end < length]
        last = next((name for name, end in of_source if end >= length), source.name)
        sealed = self.keys.seal(scope_of(target), b"lineage", pack([*writers, [last, length]]))
        await self.inner.fork(source, target, length, lineage=sealed)

    async def create(self, thread: ThreadId, entries: AsyncIterable[bytes]) -> int:
        """Make a thread of these entries, sealed."""

        async def sealed() -> AsyncIterator[bytes]:
            seq = 0
            async for entry in entries:
                yield self._seal(thread, seq, entry)
                seq += 1

        return await self.inner.create(thread, sealed())

    async def keep(self, thread: ThreadId, seconds: float | None) -> None:
        """Let the thread expire, or not."""
        await self.inner.keep(thread, seconds)

    async def sweep(self, tenant: str = "default") -> list[ThreadId]:
        """Remove the threads whose time is over."""
        return await self.inner.sweep(tenant)

    async def put_cursor(self, thread: ThreadId, fields: dict[str, bytes], drop: Sequence[str] = ()) -> None:
        """Write and drop named small values, sealed."""
        scope = scope_of(thread)
        sealed = {name: self.keys.seal(scope, b"cursor " + _raw(name), value) for name, value in fields.items()}
        await self.inner.put_cursor(thread, sealed, drop)

    async def cursor(self, thread: ThreadId) -> dict[str, bytes]:
        """All named small values, opened; what is damaged is left out, for there is no truth in it."""
        scope, what = scope_of(thread), f"the cursor of thread {thread.name!r}"
        out = {}
        for name, value in (await self.inner.cursor(thread)).items():
            with suppress(DamagedEntry):
                out[name] = self.keys.open(scope, b"cursor " + _raw(name), value, what)
        return out

    async def check(self) -> list[str]:
        """What may lose data."""
        return await self.inner.check()

    async def aclose(self) -> None:
        """Close connections."""
        await self.inner.aclose()

    def _seal(self, thread: ThreadId, seq: int, entry: bytes) -> bytes:
        return self.keys.seal(scope_of(thread), b"entry %d" % seq, entry)

    def _lineage(self, thread: ThreadId, head: Head | None) -> list[tuple[str, int]]:
        """Who wrote the entries up to which position, in order; what lies behind them the thread wrote itself."""
        if head is None or not head.lineage:
            return []
        what = f"the lineage of thread {thread.name!r}"
        rows = unpack(self.keys.open(scope_of(thread), b"lineage", head.lineage, what))
        return [(name, end) for name, end in rows]


def _raw(name: str) -> bytes:
    return name.encode(errors="surrogatepass")
