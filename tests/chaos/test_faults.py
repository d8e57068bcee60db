"""A server that refuses, says nothing, tears its file, loses a bit, or fills its disk under a running agent."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from satchel.memory import patience, topologies
from satchel.memory.embedded import attach
from satchel.memory.errors import StoreError, StoreUnreachable, StoreUnsafe
from satchel.memory.log import read_log
from satchel.memory.records import Result
from satchel.memory.redis_store import ServerStore
from satchel.memory.store import ThreadId
from tests.chaos.inside import CALLS, Looking, agent, run
from tests.wire import Wire, wire

WHOLE = os.environ.get("CHAOS") == "whole"
BOUND = 40
"""Seconds in which a run has to stop: those that its last commit is tried, and those of one release."""


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    server = await attach(tmp_path / "home")
    yield server.url
    server.release()


@pytest.fixture
async def proxy(url: str, tmp_path: Path) -> AsyncIterator[Wire]:
    async with wire(url, tmp_path) as it:
        yield it


REFUSALS = [
    ("LOADING Valkey is loading the dataset in memory", False, StoreUnreachable, "still loading its data; try again"),
    ("READONLY You can't write against a read only replica.", True, StoreUnsafe, "give the address of the primary"),
    ("OOM command not allowed when used memory > 'maxmemory'.", True, StoreUnsafe, "raise maxmemory"),
    ("MISCONF Errors writing to the AOF file: No space left", True, StoreUnsafe, "free space"),
    ("NOREPLICAS Not enough good replicas to write.", True, StoreUnsafe, "bring them back"),
    ("CLUSTERDOWN The cluster is down", False, StoreUnreachable, "bring it back"),
    ("MASTERDOWN Link with MASTER is down", False, StoreUnreachable, "address of the primary"),
]


async def disturbed(
    store: ServerStore, tree: Path, fault: Callable[[], None], mend: Callable[[], None]
) -> tuple[StoreError, float]:
    """Run into the fault in the middle of a run, mend it and resume; the error, and the seconds until it stopped."""
    began = [0.0]

    def happen() -> None:
        began[0] = time.monotonic()
        fault()

    looking = Looking(3, happen)
    made = agent(store, tree, looking)
    with pytest.raises(StoreError) as caught:
        await run(made)
    seconds = time.monotonic() - began[0]
    mend()
    result = await run(made, resume=True)
    whole = await run(agent(store, tree, plain := Looking()).but(seed=7), resume=True)
    assert (result.outcome, result.output, plain.calls) == ("done", whole.output, Counter())
    entries = await read_log(store, ThreadId("t"))
    results = [entry.op for entry in entries if isinstance(entry.record, Result)]
    assert len(results) == len(set(results)) == len(looking.calls) == CALLS
    assert sum(times - 1 for times in looking.calls.values()) <= 1  # the one whose result could not be written
    return caught.value, seconds


@pytest.mark.parametrize(("said", "writes_only", "kind", "way"), REFUSALS, ids=[row[0].split()[0] for row in REFUSALS])
async def test_a_server_that_refuses_stops_the_run_in_clear_words_and_then_it_resumes(
    proxy: Wire, tmp_path: Path, tree: Path, monkeypatch: pytest.MonkeyPatch,
    said: str, *, writes_only: bool, kind: type, way: str,
) -> None:  # fmt: skip
    """What passes by itself is waited for, by default two seconds here; with `CHAOS=whole` as long as for users."""
    monkeypatch.setattr(patience, "PATIENCE", patience.PATIENCE if WHOLE else 2)

    def fault() -> None:
        proxy.refuse, proxy.writes_only = said.encode(), writes_only

    def mend() -> None:
        proxy.refuse = b""

    store = ServerStore(f"unix://{tmp_path}/wire.sock")
    error, seconds = await disturbed(store, tree, fault, mend)
    assert type(error) is kind
    assert way in str(error)
    assert seconds < BOUND
    await store.aclose()


async def test_a_server_that_says_nothing_stops_the_run_in_time_and_then_it_resumes(
    proxy: Wire, tmp_path: Path, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default with a hundredth of the users' patience; with `CHAOS=whole` with all of it."""
    timeout = topologies.TIMEOUT if WHOLE else topologies.TIMEOUT / 100
    monkeypatch.setattr(topologies, "TIMEOUT", timeout)
    store = ServerStore(f"unix://{tmp_path}/wire.sock")
    silent, speaking = (lambda: setattr(proxy, "silent", True)), (lambda: setattr(proxy, "silent", False))
    error, seconds = await disturbed(store, tree, silent, speaking)
    assert isinstance(error, StoreUnreachable)
    assert "gives no answer; start it" in str(error)
    assert timeout < seconds < BOUND
    await store.aclose()
