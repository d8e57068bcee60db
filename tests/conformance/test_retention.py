"""How threads come to be other than by appending, and how they go, over the table of backends."""

from __future__ import annotations

import asyncio
import io
import random
from typing import TYPE_CHECKING

import pytest

from satchel.memory.errors import ConfigError, ThreadBusy, ThreadExists, ThreadNotFound
from satchel.memory.fields import Change
from satchel.memory.log import Log, read_log
from satchel.memory.memory_store import MemoryStore
from satchel.memory.portable import export_thread, import_thread
from satchel.memory.records import Said
from satchel.memory.redis_store import ServerStore
from satchel.memory.store import ThreadId
from tests.stores import BACKENDS, SEALED, SERVERS, open_part, weight

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from satchel.memory.store import Store

every = pytest.mark.parametrize("store", [*BACKENDS, SEALED], indirect=True)
servers = pytest.mark.parametrize("store", SERVERS, indirect=True)
ONE, TWO, THREE, FOUR = (ThreadId(name) for name in ("one", "two", "three", "four"))


async def grow(store: Store, thread: ThreadId, entries: Iterable[bytes]) -> None:
    lease = await store.acquire(thread, ttl=10)
    head = await store.head(thread)
    length = head.length if head else 0
    await store.append(lease, op=f"op{length}", expected=length, entries=list(entries))
    await store.release(lease)


async def passing(store: Store, thread: ThreadId, seconds: float) -> None:
    """Let seconds pass for the thread."""
    store = open_part(store)
    if isinstance(store, MemoryStore):
        store._threads[thread].at -= seconds
    else:
        assert isinstance(store, ServerStore)
        log = f"satchel:{{default:{thread.name}}}:log"
        await store._redis.hincrby(log, "a", -round(seconds * 1000))
        await store._redis.zincrby("satchel:{default}:due", -round(seconds * 1000), thread.name)


async def remaining(store: Store) -> list[bytes]:
    store = open_part(store)
    return await store._redis.keys() if isinstance(store, ServerStore) else []


def words(name: str, count: int, size: int = 1) -> list[bytes]:
    return [f"{name}{n}".encode() * size for n in range(count)]


@every
async def test_a_fork_begins_as_its_source_and_goes_its_own_way(store: Store) -> None:
    await grow(store, ONE, words("a", 5))
    await store.fork(ONE, TWO, 3)
    await grow(store, TWO, [b"mine"])
    await grow(store, ONE, [b"theirs"])
    assert await store.read(TWO) == [*words("a", 3), b"mine"]
    assert await store.read(ONE) == [*words("a", 5), b"theirs"]
    assert await store.read(TWO, 2, 4) == [b"a2", b"mine"]
    assert await store.read(TWO, 3) == [b"mine"]
    head = await store.head(TWO)
    assert head is not None
    assert head.length == 4
    assert await store.threads() == [ONE, TWO]


@every
async def test_a_fork_takes_no_room(store: Store) -> None:
    await grow(store, ONE, words("a", 500, size=400))
    await store.fork(ONE, TWO, 500)
    assert await store.size(ONE) > 500_000
    assert await store.size(TWO) == 0
    await grow(store, TWO, [b"1234"])
    assert await store.size(TWO) == weight(store, b"1234")


@servers
async def test_a_fork_adds_few_bytes_to_the_server_whatever_it_shares(store: Store) -> None:
    assert isinstance(store, ServerStore)
    sizes = []
    for count in (10, 1_000):
        source, fork = ThreadId(f"from{count:04}"), ThreadId(f"fork{count:04}")
        await grow(store, source, words("a", count, size=100))
        await store.fork(source, fork, count)
        sizes.append(await store._redis.memory_usage(f"satchel:{{default:{fork.name}}}:log") or 1 << 20)
    assert max(sizes) < 400


@every
async def test_a_source_may_go_before_its_forks(store: Store) -> None:
    await grow(store, ONE, words("a", 4))
    await store.fork(ONE, TWO, 4)
    await grow(store, TWO, words("b", 2))
    await store.fork(TWO, THREE, 5)
    await store.fork(TWO, FOUR, 3)  # which shares with the first alone
    await store.delete(TWO)
    assert await store.read(THREE) == [*words("a", 4), b"b0"]
    await store.delete(ONE)
    assert await store.read(THREE) == [*words("a", 4), b"b0"]
    assert await store.read(FOUR) == words("a", 3)
    await grow(store, ONE, [b"another thread of that name"])
    assert await store.read(FOUR) == words("a", 3)
    for thread in (ONE, THREE, FOUR):
        await store.delete(thread)
    assert await remaining(store) == []


