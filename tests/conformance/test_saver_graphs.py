"""LangGraph's graphs over `RedisSaver` on every backend: what a user of a checkpointer relies on."""

from __future__ import annotations

import operator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, Send, interrupt
from redis.asyncio import Redis

from satchel.memory import RedisSaver
from tests.stores import BACKENDS, SERVERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from langgraph.graph.state import CompiledStateGraph

    from satchel.memory.embedded import EmbeddedServer

    Server = Callable[[str], EmbeddedServer | None]


@pytest.fixture(params=BACKENDS)
def saver(request: pytest.FixtureRequest, server: Server) -> Iterator[RedisSaver]:
    at = server(request.param)
    with RedisSaver.from_url(at.url if at else "memory://", tenant="graphs") as made:
        yield made
        for thread in {found.config["configurable"]["thread_id"] for found in made.list(None)}:
            made.delete_thread(thread)


class Chat(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def batched(state: list[str], writes: Sequence[Any]) -> list[str]:
    return [*state, *(item for write in writes for item in (write if isinstance(write, list) else [write]))]


class Deltas(TypedDict):
    log: Annotated[list[str], DeltaChannel(batched, snapshot_frequency=4)]
    count: int


def at(thread: str, **more: Any) -> Any:
    return {"configurable": {"thread_id": thread, **more}}


def texts(state: Any) -> list[str]:
    return [str(message.content) for message in state.values["messages"]]


def chat(saver: RedisSaver) -> CompiledStateGraph[Any]:
    def reply(state: Chat) -> dict[str, Any]:
        return {"messages": [AIMessage(f"re: {state['messages'][-1].content} " + "x" * 100)]}

    return StateGraph(Chat).add_node("reply", reply).add_edge(START, "reply").compile(checkpointer=saver)


def deltas(saver: RedisSaver) -> CompiledStateGraph[Any]:
    def step(state: Deltas) -> dict[str, Any]:
        return {"log": [f"s{state['count']}"], "count": state["count"] + 1}

    graph = StateGraph(Deltas).add_node("step", step).add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["count"] % 3 else END)
    return graph.compile(checkpointer=saver)


async def test_a_conversation_goes_on_in_a_new_saver(saver: RedisSaver) -> None:
    graph = chat(saver)
    for n in range(3):
        await graph.ainvoke({"messages": [HumanMessage(f"q{n}")]}, at("t1"))
    first = texts(await graph.aget_state(at("t1")))
    assert [text.split(" x")[0] for text in first] == ["q0", "re: q0", "q1", "re: q1", "q2", "re: q2"]
    saver._of.forget()  # as a new process: nothing is remembered
    await graph.ainvoke({"messages": [HumanMessage("q3")]}, at("t1"))
    assert texts(await graph.aget_state(at("t1")))[:6] == first


def test_the_synchronous_face_does_the_same(saver: RedisSaver) -> None:
    graph = chat(saver)
    for n in range(2):
        graph.invoke({"messages": [HumanMessage(f"q{n}")]}, at("t1"))
    assert len(texts(graph.get_state(at("t1")))) == 4
    assert len(list(graph.get_state_history(at("t1")))) == 6
    assert len(list(graph.get_state_history(at("t1"), limit=2))) == 2
    saver.copy_thread("t1", "t2")
    saver.prune(["t1"])
    assert len(list(saver.list(at("t1")))) == 1
    assert texts(graph.get_state(at("t1"))) == texts(graph.get_state(at("t2")))
    saver.delete_thread("t1")
    assert saver.get_tuple(at("t1")) is None
    runs = [found.metadata["run_id"] for found in saver.list(at("t2")) if "run_id" in found.metadata]
    saver.delete_for_runs(runs)
    assert saver.get_delta_channel_history(config=at("t3"), channels=["messages"]) == {"messages": {"writes": []}}


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_an_interrupt_waits_and_is_resumed(saver: RedisSaver, durability: Any) -> None:
    def ask(state: Chat) -> dict[str, Any]:  # noqa: ARG001 - LangGraph passes it
        return {"messages": [AIMessage(f"you said {interrupt({'question': 'sure?'})}")]}

    graph = StateGraph(Chat).add_node("ask", ask).add_edge(START, "ask").compile(checkpointer=saver)
    await graph.ainvoke({"messages": [HumanMessage("delete it")]}, at("t1"), durability=durability)
    waiting = await graph.aget_state(at("t1"))
    assert [stop.value for stop in waiting.interrupts] == [{"question": "sure?"}]
    await graph.ainvoke(Command(resume="yes"), at("t1"), durability=durability)
    done = await graph.aget_state(at("t1"))
    assert texts(done) == ["delete it", "you said yes"]
    assert done.interrupts == ()


