"""Tools: typed functions that the model may call."""

from __future__ import annotations

from satchel import Agent, tool
from satchel.runtime.context.message import ToolCall
from satchel.runtime.events import ToolFinished
from satchel.runtime.models import Answer, Scripted, script


@tool(effect="read")
def price_of(fruit: str) -> float:
    """The price of one fruit in euros."""
    return {"pear": 0.4, "plum": 0.2}[fruit]


def test_the_model_calls_a_tool_and_reads_its_result() -> None:
    policy = script(Answer("I look.", (ToolCall("c1", "price_of", {"fruit": "pear"}),)), "A pear is 40 cents.")

    result = Agent(model=Scripted(policy), tools=[price_of], store="memory://").run("What is a pear?")

    assert result.output == "A pear is 40 cents."
    assert result.state.per_tool == {"price_of": 1}


def test_a_call_that_goes_wrong_is_a_result_that_the_model_can_read() -> None:
    wrong = [ToolCall("c1", "price_of", {"fruit": "brick"}), ToolCall("c2", "price_of", {"colour": "green"})]
    policy = script(Answer("I look.", tuple(wrong)), "There are no bricks.")
    agent = Agent(model=Scripted(policy), tools=[price_of], store="memory://")

    finished = [event for event in agent.stream("What is a brick?") if isinstance(event, ToolFinished)]

    assert {event.call: (event.error, event.text.split(":")[0]) for event in finished} == {
        "c1": (True, "KeyError"),
        "c2": (True, "invalid arguments for price_of"),
    }
