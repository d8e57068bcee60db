"""Each provider's own client against its strict double, through graphs of LangChain and deepagents."""

from __future__ import annotations

from typing import Any

import pytest
from deepagents import create_deep_agent

from satchel.runtime.budget import Budget
from satchel.runtime.middleware import SatchelMiddleware
from tests.middleware.walker import HOUSE, agent, ended, task, thread
from tests.providers import errand
from tests.providers.table import ROWS

ROOMS = 24


@pytest.mark.parametrize("name", ["openai", "openai-marked", "anthropic", "anthropic-thinking", "gemini", "mistral"])
def test_a_provider_accepts_every_prompt_and_reads_its_cache(name: str) -> None:
    double = ROWS[name].double(rooms=ROOMS)
    with double.serving() as url:
        result = agent(ROWS[name].client(url)).invoke(task(), thread())
    assert double.refusals == []
    assert str(result["messages"][-1].text) == errand.answer(ROOMS)
    assert ended(result)["outcome"] == "done"
    if name != "gemini":  # its cache begins near the ceiling
        assert sum(bill.read for bill in double.bills) > 0.4 * sum(bill.total for bill in double.bills)


@pytest.mark.parametrize("name", ["openai", "anthropic", "mistral"])
def test_the_reserved_answer_is_legal_too(name: str) -> None:
    double = ROWS[name].double(rooms=ROOMS)
    with double.serving() as url:
        result = agent(ROWS[name].client(url), budget=Budget(steps=8)).invoke(task(), thread())
    assert double.refusals == []
    assert ended(result)["outcome"] == "steps"
    assert not result["messages"][-1].tool_calls


def test_a_deep_agents_own_cache_marks_and_ours_are_no_more_than_anthropic_allows() -> None:
    double = ROWS["anthropic"].double(rooms=8)
    own: Any = SatchelMiddleware(context_limit="+5000", name="SummarizationMiddleware")
    with double.serving() as url:
        graph = create_deep_agent(ROWS["anthropic"].client(url), HOUSE, middleware=[own])
        result = graph.invoke(task())
    assert double.refusals == []
    assert str(result["messages"][-1].text) == errand.answer(8)
