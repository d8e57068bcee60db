"""What every store promises, run over the table of backends."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis

from satchel.memory.errors import ConfigError, DamagedEntry, LeaseLost, StoreUnsafe, ThreadBusy, ThreadNotFound
from satchel.memory.log import Log, read_log
from satchel.memory.records import Said
from satchel.memory.store import Head, ThreadId
from tests.stores import EVERYWHERE, SEALED, SERVERS, weight

if TYPE_CHECKING:
    from collections.abc import Callable

    from satchel.memory.embedded import EmbeddedServer
    from satchel.memory.store import Lease, Store

every = pytest.mark.parametrize("store", [*EVERYWHERE, SEALED], indirect=True)
servers = pytest.mark.parametrize("store", SERVERS, indirect=True)
THREAD = ThreadId("t1")


async def expired(store: Store, thread: ThreadId) -> Lease:
    """The next lease, as soon as the one before it has run out."""
    async with asyncio.timeout(5):
        while True:
            try:
                return await store.acquire(thread, ttl=10)
            except ThreadBusy:
                await asyncio.sleep(0.005)


@every
async def test_what_is_appended_can_be_read(store: Store) -> None:
    lease = await store.acquire(THREAD, ttl=10)
    assert await store.head(THREAD) is None
    assert await store.append(lease, op="a", expected=0, entries=[b"0", b"1"]) == 2
    assert await store.append(lease, op="b", expected=2, entries=[b"2"]) == 3
    assert await store.head(THREAD) == Head(3)
    assert await store.read(THREAD) == [b"0", b"1", b"2"]
    assert await store.read(THREAD, 1, 2) == [b"1"]
    assert await store.read(THREAD, 2) == [b"2"]
    assert await store.read(THREAD, 3, 9) == []
    assert await store.size(THREAD) == weight(store, b"0", b"1", b"2")
    await store.release(lease)


@every
async def test_an_append_sent_again_changes_nothing(store: Store) -> None:
    lease = await store.acquire(THREAD, ttl=10)
    for _ in range(3):
        assert await store.append(lease, op="a", expected=0, entries=[b"0"]) == 1
    assert await store.read(THREAD) == [b"0"]
    await store.release(lease)


@every
async def test_a_writer_that_knows_another_length_is_refused(store: Store) -> None:
    lease = await store.acquire(THREAD, ttl=10)
    await store.append(lease, op="a", expected=0, entries=[b"0"])
    with pytest.raises(LeaseLost, match="has 1 entries where its writer knows 0"):
        await store.append(lease, op="b", expected=0, entries=[b"x"])
    assert await store.read(THREAD) == [b"0"]
    await store.release(lease)


@every
async def test_an_append_of_thousands_of_entries_is_one_step(store: Store) -> None:
    lease = await store.acquire(THREAD, ttl=10)
    entries = [b"%d" % n for n in range(5_000)]
    await store.append(lease, op="a", expected=0, entries=[b"first"])
    for _ in range(2):
        assert await store.append(lease, op="many", expected=1, entries=entries) == 5_001
    with pytest.raises(LeaseLost):
        await store.append(lease, op="late", expected=1, entries=entries)
    assert await store.read(THREAD, 1) == entries
    assert await store.head(THREAD) == Head(5_001)
    await store.release(lease)


@every
async def test_a_held_thread_is_busy_and_says_for_how_long(store: Store) -> None:
    lease = await store.acquire(THREAD, ttl=10)
    with pytest.raises(ThreadBusy, match=r"'t1' is held by this process for up to \d+\.\d s more"):
        await store.acquire(THREAD, ttl=10)
    await store.release(lease)
    await store.release(await store.acquire(THREAD, ttl=10))


@every
async def test_a_zombie_is_refused_and_leaves_its_successor_alone(store: Store) -> None:
    zombie = await store.acquire(THREAD, ttl=0.02)
    await store.append(zombie, op="a", expected=0, entries=[b"0"])
    heir = await expired(store, THREAD)
    with pytest.raises(LeaseLost, match="taken over"):
        await store.append(zombie, op="b", expected=1, entries=[b"late"])
    with pytest.raises(LeaseLost):
        await store.append(zombie, op="a", expected=0, entries=[b"0"])
    with pytest.raises(LeaseLost):
        await store.renew(zombie, ttl=10)
    await store.release(zombie)
    assert await store.append(heir, op="c", expected=1, entries=[b"1"]) == 2
    assert await store.read(THREAD) == [b"0", b"1"]
    await store.release(heir)


@every
async def test_a_released_lease_writes_no_more(store: Store) -> None:
    lease = await store.acquire(THREAD, ttl=10)
    await store.append(lease, op="a", expected=0, entries=[b"0"])
    await store.release(lease)
    with pytest.raises(LeaseLost):
        await store.append(lease, op="b", expected=1, entries=[b"1"])
    with pytest.raises(LeaseLost):
        await store.renew(lease, ttl=10)


@every
async def test_an_expired_lease_that_nobody_took_still_writes(store: Store) -> None:
    lease = await store.acquire(THREAD, ttl=0.001)
    await asyncio.sleep(0.01)
    assert await store.append(lease, op="a", expected=0, entries=[b"0"]) == 1
    await store.renew(lease, ttl=10)
    with pytest.raises(ThreadBusy):
        await store.acquire(THREAD, ttl=10)
    await store.release(lease)


@every
async def test_of_many_that_want_a_thread_one_gets_it(store: Store) -> None:
    tried = await asyncio.gather(*(store.acquire(THREAD, ttl=10) for _ in range(20)), return_exceptions=True)
    (lease,) = (t for t in tried if not isinstance(t, BaseException))
    assert sum(isinstance(t, ThreadBusy) for t in tried) == 19
    await store.release(lease)


@every
async def test_threads_are_listed_by_tenant_and_gone_when_deleted(store: Store) -> None:
    names = ["b", "a", "a:b", "ä {x} %3A", "\ud800", "a/" * 200]
    for name in names:
        await (await Log.open(store, ThreadId(name, "other"))).close()
    assert await store.threads("other") == [ThreadId(name, "other") for name in sorted(names)]
    assert await store.threads() == []
    await store.delete(ThreadId("a", "other"))
    with pytest.raises(ThreadNotFound, match="no thread 'a'"):
        await store.delete(ThreadId("a", "other"))
    with pytest.raises(ThreadNotFound):
        await read_log(store, ThreadId("a", "other"))
    assert ThreadId("a", "other") not in await store.threads("other")


@every
async def test_two_ids_never_share_a_log(store: Store) -> None:
    threads = [ThreadId("b:c", "a"), ThreadId("c", "a:b"), ThreadId("b%3Ac", "a"), ThreadId("b", "a")]
    for thread in threads:
        log = await Log.open(store, thread)
        await log.append("say", [Said(text=repr(thread))])
        await log.close()
    for thread in threads:
        assert (await read_log(store, thread))[1].record == Said(text=repr(thread))


@pytest.mark.parametrize("name", ["", "x" * 513])
def test_an_id_that_is_empty_or_too_long_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="1 to 512 characters"):
        ThreadId(name)


@every
async def test_a_thread_that_is_held_cannot_be_deleted(store: Store) -> None:
    log = await Log.open(store, THREAD)
    with pytest.raises(ThreadBusy):
        await store.delete(THREAD)
    await log.close()
    await store.delete(THREAD)


@every
async def test_the_cursor_is_written_and_dropped_by_name(store: Store) -> None:
    log = await Log.open(store, THREAD)
    assert await store.cursor(THREAD) == {}
    await store.put_cursor(THREAD, {"a": b"1", "b": b"2"})
    await store.put_cursor(THREAD, {"b": b"3"}, drop=["a", "unknown"])
    await store.put_cursor(THREAD, {}, drop=["unknown"])
    assert await store.cursor(THREAD) == {"b": b"3"}
    await log.close()
    await store.delete(THREAD)
    assert await store.cursor(THREAD) == {}


HOLDER = """
import asyncio, os, signal, sys
from satchel.memory.redis_store import ServerStore
from satchel.memory.store import ThreadId
async def main():
    store = ServerStore(sys.argv[1])
    lease = await store.acquire(ThreadId("t1"), ttl=600)
    await store.append(lease, op="a", expected=0, entries=[b"0"])
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


