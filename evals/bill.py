"""Where the dollars go: how they add up by turn, from which turn on a mode is ahead, and the parts of a saving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median_low
from typing import TYPE_CHECKING

from satchel.evals.verdict import BASELINE, failed
from satchel.runtime.prices import MILLION, bill_prompt, row

if TYPE_CHECKING:
    from satchel.memory.records import Json

Trials = Sequence[Mapping[str, "Json"]]

CHAIN = {"ingest": "ingestion", "rewrite": "folding", "stateful": "append-only"}
"""The ablations from stateless to stateful, each with the part that it adds to the one before it.

`rewrite` folds before every prompt, so what `stateful` adds is that turns between folds are only appended.
"""


def cumulative(trial: Mapping[str, Json], price: str) -> list[float] | None:
    """Dollars so far after each turn; None if the price of any is unknown."""
    at = row(price)
    each = [bill_prompt(cached, total - cached, at, output=output) for total, cached, output, _ in trial["turns"]]
    known = [bill for bill in each if bill is not None]
    return list(accumulate(known)) if len(known) == len(each) else None


def crossover(ours: Sequence[float], base: Sequence[float]) -> int | None:
    """The turn, from 1, from which on ours has cost less and stays so; None if it never does.

    A run that has ended costs no more.
    """
    ahead = None
    for turn in range(max(len(ours), len(base))):
        a, b = (costs[min(turn, len(costs) - 1)] for costs in (ours, base))
        ahead = (ahead or turn + 1) if a < b else None
    return ahead


def lost(ours: Mapping[str, Json], base: Mapping[str, Json]) -> bool:
    """Whether a trial as it stands in result.json failed beside its pair's, so that nothing it spared is a saving."""
    return failed(ours["success"], solved=ours["solved"], other_solved=base["solved"])


@dataclass(frozen=True, slots=True)
class Crossing:
    """Over all pairs of a mode at a price row: how many end ahead, and their median turn of crossing.

    A trial that failed is never ahead.
    """

    pairs: int
    ahead: int
    turn: int | None

    @property
    def text(self) -> str:
        """In words."""
        if not self.ahead:
            return f"in none of {self.pairs} pairs"
        return f"in {self.ahead} of {self.pairs} pairs, the median from turn {self.turn}"


def crossings(data: Mapping[str, Json], mode: str, price: str) -> Crossing | None:
    """Where a mode gets ahead of the baseline for good; None if the price is unknown or the turns were not kept."""
    ours, base = _paired(data["trials"], [mode, BASELINE])
    turns: list[int | None] = []
    for a, b in zip(ours, base, strict=True):
        costs = cumulative(a, price), cumulative(b, price)
        if not costs[0] or not costs[1]:
            return None
        turns.append(None if lost(a, b) else crossover(costs[0], costs[1]))
    found = [turn for turn in turns if turn]
    return Crossing(len(turns), len(found), median_low(found) if found else None) if turns else None


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a saving, in the unit of the price row: what it takes off the bill, less than 0 if it adds to it.

    `why` says how it was found.
    """

    name: str
    saved: float
    why: str


@dataclass(frozen=True, slots=True)
class Waterfall:
    """From the baseline's bill to the mode's, over the tasks that all modes of the chain have: start minus parts."""

    mode: str
    start: float
    end: float
    parts: tuple[Part, ...]
    tasks: int


def waterfall(data: Mapping[str, Json]) -> Waterfall | None:
    """The saving of `stateful` by its parts, at the first price row; None if it or the baseline was not run.

    Each step of the chain is a difference of two bills that were both run, so the parts add up without a rest; in
    another order of the steps they would be others. The calls of a step are held apart: with n calls at b dollars each
    on average, a step from n0 b0 to n1 b1 is n1 (b0 - b1) for its prompts and (n0 - n1) b0 for its calls.
    """
    price, ways = data["prices"][0], [BASELINE, *(name for name in CHAIN if name in data["modes"])]
    if BASELINE not in data["modes"] or ways[-1] != list(CHAIN)[-1]:
        return None
    runs = _paired(data["trials"], ways)
    bills = [[t["usd"][price] for t in trials] for trials in runs]
    if not runs[0] or any(bill is None for column in bills for bill in column):
        return None
    totals = [sum(column) for column in bills]
    calls = [sum(t["model_calls"] for t in trials) for trials in runs]
    means = [total / count for total, count in zip(totals, calls, strict=True)]
    parts = [
        Part(
            name,
            calls[n] * (means[n - 1] - means[n]),
            f"{ways[n]} against {ways[n - 1]} at equal calls; {ways[n]} scores {_score(runs[n]):.3f}",
        )
        for n, name in enumerate(_named(ways[1:]), 1)
    ]
    rewriting = _rewriting(runs[-1], price)
    parts[-1] = Part(parts[-1].name, parts[-1].saved + rewriting, parts[-1].why)
    steps = range(1, len(runs))
    faults = [sum(t["faults"] for t in trials) for trials in runs]
    again = sum((faults[n - 1] - faults[n]) * means[n - 1] for n in steps)
    turns = sum((calls[n - 1] - calls[n]) * means[n - 1] for n in steps)
    parts += [
        Part("other calls, fewer or more", turns - again, f"{calls[-1] - faults[-1]:,} calls against {calls[0]:,}"),
        Part("overhead: calls that only fetch again", again, f"{faults[-1]:,} of {calls[-1]:,} calls"),
        Part("overhead: what folds write anew", -rewriting, "tokens of a turn with a fold above those of others"),
    ]
    return Waterfall(ways[-1], totals[0], totals[-1], tuple(parts), len(runs[0]))


def _named(ways: Sequence[str]) -> list[str]:
    """The part of each step; one that was not run alone is named together with the next one."""
    names, waiting = [], list[str]()
    for way, part in CHAIN.items():
        waiting.append(part)
        if way in ways:
            names.append(" + ".join(waiting))
            waiting = []
    return names


def _score(trials: Trials) -> float:
    return float(sum(t["success"] for t in trials) / len(trials))


def _rewriting(trials: Trials, price: str) -> float:
    """What folds cost: the tokens that a turn with a fold sends anew above the mean of others, written, not read."""
    at, extra = row(price), 0.0
    for trial in trials:
        folded = [total - cached for total, cached, _, fold in trial["turns"] if fold]
        others = [total - cached for total, cached, _, fold in trial["turns"][1:] if not fold]
        usual = sum(others) / len(others) if others else 0.0
        extra += sum(max(0.0, fresh - usual) for fresh in folded)
    return extra * (at.cache_write - at.cache_read) / MILLION


def _paired(trials: Trials, modes: Sequence[str]) -> list[list[Mapping[str, Json]]]:
    """The trials of each mode over the tasks that all of them have, in the same order."""
    found = [{(t["suite"], t["case"], t["seed"]): t for t in trials if t["mode"] == mode} for mode in modes]
    common = [task for task in found[0] if all(task in other for other in found)]
    return [[of[task] for task in common] for of in found]
