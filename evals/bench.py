"""What runtime and store cost beside the barest thing that does the same: ratios of one interleaved run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from satchel.evals import store_rate
from satchel.evals.load import Run, Simulated, bare, ours
from satchel.memory.memory_store import MemoryStore

if TYPE_CHECKING:
    from satchel.memory.store import Store

TURNS, ROUNDS = 30, 7
"""Turns of a run, and runs of each way."""

WRITERS, EACH, ENTRY = 16, 20, 2_048
"""Writers at once, entries of each, and bytes of an entry, where the store alone is measured."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One thing beside another: a turn in milliseconds or entries a second, and ours by theirs."""

    name: str
    ours: float
    theirs: float
    unit: str

    @property
    def ratio(self) -> float:
        """Ours by theirs."""
        return self.ours / self.theirs


async def bench(
    store: Store, *, turns: int = TURNS, rounds: int = ROUNDS, progress: Callable[[str], None] = lambda _: None
) -> list[Ratio]:
    """Measure a turn of the runtime, and an append of the store, each by turns with what it is compared with.

    `store` is the one that the runtime is measured on beside memory; appends are measured on a server of their own.
    """
    model, memory = Simulated(0.0, turns), MemoryStore()
    ways: dict[str, Run] = {
        "bare": bare(model),
        "memory": ours(model, memory, mode="stateful", turns=turns),
        "stateless": ours(model, memory, mode="stateless", turns=turns),
        "store": ours(model, store, mode="stateful", turns=turns),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for n in range(rounds + 1):
        progress(f"runtime, round {n} of {rounds}")
        for name, run in ways.items():
            began = time.perf_counter()
            await run()
            if n:  # the first round loads what is needed
                times[name].append(1000 * (time.perf_counter() - began) / turns)
    at = {name: median(values) for name, values in times.items()}
    progress("store")
    rates = await store_rate.measure(writers=WRITERS, each=EACH, size=ENTRY, rounds=rounds)
    append, script = (median(rates.rates[way]) for way in ("Store.append", "evalsha"))
    return [
        Ratio("a turn on memory:// beside the bare graph", at["memory"], at["bare"], "ms"),
        Ratio("a turn on the store beside memory://", at["store"], at["memory"], "ms"),
        Ratio("a turn of stateful beside stateless", at["memory"], at["stateless"], "ms"),
        Ratio("appends to the store beside its bare script", append, script, "entries/s"),
    ]
