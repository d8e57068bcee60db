"""What stands in the prompt: when older turns are folded, and what the model itself keeps."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from satchel import Agent, Budget, tool
from satchel.memory.errors import ConfigError
from satchel.memory.records import Json
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.events import PromptSent
from satchel.runtime.models import Answer, Scripted

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