@every
async def test_chains_of_forks_read_right_and_stay_short(store: Store) -> None:
    last, expected = ONE, words("a", 2)
    await grow(store, ONE, expected)
    for n in range(40):
        fork = ThreadId(f"fork {n}")
        await store.fork(last, fork, len(expected))
        await grow(store, fork, [b"%d" % n])
        expected = [*expected, b"%d" % n]
        last = fork
    assert await store.read(last) == expected
    if isinstance(store, ServerStore):
        assert await store._bases.depth(await store._bases.of(last)) <= 16
    for thread in sorted(await store.threads(), key=lambda thread: thread.name)[:-3]:
        if thread != last:
            await store.delete(thread)
    assert await store.read(last) == expected


@every
async def test_any_order_of_forks_appends_and_removals_keeps_every_log(store: Store) -> None:
    chance = random.Random(7)
    kept: dict[ThreadId, list[bytes]] = {}
    for n in range(120):
        move = chance.choice(["new", "grow", "grow", "fork", "fork", "fork", "delete"])
        if move == "new" or not kept:
            thread = ThreadId(f"t{chance.randrange(12)}")
            if thread not in kept:
                kept[thread] = [b"n%d" % n]
                await grow(store, thread, kept[thread])
            continue
        thread = chance.choice(sorted(kept, key=lambda thread: thread.name))
        if move == "grow":
            kept[thread] = [*kept[thread], b"g%d" % n]
            await grow(store, thread, [b"g%d" % n])
        elif move == "fork" and (fork := ThreadId(f"t{chance.randrange(12)}")) not in kept:
            length = chance.randrange(1, len(kept[thread]) + 1)
            await store.fork(thread, fork, length)
            kept[fork] = kept[thread][:length]
        elif move == "delete":
            await store.delete(thread)
            del kept[thread]
    for thread, entries in kept.items():
        assert await store.read(thread) == entries
        start = chance.randrange(len(entries))
        assert await store.read(thread, start, start + 3) == entries[start : start + 3]


@every
async def test_a_fork_is_refused_with_the_reason(store: Store) -> None:
    await grow(store, ONE, words("a", 3))
    await grow(store, TWO, [b"x"])
    for length in (0, 4, -1):
        with pytest.raises(ConfigError, match=r"has 3 entries.* choose 1 to 3"):
            await store.fork(ONE, THREE, length)
    with pytest.raises(ThreadExists, match="'two'"):
        await store.fork(ONE, TWO, 2)
    with pytest.raises(ThreadNotFound, match="'four'"):
        await store.fork(FOUR, THREE, 1)
    with pytest.raises(ConfigError, match="tenant"):
        await store.fork(ONE, ThreadId("x", "other"), 1)
    lease = await store.acquire(THREE, ttl=10)
    with pytest.raises(ThreadBusy):
        await store.fork(ONE, THREE, 1)
    await store.release(lease)
    assert await store.threads() == [ONE, TWO]


@every
async def test_a_thread_that_is_held_can_be_forked(store: Store) -> None:
    log = await Log.open(store, ONE)
    await log.append("a", [Said(text="hello")])
    await store.fork(ONE, TWO, 2)
    await log.append("b", [Said(text="later")])
    await log.close()
    fork = await Log.open(store, TWO)
    assert fork.salt == log.salt
    assert [e.record for e in fork.entries[1:]] == [Said(text="hello")]
    assert await fork.append("a", [Said(text="hello")]) == log.find("a"), "what it shares is done already"
    await fork.close()


@every
async def test_of_many_forks_to_one_name_one_is_made(store: Store) -> None:
    await grow(store, ONE, words("a", 3))
    tried = await asyncio.gather(*(store.fork(ONE, TWO, n % 3 + 1) for n in range(9)), return_exceptions=True)
    assert sum(error is None for error in tried) == 1
    assert all(isinstance(error, (ThreadBusy, ThreadExists)) for error in tried if error is not None)
    assert await store.read(TWO) in [words("a", n) for n in (1, 2, 3)]


@every
async def test_forks_made_while_their_source_goes_are_whole_or_refused(store: Store) -> None:
    for n in range(10):
        await grow(store, ONE, words("a", 30))
        forks = [ThreadId(f"fork {n} {m}") for m in range(6)]
        done = await asyncio.gather(
            *(store.fork(ONE, fork, 20) for fork in forks), store.delete(ONE), return_exceptions=True
        )
        for fork, error in zip(forks, done, strict=False):
            if error is None:
                assert await store.read(fork) == words("a", 20)
            else:
                assert isinstance(error, ThreadNotFound)
                assert await store.head(fork) is None
        assert await store.head(ONE) is None


