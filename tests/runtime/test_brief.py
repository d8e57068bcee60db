"""Tools shown in brief: what is left out, what the first call gets, and what stays known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from satchel import Agent, Budget, tool
from satchel.memory import MemoryStore, ThreadId, read_log
from satchel.memory.records import Call, Json, Result
from satchel.runtime.brief import SCHEMA, brief, briefs
from satchel.runtime.context.message import Message
from satchel.runtime.meter import Meter
from satchel.runtime.models import Answer, Scripted
from satchel.runtime.prices import bill_prompt, row
from satchel.runtime.snapshot import FIELD
from satchel.runtime.tools import as_tools
from tests.fundamentals.test_12_context import clerk
from tests.runtime.desk import call

T = ThreadId("t")


class Item(BaseModel):
    """One line of an order."""

    sku: Annotated[str, Field(description="The stock keeping unit, eight digits.")]
    description: Annotated[str, Field(description="A name of an argument, not an annotation.")] = ""


@tool(effect="write", max_inline_tokens=20)
def order(
    items: Annotated[
        list[Item], Field(description="What is ordered, at most ten lines, each with a unit that we stock.")
    ],
    speed: Literal["slow", "fast"] = "slow",
) -> str:
    """Order things. They are paid for at once, and nobody can take them back: ask first."""
    return f"ordered {[item.sku for item in items]} {speed}"


@tool(effect="read")
def stock() -> str:
    """Say what there is."""
    return "all of it"


def test_structure_stays_and_what_explains_it_goes() -> None:
    assert brief(order.schema)["function"] == {
        "name": "order",
        "description": "Order things.",
        "parameters": {
            "type": "object",
            "properties": {
                "items": {"type": "array", "items": {"$ref": "#/$defs/Item"}},
                "speed": {"type": "string", "enum": ["slow", "fast"]},
            },
            "required": ["items"],
            "$defs": {
                "Item": {
                    "type": "object",
                    "properties": {"sku": {"type": "string"}, "description": {"type": "string"}},
                    "required": ["sku"],
                }
            },
        },
    }


def test_what_fits_in_one_line_is_shown_whole() -> None:
    assert set(briefs(as_tools([order, stock]))) == {"order"}
    assert Agent("sim:echo", [stock], brief_tools=True, store="memory://").spec.schemas == (stock.schema,)


class Buyer:
    """Orders twice in one turn, again once it has read how, and then as often as `more` says."""

    def __init__(self, more: int = 0) -> None:
        self.more = more
        self.sent: list[str] = []

    def __call__(self, messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
        self.sent.append(json.dumps([[m.wire() for m in messages], list(tools)]))
        if len(self.sent) == 1:
            return Answer("", (call("order", items=[]), call("order", items=[]), call("stock")))
        if len(self.sent) <= 2 + self.more:
            return Answer("", (call("order", items=[{"sku": f"{len(self.sent):08}"}]),))
        return Answer("ordered")

    def agent(self, store: MemoryStore, **more: Any) -> Agent:
        given = {"brief_tools": True, "budget": Budget(steps=99), "seed": 7, **more}
        return Agent(Scripted(self), [order, stock], store=store, **given)


async def test_a_first_call_does_not_run_and_is_answered_by_all_there_is_to_say() -> None:
    store, buyer = MemoryStore(), Buyer()
    result = await buyer.agent(store).arun("Buy.", thread="t")
    records = [entry.record for entry in await read_log(store, T)]
    calls = [record for record in records if isinstance(record, Call)]
    answers = {r.call: r.text for r in records if isinstance(r, Result)}
    assert [c.refused for c in calls] == [SCHEMA, SCHEMA, None, None]
    first, again, beside, ordered = (answers[c.id] for c in calls)
    assert "ask first" in first
    assert "eight digits" in first
    assert again == "order was not run: its description stands above. Call it again if it is still what you need."
    assert (beside, ordered) == ("all of it", "ordered ['00000002'] slow")
    assert result.usage.tool_calls == 2  # what did not run is not counted
    assert (
        "eight digits" in json.loads(buyer.sent[1])[0][3]["content"]
    )  # and not cut to what the tool's results may take


@pytest.mark.parametrize("kept", [True, False])
async def test_what_was_shown_stays_known_in_later_runs_and_after_folds(*, kept: bool) -> None:
    store = MemoryStore()
    buyer = Buyer(more=30)
    await buyer.agent(store, fold=2).arun("Buy.", thread="t")
    await store.put_cursor(T, {}, [] if kept else [FIELD])
    buyer.more += 3
    result = await buyer.agent(store, fold=2).arun("And more.", thread="t")
    assert result.state.folds > 10
    shown = [e for e in await read_log(store, T) if isinstance(e.record, Call) and e.record.refused]
    assert len(shown) == 2


def test_brief_tools_cost_less_although_each_takes_a_turn_to_be_described() -> None:
    """Sixty tools of which five are used in twenty turns: .63 of the dollars."""
    dollars = []
    for short in (False, True):
        meter, done, bill = Meter(), 0, 0.0

        def policy(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
            nonlocal done, bill
            split = meter.measure(messages, tools)  # noqa: B023 - each run is over before the next
            bill += bill_prompt(split.cached, split.rest, row("c=.10,w=1.25")) or 0.0
            done += messages[-1].role == "tool" and "was not run" not in messages[-1].content
            asked = call(f"act_{done // 4}", order_id=f"#W{done}", reason="it came too late " * 15)
            return Answer("done") if done == 20 else Answer("", (asked,))

        tools = [clerk(number) for number in range(60)]
        Agent(Scripted(policy), tools, brief_tools=short, context_limit=40_000, store="memory://").run("Go.")
        dollars.append(bill)
    assert dollars[1] / dollars[0] == pytest.approx(0.63, abs=0.01)


def test_a_built_in_tool_needs_no_description() -> None:
    def noting(messages: Sequence[Message], _: Sequence[Json]) -> Answer:
        if messages[-1].role == "tool":
            return Answer(messages[-1].content)
        return Answer("", (call("note", done=["opened the shop"]),))

    agent = Agent(Scripted(noting), [order], brief_tools=True, note=True, store="memory://")
    assert agent.run("Open the shop.").output == "Noted."


async def test_a_budget_forbids_before_a_description_is_shown() -> None:
    store, buyer = MemoryStore(), Buyer()
    await buyer.agent(store, budget=Budget(steps=9, per_tool={"order": 0})).arun("Buy.", thread="t")
    found = {e.record.refused for e in await read_log(store, T) if isinstance(e.record, Call)}
    assert found == {"per_tool.order", None}
