"""Agents of ours behind LangGraph's API: a long run with tools, a pause and its resume, and what only we tell."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.service.conftest import open_gate
from tests.service.served import TURNS

if TYPE_CHECKING:
    from langgraph_sdk.client import LangGraphClient

    from tests.service.conftest import Server

SAID: Any = {"messages": [{"role": "user", "content": "read the book"}]}


async def test_a_run_of_thirty_turns_is_left_in_the_middle_and_read_on(server: Server, client: LangGraphClient) -> None:
    """The reader goes away in the middle, the run goes on, and a second reader gets the rest, no event twice."""
    gate = server.gate("page9")
    name = (await client.threads.create())["thread_id"]
    run = await client.runs.create(name, "book", input=SAID, stream_mode=["updates"], stream_resumable=True)
    seen = []
    async for part in client.runs.join_stream(name, run["run_id"]):
        seen.append(part)
        if len(seen) > 10:
            break
    await asyncio.to_thread(open_gate, gate)
    seen += [one async for one in client.runs.join_stream(name, run["run_id"], last_event_id=seen[-1].id)]
    whole = [one async for one in client.runs.join_stream(name, run["run_id"], last_event_id="-1")]
    assert seen == whole
    told = [message for part in whole[1:] for node in part.data.values() for message in node["messages"]]
    values: Any = (await client.threads.get_state(name))["values"]
    assert (values["outcome"], values["output"]) == ("done", f"read {TURNS - 1} pages")
    assert told == values["messages"][1:]
    assert [m["type"] for m in values["messages"]] == ["human", *(["ai", "tool"] * (TURNS - 1)), "ai"]


async def test_a_spent_budget_is_an_interrupt_and_resume_raises_it(client: LangGraphClient) -> None:
    name = (await client.threads.create())["thread_id"]
    await client.runs.wait(name, "thrifty", input=SAID)
    kept = await client.threads.get(name)
    assert kept["status"] == "interrupted"
    assert kept["interrupts"]["run"][0]["value"]["outcome"] == "paused"
    values: Any = await client.runs.wait(name, "thrifty", command={"resume": {"add_budget": {"steps": 60}}})
    assert values["output"] == f"read {TURNS - 1} pages"
    assert (await client.threads.get(name))["status"] == "idle"


async def test_a_cancelled_run_makes_room_for_the_next(server: Server, client: LangGraphClient) -> None:
    gate = server.gate("page11")
    name = (await client.threads.create())["thread_id"]
    run = await client.runs.create(name, "book", input=SAID, stream_mode=["custom"])
    async for part in client.runs.join_stream(name, run["run_id"]):
        if part.data.get("type") == "tool_started" and part.data["args"] == {"page": 11}:
            await client.runs.cancel(name, run["run_id"], wait=True)
    assert (await client.threads.get(name))["status"] == "interrupted"
    await asyncio.to_thread(open_gate, gate)
    values: Any = await client.runs.wait(name, "book", input={"task": "go on, please"})
    assert values["output"] == f"read {TURNS - 1} pages"


async def test_usage_results_and_prompts_are_told(server: Server, client: LangGraphClient) -> None:
    name = (await client.threads.create())["thread_id"]
    run = await client.runs.create(name, "book", input=SAID)
    await client.runs.join(name, run["run_id"])
    async with httpx.AsyncClient(base_url=server.url) as http:
        usage = (await http.get(f"/threads/{name}/usage")).json()
        assert (usage["model_calls"], usage["tool_calls"]) == (TURNS, TURNS - 1)
        assert 0 < usage["cached_tokens"] < usage["input_tokens"]
        told = (await http.get(f"/runs/{run['run_id']}/prompts")).json()["prompts"]
        assert len(told) == TURNS
        assert sum(one["tokens"] for one in told) == pytest.approx(usage["input_tokens"], rel=0.001)
        assert all(one["as_sent"] for one in told)
        assert told[1]["messages"][: len(told[0]["messages"])] == told[0]["messages"]
        assert (await http.get(f"/threads/{name}/results/res:000000000")).status_code == 404
        assert (await http.get("/readyz")).json() == {"ready": True}
        assert 'satchel_runs_total{status="success"}' in (await http.get("/metrics")).text


async def test_a_copy_of_an_agents_thread_outlives_it(client: LangGraphClient) -> None:
    name = (await client.threads.create())["thread_id"]
    said: Any = await client.runs.wait(name, "echo", input=SAID)
    twin: Any = await client.threads.copy(name)  # type: ignore[func-returns-value]  # it gives one, whatever its hint says
    await client.threads.delete(name)
    kept: Any = (await client.threads.get_state(twin["thread_id"]))["values"]
    assert kept["messages"] == said["messages"]
    more: Any = await client.runs.wait(twin["thread_id"], "echo", input=SAID)
    assert more["messages"][: len(kept["messages"])] == kept["messages"]
