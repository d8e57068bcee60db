"""Many runs at once against a simulated model: latencies, errors, breaking point, overhead over a bare graph."""

from __future__ import annotations

import asyncio
import operator
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph

from satchel.memory.errors import ConfigError, SatchelError
from satchel.memory.store import ThreadId
from satchel.runtime.agent import Agent
from satchel.runtime.budget import Budget
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.models import Answer
from satchel.runtime.tools import tool

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.memory.store import Store

LEVELS = (1, 5, 10, 25, 50)
"""Runs at the same time, from one level to the next."""

SLOWER, ERRORS = 2.0, 0.01
"""A level breaks when its p95 is more than so many times that of the first level, or more than this share fails."""

TENANT = "load"
TASK = "Look until you are told to stop."

Run = Callable[[], Awaitable[bool]]
"""One run to its end; whether it ended well."""


@tool(effect="read")
def look(number: int) -> dict[str, Any]:
    """Look at one thing."""
    return {"number": number, "state": "as it was", "note": "nothing to see " * 8}


class Simulated:
    """A model that takes `latency` seconds for a reply, asks for a look a turn, and answers at the last of `turns`."""

    name, window, exact = "sim:load", 1_000_000, True

    def __init__(self, latency: float, turns: int) -> None:
        self._latency, self._turns = latency, turns

    async def call(self, messages: Sequence[Message], tools: Sequence[Json], *, reply_tokens: int) -> Answer:  # noqa: ARG002 - the port
        """Wait, then ask for the next look, or answer; which is due is read from the prompt."""
        await asyncio.sleep(self._latency)
        turn = sum(message.role == "assistant" for message in messages)
        if turn >= self._turns - 1:
            return Answer("seen")
        return Answer(calls=(ToolCall(f"look-{turn}", "look", {"number": turn}),))


def ours(model: Simulated, store: Store, *, mode: str, turns: int) -> Run:
    """A run of an agent on a thread of its own, which is removed."""
    agent = Agent(model, [look], mode=mode, store=store, tenant=TENANT, budget=Budget(steps=turns + 1))

    async def run() -> bool:
        thread = f"load-{uuid.uuid4().hex[:12]}"
        try:
            return (await agent.arun(TASK, thread=thread)).outcome == "done"
        except SatchelError:
            return False
        finally:
            await store.delete(ThreadId(thread, TENANT))

    return run


class _State(TypedDict):
    messages: Annotated[list[Message], operator.add]


def bare(model: Simulated) -> Run:
    """The same turns in a LangGraph graph without anything of ours between: no log, no budget, no checkpoint."""
    schemas = [look.schema]

    async def think(state: _State) -> dict[str, list[Message]]:
        answer = await model.call(state["messages"], schemas, reply_tokens=1_024)
        return {"messages": [Message("assistant", answer.text, answer.calls)]}

    async def act(state: _State) -> dict[str, list[Message]]:
        calls = state["messages"][-1].calls
        outputs = [(call, await look.invoke(call.args, key=call.id)) for call in calls]
        return {"messages": [Message("tool", out.text, call_id=call.id, name=call.name) for call, out in outputs]}

    graph = StateGraph(_State)
    graph.add_node("think", think)
    graph.add_node("act", act)
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", lambda s: "act" if s["messages"][-1].calls else END, ["act", END])
    graph.add_edge("act", "think")
    compiled = graph.compile()

    async def run() -> bool:
        end = await compiled.ainvoke({"messages": [Message("user", TASK)]}, {"recursion_limit": 10**6})
        return bool(end["messages"][-1].content)

    return run


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """So many runs at once: seconds of a run at three quantiles (nearest rank), runs a second, the share that failed.

    `bare_p50` is that of the bare graph at the same level; `overhead_ms` what ours adds to a turn in the middle run.
    """

    concurrent: int
    runs: int
    errors: float
    p50: float
    p95: float
    p99: float
    rate: float
    bare_p50: float
    ratio: float
    overhead_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A ramp: its levels, and the first that broke, None if none did."""

    latency: float
    turns: int
    mode: str
    levels: tuple[Level, ...]

    @property
    def breaking_point(self) -> int | None:
        """Runs at once of the first level that is too slow or fails too often."""
        limit = SLOWER * self.levels[0].p95
        return next((at.concurrent for at in self.levels if at.errors > ERRORS or at.p95 > limit), None)


async def ramp(
    store: Store, *, levels: Sequence[int] = LEVELS, latency: float, turns: int, runs: int, mode: str = "stateful",
    progress: Callable[[Level], None] | None = None,
) -> Load:  # fmt: skip
    """Each level in turn: as many workers as it says, each with `runs` runs in a row, bare ones and ours by turns.

    `latency` is in seconds. Raises `ConfigError` for what is no number of runs, turns or seconds.
    """
    if not levels or min(*levels, runs, turns) < 1 or latency < 0:
        raise ConfigError("a ramp needs levels, runs and turns of 1 or more, and a latency of 0 seconds or more")
    model = Simulated(latency, turns)
    mine, plain = ours(model, store, mode=mode, turns=turns), bare(model)
    await asyncio.gather(mine(), plain())  # imports and scripts are loaded before the clock starts
    found = []
    for concurrent in levels:
        reference, _, _ = await _at(concurrent, runs, plain)
        seconds, good, whole = await _at(concurrent, runs, mine)
        middle, other = _quantile(seconds, 0.5), _quantile(reference, 0.5)
        level = Level(
            concurrent=concurrent,
            runs=len(seconds),
            errors=1 - good / len(seconds),
            p50=middle,
            p95=_quantile(seconds, 0.95),
            p99=_quantile(seconds, 0.99),
            rate=len(seconds) / whole,
            bare_p50=other,
            ratio=middle / other,
            overhead_ms=1000 * (middle - other) / turns,
        )
        found.append(level)
        if progress:
            progress(level)
    return Load(latency=latency, turns=turns, mode=mode, levels=tuple(found))


async def _at(concurrent: int, runs: int, run: Run) -> tuple[list[float], int, float]:
    """The seconds of each run in order of size, how many ended well, and the seconds of all together."""
    seconds: list[float] = []
    good = 0

    async def worker() -> None:
        nonlocal good
        for _ in range(runs):
            began = time.perf_counter()
            ended_well = await run()  # apart from the sum, which other workers change meanwhile
            good += ended_well
            seconds.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(concurrent)))
    return sorted(seconds), good, time.perf_counter() - began


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[ceil(share * len(ordered)) - 1]
