"""A server process of a service campaign: it serves one graph, notices a death sooner, and dies where it is told.

The processes are forked by `multiprocessing`'s fork server, which has imported everything: each is a server of its own
that is up in a moment.
"""

from __future__ import annotations

import asyncio
import operator
import os
import re
import signal
from dataclasses import dataclass
from functools import wraps
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import langgraph_sdk  # noqa: F401 - the fork server has it at hand, too
from langgraph.config import get_config, get_stream_writer
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from satchel.memory import open as opening
from satchel.memory import run_scripts, scripts
from satchel.memory.errors import LeaseLost
from satchel.runtime.service import dispatcher, engine, worker
from satchel.runtime.service.app import app
from satchel.runtime.service.serving import serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

QUICK = {"LEASE": 1.0, "LOOK": 0.1}
"""Seconds: a turn without a sign of life, and between two looks at what waits."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a server has to do: where it keeps things, where it listens, at which point it dies, and if it is fenced."""

    place: Path
    port: int
    kill: int = 0
    fenced: bool = True


class State(TypedDict, total=False):
    number: int
    gate: str
    done: Annotated[list[int], operator.add]


ORDERS = Orders(Path(), 0)


async def begin(state: State) -> State:  # noqa: ARG001 - a node's shape
    get_stream_writer()({"attempt": _attempt()})
    return {}


async def work(state: State) -> State:
    """Wait at the gate, the first time; whoever takes over does not."""
    gate = ORDERS.place / (state.get("gate") or "none")
    if state.get("gate") and _attempt() == 1:
        (ORDERS.place / f"{gate.name}.pid").write_text(str(os.getpid()))
        await asyncio.get_running_loop().run_in_executor(None, gate.read_text)
    await asyncio.sleep(0.01)
    return {"done": [state["number"]]}


async def finish(state: State) -> State:  # noqa: ARG001 - a node's shape
    get_stream_writer()({"attempt": _attempt()})
    return {}


def _attempt() -> int:
    return int(get_config()["metadata"]["run_attempt"])


GRAPH = (
    StateGraph(State).add_node(begin).add_node(work).add_node(finish)
    .add_edge(START, "begin").add_edge("begin", "work").add_edge("work", "finish").compile()
)  # fmt: skip


def run(orders: Orders) -> None:
    """Serve until killed."""
    global ORDERS  # noqa: PLW0603 - the graph's nodes look there, and the process has one
    ORDERS = orders
    os.environ["SATCHEL_HOME"] = str(orders.place / "home")
    for name, seconds in QUICK.items():
        for module in (dispatcher, worker):
            if hasattr(module, name):
                setattr(module, name, seconds)
    stop = worker.Worker._stop
    worker.Worker._stop = lambda self, run, why: None if why == "lost" else stop(self, run, why)  # type: ignore[method-assign]  # the worst of zombies: it hears nothing
    if not orders.fenced:
        _unfence()
    points = Points(orders)
    runs_of, open_store = opening.runs_of, opening.open_store

    async def opened(url: Any = None) -> Any:
        store = await open_store(url)
        points.watch(store.fields, "change")
        return store

    def watched(store: Any) -> Any:
        runs = runs_of(store)
        points.watch(runs, "admit", "claim", "renew", "release", "finish", "append")
        return runs

    vars(engine)["runs_of"], vars(opening)["open_store"] = watched, opened
    serve(app({"steps": GRAPH}, store=None), _note(orders), host="127.0.0.1", port=orders.port)


def _note(orders: Orders) -> Callable[[str], None]:
    return lambda _: (orders.place / f"{os.getpid()}.up").touch()


class Points:
    """Numbers the steps of this process that change a store, before and after each, and dies at one of them."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._numbers = count(1)

    def watch(self, what: Any, *names: str) -> None:
        """Count the calls of these methods."""
        for name in names:
            setattr(what, name, self._watched(getattr(what, name), name))

    def _watched(self, method: Callable[..., Awaitable[Any]], name: str) -> Callable[..., Awaitable[Any]]:
        @wraps(method)
        async def call(*args: Any, **given: Any) -> Any:
            self._come(f"before {name}")
            try:
                answer = await method(*args, **given)
            except LeaseLost:
                self._come(f"refused {name}")
                raise
            self._come(f"{'refused' if getattr(answer, 'how', '') == 'lost' else 'after'} {name}")
            return answer

        return call

    def _come(self, what: str) -> None:
        number = next(self._numbers)
        with (self._orders.place / f"{os.getpid()}.points").open("a") as file:
            file.write(f"{number} {what}\n")
        if number == self._orders.kill:
            os.kill(os.getpid(), signal.SIGKILL)


TOKEN_CHECK = re.compile(r"if redis\.call\('GET', KEYS\[\d\]\) ~= ARGV\[1\] then")


def _unfence() -> None:
    """What the campaign's control runs with: no checkpoint, event or end asks whose turn it is."""
    for name in ("FINISH", "APPEND"):
        plain, checks = TOKEN_CHECK.subn("if false then", getattr(run_scripts, name))
        assert checks == 1, name
        setattr(run_scripts, name, plain)
    plain, checks = re.subn(r"if ARGV\[4\] ~= '' and", "if false and", scripts.CHANGE)
    assert checks == 1
    scripts.CHANGE = plain
