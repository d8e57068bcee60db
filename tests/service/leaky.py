"""Graphs and an agent that fail with secrets in what they raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict  # pydantic describes no other before Python 3.12

from satchel import Agent
from satchel.runtime.models import Scripted

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET = "c4n4ryc4n4ryc4n4ry"  # noqa: S105 - a canary
SAID = f"""Traceback (most recent call last):
  File "/srv/canary-folder/app.py", line 7, in connect
ConnectionError: redis://admin:canary-{SECRET}@db.internal:6379 refused sk-{SECRET} in /srv/canary-folder/app.py
"""


class State(TypedDict, total=False):
    name: str


async def fails(state: State) -> State:  # noqa: ARG001 - the shape of a node
    raise RuntimeError(SAID)


graph = StateGraph(State).add_node(fails).add_edge(START, "fails").compile()


def refuses(messages: Sequence[Any], tools: Sequence[Any]) -> Any:  # noqa: ARG001 - the shape of a policy
    raise RuntimeError(SAID)


served = {"graph": graph, "agent": Agent(Scripted(refuses))}