@servers
async def test_the_lease_of_a_process_killed_on_this_machine_is_taken_over_at_once(store: Store) -> None:
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", HOLDER, store.url], check=False)
    assert done.returncode == -signal.SIGKILL
    lease = await store.acquire(THREAD, ttl=10)
    assert await store.append(lease, op="b", expected=1, entries=[b"1"]) == 2
    await store.release(lease)


@servers
async def test_nothing_is_left_of_a_deleted_thread_and_only_leases_expire(
    store: Store, request: pytest.FixtureRequest, server: Callable[[str], EmbeddedServer | None]
) -> None:
    at = server(request.node.callspec.params["store"])
    assert at is not None
    async with Redis.from_url(at.url) as raw:
        log = await Log.open(store, THREAD)
        await store.put_cursor(THREAD, {"a": b"1"})
        lives = {str(key).rpartition(":")[2].strip("'"): await raw.pttl(key) for key in await raw.keys()}
        assert lives.pop("lease") > 0
        assert lives == {"log": -1, "cur": -1, "threads": -1}
        await log.close()
        await store.delete(THREAD)
        assert await raw.keys() == []


@servers
async def test_what_is_not_ours_is_named(
    store: Store, request: pytest.FixtureRequest, server: Callable[[str], EmbeddedServer | None]
) -> None:
    at = server(request.node.callspec.params["store"])
    assert at is not None
    await (await Log.open(store, THREAD)).close()
    async with Redis.from_url(at.url) as raw:
        await raw.hset("satchel:{default:t1}:log", "0", b"\x00" * 40)
        with pytest.raises(DamagedEntry, match="entry 0 of thread 't1' is damaged"):
            await Log.open(store, THREAD)
        await raw.hdel("satchel:{default:t1}:log", "0")
        with pytest.raises(DamagedEntry, match="entry 0 of thread 't1' is missing"):
            await read_log(store, THREAD)
        await store.delete(THREAD)
        await raw.set("satchel:{default:t1}:log", "a text")
        with pytest.raises(DamagedEntry, match="holds something else"):
            await store.acquire(THREAD, ttl=10)
        with pytest.raises(DamagedEntry, match="holds something else"):
            await store.head(THREAD)
        await raw.delete("satchel:{default:t1}:log")


