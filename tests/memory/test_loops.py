"""One saver in several event loops: each has its own connections, and what was put first is kept first."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from satchel.memory import MemoryStore, RedisSaver, ThreadId
from satchel.memory.embedded import attach
from satchel.memory.errors import StoreUnreachable
from satchel.memory.fields import Change, MemoryFields
from satchel.memory.loops import Everywhere, Turn

if TYPE_CHECKING:
    from pathlib import Path

    from satchel.memory.fields import Changed

CONFIG: Any = {"configurable": {"thread_id": "t1", "checkpoint_ns": ""}}


class Door:
    """A resource that says in which loop it was closed."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.closed_in: asyncio.AbstractEventLoop | None = None
        self.closed = asyncio.Event()

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.closed_in = asyncio.get_running_loop()
        self.closed.set()


def doors() -> tuple[Everywhere[Door], list[Door]]:
    made: list[Door] = []

    async def opened() -> Door:
        made.append(Door())
        return made[-1]

    return Everywhere(opened), made


async def itself(door: Door) -> Door:
    return door


def test_each_loop_has_its_own_and_closes_it_when_it_ends() -> None:
    everywhere, made = doors()

    async def twice() -> tuple[Door, Door]:
        return (await asyncio.gather(everywhere.acall(itself), everywhere.acall(itself)))[0], await everywhere.acall(
            itself
        )

    for n in range(2):
        first, second = asyncio.run(twice())
        assert first is second is made[n]
        assert first.closed_in is first.loop
    assert everywhere.call(itself) is everywhere.call(itself) is made[2]
    everywhere.close()
    assert [door.closed_in for door in made] == [door.loop for door in made]


async def test_closed_it_is_opened_again() -> None:
    everywhere, made = doors()
    assert await everywhere.acall(itself) is made[0]
    await everywhere.aclose()
    assert made[0].closed_in is asyncio.get_running_loop()
    assert await everywhere.acall(itself) is made[1]
    everywhere.close()  # cannot wait: it stands in the loop itself
    await made[1].closed.wait()
    await everywhere.aclose()
    assert len(made) == 2


async def test_what_could_not_be_opened_is_tried_again() -> None:
    tries: list[int] = []

    async def opened() -> Door:
        tries.append(len(tries))
        if len(tries) < 3:
            raise StoreUnreachable("not yet")
        return Door()

    everywhere: Everywhere[Door] = Everywhere(opened)
    for _ in range(2):
        with pytest.raises(StoreUnreachable):
            await everywhere.acall(itself)
    assert isinstance(await everywhere.acall(itself), Door)
    await everywhere.aclose()


async def test_what_nobody_holds_any_more_is_closed() -> None:
    everywhere, made = doors()
    await everywhere.acall(itself)
    del everywhere
    gc.collect()
    await asyncio.wait_for(made[0].closed.wait(), 5)


def in_loops(*works: Any) -> None:
    """Run coroutine functions at once, each in a thread and loop of its own."""
    failed: list[BaseException] = []

    def run(work: Any) -> None:
        try:
            asyncio.run(work())
        except BaseException as error:  # noqa: BLE001 - it is raised below
            failed.append(error)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failed
    assert not any(thread.is_alive() for thread in threads)


def test_a_turn_has_one_holder_in_all_loops_also_when_others_give_up_waiting() -> None:
    turn, inside, most, done = Turn(), [0], [0], [0]

    async def work() -> None:
        async def take() -> None:
            async with turn:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                await asyncio.sleep(0.0001)
                inside[0] -= 1
            done[0] += 1

        tasks = [asyncio.create_task(take()) for _ in range(60)]
        await asyncio.sleep(0.001)
        for task in tasks[1::3]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    in_loops(work, work, work)
    assert most == [1]
    assert done[0] >= 3 * 40


def point(n: int) -> Any:
    """What is put for a checkpoint."""
    checkpoint = {**empty_checkpoint(), "channel_values": {"n": n}, "channel_versions": {"n": f"{n:08}"}}
    return CONFIG, checkpoint, {"source": "loop", "step": n, "parents": {}}, {"n": f"{n:08}"}


