"""A thread's log in the hands of its one writer: what is loaded, appended under a lease, and found by operation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from satchel.memory import handles
from satchel.memory.behind import behind, text_of
from satchel.memory.codec import decode_entry, encode_settled, settle
from satchel.memory.cuts import filled, source, thin
from satchel.memory.errors import DamagedEntry, LeaseLost, StoreError, ThreadNotFound
from satchel.memory.normalise import text as storable
from satchel.memory.records import Entry, Opened, Result
from satchel.memory.sentences import absent
from satchel.memory.tasks import ended

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.memory.records import Record
    from satchel.memory.store import Lease, Store, ThreadId

BEATS = 3
"""Renewals of the lease within its time to live."""


class Log:
    """The log of one thread, open for writing: `entries` are the first and those from `start` on, `bytes` their size.

    Made by `Log.open`. Appends are in order and all or nothing; a cancelled one still completes, in the background.
    """

    def __init__(self, store: Store, lease: Lease, ttl: float) -> None:
        self.store = store
        self.thread = lease.thread
        self.entries: list[Entry] = []
        self.length = 0
        self.start = 1
        self.bytes = 0
        self.salt = b""
        self._lease = lease
        self._ttl = ttl
        self._ops: dict[str, list[Entry]] = {}
        self._loaded: dict[int, Entry] = {}
        self._order = asyncio.Lock()
        self._fault: LeaseLost | None = None
        self._heart: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, store: Store, thread: ThreadId, *, ttl: float = 10.0, salt: bytes | None = None, start: int = 1
    ) -> Log:
        """Take the thread's lease for `ttl` seconds at a time and load what is there; a new thread begins with `salt`.

        Entries from 1 to `start` (exclusive) are not loaded, if the log is that long.
        Raises `ThreadBusy` while another executor holds it, `DamagedEntry`, `StoreUnreachable`.
        """
        log = cls(store, await store.acquire(thread, ttl=ttl), ttl)
        try:
            log._heart = asyncio.create_task(log._beat(), name=f"lease of {thread.name}")
            await log._load(salt, start)
        except BaseException:
            await log.close()
            raise
        return log

    def find(self, op: str) -> list[Entry]:
        """The loaded entries that an operation wrote, in order."""
        return list(self._ops.get(storable(op), ()))

    async def append(self, op: str, records: Sequence[Record]) -> list[Entry]:
        """Write the records of one operation in one commit, or return what the operation has written before.

        The entries hold the records as they will be read back.
        Raises `LeaseLost` if another executor has taken the thread, `StoreError` for what cannot be stored.
        """
        task = asyncio.ensure_future(self._append(storable(op), records))
        task.add_done_callback(_seen)
        return await asyncio.shield(task)

    async def settle(self) -> bool:
        """Wait until all that was appended is on the server's disk; False where the server cannot tell.

        Raises `LeaseLost`, and `StoreUnsafe` if the disk does not take it within seconds.
        """
        if self._fault is not None:
            raise self._fault
        return await self.store.settle(self._lease)

    async def text(self, ref: str) -> str:
        """The whole text behind a handle of this thread; `UnknownHandle` if there is none."""
        return text_of((await self.behind(ref)).record) or ""

    async def behind(self, ref: str) -> Entry:
        """The entry whose text a handle of this thread names; `UnknownHandle` if there is none."""
        return await behind(ref, self.salt, self._entry, self.length)

    async def _entry(self, seq: int) -> Entry | None:
        if seq not in self._loaded and seq < self.length:
            found = _decoded(await self.store.read(self.thread, seq, seq + 1), seq, self.thread)
            return (await self._whole(found))[0]
        return self._loaded.get(seq)

    async def close(self) -> None:
        """Finish what is being written, and give the lease back."""
        async with self._order:
            if self._heart is not None:
                await ended(self._heart)
            await self.store.release(self._lease)

    async def rewind(self) -> None:
        """Load what `start` left out."""
        if self.start > 1:
            missing = await self._read(1, self.start)
            later, self.entries, self.start = self.entries[1:], self.entries[:1], 1
            self._ops = {}
            self._take([*missing, *later])

    async def _read(self, start: int, stop: int) -> list[Entry]:
        data = await self.store.read(self.thread, start, stop)
        self.bytes += sum(map(len, data))
        return await self._whole(_decoded(data, start, self.thread))

    async def _whole(self, entries: list[Entry]) -> list[Entry]:
        """The entries, with the texts of recalled results put together again."""
        near = {entry.seq: entry for entry in entries}
        for seq in filter(None, map(source, entries)):
            if seq not in near and (found := await self._raw(seq)):
                near[seq] = found
        return filled(entries, near, text_of)

    async def _raw(self, seq: int) -> Entry | None:
        """The entry at `seq` as it is stored, or as it is held."""
        if seq in self._loaded or not 0 <= seq < self.length:
            return self._loaded.get(seq)
        return _decoded(await self.store.read(self.thread, seq, seq + 1), seq, self.thread)[0]

    async def _thin(self, record: Record) -> Record:
        """The record as it is stored."""
        if not isinstance(record, Result) or record.of is None:
            return record
        found = await self._raw(record.of)
        return thin(record, text_of(found.record) or "") if found else record

    async def _load(self, salt: bytes | None, start: int) -> None:
        head = await self.store.head(self.thread)
        if head is None:
            fresh = salt if salt is not None else handles.salt_for(self.thread, None)
            await self._append("open", [Opened(salt=fresh.hex())])
        else:
            self.length = head.length
            self.start = start if start <= head.length else 1
            self._take(await self._read(0, 1))
            self._take(await self._read(self.start, head.length))
        self.salt = _salt(self.entries)

    async def _append(self, op: str, records: Sequence[Record]) -> list[Entry]:
        async with self._order:
            if held := self.find(op):
                return held
            if self._fault is not None:
                raise self._fault
            settled = [settle(record) for record in records]
            data = [encode_settled(await self._thin(record), op) for record in settled]
            length = await self.store.append(self._lease, op=op, expected=self.length, entries=data)
            if length != self.length + len(data):
                raise LeaseLost(f"thread {self.thread.name!r} holds another {op!r}; resume the thread to go on")
            entries = [Entry(self.length + n, op, record) for n, record in enumerate(settled)]
            self.length = length
            self.bytes += sum(map(len, data))
            self._take(entries)
            return entries

    def _take(self, entries: Sequence[Entry]) -> None:
        self.entries += entries
        for entry in entries:
            self._loaded[entry.seq] = entry
            self._ops.setdefault(entry.op, []).append(entry)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._ttl / BEATS)
            try:
                await self.store.renew(self._lease, ttl=self._ttl)
            except LeaseLost as error:
                self._fault = error
                return
            except StoreError:
                continue  # the next beat may reach it; if the lease is lost meanwhile, the store refuses our writes


async def read_log(store: Store, thread: ThreadId) -> list[Entry]:
    """All entries of a thread, without its lease; `ThreadNotFound` if there is none."""
    head = await store.head(thread)
    if head is None:
        raise ThreadNotFound(absent(thread))
    entries = _decoded(await store.read(thread, 0, head.length), 0, thread)
    return filled(entries, {entry.seq: entry for entry in entries}, text_of)


def _decoded(data: Sequence[bytes], start: int, thread: ThreadId) -> list[Entry]:
    return [decode_entry(entry, start + n, thread.name) for n, entry in enumerate(data)]


def _salt(entries: Sequence[Entry]) -> bytes:
    first = entries[0].record
    if not isinstance(first, Opened):
        raise DamagedEntry("entry 0 does not open a thread; restore the store, or remove the thread")
    try:
        return bytes.fromhex(first.salt)
    except ValueError as error:
        raise DamagedEntry("entry 0 holds no salt; restore the store, or remove the thread") from error


def _seen(task: asyncio.Task[list[Entry]]) -> None:
    if not task.cancelled():
        task.exception()  # an append whose caller was cancelled fails unheard
