"""Results: kept whole, shown in part, read again and queried by their handle."""

from __future__ import annotations

import re
from collections.abc import Sequence

from satchel import Agent, tool
from satchel.memory.records import Json
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.models import Answer, Scripted


@tool(effect="read")
def catalogue() -> str:
    """All the books."""
    return "\n".join(f"shelf {n}: a book about the number {n}" for n in range(2_000))


def librarian(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
    """Asks for the catalogue, sees a part of it, and looks up the rest behind the handle."""
    newest = messages[-1]
    if newest.role == "user":
        return Answer("", (ToolCall("c1", "catalogue", {}),))
    if handle := re.search(r"whole text: (res:\w+)", newest.content):
        assert "shelf 1234" not in newest.content
        assert "recall" in [tool["function"]["name"] for tool in tools]
        return Answer("", (ToolCall("c2", "recall", {"ref": handle[1], "query": "shelf 1234"}),))
    return Answer(next(line for line in newest.content.splitlines() if "shelf 1234" in line))


def test_a_large_result_is_shown_in_part_and_its_handle_leads_to_the_whole() -> None:
    result = Agent(model=Scripted(librarian), tools=[catalogue], store="memory://").run("What is on shelf 1234?")

    assert result.output == "1235: shelf 1234: a book about the number 1234"
    assert result.state.peak_tokens < 8_000


@tool(effect="read")
def orders() -> str:
    """All the orders."""
    return "item,city,price\n" + "\n".join(f"i{n},{('Oslo', 'Rome')[n % 2]},{n}" for n in range(3_000))


def accountant(messages: Sequence[Message], _: Sequence[Json]) -> Answer:
    """Has the preview's text summed where it is stored, rather than reading 3,000 rows."""
    newest = messages[-1]
    if newest.role == "user":
        return Answer("", (ToolCall("c1", "orders", {}),))
    if handle := re.search(r"whole text: (res:\w+)", newest.content):
        return Answer("", (ToolCall("c2", "recall", {"ref": handle[1], "aggregate": "group:city sum:price"}),))
    return Answer(newest.content.partition("\n\n[satchel")[0])  # without the latest state, which stands at the end


def test_a_large_result_is_summed_where_it_is_stored() -> None:
    result = Agent(model=Scripted(accountant), tools=[orders], store="memory://").run("What did each city pay?")

    assert result.output == "Rome: sum of price 2250000\nOslo: sum of price 2248500"
    assert result.state.peak_tokens < 8_000
