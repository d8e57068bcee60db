"""A plain LangGraph graph over `RedisSaver`, to be killed at random and resumed: no finished task may run again."""

from __future__ import annotations

import asyncio
import json
import operator
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from satchel.memory import RedisSaver
from satchel.memory.errors import SatchelError
from tests.chaos.program import Trail

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

ROUNDS, WIDTH = 4, 4
"""Supersteps of parallel tasks, and how many tasks each has."""

WHOLE = [f"{n}-{k}" for n in range(ROUNDS) for k in range(WIDTH)]
"""What an undisturbed run has done, in order."""

SECONDS = 0.15
"""Within which a process is killed: about what a whole run takes."""

CONFIG: RunnableConfig = {"configurable": {"thread_id": "graph"}}


class State(TypedDict):
    done: Annotated[list[str], operator.add]
    round: int


class Noting(RedisSaver):
    """The saver; what it has acknowledged is noted before the graph hears of it."""

    trail: Trail

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await super().aput_writes(config, writes, task_id, task_path)
        self.trail.note("kept", names=[name for channel, value in writes if channel == "done" for name in value])


def graph(trail: Trail, saver: RedisSaver | None = None) -> Any:
    """Rounds of parallel tasks; each task takes a little longer than the one before it."""

    async def task(state: dict[str, Any]) -> dict[str, Any]:
        trail.note("begin", name=state["name"])
        await asyncio.sleep(0.002 * int(state["name"].partition("-")[2]))
        return {"done": [state["name"]]}

    def fan(state: State) -> list[Send] | str:
        number = state["round"] - 1
        return [Send("task", {"name": f"{number}-{k}"}) for k in range(WIDTH)] if number < ROUNDS else END

    made: Any = StateGraph(State)
    made.add_node("gather", lambda state: {"round": state["round"] + 1}).add_node("task", task)
    made.add_edge(START, "gather").add_edge("task", "gather")
    return made.add_conditional_edges("gather", fan, ["task", END]).compile(checkpointer=saver)


async def run(job: dict[str, Any]) -> None:
    """Begin the graph, or go on with it, and note what it has done."""
    trail = Trail(job)
    try:
        async with Noting.from_url(job["url"]) as saver:
            saver.trail = trail
            begun = await saver.aget_tuple(CONFIG) is not None
            given = None if begun else {"done": [], "round": 0}
            out = await graph(trail, saver).ainvoke(given, CONFIG, durability="sync")
        trail.note("end", done=out["done"])
    except SatchelError as error:
        trail.note("error", type=type(error).__name__, text=str(error))


async def warm(away: Path) -> None:
    """Load before the first child what a run loads."""
    await graph(Trail({"trail": str(away / "graph")})).ainvoke({"done": [], "round": 0})


def judge(trail: Path) -> tuple[list[str], Counter[str], bool]:
    """What is wrong with the notes of a thread, what they hold, and whether its run has ended."""
    faults: list[str] = []
    counts: Counter[str] = Counter()
    kept: set[str] = set()
    begun: Counter[str] = Counter()
    ended = False
    for note in map(json.loads, trail.read_text().splitlines()):
        if note["kind"] == "begin":
            begun[note["name"]] += 1
            if note["name"] in kept:
                faults.append(f"the finished task {note['name']} ran again")
        elif note["kind"] == "kept":
            kept.update(note["names"])
        elif note["kind"] == "end":
            ended = True
            faults += [] if note["done"] == WHOLE else [f"the graph has done {note['done']}"]
        elif note["kind"] == "error" and note["type"] != "StoreUnreachable":
            faults.append(f"{note['type']}: {note['text']}")
    counts["graph tasks kept"] = len(kept)
    counts["graph tasks begun again, not kept"] = sum(begun.values()) - len(begun)
    return faults, counts, ended
