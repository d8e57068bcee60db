"""Running an agent: a model, a task, a result."""

from __future__ import annotations

from satchel import Agent
from satchel.runtime.models import Scripted, script


def test_a_run_takes_words_and_gives_a_result() -> None:
    agent = Agent(model=Scripted(script("Lisbon.")), store="memory://")

    result = agent.run("What is the capital of Portugal?")

    assert result.output == "Lisbon."
    assert result.outcome == "done"
    assert result.usage.model_calls == 1


async def test_run_works_inside_a_running_loop_too_and_arun_is_there_for_those_who_wait() -> None:
    agent = Agent(model=Scripted(script("Lisbon.")), store="memory://")

    assert agent.run("What is the capital of Portugal?").output == "Lisbon."
    assert (await agent.arun("What is the capital of Portugal?")).output == "Lisbon."
