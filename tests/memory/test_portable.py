"""A thread as one file: whole, streamed, checked before anything is written, and a clear place in every complaint."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from satchel.memory import Log, MemoryStore, ThreadId, read_log
from satchel.memory.codec import encode, pack
from satchel.memory.errors import DamagedEntry, ThreadBusy, ThreadExists, ThreadNotFound
from satchel.memory.fields import Change
from satchel.memory.portable import export_thread, import_thread, read_about
from satchel.memory.records import Opened, Reply, Said, Usage
from satchel.memory.thread_file import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

THREAD = ThreadId("t1")
SALT = bytes(range(16))


async def filled(store: MemoryStore, words: int = 3) -> None:
    log = await Log.open(store, THREAD, salt=SALT)
    for n in range(words):
        await log.append(f"s{n}", [Said(text=f"word {n}")])
    await log.append("r", [Reply(step=0, text="hm", model="m", usage=Usage(fresh=7, usd=0.5))])
    await log.close()


async def exported(store: MemoryStore) -> bytes:
    file = io.BytesIO()
    await export_thread(store, THREAD, file)
    return file.getvalue()


async def test_a_thread_comes_back_whole_under_a_new_id() -> None:
    here, there = MemoryStore(), MemoryStore()
    await filled(here)
    await here.fields.change(THREAD, Change(put={b"v x": b"value", b"h": b"id"}))
    await here.keep(THREAD, 3600)
    made = await import_thread(there, io.BytesIO(await exported(here)))
    assert made.name.startswith("t1-")
    assert [e.record for e in await read_log(there, made)] == [e.record for e in await read_log(here, THREAD)]
    head = await there.head(made)
    assert head is not None
    assert head.expire == 3600
    assert await there.fields.get(made, [b"v x", b"h"]) == [b"value", b"id"]
    log = await Log.open(there, made)
    assert log.salt == SALT
    await log.append("more", [Said(text="more")])
    await log.close()


async def test_the_same_thread_gives_the_same_file() -> None:
    store = MemoryStore()
    await filled(store)
    assert await exported(store) == await exported(store)


async def test_an_import_never_overwrites() -> None:
    store = MemoryStore()
    await filled(store)
    data = await exported(store)
    with pytest.raises(ThreadExists, match="'t1'"):
        await import_thread(store, io.BytesIO(data), "t1")
    await import_thread(store, io.BytesIO(data), "t2")
    lease = await store.acquire(ThreadId("held"), ttl=10)
    with pytest.raises(ThreadBusy):
        await import_thread(store, io.BytesIO(data), "held")
    await store.release(lease)


async def test_what_is_not_there_is_not_exported() -> None:
    with pytest.raises(ThreadNotFound, match="no thread 't1'"):
        await export_thread(MemoryStore(), THREAD, io.BytesIO())


async def test_every_cut_and_every_altered_byte_is_noticed_before_anything_is_written() -> None:
    store = MemoryStore()
    await filled(store, 1)
    data = await exported(store)
    for at in range(len(data)):
        altered = bytearray(data)
        altered[at] ^= 0x11
        for bad in (data[:at], bytes(altered)):
            with pytest.raises(DamagedEntry, match=r"at byte [\d,]+: .+; export it anew"):
                await import_thread(store, io.BytesIO(bad), "other")
    with pytest.raises(DamagedEntry, match="something stands behind the end"):
        read_about(io.BytesIO(data + b"\0"))
    assert await store.threads() == [THREAD]


HEADER = {"format": 1, "thread": "t", "expire": None}
OPENED = ("E", encode(Opened(salt="00"), "open"))


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        ([], "a frame of the unknown kind|header is missing"),
        ([("H", pack(HEADER))], "neither an entry nor a field"),
        ([("H", pack({**HEADER, "format": 2})), OPENED], "format 2, which only a later version reads"),
        ([("H", pack([1])), OPENED], "names no format"),
        ([("H", pack({**HEADER, "thread": ""})), OPENED], "without a thread"),
        ([("H", pack({**HEADER, "thread": 3})), OPENED], "without a thread"),
        ([("H", pack({"format": 1, "thread": "t"}))], "neither an entry nor a field"),
        ([("H", pack({**HEADER, "expire": -1})), OPENED], "bad header"),
        ([("H", b"junk"), OPENED], "the header is damaged"),
        ([("H", pack(HEADER)), ("E", encode(Said(text="x")))], "entry 0 is a Said"),
        ([("H", pack(HEADER)), OPENED, OPENED], "entry 1 is a Opened"),
        ([("H", pack(HEADER)), ("E", pack(HEADER))], "entry 0 is damaged"),
        ([("H", pack(HEADER)), ("F", b"\0\1na"), OPENED], "an entry behind a field"),
        ([("H", pack(HEADER)), ("F", b"\0\\9n")], "a field without its name"),
        ([("H", pack(HEADER)), ("X", b"")], "unknown kind 'X'"),
        ([OPENED], "the header is missing"),
    ],
)
def test_a_file_with_a_good_digest_is_still_read_strictly(frames: list[tuple[str, bytes]], says: str) -> None:
    file = io.BytesIO()
    writer = Writer(file)
    for kind, body in frames:
        writer.frame(kind, body)
    writer.end()
    with pytest.raises(DamagedEntry, match=says):
        read_about(io.BytesIO(file.getvalue()))


async def test_an_import_that_fails_half_way_leaves_nothing() -> None:
    store = MemoryStore()

    async def entries() -> AsyncIterator[bytes]:
        yield b"one"
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        await store.create(THREAD, entries())
    assert await store.head(THREAD) is None
    assert await store.threads() == []
