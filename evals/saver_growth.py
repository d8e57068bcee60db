"""What a plain LangGraph graph stores as its messages grow: `python -m satchel.evals.saver_growth --steps 1000`.

Each step is one model call and one tool call, whose result is random text of a given size. Raw bytes are those of the
results alone. `AsyncSqliteSaver` runs beside ours if it is installed; without a saver shows what the framework takes.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import string
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypedDict, cast

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from satchel.memory import RedisSaver
from satchel.memory.embedded import attach


class State(TypedDict):
    """The messages of a conversation, as any LangGraph example has them."""

    messages: Annotated[list[AnyMessage], add_messages]


@dataclass(frozen=True, slots=True)
class Growth:
    """One run: bytes on the disk against raw ones, milliseconds of the last steps at some lengths, and of a reload."""

    saver: str
    steps: int
    raw: int
    stored: int
    early_ms: float
    late_ms: float
    reload_ms: float

    def __str__(self) -> str:
        times = f"{self.early_ms:.1f} ms/step early, {self.late_ms:.1f} late, reload {self.reload_ms:.0f} ms"
        return (
            f"{self.saver:>10}  {self.steps:>5} steps  {self.stored:>13,} bytes stored  "
            f"{self.stored / self.raw:>7.2f}x of {self.raw:,} raw  {times}"
        )


Opening = Callable[[Path], AbstractAsyncContextManager[BaseCheckpointSaver[Any] | None]]


@asynccontextmanager
async def _ours(home: Path) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    server = await attach(home)
    try:
        async with RedisSaver.from_url(server.url) as saver:
            yield saver
    finally:
        server.release()


@asynccontextmanager
async def _sqlite(home: Path) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver  # noqa: PLC0415 - not among our dependencies

    async with AsyncSqliteSaver.from_conn_string(str(home / "saver.sqlite")) as saver:
        yield saver


@asynccontextmanager
async def _none(home: Path) -> AsyncIterator[None]:  # noqa: ARG001 - it keeps nothing there
    yield None


@asynccontextmanager
async def _in_memory(home: Path) -> AsyncIterator[BaseCheckpointSaver[Any]]:  # noqa: ARG001 - it keeps nothing there
    yield InMemorySaver()


SAVERS: dict[str, Opening] = {"none": _none, "InMemory": _in_memory, "RedisSaver": _ours, "Sqlite": _sqlite}


def noise(size: int, seed: int) -> Callable[[], str]:
    """Makes random text of so many bytes, which hold six bits each."""
    chance = random.Random(seed)  # noqa: S311 - text for a measurement
    letters = string.ascii_letters + string.digits + "+/"
    return lambda: "".join(chance.choices(letters, k=size))


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment, in seconds by the wall's clock, and by the processor's, which counts what this process takes."""

    wall: float = field(default_factory=time.perf_counter)
    processor: float = field(default_factory=time.process_time)


def looping(text: Callable[[], str], *, steps: int, began: list[Moment]) -> StateGraph[State]:
    """A model that calls a tool so many times and notes when each step began, and the tool, which returns the text."""

    def model(state: State) -> dict[str, Any]:  # noqa: ARG001 - LangGraph passes it
        began.append(Moment())
        n = len(began) - 1
        if n == steps:
            return {"messages": [AIMessage("done")]}
        call = {"name": "look", "args": {"page": n}, "id": f"call_{n}"}
        return {"messages": [AIMessage("", tool_calls=[call])]}

    def tool(state: State) -> dict[str, Any]:
        call = cast("AIMessage", state["messages"][-1]).tool_calls[0]
        return {"messages": [ToolMessage(text(), tool_call_id=call["id"])]}

    builder = StateGraph(State)
    builder.add_node("model", model)
    builder.add_node("tool", tool)
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", _next)
    builder.add_edge("tool", "model")
    return builder


async def measure(saver: str, *, steps: int, size: int, durability: Any = "sync", seed: int = 0) -> Growth:
    """Run a graph of so many steps with results of `size` bytes, and say what it stored and how long it took."""
    times: list[Moment] = []
    builder = looping(noise(size, seed), steps=steps, began=times)
    with tempfile.TemporaryDirectory() as folder:
        async with SAVERS[saver](Path(folder)) as made:
            graph = builder.compile(checkpointer=made)
            config: Any = {"configurable": {"thread_id": "t1"}, "recursion_limit": 10 * steps + 10}
            how = {"durability": durability} if made is not None else {}
            await graph.ainvoke({"messages": [HumanMessage("begin")]}, config, **how)
            stored = _size(Path(folder))
            begin = time.perf_counter()
            if made is not None:
                await graph.aget_state(config)
            reload_ms = (time.perf_counter() - begin) * 1000
    span = max(1, min(20, steps // 4))
    early = (times[span].wall - times[0].wall) / span * 1000
    late = (times[-1].wall - times[-1 - span].wall) / span * 1000
    return Growth(saver, steps, steps * size, stored, early, late, reload_ms)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _next(state: State) -> str:
    return "tool" if cast("AIMessage", state["messages"][-1]).tool_calls else END


def main() -> None:
    """Print one line for each saver and length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--size", type=int, default=2048, help="bytes of one result")
    parser.add_argument("--savers", default="none,RedisSaver,Sqlite")
    parser.add_argument("--durability", default="sync", choices=["sync", "async", "exit"])
    given = parser.parse_args()
    for steps in sorted({max(1, given.steps // 10), max(1, given.steps // 2), given.steps}):
        for saver in given.savers.split(","):
            try:
                line = str(asyncio.run(measure(saver, steps=steps, size=given.size, durability=given.durability)))
            except ImportError:
                line = f"{saver:>10}  is not installed"
            print(line, flush=True)  # noqa: T201 - what the command is for


if __name__ == "__main__":
    main()
