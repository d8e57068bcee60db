"""The log in the hands of its writer: what is found, resolved, cancelled, lost and opened again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from satchel.memory import Log, MemoryStore, ThreadId, read_log
from satchel.memory.errors import DamagedEntry, LeaseLost, ThreadBusy, ThreadNotFound, UnknownHandle
from satchel.memory.handles import ref
from satchel.memory.records import Call, Ended, Opened, Page, Reply, Result, Said, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.memory.store import Lease

THREAD = ThreadId("t")
SALT = bytes(16)


async def test_an_operation_is_done_once_and_its_entries_are_found() -> None:
    log = await Log.open(MemoryStore(), THREAD)
    first = await log.append("r1/ask", [Said(text="hi"), Said(text="ho")])
    again = await log.append("r1/ask", [Said(text="something else")])
    assert again == first == log.find("r1/ask") == log.entries[1:]
    assert [entry.seq for entry in first] == [1, 2]
    assert log.length == 3
    assert log.find("r1/answer") == []


async def test_what_is_held_is_what_will_be_read() -> None:
    store = MemoryStore()
    log = await Log.open(store, THREAD)
    await log.append("\ud800", [Call(id="1", name="f", args={1: float("nan"), "a": ("\ud800", 2**70)})])
    await log.close()
    assert await read_log(store, THREAD) == log.entries
    assert log.find("\ud800") == log.entries[1:]


async def test_a_thread_is_opened_again_from_where_it_is_asked_and_rewound() -> None:
    store = MemoryStore()
    log = await Log.open(store, THREAD, salt=SALT)
    for n in range(5):
        await log.append(f"say {n}", [Said(text=str(n))])
    await log.close()
    again = await Log.open(store, THREAD, salt=b"another salt, which is not used", start=3)
    assert [entry.seq for entry in again.entries] == [0, 3, 4, 5]
    assert (again.length, again.salt) == (6, SALT)
    assert again.find("say 0") == []
    assert await again.text(ref(SALT, 1)) == "0"
    assert await again.text(ref(SALT, 5)) == "4"
    await again.rewind()
    assert [entry.seq for entry in again.entries] == [*range(6)]
    assert again.find("say 0") == again.entries[1:2]
    await again.close()
    assert len((await Log.open(store, THREAD, start=99)).entries) == 6


async def test_handles_resolve_to_whole_texts_and_nothing_else_resolves() -> None:
    log = await Log.open(MemoryStore(), THREAD, salt=SALT)
    reply = Reply(step=1, text="reply", model="m", usage=Usage())
    call = Call(id="1", name="f", args={"b": [1, "ü"], "a": None})
    await log.append("a", [Said(text="said"), reply, call, Result(call="1", text="result"), Page(text="page")])
    await log.append("b", [Call(id="2", name="f", args="not json"), Ended(outcome="done", text="no handle")])
    texts = ["said", "reply", '{"a":null,"b":[1,"ü"]}', "result", "page", "not json"]
    assert [await log.text(ref(SALT, n + 1)) for n in range(6)] == texts
    for handle in (ref(SALT, 0), ref(SALT, 7), ref(SALT, 8), ref(SALT, 10**8), ref(b"other", 1), "res:1"):
        with pytest.raises(UnknownHandle):
            await log.text(handle)


class Slow(MemoryStore):
    """A store whose appends wait to be let through."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()

    async def append(self, lease: Lease, *, op: str, expected: int, entries: Sequence[bytes]) -> int:
        if op == "slow":
            self.reached.set()
            await self.go_on.wait()
        return await super().append(lease, op=op, expected=expected, entries=entries)


async def test_a_cancelled_append_completes_and_the_log_goes_on() -> None:
    store = Slow()
    log = await Log.open(store, THREAD)
    task = asyncio.create_task(log.append("slow", [Said(text="1")]))
    await store.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    closing = asyncio.create_task(log.append("next", [Said(text="2")]))
    store.go_on.set()
    await closing
    await log.close()
    assert [entry.record for entry in await read_log(store, THREAD)][1:] == [Said(text="1"), Said(text="2")]


async def test_appends_at_once_are_one_after_the_other() -> None:
    log = await Log.open(MemoryStore(), THREAD)
    await asyncio.gather(*(log.append(f"say {n}", [Said(text=str(n))]) for n in range(50)))
    assert [entry.seq for entry in log.entries] == list(range(51))


async def test_the_lease_is_renewed_while_the_log_is_open() -> None:
    store = MemoryStore()
    log = await Log.open(store, THREAD, ttl=0.06)
    for _ in range(30):
        await asyncio.sleep(0.005)
        with pytest.raises(ThreadBusy):
            await store.acquire(THREAD, ttl=1)
    await log.close()
    await store.release(await store.acquire(THREAD, ttl=1))


async def test_a_log_whose_thread_was_taken_over_writes_no_more() -> None:
    store = MemoryStore()
    log = await Log.open(store, THREAD, ttl=0.03)
    store._threads[THREAD].until = 0.0
    heir = await store.acquire(THREAD, ttl=10)
    assert log._heart is not None
    await asyncio.wait_for(asyncio.shield(log._heart), 5)
    with pytest.raises(LeaseLost, match="taken over"):
        await log.append("say", [Said(text="late")])
    await log.close()
    await store.renew(heir, ttl=10)


async def test_a_log_that_cannot_be_opened_leaves_the_thread_free() -> None:
    store = MemoryStore()
    lease = await store.acquire(THREAD, ttl=10)
    await store.append(lease, op="x", expected=0, entries=[b"foreign"])
    await store.release(lease)
    for _ in range(2):
        with pytest.raises(DamagedEntry, match="entry 0"):
            await Log.open(store, THREAD)


async def test_a_thread_that_is_not_there_has_no_log() -> None:
    with pytest.raises(ThreadNotFound, match="no thread 't' of tenant 'default'"):
        await read_log(MemoryStore(), THREAD)


async def test_a_new_thread_has_a_salt_of_its_own() -> None:
    store = MemoryStore()
    one, two = [await Log.open(store, ThreadId(name)) for name in "ab"]
    assert one.salt != two.salt
    assert one.entries[0].record == Opened(salt=one.salt.hex())
