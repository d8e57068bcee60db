"""An agent to serve and try: one tool, and a script in the place of a model, so that it needs no key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from satchel.runtime.agent import Agent
from satchel.runtime.budget import Budget
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.models import Answer, Scripted
from satchel.runtime.tools import tool


@tool(effect="read")
def get_order(order_id: str) -> dict[str, str]:
    """Fetch one order."""
    return {"id": order_id, "state": "delivered"}


def policy(messages: Sequence[Message], tools: Sequence[dict[str, Any]]) -> Answer:  # noqa: ARG001 - the shape of a policy
    """Look the order up, then say how it is."""
    if messages[-1].role == "tool":
        return Answer("Order 17 was delivered.")
    return Answer("", (ToolCall(f"c{len(messages)}", "get_order", {"order_id": "17"}),))


desk = Agent(Scripted(policy), [get_order], budget=Budget(steps=10))
