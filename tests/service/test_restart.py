"""The server is killed under its runs and started again: nothing is lost, nothing is done twice, order is kept."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from satchel.memory.keyring import VARIABLE
from tests.service.conftest import Server, at_the_gate, open_gate
from tests.service.served import TURNS

MODES: list[Any] = ["updates", "custom"]


async def test_a_run_goes_on_after_a_kill_and_so_does_its_stream(mine: Server) -> None:
    gate = mine.gate("gate")
    async with mine.start().client() as client:
        name = (await client.threads.create())["thread_id"]
        given = {"name": "a", "gate": gate.name}
        run = await client.runs.create(
            name, "steps", input=given, stream_mode=MODES, stream_resumable=True, durability="sync"
        )
        seen = await at_the_gate(client, name, run["run_id"])
    mine.kill()
    async with mine.start().client() as client:
        await asyncio.to_thread(open_gate, gate)
        assert (await client.runs.join(name, run["run_id"]))["done"] == ["first a", "second a"]
        seen += [one async for one in client.runs.join_stream(name, run["run_id"], last_event_id=seen[-1].id)]
        whole = [one async for one in client.runs.join_stream(name, run["run_id"], last_event_id="-1")]
        assert seen == whole
        assert [next(iter(one.data)) for one in whole if one.event == "updates"] == ["first", "second"]
        assert [one.data["attempt"] for one in whole if one.event == "metadata"] == [1, 2]
        assert (await client.runs.get(name, run["run_id"]))["status"] == "success"
    assert mine.effects() == ["first a", "second a"]


async def test_an_agent_goes_on_after_a_kill_and_reads_no_page_twice(mine: Server) -> None:
    gate = mine.gate("page5")
    async with mine.start().client() as client:
        name = (await client.threads.create())["thread_id"]
        run = await client.runs.create(
            name, "book", input={"task": "read"}, stream_mode="updates", stream_resumable=True
        )
        stream = client.runs.join_stream(name, run["run_id"])
        seen = [await anext(stream) for _ in range(10)]
    mine.kill()
    async with mine.start().client() as client:
        await asyncio.to_thread(open_gate, gate)
        seen += [one async for one in client.runs.join_stream(name, run["run_id"], last_event_id=seen[-1].id)]
        assert [one.data["attempt"] for one in seen if one.event == "metadata"] == [1, 2]
        told = [m for one in seen if one.event == "updates" for node in one.data.values() for m in node["messages"]]
        values: Any = (await client.threads.get_state(name))["values"]
        assert told == values["messages"][1:]
    pages = [what for what in mine.effects() if what.startswith("look")]
    once = [page for page in pages if page != "look 5"]  # the one at the gate may have begun before the kill, too
    assert len(once) == len(set(once)) == TURNS - 2


async def test_runs_keep_their_order_over_restarts_and_none_is_lost_or_done_twice(
    mine: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an encrypted store, whose files show no word of what was said."""
    monkeypatch.setenv(VARIABLE, bytes(32).hex())
    threads, each, held = 3, 4, (1, 3)
    wanted: list[tuple[str, list[str]]] = []
    gates = {(t, k): mine.gate(f"gate{t}.{k}") for t in range(threads) for k in held}
    async with mine.start().client() as client:
        for t in range(threads):
            name = (await client.threads.create())["thread_id"]
            given: list[Any] = [{"name": f"{t}.{k}", "gate": f"gate{t}.{k}" if k in held else ""} for k in range(each)]
            asked: Any = {"stream_mode": MODES, "durability": "sync"}
            made = [await client.runs.create(name, "steps", input=one, **asked) for one in given]
            wanted.append((name, [run["run_id"] for run in made]))
        for name, runs in wanted:
            await at_the_gate(client, name, runs[held[0]])
    mine.kill()
    async with mine.start().client() as client:
        for t, (name, runs) in enumerate(wanted):
            await asyncio.to_thread(open_gate, gates[t, held[0]])
            await at_the_gate(client, name, runs[held[1]])
    mine.kill()
    async with mine.start().client() as client:
        for t, (name, runs) in enumerate(wanted):
            await asyncio.to_thread(open_gate, gates[t, held[1]])
            values: Any = await client.runs.join(name, runs[-1])
            assert values["done"] == [f"{step} {t}.{k}" for k in range(each) for step in ("first", "second")]
            assert [run["status"] for run in await client.runs.list(name)] == ["success"] * each
    assert sorted(mine.effects()) == sorted(
        f"{step} {t}.{k}" for t in range(threads) for k in range(each) for step in ("first", "second")
    )
    kept = b"".join(path.read_bytes() for path in (mine.folder / "home").rglob("*") if path.is_file())
    assert wanted[0][0].encode() in kept  # ids are open
    assert b"gate0.1" not in kept


@pytest.mark.debian
async def test_a_run_whose_graph_is_no_longer_served_ends_as_an_error(mine: Server) -> None:
    gate = mine.gate("gate")
    async with mine.start().client() as client:
        name = (await client.threads.create())["thread_id"]
        run = await client.runs.create(name, "steps", input={"name": "a", "gate": gate.name}, stream_mode=MODES)
        await at_the_gate(client, name, run["run_id"])
    mine.kill()
    other = Server(mine.folder, "served:echo").start()
    async with other.client() as client:
        ended: Any = await client.runs.join(name, run["run_id"])
        assert "Graph 'steps' not found" in ended["__error__"]["message"]
        assert (await client.runs.get(name, run["run_id"]))["status"] == "error"
        assert (await client.threads.get(name))["status"] == "error"
    other.kill()


async def test_a_server_that_is_told_to_end_stops_between_two_steps(mine: Server) -> None:
    """The step that runs is finished, the next one is left to the server that comes after."""
    gate = mine.gate("gate")
    async with mine.start().client() as client:
        name = (await client.threads.create())["thread_id"]
        given = {"name": "a", "gate": gate.name}
        run = await client.runs.create(
            name, "steps", input=given, stream_mode=MODES, stream_resumable=True, durability="sync"
        )
        await at_the_gate(client, name, run["run_id"])
    ending = asyncio.create_task(asyncio.to_thread(mine.stop))
    await asyncio.to_thread(open_gate, gate)
    await ending
    async with mine.start().client() as client:
        assert (await client.runs.join(name, run["run_id"]))["done"] == ["first a", "second a"]
    assert mine.effects() == ["first a", "second a"]
