"""Answers that do not come: retries are the runtime's and are counted, a prompt too long is folded harder once."""

from __future__ import annotations

import json

import pytest

from satchel.memory.memory_store import MemoryStore
from satchel.memory.records import Charge, Fold
from satchel.runtime.attempts import TRIES
from satchel.runtime.budget import Budget
from satchel.runtime.events import CacheAlarm, CallFailed, Event, RunEnded
from tests.providers import errand
from tests.providers.conftest import Start
from tests.providers.table import ROWS
from tests.runtime.desk import records

NOW = {"Retry-After": "0"}
CLIENTS = ["openai", "anthropic", "gemini", "mistral"]


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_busy_provider_is_asked_again_and_each_call_counts(start: Start, name: str) -> None:
    double, agent = start(name, rooms=2)
    double.faults += [(429, NOW), (503, NOW)]
    async with agent() as asked:
        events: list[Event] = [event async for event in asked.astream(errand.TASK)]
    ended = events[-1]
    assert isinstance(ended, RunEnded)
    assert (ended.result.outcome, ended.result.output) == ("done", errand.answer(2))
    assert double.hits == ended.result.usage.model_calls == ended.result.state.steps + 2
    assert [event.step for event in events if isinstance(event, CallFailed)] == [0, 0]


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_provider_that_stays_busy_ends_the_run_as_data(start: Start, name: str) -> None:
    double, agent = start(name)
    double.faults += [(500, NOW)] * TRIES
    async with agent() as asked:
        result = await asked.arun(errand.TASK)
    assert (result.outcome, double.hits, result.usage.model_calls) == ("failed", TRIES, TRIES)
    assert f"tried {TRIES} times" in result.detail


async def test_a_retry_is_stopped_by_the_budget_of_model_calls(start: Start) -> None:
    double, agent = start("openai")
    double.faults += [(500, NOW)] * 2
    async with agent(budget=Budget(model_calls=2)) as asked:
        result = await asked.arun(errand.TASK)
    assert (result.outcome, double.hits) == ("model_calls", 2)


async def test_who_asks_for_a_long_wait_is_not_waited_for(start: Start) -> None:
    double, agent = start("anthropic")
    double.faults.append((429, {"Retry-After": "900"}))
    async with agent() as asked:
        result = await asked.arun(errand.TASK)
    assert (result.outcome, double.hits) == ("failed", 1)
    assert "asks to wait 900 seconds" in result.detail


async def test_a_wrong_key_is_not_tried_again(start: Start) -> None:
    double, agent = start("mistral")
    double.faults.append((401, {}))
    async with agent() as asked:
        result = await asked.arun(errand.TASK)
    assert (result.outcome, double.hits) == ("failed", 1)


@pytest.mark.parametrize("name", ROWS)
async def test_a_prompt_too_long_is_folded_harder_and_sent_again(start: Start, name: str) -> None:
    double, agent = start(name, window=3_000, rooms=14)
    store = MemoryStore()
    result = await agent(store=store, context_limit=8_000).arun(errand.TASK, thread="t")
    log = await records(store, "t")
    caps = [record.cap for record in log if isinstance(record, Charge)]
    assert result.outcome == "done"
    assert str(sum(errand._coins(room) for room in range(1, 15))) in (result.output or "")
    assert caps
    assert all(caps)
    assert len(double.refusals) == len(caps)
    assert double.hits == result.usage.model_calls == result.state.steps + len(caps)
    after = next(n for n, record in enumerate(log) if isinstance(record, Charge))
    assert any(isinstance(record, Fold) for record in log[after:])


async def test_a_prompt_that_stays_too_long_ends_the_run_as_context(start: Start) -> None:
    double, agent = start("anthropic", window=100)
    async with agent(context_limit=8_000) as asked:
        result = await asked.arun(errand.TASK)
    assert result.outcome == "context"
    assert double.hits <= 2
    assert result.detail


async def test_the_whole_transcript_is_never_truncated(start: Start) -> None:
    double, agent = start("openai", window=3_000)
    async with agent(mode="stateless") as asked:
        result = await asked.arun(errand.TASK)
    assert result.outcome == "context"
    assert len(double.refusals) == 1
    assert result.usage.model_calls == double.hits


async def test_a_crash_after_a_refusal_leaves_the_prompts_as_they_would_have_been(start: Start) -> None:
    """The harder fold is in the log with its charge, so a new executor sends what the old one would have sent."""
    whole, agent = start("mistral", window=3_000, rooms=14)
    await agent(context_limit=8_000).arun(errand.TASK, thread="t")
    cut, agent = start("mistral", window=3_000, rooms=14)
    store, failed = MemoryStore(), False
    events = agent(store=store, context_limit=8_000).astream(errand.TASK, thread="t")
    async for event in events:
        failed = failed or isinstance(event, CallFailed)
        if failed:
            break
    await events.aclose()
    await agent(store=store, context_limit=8_000).aresume("t")
    assert [json.dumps(body) for body in cut.requests] == [json.dumps(body) for body in whole.requests]


@pytest.mark.parametrize("name", ["openai", "openai-marked", "anthropic", "mistral"])
async def test_a_cache_that_gives_nothing_gives_alarm_once(start: Start, name: str) -> None:
    double, agent = start(name, rooms=20)
    double.caching = False
    async with agent() as asked:
        events: list[Event] = [event async for event in asked.astream(errand.TASK)]
    alarms = [event for event in events if isinstance(event, CacheAlarm)]
    ended = events[-1]
    assert isinstance(ended, RunEnded)
    assert len(alarms) == 1
    assert ended.result.state.warnings == (alarms[0].detail,)
    assert "should have come from the provider's cache" in alarms[0].detail
    assert ended.result.state.billed_cached < ended.result.state.predicted_cached
