"""What the append-only file grows by, beyond what is kept: the figures of memory/README.md, in bytes."""

from __future__ import annotations

import json
from statistics import median
from typing import TYPE_CHECKING

import pytest

from satchel.memory import ThreadId
from satchel.memory.embedded import attach
from satchel.memory.forks import fork_thread
from satchel.memory.langgraph_store import RedisStore
from satchel.memory.log import Log
from satchel.memory.records import Said
from satchel.memory.redis_store import ServerStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from satchel.memory.embedded import EmbeddedServer

THREAD = ThreadId("t1")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    made = await attach(tmp_path)
    yield made
    made.release()


def written(server: EmbeddedServer) -> int:
    """Bytes of the append-only file: the server writes before it answers."""
    return sum(file.stat().st_size for file in (server.home / "appendonlydir").iterdir())


async def test_a_commit_costs_a_hundred_bytes_whatever_the_length_of_the_thread(server: EmbeddedServer) -> None:
    store, costs = ServerStore(server.url), []
    lease = await store.acquire(THREAD, ttl=60)
    for n in range(1_100):
        before = written(server)
        await store.append(lease, op=f"op {n:04}", expected=n, entries=[bytes(500)])
        costs.append(written(server) - before - 500)
    await store.aclose()
    assert 90 < median(costs) <= median(costs[-50:]) <= 105
    assert max(costs) < 130, "with the time of the commit, once a minute"


async def test_a_fork_costs_the_same_whatever_it_shares(server: EmbeddedServer) -> None:
    store, costs = ServerStore(server.url), []
    for length in (3, 300):
        source = ThreadId(f"source {length:03}")
        log = await Log.open(store, source)
        await log.append("say", [Said(text="word " * 50)] * length)
        await log.close()
        before = written(server)
        await fork_thread(store, source, ThreadId(f"fork {length:03}"))
        costs.append(written(server) - before)
    await store.aclose()
    assert costs[0] == pytest.approx(750, abs=100)
    assert costs[1] == pytest.approx(costs[0], abs=20)


async def test_an_item_costs_its_value_and_a_little_more(server: EmbeddedServer) -> None:
    value = {"likes": "x" * 100}
    ann, ben = ("users", "ann"), ("users", "ben")
    costs = []
    async with RedisStore.from_url(server.url) as store:
        for place, key in ((ann, "warm"), (ann, "tea"), (ann, "tea"), (ben, "tea")):
            before = written(server)
            await store.aput(place, key, value)
            costs.append(written(server) - before - len(json.dumps(value)))
    assert costs[1:] == [pytest.approx(about, abs=40) for about in (220, 100, 380)]
