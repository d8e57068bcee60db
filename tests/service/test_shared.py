"""Two servers on one store: each shows and stops the runs of both, and executes what the other has no room for."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from satchel.runtime.service.dispatcher import SLOTS
from tests.service.conftest import Server, at_the_gate, open_gate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.debian  # they need no program, but two servers and a look take their time

Pair = tuple[Server, Server]

RESUMED: dict[str, Any] = {"stream_mode": ["updates", "custom"], "stream_resumable": True, "durability": "sync"}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Two servers that keep things in one place."""
    with ExitStack() as stack:
        servers = Server(tmp_path), Server(tmp_path)
        for one in servers:
            stack.callback(one.kill)
            one.start()
        yield servers


async def test_what_one_accepted_the_other_shows_streams_queues_and_stops(pair: Pair) -> None:
    here, there = pair
    gates = [here.gate("a"), here.gate("b")]
    async with here.client() as one, there.client() as other:
        name = (await one.threads.create())["thread_id"]
        first = (await one.runs.create(name, "steps", input={"name": "a", "gate": "a"}, **RESUMED))["run_id"]
        seen = await at_the_gate(other, name, first)
        second = (await other.runs.create(name, "steps", input={"name": "b", "gate": "b"}, **RESUMED))["run_id"]
        third = (await other.runs.create(name, "steps", input={"name": "c", "gate": ""}, **RESUMED))["run_id"]
        assert [run["status"] for run in await one.runs.list(name)] == ["pending", "pending", "running"]
        await asyncio.to_thread(open_gate, gates[0])
        seen += [part async for part in other.runs.join_stream(name, first, last_event_id=seen[-1].id)]
        assert seen == [part async for part in one.runs.join_stream(name, first, last_event_id="-1")]
        await at_the_gate(one, name, second)
        await other.runs.cancel(name, second, wait=True)
        assert (await one.runs.join(name, third))["done"][-2:] == ["first c", "second c"]
        assert [run["status"] for run in await other.runs.list(name)] == ["success", "interrupted", "success"]
    assert here.effects() == ["first a", "second a", "first b", "first c", "second c"]


async def test_what_one_has_no_room_for_the_other_executes(pair: Pair) -> None:
    here, there = pair
    gates = [here.gate(f"g{n}") for n in range(SLOTS)]
    async with here.client() as one, there.client() as other:
        held = [
            (thread := (await one.threads.create())["thread_id"], await one.runs.create(thread, "steps", input=given))
            for given in ({"name": gate.name, "gate": gate.name} for gate in gates)
        ]
        late = (await one.threads.create())["thread_id"]
        async with asyncio.timeout(30):
            values: Any = await one.runs.wait(late, "steps", input={"name": "late"})
        assert values["done"] == ["first late", "second late"]
        assert [(await other.runs.get(name, run["run_id"]))["status"] for name, run in held] == ["running"] * SLOTS
        for gate in gates:
            await asyncio.to_thread(open_gate, gate)
        for name, run in held:
            assert len((await other.runs.join(name, run["run_id"]))["done"]) == 2
    assert len(set(here.effects())) == len(here.effects()) == 2 * (SLOTS + 1)


async def test_what_one_leaves_behind_when_it_is_killed_the_other_takes_up(pair: Pair) -> None:
    here, there = pair
    gate = here.gate("a")
    async with here.client() as one, there.client() as other:
        name = (await one.threads.create())["thread_id"]
        run = (await one.runs.create(name, "steps", input={"name": "a", "gate": "a"}, **RESUMED))["run_id"]
        seen = await at_the_gate(one, name, run)
        here.kill()
        seen += await at_the_gate(other, name, run)  # from the beginning, or from where it goes on
        await asyncio.to_thread(open_gate, gate)
        assert (await other.runs.join(name, run))["done"] == ["first a", "second a"]
        whole = [part async for part in other.runs.join_stream(name, run, last_event_id="-1")]
    assert [part.data["attempt"] for part in whole if part.event == "metadata"] == [1, 2]
    assert there.effects() == ["first a", "second a"]
