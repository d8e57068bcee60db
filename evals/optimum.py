"""The best fold times in hindsight: the least bill that a run could have had, and how near the controller comes.

    python -m satchel.evals.optimum SUITE [SUITE ...] [--seeds N] [--prices "ROW ROW"] [--context-limit N] [--runs]

A run is taken as it is: the oracle's play of a suite, or a recorded trajectory (`traces:DIR`). What each turn adds and
what a fold would make of it are measured on the engine. A dynamic program over all fold times, which knows the whole
run, finds the schedule with the least bill, and the engine plays it. So both bills compared are those of real prompts.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from satchel.evals.analyze import NO_LIMIT, sent
from satchel.evals.oracle import transcript
from satchel.evals.replay import Replay, Trajectory
from satchel.evals.suite import suite
from satchel.evals.timed import Run, play
from satchel.evals.traces import Replayed
from satchel.runtime.context.block import HEADERS
from satchel.runtime.context.epoch import block_size, newest
from satchel.runtime.context.folding import ANEW, MOST, ROLE
from satchel.runtime.mode import MODES
from satchel.runtime.prices import MILLION, row

if TYPE_CHECKING:
    from satchel.runtime.prices import Price

ROUNDS = 3
"""How often the schedule is found again from what the engine measured when it played the last one."""


class Way(NamedTuple):
    """A way through a run so far: its bill, the digest that its last fold left, whether it shows handles, its folds."""

    bill: float
    digest: int
    handles: bool
    folds: tuple[int, ...]


class Model:
    """What prompts cost by the times of folds, in tokens of uncached input: `c` for cached reads, `w` for writes.

    A fold is what the controller expects of it: a block is appended while the digest stays below its share of the room,
    else all of it is written anew; where the first handles bring `recall`, all of the prompt is.
    """

    def __init__(self, run: Run, c: float, w: float) -> None:
        self.run, self.c, self.w = run, c, w
        self._sizes = [0, *accumulate(taken.size for taken in run.taken)]
        self._behind = [0, *accumulate(taken.behind for taken in run.taken)]
        self._cuts = [newest(run.taken[:count]) for count in run.prompts]
        self._block = cache(lambda start, end: int(run.share * (block_size(run.taken[start:end]) + HEADERS)))

    def first(self) -> Way:
        """The first prompt."""
        handles = self.run.handles_at == 0
        return Way(self.w * (self._base(0, handles=handles) + self._sizes[self.run.prompts[0]]), 0, handles, ())

    def append(self, way: Way, k: int) -> Way | None:
        """On to prompt `k` without a fold; None if it would be above the ceiling."""
        before, size = (self._sizes[self.run.prompts[n]] - self._sizes[self._since(way)] for n in (k - 1, k))
        if self.run.task + way.digest + size > self.run.room:
            return None
        handles = way.handles or k >= self.run.handles_at
        read = self._base(way.digest, handles=handles) + before if handles == way.handles else 0
        return self._sent(way, read, self._base(way.digest, handles=handles) + size)._replace(handles=handles)

    def fold(self, way: Way, k: int) -> Way | None:
        """On to prompt `k` with a fold before it; None if it would drop nothing, or leave no room for a digest."""
        run, since, cut = self.run, self._since(way), self._cuts[k]
        kept = self._sizes[run.prompts[k]] - self._sizes[cut]
        most = run.room - run.task - kept - ROLE - run.room // 8
        if cut <= since or most <= 0:
            return None
        both = way.digest + self._block(since, cut)
        appends = bool(way.folds) and both <= min(int(MOST * run.room), most)
        digest = both if appends else min(both, int(ANEW * run.room), most)
        handles = way.handles or k >= run.handles_at or self._behind[cut] > self._behind[since]
        read = self._base(way.digest if appends else 0, handles=handles) if handles == way.handles else 0
        done = self._sent(way, read, self._base(digest, handles=handles) + kept)
        return Way(done.bill, digest, handles, (*way.folds, k))

    def _since(self, way: Way) -> int:
        """How many turns the last fold dropped, with those before it."""
        return self._cuts[way.folds[-1]] if way.folds else 0

    def _base(self, digest: int, *, handles: bool) -> int:
        return (self.run.surface if handles else self.run.plain) + self.run.task + digest

    def _sent(self, way: Way, read: int, size: int) -> Way:
        return way._replace(bill=way.bill + self.c * read + self.w * (size - read))


def schedule(run: Run, price: Price) -> Way:
    """The way through a run with the least bill.

    What follows a fold depends on the size of its digest alone, so of the ways to it only those go on of which no other
    is cheaper and leaves less. Nothing else is left out: for the model it is the optimum, in O(turns^2) steps a way.
    """
    model = Model(run, *price.rates)
    at: list[list[Way]] = [[] for _ in run.prompts]
    at[0] = [model.first()]
    best = Way(inf, 0, handles=False, folds=())
    for k, ways in enumerate(at):
        for start in _front(ways):
            way: Way | None = start
            for j in range(k + 1, len(at)):
                if way is None:
                    break
                if folded := model.fold(way, j):
                    at[j].append(folded)
                way = model.append(way, j)
            best = min(best, way or best)
    return best


def _front(ways: Sequence[Way]) -> Iterator[Way]:
    """The ways that no other beats in bill and digest, with and without handles."""
    least = {False: inf, True: inf}
    for way in sorted(ways):
        if way.digest < least[way.handles]:
            least[way.handles] = way.digest
            yield way


@dataclass(frozen=True, slots=True)
class Hindsight:
    """Bills of one run in millions of uncached input tokens: full history, the controller's and the best, as played.

    `model` is what the schedule of the best was to cost; infinite where that is the controller's.
    """

    full: float
    controller: Run
    best: Run
    model: float


def hindsight(trajectory: Trajectory, limit: str, price: Price) -> Hindsight:
    """The controller's bill of a trajectory under a context limit, beside that of the best schedule.

    What a fold leaves depends a little on the folds before it, so the schedule is found again from what its own play
    measured, and the cheapest that was played counts; that may be the controller's.
    """
    history, _ = Replay(MODES["stateless"], NO_LIMIT).run(trajectory)
    controller = best = run = play(trajectory, limit, price)
    model = inf
    for _ in range(ROUNDS):
        way = schedule(run, price)
        run = play(trajectory, limit, price, frozenset(way.folds))
        if run.bill < best.bill:
            best, model = run, way.bill / MILLION
    return Hindsight(sent(history, [price], cached=True).usd[price.name] or 0.0, controller, best, model)


async def trajectories(name: str, seeds: int) -> list[Trajectory]:
    """The oracle's plays of a suite, or all of a folder of recorded ones. Raises `ConfigError` for an unknown name."""
    of = suite(name)
    if isinstance(of.recorded, Replayed):
        return list(of.recorded.runs)
    cases = [of.make(seed) for seed in range(seeds)]
    schemas = [tuple(tool.schema for tool in case.tools) for case in cases]
    plays = [(await transcript(case))[1] for case in cases]
    return [Trajectory(c.id, s, tuple(messages)) for c, s, messages in zip(cases, schemas, plays, strict=True)]


