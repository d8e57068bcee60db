"""What the command line shows of stored threads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from satchel.console import short
from satchel.memory.errors import ThreadNotFound
from satchel.memory.log import read_log
from satchel.memory.store import Store, ThreadId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OpenStore = Callable[[], Awaitable[Store]]


@asynccontextmanager
async def opened(open_store: OpenStore) -> AsyncIterator[Store]:
    """A store, closed at the end."""
    store = await open_store()
    try:
        yield store
    finally:
        await store.aclose()


async def rows(open_store: OpenStore) -> list[dict[str, Any]]:
    """Each thread with its entries and bytes."""
    async with opened(open_store) as store:
        out = []
        for thread in await store.threads():
            head = await store.head(thread)
            size = await store.size(thread)
            out.append({"thread": thread.name, "entries": head.length if head else 0, "bytes": size})
        return out


async def entries(open_store: OpenStore, name: str) -> list[dict[str, Any]]:
    """A thread's log, each entry as a dictionary."""
    async with opened(open_store) as store:
        log = await read_log(store, ThreadId(name))
        return [{"seq": e.seq, "op": e.op, "kind": type(e.record).__name__.lower(), **asdict(e.record)} for e in log]


async def remove(open_store: OpenStore, name: str) -> None:
    """Remove a thread; raises `ThreadNotFound` if there is none."""
    async with opened(open_store) as store:
        if await store.head(ThreadId(name)) is None:
            raise ThreadNotFound(f"there is no thread {name!r}; `satchel threads ls` lists those there are")
        await store.delete(ThreadId(name))


def line(entry: dict[str, Any]) -> str:
    """One entry as a line."""
    rest = {k: v for k, v in entry.items() if k not in ("seq", "op", "kind") and v not in (None, "", {}, False)}
    return f"{entry['seq']:>6} {entry['kind']:8} {short(', '.join(f'{k}={v}' for k, v in rest.items()), 160)}"