@every
async def test_what_was_settled_is_on_the_disk_where_the_server_can_tell(store: Store) -> None:
    lease = await store.acquire(THREAD, ttl=10)
    await store.append(lease, op="a", expected=0, entries=[b"0"])
    told = await store.settle(lease)
    if told:
        async with Redis.from_url(store.url) as raw:
            info = await raw.info("persistence")
            assert info["aof_pending_bio_fsync"] == 0
    assert await store.append(lease, op="a", expected=0, entries=[b"0"]) == 1
    await store.release(lease)
    with pytest.raises(LeaseLost):
        await store.settle(lease)


@servers
async def test_a_log_that_lost_its_end_is_noticed_and_never_forked(store: Store) -> None:
    lease = await store.acquire(THREAD, ttl=10)
    await store.append(lease, op="a", expected=0, entries=[b"0"])
    async with Redis.from_url(store.url) as raw:
        before = await raw.dump("satchel:{default:t1}:log")
        assert before
        await store.append(lease, op="b", expected=1, entries=[b"1", b"2"])
        await raw.restore("satchel:{default:t1}:log", 0, before, replace=True)
        with pytest.raises(StoreUnsafe, match=r"lost the end of thread 't1', which has 1 entries .* wrote 3"):
            await store.append(lease, op="c", expected=3, entries=[b"3"])
        await raw.delete("satchel:{default:t1}:log")
        with pytest.raises(LeaseLost, match="was removed, or the store has lost its newest writes"):
            await store.append(lease, op="c", expected=3, entries=[b"3"])
        await raw.restore("satchel:{default:t1}:log", 0, before)
    await store.release(lease)
