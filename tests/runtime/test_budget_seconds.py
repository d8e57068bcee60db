"""The budget of seconds: what runs when the time is up is cancelled and counted, and nothing starts later."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from satchel.memory.memory_store import MemoryStore
from satchel.memory.records import Charge, Json, Result
from satchel.runtime.agent import Agent
from satchel.runtime.budget import Budget
from satchel.runtime.context.message import Message
from satchel.runtime.models import Answer, Scripted, script
from satchel.runtime.tools import tool
from tests.runtime.desk import call, records, tireless


async def test_a_model_call_is_cancelled_when_the_time_is_up_and_counted() -> None:
    class Silent(Scripted):
        async def call(self, messages: Sequence[Message], tools: Sequence[Json], *, reply_tokens: int) -> Answer:  # noqa: ARG002 - the port
            await asyncio.Event().wait()
            raise AssertionError

    store = MemoryStore()
    made = Agent(Silent(tireless()), budget=Budget(seconds=0.05), store=store)
    result = await made.arun("Say something.", thread="t")
    assert (result.outcome, result.output, result.usage.model_calls) == ("seconds", None, 1)
    assert result.usage.input > 0
    assert [type(record) for record in await records(store, "t")][-2] is Charge


@pytest.mark.parametrize("effect", ["read", "write"])
async def test_a_tool_is_cancelled_when_the_time_is_up_and_no_call_starts_later(effect: Any) -> None:
    @tool(effect=effect)
    async def wait_for(ship: str) -> str:
        """Wait for a ship."""
        await asyncio.Event().wait()
        return ship

    store = MemoryStore()
    policy = script(Answer("I wait.", (call("wait_for", ship="a"), call("wait_for", ship="b"))), "never asked")
    made = Agent(Scripted(policy), [wait_for], budget=Budget(seconds=0.3), store=store)
    result = await made.arun("Wait.", thread="t")
    assert (result.outcome, result.output, result.usage.model_calls) == ("seconds", "I wait.", 1)
    results = [r for r in await records(store, "t") if isinstance(r, Result)]
    assert [("may or may not have taken effect" in r.text, r.error) for r in results] == [(True, True)] * 2
