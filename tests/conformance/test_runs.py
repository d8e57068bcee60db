"""What every backend of `Runs` must do: order, one executor, one end, events in order for readers at any pace."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from satchel.memory.checkpoints import TOKEN
from satchel.memory.errors import LeaseLost
from satchel.memory.keys import BUSY
from satchel.memory.memory_store import MemoryStore
from satchel.memory.open import runs_of
from satchel.memory.redis_store import ServerStore
from satchel.memory.runs import END, START, NoTurn, Turn
from satchel.memory.saver import RedisSaver
from satchel.memory.store import Store, ThreadId
from satchel.memory.streams import BUFFER, SOON, Streams
from tests.stores import EVERYWHERE, SEALED, open_part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

from satchel.memory.runs import Runs, Strategy

pytestmark = pytest.mark.parametrize("store", [*EVERYWHERE, SEALED], indirect=True)

THREAD = ThreadId("t", "a")


@pytest.fixture
def runs(store: Store) -> Runs:
    return runs_of(store)


async def admit(runs: Runs, *names: str, strategy: Strategy = "enqueue", due: int = 0) -> list[str]:
    return [(await runs.admit(THREAD, n, b"{}", strategy=strategy, due=due, make=b"{}", limit=3)).how for n in names]


async def claimed(runs: Runs, ttl: float = 10) -> Turn:
    turn = await runs.claim(THREAD, ttl=ttl)
    assert isinstance(turn, Turn)
    return turn


async def end(runs: Runs, turn: Turn, status: str = "success") -> None:
    await runs.finish(turn, status=status, error=b"", rest=b"{}", drop="", keep=60)


@pytest.fixture(autouse=True)
async def clean(runs: Runs, store: Store) -> AsyncIterator[None]:
    yield
    await runs.delete(THREAD)
    if isinstance(server := open_part(store), ServerStore):  # streams expire, workers sweep the busy ones
        await server.connection.redis.flushall()
    await runs.aclose()


async def test_runs_are_executed_in_the_order_in_which_they_were_accepted(runs: Runs) -> None:
    assert await admit(runs, "r1", "r2", "r1", "r3", "r4") == ["ok", "ok", "ok", "ok", "full"]
    assert await admit(runs, "r5", strategy="reject") == ["busy"]
    for name in ("r1", "r2", "r3"):
        turn = await claimed(runs)
        assert turn.run == name
        held = await runs.claim(THREAD, ttl=10)
        assert isinstance(held, NoTurn)
        assert held.held
        await end(runs, turn)
    assert await runs.claim(THREAD, ttl=10) == NoTurn(held=False, seconds=None)
    assert [row.status for row in await runs.runs(THREAD)] == ["success"] * 3


async def test_a_run_that_was_begun_is_first_again(runs: Runs) -> None:
    await admit(runs, "late", due=1 << 45)
    await admit(runs, "r1", "r2")
    turn = await claimed(runs)
    await runs.release(turn)
    again = await claimed(runs)
    assert (again.run, again.attempt) == ("r1", 2)


async def test_what_an_executor_writes_after_another_took_over_is_refused(runs: Runs) -> None:
    await admit(runs, "r1")
    old = await claimed(runs, ttl=0.01)
    await asyncio.sleep(0.02)  # the lease runs out by the server's clock
    new = await claimed(runs)
    assert new.run == old.run
    for write in (runs.append(old, [("a", b"1")]), end(runs, old), runs.renew(old, ttl=1)):
        with pytest.raises(LeaseLost):
            await write
    await runs.append(new, [("b", b"2")])
    await end(runs, new)
    assert [event.name for event in await runs.page(THREAD, "r1", START, 10)] == ["b", END]


async def test_a_checkpoint_written_after_another_took_over_is_refused(runs: Runs, store: Store) -> None:
    """The saver of a graph checks the turn in the script that writes, whichever part of a checkpoint it is."""
    at = store if isinstance(store, MemoryStore) else store.url
    async with RedisSaver(at, tenant=THREAD.tenant) as saver:
        await admit(runs, "r1", "r2")

        def under(turn: Turn) -> Any:
            return {"configurable": {"thread_id": THREAD.name, "checkpoint_ns": "", TOKEN: turn.token}}

        async def put(turn: Turn) -> Any:
            checkpoint = {**empty_checkpoint(), "channel_values": {"x": "x" * 100}, "channel_versions": {"x": "1"}}
            return await saver.aput(under(turn), checkpoint, {"step": 0}, {"x": "1"})  # type: ignore[arg-type]  # a plain dict

        old = await claimed(runs, ttl=0.01)
        first = await put(old)
        await asyncio.sleep(0.02)  # the lease runs out, but nobody has taken over
        await put(old)
        new = await claimed(runs)
        names = set(await store.fields.names(THREAD))
        written: Any = {"configurable": {**under(old)["configurable"], **first["configurable"]}}
        with pytest.raises(LeaseLost, match="taken over"):
            await put(old)
        with pytest.raises(LeaseLost, match="taken over"):
            await saver.aput_writes(written, [("x", 1)], "task")
        with pytest.raises(LeaseLost, match="taken over"):
            await asyncio.to_thread(saver.put_writes, written, [("x", 1)], "task")
        assert set(await store.fields.names(THREAD)) == names
        await put(new)
        await end(runs, new)
        for late in (new, old):  # nobody has the turn now
            with pytest.raises(LeaseLost):
                await put(late)
        await saver.adelete_thread(THREAD.name)


async def test_a_run_is_stopped_before_it_begins_or_told_to_stop(runs: Runs) -> None:
    await admit(runs, "r1", "r2")
    turn = await claimed(runs)
    assert await runs.cancel(THREAD, "r1", "interrupt", keep=60) == "asked"
    assert await runs.renew(turn, ttl=10) == "interrupt"
    assert await runs.cancel(THREAD, "r2", "rollback", keep=60) == "stopped"
    assert await runs.run(THREAD, "r2") is None
    await end(runs, turn, "interrupted")
    assert await runs.cancel(THREAD, "r1", "interrupt", keep=60) == "ended"
    assert await runs.cancel(THREAD, "r9", "interrupt", keep=60) == "absent"


async def test_readers_at_any_pace_get_each_event_once_in_order(runs: Runs) -> None:
    await admit(runs, "r1")
    turn = await claimed(runs)
    streams = Streams(runs)
    quick, slow = (streams.follow(THREAD, "r1", START) for _ in range(2))

    async def read_all() -> list[str]:
        found: list[str] = []
        while not found or found[-1] != END:
            found += [event.name for event in await quick.next(5)]
        return found

    assert await slow.next(0) == []
    reading = asyncio.create_task(read_all())
    names = [f"e{n}" for n in range(3 * BUFFER)]
    for first in range(0, len(names), 50):
        await runs.append(turn, [(name, b"{}") for name in names[first : first + 50]])
    await end(runs, turn)
    assert await reading == [*names, END]
    late: list[str] = []
    while not late or late[-1] != END:
        late += [event.name for event in await slow.next(5)]
    assert late == [*names, END]
    await quick.aclose()
    await slow.aclose()
    await streams.aclose()


@pytest.mark.parametrize("seed", range(3))
async def test_readers_get_each_event_once_in_order_wherever_it_is_written(runs: Runs, seed: int) -> None:
    """Here, elsewhere, and by turns; also who comes late, begins in the middle, or is pushed back again and again."""
    random, names = Random(seed), [f"e{n}" for n in range(300)]
    await admit(runs, "r1")
    turn = await claimed(runs)
    streams, place = Streams(runs), (THREAD, "r1")

    async def read(after: str, *, new: bool = False, restless: bool = False) -> list[str]:
        follower, found = streams.follow(*place, after, behind=not new), [""]
        while found[-1] != END:
            found += [event.name for event in await follower.next(5)]
            if restless:
                follower.miss()
        await follower.aclose()
        return found[1:]

    readers = [(0, asyncio.create_task(read(START, new=True))), (0, asyncio.create_task(read(START, restless=True)))]
    done = 0
    while done < len(names):
        here = random.random() < 0.6
        with streams.writing(place) if here else nullcontext():
            for _ in range(random.randrange(1, 6)):
                some = [(name, b"{}") for name in names[done : done + random.randrange(1, 9)]]
                if some:
                    await (streams if here else runs).append(turn, some)
                done += len(some)
        if random.random() < 0.2:
            begun, restless = await runs.last(*place), random.random() < 0.5
            readers.append((done, asyncio.create_task(read(begun, restless=restless))))
    await streams.finish(turn, events=[], status="success", error=b"", rest=b"{}", drop="", keep=60)
    async with asyncio.timeout(20):
        for first, reader in readers:
            assert await reader == [*names[first:], END]
    await streams.aclose()


async def test_what_is_written_here_is_not_asked_for(runs: Runs) -> None:
    await admit(runs, "r1")
    turn = await claimed(runs)
    streams, place = Streams(runs), (THREAD, "r1")
    with streams.writing(place):
        follower = streams.follow(*place, START, behind=False)
        reading = asyncio.create_task(follower.next(10))
        await asyncio.sleep(2 * SOON)  # longer than the reader leaves a run to who may write it
        await streams.append(turn, [("a", b"1")])
        assert [event.name for event in await reading] == ["a"]
        assert streams._reader is None
    await follower.aclose()
    await streams.aclose()


async def test_a_thread_of_one_run_leaves_nothing_but_its_events(runs: Runs) -> None:
    await admit(runs, "r1")
    turn = await claimed(runs)
    await runs.finish(turn, status="success", error=b"", rest=b"", drop="thread", keep=60)
    assert await runs.row(THREAD) is None
    assert await runs.listed(THREAD.tenant) == []
    assert await runs.thread_of(THREAD.tenant, "r1") is None
    assert [event.name for event in await runs.page(THREAD, "r1", START, 10)] == [END]


async def test_a_run_that_ended_and_was_dropped_is_not_accepted_again_while_its_events_are_there(runs: Runs) -> None:
    """Who died after it offered a run is followed by another who offers the same one."""
    await admit(runs, "r1")
    turn = await claimed(runs)
    await runs.finish(turn, status="success", error=b"", rest=b"{}", drop="thread", keep=60)
    assert await admit(runs, "r1") == ["over"]
    assert await runs.row(THREAD) is None
    assert (await runs.listed(THREAD.tenant), await runs.thread_of(THREAD.tenant, "r1")) == ([], None)
    assert await admit(runs, "r2") == ["ok"]


async def test_a_thread_that_was_dropped_is_not_looked_at_again_unless_it_was_made_anew(
    runs: Runs, store: Store
) -> None:
    async def passed(run: str) -> None:
        await admit(runs, run)
        turn = await claimed(runs)
        await asyncio.sleep(0.002)  # the clock of the list counts milliseconds
        await runs.finish(turn, status="success", error=b"", rest=b"", drop="thread", keep=60)

    async def listed() -> int:
        server = open_part(store)
        return int(await server.connection.redis.zcard(BUSY)) if isinstance(server, ServerStore) else 0

    await passed("r1")
    assert await runs.waiting() == []
    assert await listed() == 0
    await passed("r2")
    await admit(runs, "r3")  # before the next look
    assert await runs.waiting() == [THREAD]
    assert await runs.waiting() == [THREAD]
