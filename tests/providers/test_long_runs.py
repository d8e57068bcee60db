"""Sixty turns through many folds with each provider's own client: every prompt is accepted, and the cache is used."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from satchel.memory.memory_store import MemoryStore
from satchel.runtime.budget import Budget
from satchel.runtime.events import ToolFinished
from tests.providers import errand
from tests.providers.conftest import Start
from tests.providers.table import ROWS


@pytest.mark.parametrize("name", ROWS)
async def test_sixty_turns_with_folds_are_accepted_whole(start: Start, name: str) -> None:
    double, agent = start(name)
    async with agent() as asked:
        result = await asked.arun(errand.TASK, thread="t")
    assert (result.outcome, result.output) == ("done", errand.answer())
    assert double.refusals == []
    assert double.hits == result.usage.model_calls == 61
    assert result.state.folds >= 6
    assert any("whole text: res:" in json.dumps(body) for body in double.requests), "a result came as a preview"
    assert result.usage.input == sum(bill.total for bill in double.bills)
    assert result.usage.cache_read == sum(bill.read for bill in double.bills)
    assert result.usage.cache_write == sum(bill.written for bill in double.bills)
    assert max(bill.total for bill in double.bills) <= 6_000 - 1_024, "the ceiling holds in the provider's own tokens"
    if name != "gemini":  # its cache begins at 4,096 tokens
        assert result.usage.cache_read > 0.65 * result.usage.input
        assert result.usage.cache_write < 0.35 * result.usage.input
    assert result.state.billed_cached >= 0.95 * result.state.predicted_cached
    assert result.state.warnings == ()


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini", "mistral"])
async def test_tools_shown_in_brief_are_accepted_and_each_is_described_once(start: Start, name: str) -> None:
    double, agent = start(name, rooms=6)
    wordy = [replace(tool, description=f"{tool.description} {'Mind the stairs. ' * 20}") for tool in errand.tools()]
    async with agent(tools=wordy, brief_tools=True, fold=2, note=True) as asked:
        result = await asked.arun(errand.TASK, thread="t")
    assert (result.outcome, result.output) == ("done", errand.answer(6))
    assert double.refusals == []
    assert result.state.folds > 1
    first, second, *_, last = map(json.dumps, double.requests)
    assert ("Mind the stairs." in first, "Mind the stairs." in second) == (False, True)
    assert '"note"' in last


@pytest.mark.parametrize("name", ROWS)
async def test_the_whole_transcript_is_accepted_and_cached_too(start: Start, name: str) -> None:
    double, agent = start(name, rooms=20)
    async with agent(mode="stateless") as asked:
        result = await asked.arun(errand.TASK, thread="t")
    assert (result.outcome, result.output) == ("done", errand.answer(20))
    assert double.refusals == []
    assert result.state.folds == 0
    assert result.usage.cache_read > (0.5 if name == "gemini" else 0.75) * result.usage.input
    assert result.state.billed_cached >= 0.95 * result.state.predicted_cached


@pytest.mark.parametrize("name", ["anthropic-thinking", "gemini", "openai-responses"])
async def test_a_run_that_is_broken_off_goes_on_with_identical_prompts(start: Start, name: str) -> None:
    """The doubles check that signatures come back unmodified, from the log, too."""
    whole, agent = start(name, rooms=24)
    async with agent() as asked:
        await asked.arun(errand.TASK, thread="t")
    cut, agent = start(name, rooms=24)
    store, results = MemoryStore(), 0
    events = agent(store=store).astream(errand.TASK, thread="t")
    async for event in events:
        results += isinstance(event, ToolFinished)
        if results == 20:
            break
    await events.aclose()
    result = await agent(store=store).aresume("t")
    assert result.output == errand.answer(24)
    assert [json.dumps(body) for body in cut.requests] == [json.dumps(body) for body in whole.requests]
    assert cut.refusals == []


async def test_a_marked_prompt_has_its_marks_where_prefixes_end(start: Start) -> None:
    double, agent = start("anthropic")
    async with agent() as asked:
        await asked.arun(errand.TASK, thread="t")
    last = double.requests[-1]
    marked = [n for n, message in enumerate(last["messages"]) if "cache_control" in json.dumps(message["content"])]
    assert "cache_control" in json.dumps(last["system"])
    assert marked == [0, len(last["messages"]) - 3, len(last["messages"]) - 1]
    *stable, tail = last["messages"][-1]["content"]
    assert "cache_control" in stable[-1]
    assert "cache_control" not in tail
    assert "[satchel" in tail["text"]


async def test_the_reserved_last_answer_is_accepted_by_all(start: Start) -> None:
    for name in ROWS:
        double, agent = start(name, rooms=9)
        async with agent(budget=Budget(steps=4)) as asked:
            result = await asked.arun(errand.TASK, thread="t")
        assert result.outcome == "steps"
        assert (result.output or "").startswith("So far I carry")
        assert double.refusals == []


async def test_later_words_of_the_user_are_accepted_by_all(start: Start) -> None:
    for name in ROWS:
        double, agent = start(name, rooms=3)
        async with agent() as asked:
            await asked.arun(errand.TASK, thread="t")
            again = await asked.arun("Once more: how many?", thread="t")
        assert again.output == errand.answer(3)
        assert double.refusals == []
