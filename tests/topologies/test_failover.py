"""Primaries are killed and slots move under a live writer: it goes on, or it says what the store has lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from satchel.memory import Log, RedisSaver, RedisStore, ThreadId, open_store
from satchel.memory.errors import LeaseLost, StoreUnsafe
from satchel.memory.log import read_log
from satchel.memory.records import Said
from tests.servers import clustered, until, watched

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import Clustered

pytestmark = pytest.mark.debian
THREAD = ThreadId("t1")


async def test_after_a_failover_the_sentinels_new_primary_is_found_and_nothing_replicated_is_lost(
    tmp_path: Path,
) -> None:
    with watched(tmp_path) as at:
        store = await open_store(at.url)
        log = await Log.open(store, THREAD)
        await log.append("before", [Said(text="before")])
        await asyncio.to_thread(until, at.follows, "replication")
        at.primary.kill()
        await log.append("after", [Said(text="after")])
        await log.close()
        texts = [entry.record.text for entry in await read_log(store, THREAD) if isinstance(entry.record, Said)]
        assert texts == ["before", "after"]
        await store.aclose()


async def test_what_a_lagging_replica_lost_is_told_to_the_live_writer(tmp_path: Path) -> None:
    with watched(tmp_path) as at:
        store = await open_store(at.url)
        log = await Log.open(store, THREAD, ttl=60)
        await log.append("before", [Said(text="before")])
        await asyncio.to_thread(until, at.follows, "replication")
        at.replica.raw.config_set("masterauth", "wrong")  # so that it cannot come back once it is cut off
        at.primary.raw.client_kill_filter(_type="replica")
        await asyncio.to_thread(until, lambda: not at.follows(), "the loss of the replica")
        await log.append("lost", [Said(text="lost")])
        at.primary.kill()
        with pytest.raises(StoreUnsafe, match=r"lost the end of thread 't1', which has 2 entries .* wrote 3"):
            await log.append("after", [Said(text="after")])
        await log.close()
        assert len(await read_log(store, THREAD)) == 2
        await store.aclose()


async def test_a_lease_that_a_lagging_replica_never_saw_is_refused_there(tmp_path: Path) -> None:
    with watched(tmp_path) as at:
        store = await open_store(at.url)
        at.replica.raw.config_set("masterauth", "wrong")
        at.primary.raw.client_kill_filter(_type="replica")
        await asyncio.to_thread(until, lambda: not at.follows(), "the loss of the replica")
        log = await Log.open(store, THREAD)
        at.primary.kill()
        with pytest.raises(LeaseLost, match="was removed, or the store has lost its newest writes"):
            await log.append("after", [Said(text="after")])
        await log.close()
        await store.aclose()


def moving(at: Clustered, slot: int) -> tuple[Any, Any]:
    """A slot on its way from its node to the next one: its keys are moved by the test."""
    source = at.of(slot)
    target = next(node for node in at.nodes if node is not source)
    names = {node: node.raw.cluster("myid").decode() for node in (source, target)}
    target.raw.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", names[source])
    source.raw.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", names[target])
    return source, target


async def test_a_thread_whose_slot_moves_goes_on_through_ask_and_moved(tmp_path: Path) -> None:
    with clustered(tmp_path) as at:
        store = await open_store(at.url)
        log = await Log.open(store, THREAD)
        await log.append("before", [Said(text="before")])
        slot = at.nodes[0].raw.cluster("keyslot", "satchel:{default:t1}:log")
        source, target = moving(at, slot)
        for number, key in enumerate(["satchel:{default:t1}:lease", "satchel:{default:t1}:log"]):
            source.raw.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 5_000)
            if number:
                await log.append("asked", [Said(text="asked")])
                assert await log.settle() is False
        name = target.raw.cluster("myid").decode()
        for node in (target, source, *at.nodes):
            node.raw.execute_command("CLUSTER SETSLOT", slot, "NODE", name)
        await asyncio.gather(*(log.append(f"moved {n}", [Said(text=f"moved {n}")]) for n in range(20)))
        await log.close()
        assert len(await read_log(store, THREAD)) == 23
        await store.aclose()


async def test_a_thread_split_by_a_moving_slot_waits_until_it_is_whole(tmp_path: Path) -> None:
    with clustered(tmp_path) as at:
        store = await open_store(at.url)
        log = await Log.open(store, THREAD)
        slot = at.nodes[0].raw.cluster("keyslot", "satchel:{default:t1}:log")
        source, target = moving(at, slot)
        source.raw.execute_command("MIGRATE", "127.0.0.1", target.port, "satchel:{default:t1}:lease", 0, 5_000)
        renewal = asyncio.create_task(store.renew(log._lease, ttl=10))  # two keys, one on each node: TRYAGAIN
        await asyncio.sleep(1)
        assert not renewal.done()
        source.raw.execute_command("MIGRATE", "127.0.0.1", target.port, "satchel:{default:t1}:log", 0, 5_000)
        await renewal
        await log.close()
        await store.aclose()


async def test_a_replica_takes_over_in_a_cluster_and_every_part_goes_on(tmp_path: Path) -> None:
    with clustered(tmp_path) as at:
        store = await open_store(at.url)
        threads = [ThreadId(f"t{n}") for n in range(12)]
        logs = [await Log.open(store, thread, ttl=60) for thread in threads]
        with RedisStore.from_url(at.url) as shelf, RedisSaver.from_url(at.url) as saver:
            shelf.put(("a",), "k", {"n": 1})
            ahead = at.nodes[0].raw.info("replication")["master_repl_offset"]
            caught = lambda: at.replica.raw.info("replication")["slave_repl_offset"] >= ahead  # noqa: E731 - read once
            await asyncio.to_thread(until, caught, "replication")
            at.nodes[0].kill()
            await asyncio.gather(*(log.append("after", [Said(text="after")]) for log in logs))
            assert shelf.get(("a",), "k") is not None
            assert list(saver.list(None)) == []
        for log in logs:
            await log.close()
        assert await store.threads() == sorted(threads, key=lambda thread: thread.name)
        await store.aclose()
