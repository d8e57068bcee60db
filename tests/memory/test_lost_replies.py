"""What LangGraph keeps with us is there once, though the replies to its writes are lost and they are sent again."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Send

from satchel.memory import RedisSaver, RedisStore
from satchel.memory.embedded import attach
from tests.wire import wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.wire import Wire


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[Wire]:
    server = await attach(tmp_path / "home")
    async with wire(server.url, tmp_path) as proxy:
        yield proxy
    server.release()


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    done: Annotated[list[str], operator.add]


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_a_checkpointer_keeps_each_step_once(tmp_path: Path, proxy: Wire, durability: Any) -> None:
    def model(state: State) -> dict[str, Any]:
        proxy.lose = 1
        return {"messages": [AIMessage(f"re {len(state['messages'])} " + "x" * 99)]}

    def tool(task: Any) -> dict[str, Any]:
        proxy.lose = 1
        return {"done": [task["name"]]}

    graph = StateGraph(State).add_node("model", model).add_edge(START, "model")
    graph.add_node("tool", tool)  # type: ignore[arg-type]  # what is sent is no state
    graph.add_conditional_edges("model", lambda _: [Send("tool", {"name": name}) for name in "abc"], ["tool"])
    config: Any = {"configurable": {"thread_id": "t1"}}
    async with RedisSaver.from_url(f"unix://{tmp_path}/wire.sock") as saver:
        made = graph.compile(checkpointer=saver)
        for n in range(3):
            await made.ainvoke({"messages": [HumanMessage(f"q{n}")], "done": []}, config, durability=durability)
        proxy.lose = 1
        state = await made.aget_state(config)
        lost = proxy.lost
        kept = [found async for found in saver.alist(config)]
        writes = [len(found.pending_writes or []) for found in kept]
    assert lost >= 4
    texts = [str(message.content).partition(" x")[0] for message in state.values["messages"]]
    assert texts == ["q0", "re 1", "q1", "re 3", "q2", "re 5"]
    assert state.values["done"] == [*"abc"] * 3
    assert writes == ([0] * 3 if durability == "exit" else [0, 3, 4, 3] * 3)


async def test_a_store_writes_counts_and_removes_once(tmp_path: Path, proxy: Wire) -> None:
    async with RedisStore.from_url(f"unix://{tmp_path}/wire.sock") as store:
        for n in range(6):
            proxy.lose = 1
            await store.aput(("a", f"{n % 2}"), f"k{n // 2}", {"n": n})
        proxy.lose = 1
        assert [item.value["n"] for item in await store.asearch(("a",))] == [0, 2, 4, 1, 3, 5]
        proxy.lose = 1
        first = await store.aget(("a", "0"), "k0")
        await store.aput(("a", "0"), "k0", {"n": 9})
        proxy.lose = 1
        again = await store.aget(("a", "0"), "k0")
        assert first is not None
        assert again is not None
        assert (again.value, again.created_at) == ({"n": 9}, first.created_at)
        for n in range(3):
            proxy.lose = 1
            await store.adelete(("a", "1"), f"k{n}")
        proxy.lose = 1
        assert await store.alist_namespaces() == [("a", "0")]
        assert proxy.lost == 13
