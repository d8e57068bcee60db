"""Events: what a run tells while it goes."""

from __future__ import annotations

from satchel import Agent, tool
from satchel.runtime.context.message import ToolCall
from satchel.runtime.events import RunEnded, ToolFinished
from satchel.runtime.models import Answer, Scripted, script


@tool(effect="read")
def tide(hour: int) -> str:
    """The tide at an hour."""
    return "high" if hour == 6 else "low"


async def test_a_stream_tells_each_step_and_ends_with_the_result() -> None:
    policy = script(Answer("", (ToolCall("c1", "tide", {"hour": 6}),)), "It is high.")
    agent = Agent(model=Scripted(policy), tools=[tide], store="memory://")

    seen = []
    async for event in agent.astream("How is the tide at six?"):
        match event:
            case ToolFinished(name=name, text=text):
                seen.append(f"{name}: {text}")
            case RunEnded(result=result):
                seen.append(result.output or "")

    assert seen == ["tide: high", "It is high."]
