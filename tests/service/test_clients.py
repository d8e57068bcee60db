"""LangGraph's RemoteGraph: a graph in another process, with tools, an interrupt, a cancel and a reader that leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from langgraph.pregel.remote import RemoteGraph
from langgraph.types import Command

from tests.service.conftest import open_gate
from tests.service.served import TURNS

if TYPE_CHECKING:
    from langgraph_sdk.client import LangGraphClient

    from tests.service.conftest import Server


async def test_a_remote_graph_runs_streams_and_reads_its_state(client: LangGraphClient) -> None:
    graph = RemoteGraph("steps", client=client)
    assert (await graph.ainvoke({"name": "a"}))["done"] == ["first a", "second a"]
    name = (await client.threads.create())["thread_id"]
    config: Any = {"configurable": {"thread_id": name}}
    stream = graph.astream({"name": "b"}, config, stream_mode="updates")
    assert [next(iter(part)) async for part in stream] == ["first", "second"]
    state = await graph.aget_state(config)
    assert state.values["done"] == ["first b", "second b"]
    assert "second" in (await graph.aget_graph()).nodes


SAID: Any = {"messages": [{"role": "user", "content": "read the book"}]}


async def placed(client: LangGraphClient) -> tuple[str, Any]:
    """A thread, and the config that names it."""
    name = (await client.threads.create())["thread_id"]
    return name, {"configurable": {"thread_id": name}}


async def test_a_remote_graph_streams_thirty_turns_with_tools(client: LangGraphClient) -> None:
    graph = RemoteGraph("book", client=client)
    _, config = await placed(client)
    nodes = [next(iter(part)) async for part in graph.astream(SAID, config, stream_mode="updates")]
    assert nodes == [*(["model", "tool"] * (TURNS - 1)), "model"]
    assert (await graph.aget_state(config)).values["output"] == f"read {TURNS - 1} pages"


async def test_a_remote_graph_is_interrupted_and_resumed(client: LangGraphClient) -> None:
    graph = RemoteGraph("thrifty", client=client)
    _, config = await placed(client)
    paused = await graph.ainvoke(SAID, config)
    assert paused["__interrupt__"][0]["value"]["outcome"] == "paused"
    state = await graph.aget_state(config)
    assert state.next
    assert state.interrupts[0].value["outcome"] == "paused"
    more: Any = Command(resume={"add_budget": {"steps": 60}})
    assert (await graph.ainvoke(more, config))["output"] == f"read {TURNS - 1} pages"


async def test_a_remote_graph_is_left_in_the_middle_and_its_run_is_stopped_or_goes_on(
    server: Server, client: LangGraphClient
) -> None:
    graph = RemoteGraph("book", client=client)
    for page, leaving, ends in ((17, "cancel", "interrupted"), (18, "continue", "success")):
        gate = server.gate(f"page{page}")
        name, config = await placed(client)
        stream: Any = graph.astream(SAID, config, stream_mode="custom", on_disconnect=leaving)
        async for part in stream:
            if part["type"] == "tool_started" and part["args"] == {"page": page}:
                break
        await stream.aclose()
        run = (await client.runs.list(name))[0]["run_id"]
        if leaving == "cancel":
            await client.runs.join(name, run)
        await asyncio.to_thread(open_gate, gate)
        await client.runs.join(name, run)
        assert (await client.runs.get(name, run))["status"] == ends
        messages = (await graph.aget_state(config)).values["messages"]
        assert (len(messages) == 2 * TURNS) == (leaving == "continue")
