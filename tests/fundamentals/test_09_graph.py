"""The graph: an agent is a LangGraph graph, to embed, stream or serve."""

from __future__ import annotations

from satchel import Agent
from satchel.runtime.models import Scripted, script


async def test_the_compiled_graph_can_be_used_alone() -> None:
    graph = Agent(model=Scripted(script("Hello, Ada.", "Hello again.")), store="memory://").graph

    first = await graph.ainvoke({"task": "Hello"}, {"configurable": {"thread_id": "ada"}})
    second = await graph.ainvoke({"task": "Hello?"}, {"configurable": {"thread_id": "ada"}})

    assert (first["output"], first["outcome"]) == ("Hello, Ada.", "done")
    assert second["output"] == "Hello again."
