"""The file of the embedded server is torn or loses a bit, a value is altered in the store, the disk is full."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from satchel.memory.embedded import attach
from satchel.memory.errors import DamagedEntry, StoreError, StoreUnreachable, StoreUnsafe
from satchel.memory.keys import keys
from satchel.memory.log import Log, read_log
from satchel.memory.records import Entry, Said
from satchel.memory.redis_store import ServerStore
from satchel.memory.store import Lease, ThreadId
from tests.chaos.inside import CALLS, Looking, agent, run

T = ThreadId("t")
TIMES = 20 if os.environ.get("CHAOS") == "whole" else 1


def pids(home: Path) -> dict[str, int]:
    return cast("dict[str, int]", json.loads((home / "server.json").read_text()))


def file(home: Path) -> Path:
    (found,) = (home / "appendonlydir").glob("*.incr.aof")
    return found


class Measured(ServerStore):
    """The store; after each append it notes how long log and file are."""

    home: Path
    sizes: list[tuple[int, int]]

    async def append(self, lease: Lease, **given: Any) -> int:
        length = await super().append(lease, **given)
        self.sizes.append((file(self.home).stat().st_size, length))
        return length


@asynccontextmanager
async def served(home: Path, kind: type[ServerStore] = ServerStore) -> AsyncIterator[Any]:
    """The store of a directory; its server is killed afterwards."""
    server = await attach(home)
    known = pids(home)
    store = kind(server.url, server=server)
    try:
        yield store
    finally:
        for name in ("guard", "server"):
            with suppress(ProcessLookupError):
                os.kill(known[name], signal.SIGKILL)
        with suppress(StoreError):
            await store.aclose()


@pytest.fixture
async def whole(tmp_path: Path, tree: Path) -> tuple[Path, list[tuple[int, int]], list[Entry], str]:
    """A directory in which an agent has run, how long file and log were after each commit, the log, and the answer."""
    home = tmp_path / "whole"
    async with served(home, Measured) as store:
        store.home, store.sizes = home, []
        result = await run(agent(store, tree, Looking()))
        log = await read_log(store, T)
    return home, store.sizes, log, result.output


def copied(home: Path, to: Path, change: Callable[[bytearray], bytes]) -> Path:
    """A copy of a directory, with another file."""
    shutil.copytree(home / "appendonlydir", to / "appendonlydir")
    file(to).write_bytes(change(bytearray(file(home).read_bytes())))
    return to


async def test_a_torn_tail_costs_no_commit_before_the_cut_and_the_run_goes_on(
    whole: Any, tmp_path: Path, tree: Path
) -> None:
    home, sizes, log, answer = whole
    dice = random.Random(1)
    last = [size for size, _ in sizes]
    cuts = [last[-1] - 1, last[-2], last[-2] + 3, last[2] + 40]
    cuts += [dice.randrange(last[1], last[-1]) for _ in range(3 * TIMES)]
    for n, cut in enumerate(cuts):
        torn = copied(home, tmp_path / str(n), lambda data, cut=cut: data[:cut])  # type: ignore[misc]  # mypy sees no default
        async with served(torn) as store:
            left = await read_log(store, T)
            assert left == log[: len(left)]
            assert len(left) >= max((length for size, length in sizes if size <= cut), default=0)
            looking = Looking()
            result = await run(agent(store, tree, looking), resume=True)
            assert (result.outcome, result.output) == ("done", answer)
            assert [entry.op for entry in await read_log(store, T)] == [entry.op for entry in log]


async def test_a_flipped_bit_in_the_file_is_refused_named_or_harmless_and_nothing_is_read_that_was_not_written(
    whole: Any, tmp_path: Path
) -> None:
    home, _, log, _ = whole
    dice = random.Random(2)
    size = file(home).stat().st_size
    ends = set()
    for n in range(10 * TIMES):
        bit = dice.randrange(8 * size)

        def flipped(data: bytearray, bit: int = bit) -> bytes:
            data[bit // 8] ^= 1 << bit % 8
            return bytes(data)

        try:
            async with served(copied(home, tmp_path / str(n), flipped)) as store:
                left = await read_log(store, T)
        except StoreError as error:
            ends.add((type(error), ";" in str(error)))  # what is wrong; what to do
        else:
            assert left == log[: len(left)]
    assert (DamagedEntry, True) in ends
    assert all(told for _, told in ends)


PLACES = {"magic": 0, "version and form": 1, "checksum": 3, "payload": 6, "middle": -20, "end": -1}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
async def test_a_flipped_bit_inside_a_value_names_thread_and_entry_and_leaves_other_threads_alone(
    tmp_path: Path, tree: Path, place: int
) -> None:
    async with served(tmp_path / "home") as store, Redis.from_url(store.url) as raw:
        made = agent(store, tree, Looking())
        await run(made)
        other = await Log.open(store, ThreadId("other"))
        await other.append("say", [Said(text="kept")])
        await other.close()
        key, at = keys(T)[0], str(len(await read_log(store, T)) - 1)
        for bit in range(8):
            data = cast("bytes", await raw.hget(key, at))
            bad = bytearray(data)
            bad[place] ^= 1 << bit
            await raw.hset(key, at, bytes(bad))
            for reading in (read_log(store, T), run(made, resume=True)):
                with pytest.raises(DamagedEntry, match=rf"entry {at} of thread 't' is damaged .*; restore the store"):
                    await reading
            await raw.hset(key, at, data)
        assert (await read_log(store, ThreadId("other")))[-1].record == Said(text="kept")
        assert (await run(made, resume=True)).outcome == "done"


async def mended(made: Any) -> Any:
    """The resumed run; the server notices within a second that there is room again."""
    end = time.monotonic() + 15
    while True:
        try:
            return await run(made, resume=True)
        except StoreUnsafe:
            assert time.monotonic() < end


async def test_a_server_that_dies_of_a_full_disk_stops_the_run_and_the_next_one_goes_on(
    tmp_path: Path, tree: Path
) -> None:
    """A limit on the size of its files, which is a signal to it."""
    home = tmp_path / "home"
    looking = Looking(3)
    async with served(home) as store:
        looking.happen = lambda: resource.prlimit(  # type: ignore[assignment]  # what it gives is not looked at
            pids(home)["server"], resource.RLIMIT_FSIZE, (file(home).stat().st_size + 50, resource.RLIM_INFINITY)
        )
        with pytest.raises(StoreUnreachable, match="gives no answer"):
            await run(agent(store, tree, looking))
    async with served(home) as store:
        result = await run(agent(store, tree, looking), resume=True)
    assert result.outcome == "done"
    assert len(looking.calls) == CALLS
    assert looking.calls.total() <= CALLS + 1


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=True)  # noqa: S607 - of the system
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)  # noqa: S607 - as above


@pytest.mark.debian
async def test_a_full_disk_stops_the_run_in_clear_words_and_with_room_again_it_goes_on(small: Path, tree: Path) -> None:
    """On a disk of its own, for which one must be root."""

    def fill() -> None:
        with suppress(OSError), (small / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(64))

    looking = Looking(3, fill)
    async with served(small / "home") as store:
        made = agent(store, tree, looking)
        with pytest.raises(StoreUnsafe, match="cannot write to its disk and takes no more; free space there"):
            await run(made)
        (small / "filler").unlink()
        result = await mended(made)
        before = await read_log(store, T)
    async with served(small / "home") as store:  # killed and started again: it is all in the file
        assert await read_log(store, T) == before
    assert result.outcome == "done"
    assert len(looking.calls) == CALLS
    assert looking.calls.total() <= CALLS + 1
