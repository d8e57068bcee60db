"""What the command line does with stored threads."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast

from satchel.console import short
from satchel.memory.catalog import Row, aged, catalog, describe, remove
from satchel.memory.errors import ConfigError, StoreError
from satchel.memory.forks import fork_thread
from satchel.memory.log import read_log
from satchel.memory.portable import export_thread, import_thread
from satchel.memory.store import Store, ThreadId

OpenStore = Callable[[], Awaitable[Store]]

PIPE = "-"
"""The name of standard input or output."""

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
"""Seconds of each unit of a time span."""


@asynccontextmanager
async def opened(open_store: OpenStore) -> AsyncIterator[Store]:
    """A store, closed at the end."""
    store = await open_store()
    try:
        yield store
    finally:
        await store.aclose()


async def rows(open_store: OpenStore) -> list[dict[str, Any]]:
    """Each thread as a dictionary."""
    async with opened(open_store) as store:
        return [as_json(row) for row in await catalog(store)]


async def entries(open_store: OpenStore, name: str) -> list[dict[str, Any]]:
    """A thread's log, each entry as a dictionary; empty for one that holds checkpoints alone."""
    async with opened(open_store) as store:
        row = await describe(store, ThreadId(name))
        log = await read_log(store, ThreadId(name)) if row.entries else []
        return [{"seq": e.seq, "op": e.op, "kind": type(e.record).__name__.lower(), **asdict(e.record)} for e in log]


async def delete(open_store: OpenStore, name: str) -> None:
    """Remove a thread; raises `ThreadNotFound` if there is none."""
    async with opened(open_store) as store:
        await store.delete(ThreadId(name))


async def fork(open_store: OpenStore, name: str, target: str, at: int | None) -> int:
    """Fork a thread; how many entries it shares."""
    async with opened(open_store) as store:
        return await fork_thread(store, ThreadId(name), ThreadId(target), at)


async def write(open_store: OpenStore, name: str, to: str) -> dict[str, Any]:
    """Export a thread to a file that is not there yet, or to stdout."""
    async with opened(open_store) as store:
        await describe(store, ThreadId(name))
        with _writing(to) as file:
            about = await export_thread(store, ThreadId(name), file)
    return {"thread": name, "file": to, "entries": about.entries, "fields": about.fields, "digest": about.digest.hex()}


async def read(open_store: OpenStore, at: str, name: str | None) -> dict[str, Any]:
    """Import a thread from a file, or from stdin."""
    with _reading(at) as file:
        async with opened(open_store) as store:
            return as_json(await describe(store, await import_thread(store, file, name)))


async def prune(open_store: OpenStore, older: str | None, outcome: str | None, *, dry: bool) -> dict[str, list[Any]]:
    """Remove what is expired, and what matches if anything is asked for; `held` threads stay."""
    age = seconds(older) if older else 0.0
    async with opened(open_store) as store:
        expired = [] if dry else [thread.name for thread in await store.sweep()]
        found = aged(await catalog(store), older=age, outcome=outcome) if older or outcome else []
        gone, held = (found, []) if dry else await remove(store, found)
    return {"removed": list(map(as_json, gone)), "held": list(map(as_json, held)), "expired": expired}


def seconds(span: str) -> float:
    """A time span such as 90s, 30m, 12h, 30d or 2w in seconds; `ConfigError`."""
    match = re.fullmatch(r"([0-9]{1,9})([smhdw])", span)
    if match is None:
        raise ConfigError(f"{span!r} is not a time span; write 90s, 30m, 12h, 30d or 2w")
    return float(match[1]) * UNITS[match[2]]


def as_json(row: Row) -> dict[str, Any]:
    """A row as it is printed."""
    return {"thread": row.thread.name, **{name: value for name, value in asdict(row).items() if name != "thread"}}


def tell(row: dict[str, Any]) -> str:
    """A row as a line."""
    size = "" if row["bytes"] is None else f"{row['bytes']:,} bytes"
    points = f"{row['checkpoints']} checkpoints" if row["checkpoints"] else ""
    age = "" if row["at"] is None else f"{_span(time.time() - row['at'])} ago"
    rest = [row["outcome"] or "", points, f"expires after {_span(row['expire'])}" if row["expire"] else ""]
    name, notes = short(row["thread"], 200), ", ".join(filter(None, rest))
    told = f"{name:32} {row['entries']:>7} entries {size:>18} {age:>9}  {notes}"
    return told.rstrip()


def line(entry: dict[str, Any]) -> str:
    """One entry as a line."""
    rest = {k: v for k, v in entry.items() if k not in ("seq", "op", "kind") and v not in (None, "", {}, False)}
    return f"{entry['seq']:>6} {entry['kind']:8} {short(', '.join(f'{k}={v}' for k, v in rest.items()), 160)}"


def _span(seconds: float) -> str:
    unit = next((unit for unit in "wdhm" if seconds >= 2 * UNITS[unit]), "s")
    return f"{max(0, int(seconds / UNITS[unit]))}{unit}"


@contextmanager
def _writing(to: str) -> Iterator[BinaryIO]:
    """A new file that nobody else may read, gone again if it cannot be written whole; or stdout."""
    if to == PIPE:
        with _complete("stdout"), open(os.dup(sys.stdout.fileno()), "wb") as out:  # noqa: PTH123 - a descriptor
            yield out
        return
    try:
        descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(f"{to} exists already; choose another file, or remove it") from None
    except OSError as error:
        raise ConfigError(f"{to} cannot be written: {error.strerror}; choose another file") from error
    try:
        with _complete(to), os.fdopen(descriptor, "wb") as file:
            yield file
    except BaseException:
        Path(to).unlink(missing_ok=True)
        raise


@contextmanager
def _complete(to: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{to} cannot be written: {error.strerror or error}; nothing is exported") from error


@contextmanager
def _reading(at: str) -> Iterator[BinaryIO]:
    """A file that can be read twice."""
    if at == PIPE:
        with TemporaryFile() as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
            file.seek(0)
            yield cast("BinaryIO", file)
        return
    try:
        with Path(at).open("rb") as found:
            yield found
    except OSError as error:
        raise ConfigError(f"{at} cannot be read: {error.strerror or error}; name a file of a thread") from error