class Cut(Exception):
    """The process is killed here."""


class Dying(ServerStore):
    """A store that dies before its n-th command: nothing after that is done, not even what would tidy up."""

    left = 1 << 30

    def arm(self, left: int) -> None:
        self.left = left
        send: Callable[..., Awaitable[object]] = self._redis.execute_command

        async def execute(*words: object, **options: object) -> object:
            self.left -= 1
            if self.left < 0:
                raise Cut
            return await send(*words, **options)

        self._redis.execute_command = execute


async def dying(store: Store, work: Callable[[Dying], Awaitable[object]]) -> AsyncIterator[int]:
    """Do the work again and again, killed before each of its commands in turn, until it comes through."""
    for count in range(200):
        assert isinstance(store, ServerStore)
        made = Dying(store.url)
        made.arm(count)
        try:
            await work(made)
        except Cut:
            yield count
        else:
            return
        finally:
            await made._redis.connection_pool.disconnect()
    raise AssertionError("it never ends")


async def unheld(store: Store, *threads: ThreadId) -> None:
    """Let the leases of the dead run out."""
    assert isinstance(store, ServerStore)
    await store._redis.delete(*(f"satchel:{{default:{thread.name}}}:lease" for thread in threads))


@servers
async def test_a_removal_that_is_killed_anywhere_breaks_no_fork_and_can_be_done_again(store: Store) -> None:
    assert isinstance(store, ServerStore)
    await grow(store, ONE, words("a", 3))
    await store.fork(ONE, TWO, 3)
    await grow(store, TWO, words("b", 700))
    for fork, length in ((THREE, 703), (FOUR, 600)):
        await store.fork(TWO, fork, length)
    expected = [*words("a", 3), *words("b", 700)]
    kills = 0
    async for _ in dying(store, lambda made: made.delete(TWO)):
        kills += 1
        assert await store.read(THREE) == expected
        assert await store.read(FOUR) == expected[:600]
        await unheld(store, TWO)
        if await store.head(TWO) is None:
            break
        assert await store.read(TWO) == expected
    assert kills > 12
    await store.sweep()
    assert await store.threads() == [FOUR, ONE, THREE]
    for thread in (ONE, THREE, FOUR):
        await store.delete(thread)
    assert await remaining(store) == []


@servers
async def test_a_fork_that_is_killed_anywhere_is_whole_or_not_there(store: Store) -> None:
    assert isinstance(store, ServerStore)
    await grow(store, ONE, words("a", 3))
    kills = 0
    async for _ in dying(store, lambda made: made.fork(ONE, TWO, 2)):
        kills += 1
        await unheld(store, TWO)
        if await store.head(TWO) is not None:
            assert await store.read(TWO) == words("a", 2)
            await store.delete(TWO)
        await store.sweep()
        assert await store.threads() == [ONE]
        assert {key for key in await remaining(store) if b"two" in key} == set()
    assert kills > 8
    await store.delete(ONE)  # whatever half-made forks were listed with it
    assert await store.read(TWO) == words("a", 2)


@servers
async def test_a_creation_that_is_killed_anywhere_is_whole_or_not_there(store: Store) -> None:
    async def entries() -> AsyncIterator[bytes]:
        for n in range(1_200):
            yield b"%d" % n

    kills = 0
    async for _ in dying(store, lambda made: made.create(ONE, entries())):
        kills += 1
        await unheld(store, ONE)
        if await store.head(ONE) is not None:
            assert len(await store.read(ONE)) == 1_200
            break
        await store.sweep()
        assert await remaining(store) == []
    assert kills > 6


@every
async def test_removal_leaves_no_key(store: Store) -> None:
    log = await Log.open(store, ONE)
    await log.append("a", [Said(text="hello")])
    await log.close()
    await store.put_cursor(ONE, {"a": b"1"})
    await store.fields.enlist(ONE)
    await store.fields.change(ONE, Change(put={b"v": b"1"}))
    await store.keep(ONE, 60)
    await store.delete(ONE)
    assert await store.fields.names(ONE) == []
    assert await store.cursor(ONE) == {}
    assert await remaining(store) == []


@every
async def test_a_thread_of_fields_alone_is_removed_too(store: Store) -> None:
    await store.fields.enlist(ONE)
    await store.fields.change(ONE, Change(put={b"v": b"1"}))
    assert await store.sweep() == []
    assert await store.fields.threads("default") == [ONE]
    await store.delete(ONE)
    assert await store.fields.threads("default") == []
    with pytest.raises(ThreadNotFound):
        await store.delete(ONE)
    assert await remaining(store) == []