def main() -> None:
    """Print a line for each suite and price row: bills over full history's, and the controller's over the best."""
    words = argparse.ArgumentParser(description="the controller's bill over that of the best schedule of folds")
    words.add_argument("suites", nargs="+", help="names of suites, or traces:DIR")
    words.add_argument("--seeds", type=int, default=3)
    words.add_argument("--prices", default="c=.10,w=1.25 c=.10,w=1 c=.05,w=1.25 c=.02,w=1")
    words.add_argument("--context-limit")
    words.add_argument("--runs", action="store_true", help="a line for each run, too, with its folds")
    given = words.parse_args()
    for name in given.suites:
        runs, limit = asyncio.run(trajectories(name, given.seeds)), given.context_limit or suite(name).context_limit
        for price in map(row, given.prices.split()):
            found = [hindsight(run, limit, price) for run in runs]
            print(f"{name:24} {price.name:14} {len(found):4} runs  {line(found)}", flush=True)  # noqa: T201 - a command
            for run, one in zip(runs, found, strict=True) if given.runs else ():
                print(f"  {run.id}  {line([one])}  {one.controller.folds} {one.best.folds}")  # noqa: T201 - as above


def line(found: Sequence[Hindsight]) -> str:
    """The figures of runs, summed up, and the largest ratio of one."""
    full, ours, best = (
        sum(f.full for f in found),
        sum(f.controller.bill for f in found),
        sum(f.best.bill for f in found),
    )
    worst = max(f.controller.bill / f.best.bill for f in found)
    return f"controller {ours / full:.3f}  best {best / full:.3f}  ratio {ours / best:.3f}  largest {worst:.3f}"


if __name__ == "__main__":
    main()
