"""A thread as one file: `export_thread` writes it, `import_thread` makes a new thread of it; see `thread_file`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, BinaryIO

from satchel.memory.codec import decode_entry, pack, unpack
from satchel.memory.errors import DamagedEntry, StoreError, ThreadExists, ThreadNotFound
from satchel.memory.fields import GENERATION, Change
from satchel.memory.keyring import refuse
from satchel.memory.records import Opened
from satchel.memory.sentences import absent, exists
from satchel.memory.store import LONGEST, ThreadId
from satchel.memory.thread_file import Writer, broken, check, field, frames, named

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.memory.store import Store
    from satchel.memory.thread_file import Frame

FORMAT = 1
BATCH = 200
"""Entries, or fields, that are read from a store at a time."""

_HEADS = b"h"


@dataclass(frozen=True, slots=True)
class About:
    """What a file says of its thread, and what was counted in it."""

    thread: str
    expire: float | None
    entries: int
    fields: int
    digest: bytes


async def export_thread(store: Store, thread: ThreadId, file: BinaryIO) -> About:
    """Write a thread and all it needs, a fork too, to a binary file that may be a pipe; `ThreadNotFound`.

    What is read is the log up to its length at the call. The file is not encrypted, whatever the store is.
    """
    head = await store.head(thread)
    names = sorted(await store.fields.names(thread), key=_heads_last)
    if head is None and not names:
        raise ThreadNotFound(absent(thread))
    length = head.length if head else 0
    expire = head.expire if head else None
    out = Writer(file)
    out.frame("H", pack({"format": FORMAT, "thread": thread.name, "expire": expire}))
    for start in range(0, length, BATCH):
        for entry in await store.read(thread, start, min(start + BATCH, length)):
            refuse(entry, f"thread {thread.name!r}")
            out.frame("E", entry)
    count = 0
    for start in range(0, len(names), BATCH):
        some = [name for name in names[start : start + BATCH] if name != GENERATION]
        for name, value in zip(some, await store.fields.get(thread, some), strict=True):
            if value is not None:
                refuse(value, f"thread {thread.name!r}")
                out.frame("F", named(name, value))
                count += 1
    return About(thread.name, expire, length, count, out.end())


def read_about(file: BinaryIO) -> About:
    """Check a whole file, each entry too; `DamagedEntry`, naming the byte and the entry, for what we did not write."""
    entries = fields = 0
    for frame in frames(file):
        if frame.kind == "H":
            header = _header(frame)
        elif frame.kind == "E":
            check(not fields, frame, "an entry behind a field")
            _entry(frame, entries)
            entries += 1
        elif frame.kind == "F":
            field(frame)
            fields += 1
    check(bool(entries or fields), frame, "neither an entry nor a field")
    return About(header["thread"], header.get("expire"), entries, fields, frame.body)


async def import_thread(store: Store, file: BinaryIO, name: str | None = None, *, tenant: str = "default") -> ThreadId:
    """Make a new thread of a file that can be read twice; without a name its own, `-` and 8 digits of the digest.

    It keeps salt, spending and expiry, so that handles resolve and budgets hold. Raises `DamagedEntry` before anything
    is written, `ThreadExists`, `ThreadBusy`.
    """
    start = file.tell()
    about = read_about(file)
    thread = ThreadId(name or _derived(about), tenant)
    if await store.head(thread) is not None or await store.fields.names(thread):
        raise ThreadExists(exists(thread))
    file.seek(start)
    if about.fields:
        await _put_fields(store, thread, (frame for frame in frames(file) if frame.kind == "F"))
        file.seek(start)
    if about.entries:
        await store.create(thread, _entries(file))
        if about.expire is not None:
            await store.keep(thread, about.expire)
    return thread


async def _entries(file: BinaryIO) -> AsyncIterator[bytes]:
    for frame in takewhile(lambda frame: frame.kind in "HE", frames(file)):
        if frame.kind == "E":
            yield frame.body


async def _put_fields(store: Store, thread: ThreadId, found: Iterator[Frame]) -> None:
    await store.fields.enlist(thread)
    batch: dict[bytes, bytes] = {}
    for frame in found:
        name, value = field(frame)
        batch[name] = value
        if len(batch) == BATCH:
            await store.fields.change(thread, Change(put=batch))
            batch = {}
    await store.fields.change(thread, Change(put=batch))


def _derived(about: About) -> str:
    tail = f"-{about.digest.hex()[:8]}"
    return about.thread[: LONGEST - len(tail)] + tail


def _heads_last(name: bytes) -> tuple[bool, bytes]:
    return name[:1] == _HEADS, name


def _header(frame: Frame) -> dict[str, Json]:
    try:
        value = unpack(frame.body)
    except DamagedEntry as error:
        raise broken(frame, "the header is damaged") from error
    given = value if isinstance(value, dict) else {}
    check(type(given.get("format")) is int, frame, "a header that names no format")
    check(given["format"] <= FORMAT, frame, f"format {given['format']}, which only a later version reads")
    name, expire = given.get("thread"), given.get("expire")
    check(type(name) is str and 0 < len(name) <= LONGEST, frame, "a header without a thread")
    check(expire is None or (type(expire) in (int, float) and expire > 0), frame, "bad header")
    return given


def _entry(frame: Frame, number: int) -> None:
    try:
        record = decode_entry(frame.body, number).record
    except StoreError as error:
        raise broken(frame, str(error)) from error
    check(isinstance(record, Opened) is (number == 0), frame, f"entry {number} is a {type(record).__name__}")
