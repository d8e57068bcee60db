"""Notes of an agent: in the log like any call, in each prompt the same after a crash, and in the way of no tool."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from satchel import Agent, Budget, tool
from satchel.memory import MemoryStore, ThreadId
from satchel.memory.errors import ConfigError
from satchel.memory.records import Json
from satchel.runtime.context.message import Message
from satchel.runtime.models import Answer, Scripted
from satchel.runtime.snapshot import FIELD
from tests.runtime.desk import call

T = ThreadId("t")
TURNS = 9


@tool(effect="read")
def survey(plot: int) -> str:
    """Survey a plot."""
    return f"plot {plot}: " + ", ".join(f"stone_{plot * 31 + n} at {n}.{plot}" for n in range(60))


class Surveyor:
    """Surveys nine plots a run and notes the newest; its words tell how often it was asked."""

    def __init__(self, *, noting: bool = True) -> None:
        self.noting = noting
        self.sent: list[str] = []

    def __call__(self, messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
        self.sent.append(json.dumps([[m.wire() for m in messages], list(tools)]))
        plot = len(self.sent)
        if plot % (TURNS + 1) == 0:
            return Answer("surveyed")
        if not self.noting:
            return Answer("", (call("survey", plot=plot),))
        noted = call("note", facts=[f"newest = {plot}"], done=[f"plot {plot}"], drop=[f"plot {plot - 2}"])
        return Answer("", (call("survey", plot=plot), noted))

    def agent(self, store: MemoryStore) -> Agent:
        return Agent(
            Scripted(self), [survey], note=True, context_limit=3_000, reply_tokens=200, budget=Budget(steps=99),
            store=store, seed=7,
        )  # fmt: skip


async def test_notes_outlive_runs_and_processes_with_and_without_a_snapshot() -> None:
    sent = []
    for kept in (True, False):
        surveyor, store = Surveyor(), MemoryStore()
        for _ in range(3):
            result = await surveyor.agent(store).arun("Survey on.", thread="t")  # each run is an agent of its own
            await store.put_cursor(T, {}, [] if kept else [FIELD])
        sent.append(surveyor.sent)
        assert result.state.folds > 5
    assert sent[0] == sent[1]
    newest = json.loads(sent[0][-1])[0][1]["content"]
    assert newest.count("fact newest = ") == 1
    assert "\ndone: plot 29" in newest
    assert "\ndone: plot 27" not in newest


async def test_a_refused_note_is_no_note() -> None:
    surveyor, store = Surveyor(), MemoryStore()
    agent = surveyor.agent(store).but(budget=Budget(steps=99, per_tool={"note": 3}))
    await agent.arun("Survey on.", thread="t")
    assert "fact newest = 3" in json.loads(surveyor.sent[-1])[0][1]["content"]


def test_a_tool_of_your_own_may_be_called_note_unless_the_built_in_one_is_asked_for() -> None:
    def note(text: str) -> str:
        """Write a note to a colleague."""
        return text

    Agent("sim:echo", [note], store="memory://")
    with pytest.raises(ConfigError, match="two tools are named 'note'"):
        Agent("sim:echo", [note], note=True, store="memory://")


async def test_until_something_is_folded_an_agent_with_notes_sends_what_one_without_sends() -> None:
    sent = []
    for asked in (True, False):
        surveyor = Surveyor(noting=False)
        agent = Agent(Scripted(surveyor), [survey], note=asked, budget=Budget(steps=3), store="memory://", seed=7)
        await agent.arun("Survey on.", thread="t")
        sent.append(surveyor.sent)
    assert sent[0] == sent[1]