async def test_a_subgraph_keeps_its_own_history(saver: RedisSaver) -> None:
    def inner(state: Chat) -> dict[str, Any]:  # noqa: ARG001 - LangGraph passes it
        return {"messages": [AIMessage(str(interrupt("which?")))]}

    sub = StateGraph(Chat).add_node("inner", inner).add_edge(START, "inner").compile()
    graph = StateGraph(Chat).add_node("sub", sub).add_edge(START, "sub").compile(checkpointer=saver)
    await graph.ainvoke({"messages": [HumanMessage("q")]}, at("t1"))
    state = await graph.aget_state(at("t1"), subgraphs=True)
    assert texts(state.tasks[0].state) == ["q"]
    namespaces = {found.config["configurable"]["checkpoint_ns"] async for found in saver.alist(at("t1"))}
    assert len(namespaces) == 2
    await graph.ainvoke(Command(resume="this"), at("t1"))
    assert texts(await graph.aget_state(at("t1"))) == ["q", "this"]


async def test_a_fan_out_joins_in_the_order_of_its_tasks(saver: RedisSaver) -> None:
    class Fan(TypedDict):
        found: Annotated[list[str], operator.add]

    graph = StateGraph(Fan)
    graph.add_node("look", lambda state: {"found": [f"{state['at']}" * 50]})
    graph.add_conditional_edges(START, lambda _: [Send("look", {"at": n}) for n in range(9)], ["look"])
    made = graph.compile(checkpointer=saver)
    await made.ainvoke({"found": []}, at("t1"))
    assert (await made.aget_state(at("t1"))).values["found"] == [f"{n}" * 50 for n in range(9)]


async def test_time_travel_forks_and_both_branches_stay(saver: RedisSaver) -> None:
    graph = chat(saver)
    for n in range(3):
        await graph.ainvoke({"messages": [HumanMessage(f"q{n}")]}, at("t1"))
    newest = await graph.aget_state(at("t1"))
    old = next(s for s in [s async for s in graph.aget_state_history(at("t1"))] if len(s.values["messages"]) == 2)
    forked = await graph.aupdate_state(old.config, {"messages": [HumanMessage("other way " + "y" * 90)]})
    await graph.ainvoke({"messages": [HumanMessage("go")]}, forked)
    branch = texts(await graph.aget_state(at("t1")))
    assert branch[:2] == texts(newest)[:2]
    assert branch[2].startswith("other way")
    assert branch[-1].startswith("re: go")
    assert texts(await graph.aget_state(newest.config)) == texts(newest)
    assert old.metadata is not None
    assert old.metadata["source"] == "input"
    again = await graph.ainvoke(None, old.config)
    assert [str(message.content)[:6] for message in again["messages"]] == ["q0", "re: q0", "q1", "re: q1"]


