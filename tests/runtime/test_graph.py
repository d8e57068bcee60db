"""The compiled graph used alone, by those who embed it: the same rules without `run`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from satchel.memory.errors import ThreadBusy
from satchel.memory.memory_store import MemoryStore
from satchel.memory.records import Json
from satchel.memory.store import ThreadId
from satchel.runtime.agent import Agent
from satchel.runtime.budget import Budget
from satchel.runtime.context.message import Message
from satchel.runtime.models import Answer, Policy, Scripted, script
from satchel.runtime.tools import tool
from tests.runtime.desk import call, tireless, weigh

TWICE = script(
    Answer("", (call("weigh", crate="a"), call("weigh", crate="b"))), "First.",
    Answer("", (call("weigh", crate="c"),)), "Second.",
)  # fmt: skip


def at(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


def agent(policy: Policy, store: MemoryStore, **options: Any) -> Agent:
    return Agent(Scripted(policy), options.pop("tools", [weigh]), store=store, **options)


def free(store: MemoryStore, thread: str) -> bool:
    return store._threads[ThreadId(thread)].token == ""


async def test_it_takes_a_task_and_gives_output_and_outcome() -> None:
    store = MemoryStore()
    graph = agent(TWICE, store).graph
    first = await graph.ainvoke({"task": "Weigh a and b."}, at("t"))
    assert (first["output"], first["outcome"]) == ("First.", "done")
    second = await graph.ainvoke({"task": "Weigh c."}, at("t"))
    assert (second["output"], second["outcome"]) == ("Second.", "done")
    assert second["position"] > first["position"]
    assert free(store, "t")
    assert (await graph.aget_state(at("t"))).values["outcome"] == "done"


async def test_a_finished_thread_tells_its_end_again() -> None:
    store = MemoryStore()
    graph = agent(TWICE, store).graph
    first = await graph.ainvoke({"task": "Weigh a and b."}, at("t"))
    again = await graph.ainvoke({}, at("t"))
    assert again == {name: first[name] for name in ("position", "output", "outcome")}
    assert free(store, "t")


async def test_each_model_call_and_each_tool_call_is_a_task_of_its_own() -> None:
    graph = agent(TWICE, MemoryStore()).graph
    updates = [update async for update in graph.astream({"task": "Weigh."}, at("t"), stream_mode="updates")]
    assert [name for update in updates for name in update] == ["model", "tool", "tool", "model"]


async def test_a_run_that_fails_gives_the_thread_back_and_can_be_gone_on_with() -> None:
    store = MemoryStore()
    with pytest.raises(RuntimeError, match="crash 2"):
        await agent(tireless(crash_at=[2]), store).graph.ainvoke({"task": "Weigh."}, at("t"))
    assert free(store, "t")
    result = await agent(tireless(), store, budget=Budget(steps=3)).graph.ainvoke({}, at("t"))
    assert result["output"] is not None


async def test_a_write_in_doubt_ends_with_its_outcome_there_too() -> None:
    runs = []

    @tool
    async def post(text: str) -> str:
        """Send a message."""
        runs.append(text)
        await asyncio.Event().wait()
        return "never"

    def policy(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
        return script(Answer("", (call("post", text="x"),)), "Reported.")(messages, tools)

    store = MemoryStore()
    made = agent(policy, store, tools=[post])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await made.graph.ainvoke({"task": "Post x."}, at("t"))
    assert free(store, "t")
    assert (await made.graph.ainvoke({}, at("t")))["outcome"] == "uncertain"
    assert (await made.graph.ainvoke({}, at("t")))["output"] == "Reported."
    assert runs == ["x"]


async def test_a_thread_that_an_agent_runs_is_busy_for_its_graph() -> None:
    store = MemoryStore()
    made = agent(TWICE, store)
    lease = await store.acquire(ThreadId("t"), ttl=60)
    with pytest.raises(ThreadBusy):
        await made.graph.ainvoke({"task": "Weigh."}, at("t"))
    await store.release(lease)
    assert (await made.arun("Weigh.", thread="t")).output == "First."
