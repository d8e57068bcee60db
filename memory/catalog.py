"""What a store holds, one row a thread, and the removal of those that match."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from satchel.memory.codec import decode_entry
from satchel.memory.errors import ThreadBusy, ThreadNotFound
from satchel.memory.points import place_of
from satchel.memory.records import Ended
from satchel.memory.sentences import absent
from satchel.memory.store import ThreadId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from satchel.memory.store import Store

_GREGORIAN = 0x01B21DD213814000
"""Ticks of 100 ns between the epochs of UUIDs and of Unix (RFC 9562, section 5.1)."""

_UUID6 = 6


@dataclass(frozen=True, slots=True)
class Row:
    """A thread: its log in entries and own bytes (None: it has none), and its LangGraph checkpoints.

    `at` is the time of its last commit in seconds since 1970, None if it is not known; `expire` how many seconds after
    that it is gone; `outcome` how its last run ended, None while it has not.
    """

    thread: ThreadId
    entries: int
    bytes: int | None
    checkpoints: int
    at: float | None
    expire: float | None
    outcome: str | None


async def catalog(store: Store, tenant: str = "default") -> list[Row]:
    """All threads of a tenant, those too that hold LangGraph's checkpoints alone, sorted by name."""
    named = {*await store.threads(tenant), *await store.fields.threads(tenant)}
    return [row for thread in sorted(named, key=lambda thread: thread.name) if (row := await _row(store, thread))]


async def describe(store: Store, thread: ThreadId) -> Row:
    """One thread; `ThreadNotFound`."""
    row = await _row(store, thread)
    if row is None:
        raise ThreadNotFound(absent(thread))
    return row


def aged(rows: Iterable[Row], *, older: float = 0.0, outcome: str | None = None) -> list[Row]:
    """Those without a commit for `older` seconds, and with this outcome if one is named; of unknown age none."""
    now = time.time()
    return [
        row
        for row in rows
        if row.at is not None and now - row.at >= older and (outcome is None or row.outcome == outcome)
    ]


async def remove(store: Store, rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Delete threads: those that are gone, and those that somebody holds, which stay."""
    gone, held = [], []
    for row in rows:
        try:
            await store.delete(row.thread)
        except ThreadBusy:
            held.append(row)
        except ThreadNotFound:
            pass
        else:
            gone.append(row)
    return gone, held


async def _row(store: Store, thread: ThreadId) -> Row | None:
    head = await store.head(thread)
    names = await store.fields.names(thread)
    if head is None and not names:
        return None
    heads = await store.fields.get(thread, [name for name in names if name[:1] == b"h"])
    times = [head.at if head else None, *map(_time, heads)]
    return Row(
        thread=thread,
        entries=head.length if head else 0,
        bytes=await store.size(thread) if head else None,
        checkpoints=sum(place_of(name) is not None for name in names),
        at=max((at for at in times if at is not None), default=None),
        expire=head.expire if head else None,
        outcome=await _outcome(store, thread, head.length) if head else None,
    )


async def _outcome(store: Store, thread: ThreadId, length: int) -> str | None:
    for entry in await store.read(thread, length - 1, length):
        record = decode_entry(entry, length - 1).record
        return record.outcome if isinstance(record, Ended) else None
    return None


def _time(checkpoint: bytes | None) -> float | None:
    """When a checkpoint was made, which LangGraph's ids tell; None for other ids."""
    try:
        made = UUID((checkpoint or b"").decode())
    except ValueError:
        return None
    ticks = (made.int >> 80) << 12 | (made.int >> 64) & 0xFFF
    return (ticks - _GREGORIAN) / 1e7 if made.version == _UUID6 else None
