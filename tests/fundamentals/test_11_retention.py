"""A thread stays for ever unless asked otherwise; it can be forked, carried in a file, and removed."""

from __future__ import annotations

import io

import pytest

from satchel import Agent
from satchel.memory import MemoryStore, ThreadId, export_thread, fork_thread, import_thread, read_log
from satchel.memory.errors import ConfigError

ONE, TWO = ThreadId("one"), ThreadId("two")


async def test_a_fork_goes_another_way_from_a_turn_that_both_share() -> None:
    agent = Agent("sim:echo", store=MemoryStore())
    await agent.arun("first", thread="one")
    store = await agent.store()
    shared = await fork_thread(store, ONE, TWO)
    await agent.arun("second", thread="two")
    assert [e.record for e in await read_log(store, ONE)] == [e.record for e in (await read_log(store, TWO))[:shared]]
    assert await store.size(TWO) < await store.size(ONE)


async def test_a_thread_is_not_forked_inside_a_turn() -> None:
    agent = Agent("sim:echo", store=MemoryStore())
    await agent.arun("first", thread="one")
    with pytest.raises(ConfigError, match="entry 2 of thread 'one' is no turn boundary; fork it at 1 or 3"):
        await fork_thread(await agent.store(), ONE, TWO, at=2)


async def test_a_thread_is_carried_in_a_file_with_its_spending() -> None:
    here, there = Agent("sim:echo", store=MemoryStore()), Agent("sim:echo", store=MemoryStore())
    result = await here.arun("first", thread="one")
    file = io.BytesIO()
    await export_thread(await here.store(), ONE, file)
    file.seek(0)
    made = await import_thread(await there.store(), file)
    assert (await there.aresume(made.name)).usage == result.usage


async def test_threads_expire_only_if_the_agent_says_so() -> None:
    now = [1_000.0]
    store = MemoryStore(clock=lambda: now[0])
    await Agent("sim:echo", store=store, expire=60).arun("first", thread="one")
    await Agent("sim:echo", store=store).arun("first", thread="two")
    now[0] += 61
    assert await store.threads() == [TWO]
    with pytest.raises(ConfigError, match="expire=0"):
        Agent("sim:echo", expire=0)
