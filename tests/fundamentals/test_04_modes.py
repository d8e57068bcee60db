"""Modes: one switch between a bounded prompt and the full transcript, on the same log."""

from __future__ import annotations

import pytest

from satchel import Agent, tool
from satchel.memory.errors import ConfigError
from satchel.runtime.context.message import ToolCall
from satchel.runtime.models import Answer, Scripted, script


@tool(effect="read")
def page(number: int) -> str:
    """One page of a long book."""
    return f"page {number}: " + "and then it rained; " * 60


def reader(mode: str) -> Agent:
    turns = [Answer("", (ToolCall("", "page", {"number": n}),)) for n in range(12)]
    policy = script(*turns, "It rained.")
    return Agent(
        model=Scripted(policy), tools=[page], mode=mode, context_limit=2_500, reply_tokens=200, store="memory://"
    )


def test_stateful_stays_below_the_limit_and_stateless_sends_everything() -> None:
    stateful, stateless = reader("stateful").run("Read the book."), reader("stateless").run("Read the book.")

    assert stateful.output == stateless.output == "It rained."
    assert stateful.state.peak_tokens <= 2_500 - 200 < stateless.state.peak_tokens
    assert stateful.state.folds > 0


def test_a_mode_that_there_is_not_is_refused_when_the_agent_is_built() -> None:
    with pytest.raises(ConfigError, match="did you mean 'stateless'"):
        reader("stateles")
