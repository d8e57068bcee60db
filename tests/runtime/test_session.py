"""Runs that fail, hang, are cancelled or meet each other: each ends with data or a clear error, and can go on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import pytest

from satchel.memory.errors import ConfigError, LeaseLost, ModelError, ThreadBusy, ThreadNotFound
from satchel.memory.memory_store import MemoryStore
from satchel.memory.records import Charge, Json, Reply, Result
from satchel.memory.store import ThreadId
from satchel.runtime.agent import Agent
from satchel.runtime.budget import Budget
from satchel.runtime.context.message import Message
from satchel.runtime.events import RunEnded, ToolStarted
from satchel.runtime.models import Answer, Scripted, script
from satchel.runtime.tools import Tool, tool
from tests.runtime.desk import MODES, call, records, tireless, weigh


def harbour(effect: Any) -> tuple[Tool, asyncio.Event, list[str]]:
    """A tool that waits for ships: the tool, what lets them in, and which were waited for."""
    arrived, waited = asyncio.Event(), list[str]()

    @tool(effect=effect)
    async def wait_for(ship: str) -> str:
        """Wait for a ship."""
        waited.append(ship)
        await arrived.wait()
        return f"{ship} is in"

    return wait_for, arrived, waited


WAIT = script(Answer("I wait.", (call("wait_for", ship="Ada"),)), "All is in.")


async def started(agent: Agent, thread: str) -> asyncio.Task[None]:
    """A run whose first tool call is under way."""
    going = asyncio.Event()

    async def follow() -> None:
        async for event in agent.astream("Wait.", thread=thread):
            if isinstance(event, ToolStarted):
                going.set()

    task = asyncio.create_task(follow())
    await going.wait()
    return task


async def test_a_model_that_fails_ends_the_run_and_a_resume_asks_it_again() -> None:
    down = [True]

    def policy(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
        if down[0] and messages[-1].role == "tool":
            raise ModelError("the model is away; try later")
        return script(Answer("", (call("weigh", crate="a"),)), "Weighed.")(messages, tools)

    store = MemoryStore()
    agent = Agent(Scripted(policy), [weigh], store=store)
    failed = await agent.arun("Weigh a.", thread="t")
    assert (failed.outcome, failed.output, failed.detail) == ("failed", None, "the model is away; try later")
    assert failed.usage.model_calls == 2
    down[0] = False
    done = await agent.aresume("t")
    assert (done.outcome, done.output, done.usage.model_calls, done.usage.tool_calls) == ("done", "Weighed.", 3, 1)
    assert sum(isinstance(record, Charge) for record in await records(store, "t")) == 1


async def test_failures_count_as_model_calls() -> None:
    def away(_: Sequence[Message], __: Sequence[Json]) -> Answer:
        raise ModelError("away")

    agent = Agent(Scripted(away), store=MemoryStore(), budget=Budget(model_calls=2))
    outcomes = [(await agent.arun("Hello?", thread="t")).outcome]
    outcomes += [(await agent.aresume("t")).outcome for _ in range(2)]
    assert outcomes == ["failed", "failed", "model_calls"]


async def test_a_cancelled_run_gives_its_thread_back_and_goes_on_later() -> None:
    store = MemoryStore()
    tool, arrived, waited = harbour("read")
    agent = Agent(Scripted(WAIT), [tool], store=store)
    task = await started(agent, "t")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    arrived.set()
    result = await agent.aresume("t")
    assert (result.outcome, result.output, waited) == ("done", "All is in.", ["Ada", "Ada"])


async def test_a_write_that_was_cancelled_is_reported_and_not_run_again() -> None:
    store = MemoryStore()
    tool, arrived, waited = harbour("write")
    agent = Agent(Scripted(WAIT), [tool], store=store)
    task = await started(agent, "t")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    arrived.set()
    doubt = await agent.aresume("t")
    assert doubt.outcome == "uncertain"
    assert "wait_for (call_0_0)" in doubt.detail
    done = await agent.aresume("t")
    assert (done.outcome, done.output, waited) == ("done", "All is in.", ["Ada"])
    assert [r.error for r in await records(store, "t") if isinstance(r, Result)] == [True]


async def test_a_stream_that_is_left_early_gives_its_thread_back() -> None:
    store = MemoryStore()
    agent = Agent(Scripted(script(Answer("", (call("weigh", crate="a"),)), "Done.")), [weigh], store=store)
    async with aclosing(agent.astream("Weigh a.", thread="t")) as events:
        await anext(events)
    assert (await agent.aresume("t")).outcome == "done"


async def test_a_thread_that_runs_elsewhere_is_busy() -> None:
    store = MemoryStore()
    tool, arrived, _ = harbour("read")
    agent = Agent(Scripted(WAIT), [tool], store=store)
    task = await started(agent, "t")
    with pytest.raises(ThreadBusy, match="'t'"):
        await agent.arun("Wait.", thread="t")
    with pytest.raises(ThreadBusy):
        await agent.aresume("t")
    arrived.set()
    await task
    assert (await agent.aresume("t")).output == "All is in."


async def test_an_executor_whose_thread_was_taken_is_refused() -> None:
    store = MemoryStore()
    tool, arrived, _ = harbour("read")
    agent = Agent(Scripted(WAIT), [tool], store=store)
    task = await started(agent, "t")
    store._threads[ThreadId("t")].until = 0.0  # the lease has run out
    arrived.set()
    other = await agent.aresume("t")
    with pytest.raises(LeaseLost, match="'t'"):
        await task
    assert other.output == "All is in."
    assert sum(isinstance(record, Reply) for record in await records(store, "t")) == 2


async def test_the_full_transcript_is_never_cut_it_ends_the_run() -> None:
    @tool(effect="read")
    def catalogue() -> str:
        """Everything."""
        return "a long line of the catalogue; " * 2_000

    policy = script(Answer("I look.", (call("catalogue"),)), "Read it all.")
    stateless = Agent(Scripted(policy, window=6_000), [catalogue], mode="stateless", store=MemoryStore())
    result = await stateless.arun("Read the catalogue.", thread="t")
    assert (result.outcome, result.output, result.usage.model_calls) == ("context", "I look.", 1)
    assert "cannot be made to fit" in result.detail
    stateful = stateless.but(mode="stateful", context_limit=6_000, store=MemoryStore())
    assert (await stateful.arun("Read the catalogue.")).output == "Read it all."


@pytest.mark.parametrize("mode", MODES)
async def test_a_thread_takes_one_task_after_the_other(mode: str) -> None:
    policy = script(
        Answer("", (call("weigh", crate="a"),)), "First.", Answer("", (call("weigh", crate="b"),)), "Second."
    )
    agent = Agent(Scripted(policy), [weigh], mode=mode, store=MemoryStore(), budget=Budget(steps=3))
    assert (await agent.arun("Weigh a.", thread="t")).output == "First."
    second = await agent.arun("Weigh b.", thread="t")
    assert (second.outcome, second.output, second.state.steps) == ("done", "Second.", 2)
    again = await agent.aresume("t")
    assert (again.output, again.state.position) == ("Second.", second.state.position)


async def test_an_unfinished_run_is_finished_before_another_task() -> None:
    agent = Agent(Scripted(tireless(crash_at=[2])), [weigh], store=MemoryStore(), budget=Budget(steps=3))
    with pytest.raises(RuntimeError):
        await agent.arun("Weigh a.", thread="t")
    with pytest.raises(ConfigError, match="unfinished run; finish it with resume"):
        await agent.arun("Weigh b.", thread="t")
    assert (await agent.aresume("t")).outcome == "steps"


async def test_a_thread_that_there_is_not_cannot_be_resumed() -> None:
    agent = Agent(Scripted(tireless()), store=MemoryStore())
    with pytest.raises(ThreadNotFound, match="no thread 'nowhere'"):
        await agent.aresume("nowhere")


async def test_the_events_come_in_the_order_of_the_log_and_the_last_is_the_result() -> None:
    agent = Agent(Scripted(script(Answer("", (call("weigh", crate="a"),)), "Done.")), [weigh], store=MemoryStore())
    events = [event async for event in agent.astream("Weigh a.")]
    kinds = ["PromptSent", "ReplyReceived", "ToolStarted", "ToolFinished", "PromptSent", "ReplyReceived", "RunEnded"]
    assert [type(event).__name__ for event in events] == kinds
    assert isinstance(events[-1], RunEnded)
    assert events[-1].result.output == "Done."


async def test_a_call_of_a_tool_that_is_not_there_is_answered() -> None:
    store = MemoryStore()
    agent = Agent(Scripted(script(Answer("", (call("fly"),)), "I walk.")), [weigh], store=store)
    assert (await agent.arun("Go.", thread="t")).output == "I walk."
    texts = [r.text for r in await records(store, "t") if isinstance(r, Result)]
    assert texts == ["there is no tool 'fly'; there are: weigh"]
