"""What a checkpointer adds to a LangGraph step, early and late in a thread: `python -m satchel.evals.saver_pace`.

Short runs of the graph of `saver_growth`, each begun with the messages of so many steps, by turns without a saver,
with one that keeps nothing (what LangGraph itself takes to serve a saver), with one that only looks for messages that
were changed in place, as ours does, with LangGraph's `InMemorySaver` and with ours, so that what else the machine does
meets all alike. The time of a step is the first decile over all runs, which is
near what it takes on an idle machine, by the wall and by the processor, which waits for nobody; the share of a saver is
that minus the time without one. A store's server is another process, whose processor time is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from statistics import quantiles
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.base import BaseCheckpointSaver

from satchel.evals.saver_growth import SAVERS, Moment, Opening, looping, noise
from satchel.memory.lists import Pieces

WARM, TIMED = 4, 16
"""Steps of a run before the timed ones, and the timed ones."""

Times = dict[tuple[str, int], list[Moment]]
"""What single steps took by saver and length, in milliseconds."""


class Forgetful(BaseCheckpointSaver[int]):
    """Keeps nothing."""

    async def aget_tuple(self, config: Any) -> None:
        """Nothing is there."""

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:  # noqa: ARG002 - the port names them
        """The config of the checkpoint."""
        return {"configurable": {**config["configurable"], "checkpoint_id": checkpoint["id"]}}

    async def aput_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        """Nothing is kept."""


class Looking(Forgetful):
    """Keeps nothing but what it saw of the messages, to see which of them are new or changed."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces = Pieces()

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """The config of the checkpoint."""
        if "messages" in new_versions:
            self._pieces, _ = self._pieces.write(checkpoint["channel_values"]["messages"], lambda _: b"")
        return await super().aput(config, checkpoint, metadata, new_versions)


@asynccontextmanager
async def _forgetful(home: Path) -> AsyncIterator[BaseCheckpointSaver[Any]]:  # noqa: ARG001 - it keeps nothing there
    yield Forgetful()


@asynccontextmanager
async def _looking(home: Path) -> AsyncIterator[BaseCheckpointSaver[Any]]:  # noqa: ARG001 - it keeps nothing there
    yield Looking()


ROWS: dict[str, Opening] = {**SAVERS, "forgetful": _forgetful, "looking": _looking}


async def pace(savers: list[str], lengths: list[int], *, rounds: int, size: int, durability: Any = "sync") -> Times:
    """What steps take with each saver at each length (in steps), all by turns."""
    times: Times = {(saver, length): [] for length in lengths for saver in savers}
    for turn in range(rounds):
        for saver, length in times:
            times[saver, length] += await _run(saver, length, size=size, durability=durability, seed=turn)
    return times


async def _run(saver: str, length: int, *, size: int, durability: Any, seed: int) -> list[Moment]:
    began: list[Moment] = []
    builder = looping(noise(size, seed), steps=WARM + TIMED, began=began)
    with tempfile.TemporaryDirectory() as folder:
        async with ROWS[saver](Path(folder)) as made:
            config: Any = {"configurable": {"thread_id": "t1"}, "recursion_limit": 1000}
            how = {"durability": durability} if made is not None else {}
            gc.collect()
            await builder.compile(checkpointer=made).ainvoke({"messages": _past(length, size)}, config, **how)
    steps = pairwise(began[WARM:])
    return [Moment((b.wall - a.wall) * 1000, (b.processor - a.processor) * 1000) for a, b in steps]


def _past(steps: int, size: int) -> list[Any]:
    """The messages of steps that are done."""
    text = noise(size, -1)
    past: list[Any] = [HumanMessage("begin")]
    for n in range(steps):
        past.append(AIMessage("", tool_calls=[{"name": "look", "args": {"page": n}, "id": f"past_{n}"}]))
        past.append(ToolMessage(text(), tool_call_id=f"past_{n}"))
    return past


def table(times: Times) -> list[str]:
    """Two lines for each saver, by the wall and by the processor: milliseconds at each length, and its share."""
    walls = {place: [step.wall for step in steps] for place, steps in times.items()}
    processors = {place: [step.processor for step in steps] for place, steps in times.items()}
    rows = zip(_lines(walls), _lines(processors), strict=True)
    return [line for wall, processor in rows for line in (wall, f"{processor}, processor")]


def _lines(times: dict[tuple[str, int], list[float]]) -> list[str]:
    savers = list(dict.fromkeys(saver for saver, _ in times))
    lengths = sorted({length for _, length in times})
    time_of = {place: quantiles(rows, n=10)[0] for place, rows in times.items()}
    lines = []
    for saver in savers:
        total = [time_of[saver, length] for length in lengths]
        words = [f"step {length}: {ms:5.2f} ms" for length, ms in zip(lengths, total, strict=True)]
        line = f"{saver:>10}  {', '.join(words)} ({total[-1] / total[0]:.2f}x)"
        if saver != "none" and "none" in savers:
            share = [time_of[saver, length] - time_of["none", length] for length in lengths]
            parts = " -> ".join(f"{ms:.2f} ms" for ms in share)
            line += f"; beside none {total[0] / time_of['none', lengths[0]]:.2f}x and "
            line += f"{total[-1] / time_of['none', lengths[-1]]:.2f}x, own share {parts} ({share[-1] / share[0]:.2f}x)"
        lines.append(line)
    return lines


def main() -> None:
    """Print two lines for each saver."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lengths", default="10,1000", help="steps that are done when a run begins")
    parser.add_argument("--size", type=int, default=2048, help="bytes of one result")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--savers", default="none,forgetful,looking,InMemory,RedisSaver")
    parser.add_argument("--durability", default="sync", choices=["sync", "async", "exit"])
    given = parser.parse_args()
    lengths = [int(length) for length in given.lengths.split(",")]
    running = pace(given.savers.split(","), lengths, rounds=given.rounds, size=given.size, durability=given.durability)
    print("\n".join(table(asyncio.run(running))))  # noqa: T201 - what the command is for


if __name__ == "__main__":
    main()
