"""How storage and time grow with a thread: `python -m satchel.evals.endurance --steps 1000`.

An agent calls one tool a turn, which returns 2 KB of random text, on an embedded server of its own. Told for each mode:
bytes a turn of the log's entries and of all else in the server's append-only file, early and late, milliseconds a
step early and late, and milliseconds to open a thread of ten steps and the long one. A snapshot, written every few
dozen turns, may fall into a window or not. (Text of printable characters compresses by a fifth whatever it says, so
the log may be smaller than the results.)
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import random
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from satchel.memory.embedded import attach
from satchel.memory.open import open_store
from satchel.memory.store import ThreadId
from satchel.runtime.agent import Agent
from satchel.runtime.budget import Budget
from satchel.runtime.context.message import ToolCall
from satchel.runtime.events import ReplyReceived
from satchel.runtime.models import Answer
from satchel.runtime.session import Session
from satchel.runtime.tools import tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.memory.records import Json
    from satchel.memory.store import Store
    from satchel.runtime.context.message import Message

RAW = 2_048
"""Bytes of one result."""

OPENINGS = 15
"""How often each thread is opened."""


@tool(effect="read")
def fetch(number: int) -> str:
    """Fetch a text that does not compress."""
    return base64.b85encode(random.Random(number).randbytes(RAW * 4 // 5)).decode()  # noqa: S311 - data, not a secret


class Loop:
    """A model that asks for one result a turn, `steps` times, then answers; it reads only the length of the run."""

    name, window, exact = "sim:loop", 100_000_000, True

    def __init__(self, steps: int) -> None:
        self._left = steps

    async def call(self, messages: Sequence[Message], tools: Sequence[Json], *, reply_tokens: int) -> Answer:  # noqa: ARG002 - the port
        """Ask for the next result, or answer."""
        self._left -= 1
        if self._left <= 0:
            return Answer(text="done")
        return Answer(calls=(ToolCall(f"call-{self._left}", "fetch", {"number": self._left}),))


@dataclass(frozen=True, slots=True)
class Growth:
    """One mode's figures; bytes and milliseconds are per turn."""

    mode: str
    steps: int
    log_bytes: float
    else_early: float
    else_late: float
    ms_early: float
    ms_late: float
    open_early: float
    open_late: float


async def measure(mode: str, steps: int, home: Path) -> Growth:
    """Run one thread of `steps` turns in a mode on a server whose data is in `home`."""
    server = await attach(home)
    store = await open_store(server.url)
    try:
        agent = Agent(Loop(steps), [fetch], mode=mode, budget=Budget(steps=steps + 1), store=store)
        times: list[float] = []
        sizes: list[tuple[int, int]] = []
        began = time.perf_counter()
        async for event in agent.astream("Fetch until told to stop.", thread=mode):
            if isinstance(event, ReplyReceived):
                times.append(time.perf_counter() - began)
                if len(times) in marks(steps):
                    sizes.append((_file(home), await store.size(ThreadId(mode))))
                began = time.perf_counter()
        await Agent(Loop(10), [fetch], mode=mode, store=store).arun("Fetch until told to stop.", thread="short")
        opened = await _opened(agent, store, ("short", mode))
    finally:
        await store.aclose()
        server.release()
    first, second, third, last = marks(steps)
    return Growth(
        mode,
        steps,
        (sizes[3][1] - sizes[0][1]) / (last - first),
        _else(sizes[0], sizes[1], second - first),
        _else(sizes[2], sizes[3], last - third),
        1000 * statistics.fmean(times[first:second]),
        1000 * statistics.fmean(times[third:last]),
        *opened,
    )


async def _opened(agent: Agent, store: Store, threads: Sequence[str]) -> list[float]:
    """The median milliseconds to take each thread and bring back its state, in turns."""
    times: dict[str, list[float]] = {name: [] for name in threads}
    for name in [*threads] * OPENINGS:
        began = time.perf_counter()
        session = await Session.open(agent.spec, store, ThreadId(name), salt=None, emit=lambda _: None)
        times[name].append(time.perf_counter() - began)
        await session.close()
    return [1000 * statistics.median(times[name]) for name in threads]


def marks(steps: int) -> tuple[int, int, int, int]:
    """Steps at which the early and the late window begin and end."""
    width = max(30, steps // 20)
    return 10, 10 + width, steps - 1 - width, steps - 1


def _else(before: tuple[int, int], after: tuple[int, int], turns: int) -> float:
    return ((after[0] - before[0]) - (after[1] - before[1])) / turns


def _file(home: Path) -> int:
    """Bytes of the append-only file."""
    return sum(file.stat().st_size for file in home.rglob("appendonlydir/*"))


async def main() -> None:
    """Measure both modes and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    steps = parser.parse_args().steps
    for mode in ("stateful", "stateless"):
        with tempfile.TemporaryDirectory() as home:
            growth = await measure(mode, steps, Path(home))
        print("  ".join(f"{k}={v:.2f}" if isinstance(v, float) else f"{k}={v}" for k, v in asdict(growth).items()))  # noqa: T201 - a command


if __name__ == "__main__":
    asyncio.run(main())
