"""What the API fuzzer calls: graphs and an agent that end at once, whatever they are given."""

from __future__ import annotations

import operator
from typing import Annotated, Any

from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict  # pydantic describes no other before Python 3.12

from satchel import Agent


class State(TypedDict, total=False):
    done: Annotated[list[str], operator.add]
    name: Any


async def work(state: State) -> State:
    return {"done": [f"{state.get('name')}"]}


inner = StateGraph(State).add_node(work).add_edge(START, "work").compile()
plain = StateGraph(State).add_node("inner", inner).add_edge(START, "inner").compile()

served = {"plain": plain, "echo": Agent("sim:echo")}
