"""Budgets: never exceeded, and a run that meets one still answers."""

from __future__ import annotations

from collections.abc import Sequence

from satchel import Agent, Budget, tool
from satchel.memory.records import Json
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.models import Answer, Scripted


@tool(effect="read")
def dig(depth: int) -> str:
    """Dig a hole."""
    return f"earth at {depth} m"


def digger(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
    """Digs as long as it may."""
    depth = sum(message.role == "tool" for message in messages)
    if not tools:
        return Answer(f"I came to {depth} m.")
    return Answer("Deeper.", (ToolCall(f"c{depth}", "dig", {"depth": depth}),))


def test_the_last_step_is_kept_for_an_answer_without_tools() -> None:
    result = Agent(model=Scripted(digger), tools=[dig], budget=Budget(steps=4), store="memory://").run("Dig.")

    assert result.outcome == "steps"
    assert result.output == "I came to 3 m."


def test_a_run_that_a_budget_stopped_goes_on_with_more() -> None:
    with Agent(model=Scripted(digger), tools=[dig], budget=Budget(tool_calls=2), store="memory://") as agent:
        agent.run("Dig.", thread="hole")
        result = agent.resume("hole", add_budget=Budget(tool_calls=3))

    assert result.outcome == "tool_calls"
    assert result.usage.tool_calls == 5
