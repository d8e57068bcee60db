"""The synchronous `put` waits for its parent's writes, for as long as one is to come and no longer."""

from __future__ import annotations

import operator
import threading
import time
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import pytest
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.base import WRITES_IDX_MAP
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy, Command, Send, interrupt

from satchel.memory import MemoryStore, RedisSaver, saver_order
from satchel.memory.loops import Everywhere
from tests.memory.test_saver import Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONFIG: Any = {"configurable": {"thread_id": "t1"}}
LONG = 20.0


class State(TypedDict):
    log: Annotated[list[str], operator.add]


class Overtaking(RedisSaver):
    """What tasks wrote is put when the checkpoint that follows has been kept, unless that waits for it."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__("memory://")

        async def opened() -> Any:
            return store

        self._at = Everywhere(opened)
        self.begun, self.kept = threading.Event(), threading.Event()

    def put_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        if not all(channel in WRITES_IDX_MAP for channel, _ in writes) and self.begun.wait(LONG / 100):
            self.kept.wait(LONG / 400)
        super().put_writes(config, writes, task_id, task_path)

    def put(self, config: Any, *rest: Any) -> Any:
        self.kept.clear()
        self.begun.set()
        stored = super().put(config, *rest)
        self.begun.clear()
        self.kept.set()
        return stored


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Waiting for what never comes would take so long that the test fails."""
    monkeypatch.setattr(saver_order, "PATIENCE", LONG)
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < LONG


def line(*names: str, **settings: Any) -> StateGraph[State]:
    """Nodes one after the other; each logs its name."""
    graph = StateGraph(State)
    for before, name in zip((START, *names), names, strict=False):
        graph.add_node(name, lambda _, name=name: {"log": [name]}, **settings)
        graph.add_edge(before, name)
    return graph


def fan() -> StateGraph[State]:
    """A node that is sent three times, and one behind it."""
    graph = line("first")
    graph.add_node("sent", lambda given: {"log": [str(given)]})
    graph.add_node("last", lambda _: {"log": ["last"]})
    graph.add_conditional_edges("first", lambda _: [Send("sent", n) for n in range(3)], ["sent"])
    graph.add_edge("sent", "last")
    return graph


def asking() -> StateGraph[State]:
    """Two nodes at once, of which one asks, and one behind them."""
    graph = line("plain")
    graph.add_node("asks", lambda _: {"log": [interrupt("what?")]})
    graph.add_node("last", lambda _: {"log": ["last"]})
    graph.add_edge(START, "asks")
    graph.add_edge(["plain", "asks"], "last")
    return graph


GRAPHS: dict[str, Callable[[], StateGraph[State]]] = {
    "a line": lambda: line("a", "b", "c"),
    "a fan": fan,
    "a question": asking,
}


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("kind", GRAPHS)
def test_no_checkpoint_overtakes_its_parents_writes(kind: str, durability: Any) -> None:
    store = MemoryStore()
    store.fields = fields = Recording()
    first, second = Overtaking(store), Overtaking(store)
    out = GRAPHS[kind]().compile(checkpointer=first).invoke({"log": []}, CONFIG, durability=durability)
    if kind == "a question":
        graph = asking().compile(checkpointer=second)
        out = graph.invoke(Command(resume="this"), CONFIG, durability=durability)
    assert out["log"][-1] in {"c", "last"}
    parents = {point.config["configurable"]["checkpoint_id"]: point.parent_config for point in first.list(CONFIG)}
    over: set[str] = set()
    for what, _, point in fields.order:
        if what == "w":
            assert point not in over
        elif (parent := parents[point]) is not None:
            over.add(parent["configurable"]["checkpoint_id"])
    first.close()
    second.close()


def test_a_task_from_the_cache_is_not_waited_for_long() -> None:
    saver = RedisSaver.from_url("memory://")
    graph = line("a", "b", cache_policy=CachePolicy()).compile(checkpointer=saver, cache=InMemoryCache())
    for n in range(3):
        begin = time.monotonic()
        assert graph.invoke({"log": []}, {"configurable": {"thread_id": f"{n}"}})["log"] == ["a", "b"]
        assert time.monotonic() - begin < LONG
    saver.close()