def test_asynchronous_and_synchronous_calls_may_share_a_thread(tmp_path: Path) -> None:
    server = asyncio.run(attach(tmp_path))
    saver = RedisSaver.from_url(server.url)
    ids: list[str] = []

    async def alone() -> None:
        for n in range(30):
            stored = await saver.aput(*point(n))
            ids.append(stored["configurable"]["checkpoint_id"])

    async def in_threads() -> None:
        for n in range(30):
            stored = await asyncio.to_thread(saver.put, *point(n))
            ids.append(stored["configurable"]["checkpoint_id"])

    in_loops(alone, in_threads, alone)
    kept = [found.config["configurable"]["checkpoint_id"] for found in saver.list(CONFIG)]
    assert kept == sorted(ids, reverse=True)
    assert len(set(ids)) == 90

    async def connected() -> int:
        async with RedisSaver.from_url(server.url) as other:
            return await other._at.acall(_clients)

    saver.close()
    assert asyncio.run(connected()) == 1  # its own
    server.release()


async def _clients(store: Any) -> int:
    return len(await store.connection.redis.client_list())


class Stuck(MemoryFields):
    """Fields whose first change takes as long as one likes."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self.free = asyncio.Event()
        self.stuck = True

    async def change(self, thread: ThreadId, change: Change) -> Changed:
        if self.stuck:
            self.begun.set()
            await self.free.wait()
        return await super().change(thread, change)


def test_what_an_ended_loop_could_not_send_is_sent_before_what_comes_next() -> None:
    store = MemoryStore()
    saver = RedisSaver.from_url("memory://")

    async def opened() -> Any:
        return store

    saver._at = Everywhere(opened)

    async def ends_at_once() -> None:
        store.fields = fields = Stuck()
        task = asyncio.create_task(saver.aput(*point(1)))
        await fields.begun.wait()
        fields.stuck = False
        assert not task.done()

    asyncio.run(ends_at_once())
    saver.put(*point(2))
    assert [found.metadata["step"] for found in saver.list(CONFIG)] == [2, 1]
    saver.close()


async def test_what_a_cancelled_call_has_put_is_kept_as_it_was_then() -> None:
    store = MemoryStore()
    store.fields = fields = Stuck()
    saver, reader = RedisSaver.from_url("memory://"), RedisSaver.from_url("memory://")

    async def opened() -> Any:
        return store

    saver._at, reader._at = Everywhere(opened), Everywhere(opened)
    values: list[list[int]] = [[1], [2]]
    points = [point(1), point(2)]
    for (_, checkpoint, *_), value in zip(points, values, strict=True):
        checkpoint["channel_values"]["n"] = value
    calls = [asyncio.create_task(saver.aput(*given)) for given in points]
    await fields.begun.wait()  # the first is under way, the second waits for it
    fields.stuck = False
    for call, value in zip(calls, values, strict=True):
        call.cancel()
        value.append(3)
    assert [type(end) for end in await asyncio.gather(*calls, return_exceptions=True)] == [asyncio.CancelledError] * 2
    kept: list[Any] = []
    async with asyncio.timeout(5):
        while len(kept) < 2:
            kept = [found.checkpoint["channel_values"]["n"] async for found in reader.alist(CONFIG)]
    assert kept == [[2], [1]]
    await saver.aclose()
    await reader.aclose()


@pytest.mark.parametrize("face", ["reads", "writes"])
def test_a_synchronous_call_within_a_loop_that_is_writing_is_answered(face: str) -> None:
    store = MemoryStore()
    saver = RedisSaver.from_url("memory://")

    async def opened() -> Any:
        return store

    saver._at = Everywhere(opened)
    found: list[int] = []

    async def both_at_once() -> None:
        store.fields = fields = Stuck()
        writing = [asyncio.create_task(saver.aput(*point(n))) for n in (1, 2)]
        await fields.begun.wait()
        fields.stuck = False
        if face == "writes":
            saver.put(*point(3))
        found.extend(one.metadata["step"] for one in saver.list(CONFIG))
        fields.free.set()
        await asyncio.gather(*writing)
        await saver.aput(*point(4))
        found.extend([one.metadata["step"] async for one in saver.alist(CONFIG)])

    in_loops(both_at_once)
    before = [3, 2, 1] if face == "writes" else [2, 1]
    assert found == [*before, 4, *before]
    saver.close()