@every
async def test_a_thread_expires_after_its_last_commit_and_is_gone_at_once(store: Store) -> None:
    await grow(store, ONE, [b"0"])
    assert (await store.head(ONE)).expire is None  # type: ignore[union-attr]  # it is there
    await store.keep(ONE, 60)
    await store.put_cursor(ONE, {"a": b"1"})
    await passing(store, ONE, 59)
    assert await store.threads() == [ONE]
    await grow(store, ONE, [b"1"])
    await passing(store, ONE, 59)
    head = await store.head(ONE)
    assert head is not None
    assert head.expire == 60
    await passing(store, ONE, 2)
    assert await store.head(ONE) is None
    assert await store.read(ONE) == []
    assert await store.threads() == []
    assert await store.cursor(ONE) == {}
    with pytest.raises(ThreadNotFound):
        await read_log(store, ONE)
    with pytest.raises(ThreadNotFound):
        await store.keep(ONE, None)
    with pytest.raises(ThreadNotFound):
        await store.fork(ONE, TWO, 1)
    await grow(store, ONE, [b"new"])
    assert await store.read(ONE) == [b"new"]
    assert await store.cursor(ONE) == {}
    assert (await store.head(ONE)).expire is None  # type: ignore[union-attr]  # it is there


@every
async def test_a_thread_that_is_held_does_not_expire_under_its_writer(store: Store) -> None:
    lease = await store.acquire(ONE, ttl=10)
    await store.append(lease, op="a", expected=0, entries=[b"0"])
    await store.keep(ONE, 60)
    await passing(store, ONE, 100)
    assert await store.sweep() == []
    await store.append(lease, op="b", expected=1, entries=[b"1"])
    await store.release(lease)
    assert await store.read(ONE) == [b"0", b"1"]


@every
async def test_what_never_expires_is_never_swept(store: Store) -> None:
    await grow(store, ONE, [b"0"])
    await grow(store, TWO, [b"0"])
    await store.keep(ONE, 60)
    await store.keep(ONE, None)
    await passing(store, ONE, 1e9)
    await passing(store, TWO, 1e9)
    assert await store.sweep() == []
    assert await store.threads() == [ONE, TWO]


@every
async def test_expired_threads_are_swept_and_their_forks_stay(store: Store) -> None:
    await grow(store, ONE, words("a", 3))
    await store.keep(ONE, 60)
    await store.fork(ONE, TWO, 3)
    assert (await store.head(TWO)).expire == 60  # type: ignore[union-attr]  # it is there
    await store.keep(TWO, None)
    await passing(store, ONE, 61)
    assert await store.read(TWO) == words("a", 3)
    assert await store.sweep() == [ONE]
    assert await store.read(TWO) == words("a", 3)
    await store.delete(TWO)
    assert await remaining(store) == []


@every
async def test_keeping_one_thread_removes_others_that_are_due(store: Store) -> None:
    await grow(store, ONE, [b"0"])
    await store.keep(ONE, 60)
    await passing(store, ONE, 61)
    await grow(store, TWO, [b"0"])
    await store.keep(TWO, 60)
    await store.delete(TWO)
    assert await remaining(store) == []


@every
async def test_a_long_fork_with_fields_goes_through_a_file(store: Store) -> None:
    log = await Log.open(store, ONE)
    await log.append("many", [Said(text=f"word {n}") for n in range(600)])
    await log.close()
    await store.fork(ONE, TWO, 601)
    await store.fields.enlist(TWO)
    await store.fields.change(TWO, Change(put={b"v%d" % n: b"x" for n in range(450)} | {b"h": b"head"}))
    file = io.BytesIO()
    await export_thread(store, TWO, file)
    await store.delete(TWO)
    await store.delete(ONE)
    file.seek(0)
    made = await import_thread(store, file)
    assert len(await read_log(store, made)) == 601
    assert len(await store.fields.names(made)) == 452
    await store.delete(made)


@every
async def test_a_new_thread_needs_an_entry_and_a_free_name(store: Store) -> None:
    async def entries(*given: bytes) -> AsyncIterator[bytes]:
        for entry in given:
            yield entry

    with pytest.raises(ConfigError, match="no entries"):
        await store.create(ONE, entries())
    assert await store.create(ONE, entries(b"a", b"b")) == 2
    with pytest.raises(ThreadExists):
        await store.create(ONE, entries(b"c"))
    assert await store.read(ONE) == [b"a", b"b"]