async def test_messages_that_are_changed_or_removed_are_so_in_every_version(saver: RedisSaver) -> None:
    graph = chat(saver)
    await graph.ainvoke({"messages": [HumanMessage("q0", id="a"), HumanMessage("q1", id="b")]}, at("t1"))
    before = await graph.aget_state(at("t1"))
    await graph.aupdate_state(at("t1"), {"messages": [HumanMessage("Q0", id="a")]})
    await graph.aupdate_state(at("t1"), {"messages": [RemoveMessage(id="b")]})
    assert [text[:6] for text in texts(await graph.aget_state(at("t1")))] == ["Q0", "re: q1"]
    assert [text[:6] for text in texts(await graph.aget_state(before.config))] == ["q0", "q1", "re: q1"]


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_a_delta_channel_survives_pruning_copying_and_removed_runs(saver: RedisSaver, durability: Any) -> None:
    graph = deltas(saver)
    whole: list[str] = []
    for n in range(4):
        state = {"log": [f"in{n}"], "count": 3 * n}
        config: Any = {**at("t1"), "metadata": {"run_id": f"r{n}"}}
        await graph.ainvoke(state, config, durability=durability)
        whole += [f"in{n}", *(f"s{i}" for i in range(3 * n, 3 * n + 3))]
        assert (await graph.aget_state(at("t1"))).values["log"] == whole
        await saver.acopy_thread("t1", f"copy{n}")
        await saver.aprune([f"copy{n}"])
        assert (await graph.aget_state(at(f"copy{n}"))).values["log"] == whole
        assert (await graph.ainvoke({"log": ["more"], "count": 0}, at(f"copy{n}")))["log"][:-3] == [*whole, "more"]
    await saver.adelete_for_runs(["r0", "r1", "r2"])
    assert (await graph.aget_state(at("t1"))).values["log"] == whole


async def test_the_history_of_a_delta_channel_is_that_of_the_walk_by_hand(saver: RedisSaver) -> None:
    graph = deltas(saver)
    for n in range(5):
        await graph.ainvoke({"log": [f"in{n}"], "count": 0}, at("t1"))
    ask = super(RedisSaver, saver).aget_delta_channel_history
    async for found in saver.alist(at("t1")):
        channels = ["log", "count", "unknown"]
        ours = await saver.aget_delta_channel_history(config=found.config, channels=channels)
        assert ours == await ask(config=found.config, channels=channels)


@pytest.mark.parametrize("backend", SERVERS)
async def test_a_thread_is_in_one_slot_and_leaves_nothing_behind(backend: str, server: Server) -> None:
    running = server(backend)
    assert running is not None
    raw: Any = Redis.from_url(running.url, decode_responses=True)
    async with RedisSaver.from_url(running.url, tenant="a:b") as saver, raw:
        before = set(await raw.keys())
        graph = deltas(saver)
        for thread in ("t {1}", "ü%", "7"):
            await graph.ainvoke({"log": [], "count": 0}, at(thread))
        keys = set(await raw.keys()) - before
        assert {key.split("}")[0] for key in keys} == {
            "satchel:{a%3Ab",
            "satchel:{a%3Ab:t%20%7B1%7D",
            "satchel:{a%3Ab:%C3%BC%25",
            "satchel:{a%3Ab:7",
        }
        assert all([await raw.ttl(key) == -1 for key in keys])
        for thread in ("t {1}", "ü%", "7", "never"):
            await saver.adelete_thread(thread)
        assert set(await raw.keys()) == before


@pytest.mark.parametrize("backend", BACKENDS)
async def test_pruning_leaves_exactly_what_the_newest_checkpoint_needs(backend: str, server: Server) -> None:
    async with opened(backend, server) as saver:
        graph = chat(saver)
        for n in range(5):
            await graph.ainvoke({"messages": [HumanMessage(f"q{n} " + "z" * 100)]}, at("t1"))
        anew = [RemoveMessage(id="__remove_all__"), HumanMessage("new", id="n")]
        await graph.aupdate_state(at("t1"), {"messages": anew})
        fields = await saver._at.acall(_names)
        await saver.aprune(["t1"])
        left = await saver._at.acall(_names)
        assert len(left) < len(fields) / 5
        assert len([name for name in left if name[:1] == b"b"]) == 1
        assert texts(await graph.aget_state(at("t1"))) == ["new"]
        await graph.ainvoke({"messages": [HumanMessage("on")]}, at("t1"))
        assert len(texts(await graph.aget_state(at("t1")))) == 3
        await saver.adelete_thread("t1")


@asynccontextmanager
async def opened(backend: str, server: Server) -> AsyncIterator[RedisSaver]:
    running = server(backend)
    async with RedisSaver.from_url(running.url if running else "memory://", tenant="prune") as saver:
        yield saver


async def _names(store: Any) -> list[bytes]:
    (thread,) = await store.fields.threads("prune")
    return list(await store.fields.names(thread))
