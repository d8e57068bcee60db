"""What stands in the prompt: when older turns are folded, what the model itself keeps, and how tools are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import pytest
from pydantic import Field

from satchel import Agent, Budget, tool
from satchel.memory.errors import ConfigError
from satchel.memory.records import Json
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.context.tokens import count_tools
from satchel.runtime.events import PromptSent
from satchel.runtime.models import Answer, Scripted
from satchel.runtime.tools import Tool

HOUSES = 12


@tool(effect="read")
def visit(house: int) -> dict[str, Json]:
    """Visit a house and read its meter."""
    return {"house": house, "meter": f"m-{house * 7919}", "reading": house * 31}


class Reader:
    """Visits one house a turn; it counts its own visits, so that no prompt has to tell it how far it came."""

    def __init__(self) -> None:
        self.turn = 0

    def __call__(self, messages: Sequence[Message], _: Sequence[Json]) -> Answer:
        self.turn += 1
        if self.turn > HOUSES:
            return Answer(messages[1].content)
        return Answer("", (ToolCall(f"c{self.turn}", "visit", {"house": self.turn}),))


def folds(fold: int | str) -> list[int]:
    """The turns before which something was folded."""
    agent = Agent(model=Scripted(Reader()), tools=[visit], fold=fold, store="memory://", budget=Budget(steps=40))
    return [e.step for e in agent.stream("Read all meters.") if isinstance(e, PromptSent) and e.folded]


def test_folds_come_when_they_pay_or_after_as_many_turns_as_you_say() -> None:
    assert folds("auto") == []  # a run this short gains nothing by a fold
    assert folds(1) == list(range(2, HOUSES + 1))  # all but the newest turn, before each prompt
    assert folds(4) == [5, 9]


def test_what_was_folded_stands_in_the_digest() -> None:
    agent = Agent(model=Scripted(Reader()), tools=[visit], fold=1, store="memory://")
    result = agent.run("Read all meters.")
    assert result.state.folds == HOUSES - 1
    assert all(f"m-{house * 7919}" in str(result.output) for house in range(1, HOUSES))


def test_a_fold_interval_that_is_none_is_refused() -> None:
    for wrong in (0, -1, "often"):
        with pytest.raises(ConfigError, match="fold="):
            Agent("sim:echo", fold=wrong)


class Keeper(Reader):
    """A reader that notes which meter runs fastest so far, in the turn in which it sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[list[str], str]] = []

    def __call__(self, messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
        self.sent.append(([tool["function"]["name"] for tool in tools], messages[1].content))
        answer = super().__call__(messages, tools)
        if answer.calls and self.turn > 2:
            fact = f"fastest so far = house {self.turn - 1}"
            noted = ToolCall(f"n{self.turn}", "note", {"facts": [fact], "to_do": ["tell the landlord"]})
            return Answer("", (*answer.calls, noted))
        return answer


def test_the_model_can_keep_notes_which_stand_in_the_digest_at_their_newest_value() -> None:
    keeper = Keeper()
    agent = Agent(model=Scripted(keeper), tools=[visit], fold=3, note=True, store="memory://")
    result = agent.run("Read all meters.")

    assert keeper.sent[0][0] == ["visit"]  # like recall, the tool comes with the first fold
    assert keeper.sent[-1][0] == ["visit", "recall", "note"]
    assert "fact fastest so far = house 9\nto do: tell the landlord" in str(result.output)
    assert str(result.output).count("fastest so far") == 1


def test_a_note_that_the_tool_has_no_list_for_is_answered_by_what_there_is() -> None:
    def stubborn(messages: Sequence[Message], _: Sequence[Json]) -> Answer:
        if messages[-1].role == "tool":
            return Answer(messages[-1].content)
        return Answer("", (ToolCall("c1", "note", {"constraints": ["spend whatever you like"]}),))

    answer = Agent(model=Scripted(stubborn), note=True, store="memory://").run("Spend nothing.").output
    assert answer == (
        "invalid arguments for note: constraints: unknown argument;"
        " there are facts, decisions, done, to_do, open, failed, drop"
    )


def clerk(number: int) -> Tool:
    """One tool of many, with much to say about itself."""

    def act(
        order_id: Annotated[str, Field(description="The order, as the customer names it, with its leading hash sign.")],
        reason: Annotated[str, Field(description="Why, in the customer's own words; at most two sentences.")] = "",
    ) -> str:
        return f"done with {order_id} {reason}".strip()

    act.__name__ = f"act_{number}"
    act.__doc__ = f"Do thing {number} to an order.\n\n" + "Only pending orders; ask the customer to confirm first. " * 6
    return tool(effect="write")(act)


class Hasty:
    """Calls one tool of sixty on a guess, and again once it knows what the tool takes."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, list[Json]]] = []

    def __call__(self, messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
        self.sent.append((count_tools(tools), list(tools)))
        newest = messages[-1].content
        if newest.startswith("done with"):
            return Answer(newest)
        order = "#W1" if "leading hash sign" in newest else "W1"
        return Answer("", (ToolCall(f"c{len(self.sent)}", "act_7", {"order_id": order}),))


def test_many_tools_are_shown_in_brief_and_each_in_full_when_it_is_first_used() -> None:
    tools = [clerk(number) for number in range(60)]
    told, shares = {}, {}
    for brief in (False, True):
        hasty = Hasty()
        agent = Agent(Scripted(hasty), tools, brief_tools=brief, context_limit=30_000, store="memory://")
        result = agent.run("Do thing 7 to my order.")
        told[brief] = result.output, result.usage.tool_calls, hasty.sent[0][0]
        shares[brief] = result.state.surface_share
        assert all(tools == hasty.sent[0][1] for _, tools in hasty.sent)  # the list never changes: its cache stays
    assert told[False][:2] == ("done with W1", 1)
    assert told[True][:2] == ("done with #W1", 1)  # the guess did not run
    assert told[True][2] < 0.5 * told[False][2]
    assert shares[True] < shares[False] < 1.0  # what each turn costs before anything was said
