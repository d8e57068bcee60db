"""Resume: after a crash a run goes on, and what was done is not done again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from satchel import Agent, tool
from satchel.memory.memory_store import MemoryStore
from satchel.memory.records import Json
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.models import Answer, Scripted, script


def test_what_was_done_before_a_crash_is_not_done_again() -> None:
    sent: list[str] = []

    @tool
    def send(letter: str) -> str:
        """Send a letter."""
        sent.append(letter)
        return "sent"

    story = script(Answer("", (ToolCall("c1", "send", {"letter": "Dear Ada"}),)), "The letter is on its way.")

    def crashing(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
        if messages[-1].role == "tool":
            raise SystemError("the lights went out")
        return story(messages, tools)

    store = MemoryStore()
    with pytest.raises(SystemError):
        Agent(model=Scripted(crashing), tools=[send], store=store).run("Write to Ada.", thread="ada")
    result = Agent(model=Scripted(story), tools=[send], store=store).resume("ada")

    assert result.output == "The letter is on its way."
    assert sent == ["Dear Ada"]
