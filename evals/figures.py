"""Figures of a result by name, for gates: of a mode, against the baseline mode, and against an earlier result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from satchel.evals.bill import lost
from satchel.evals.verdict import BASELINE, charged
from satchel.memory.errors import ConfigError

if TYPE_CHECKING:
    from satchel.memory.records import Json

Trials = Sequence[Mapping[str, "Json"]]
"""Trials as they stand in result.json."""

Figure = Callable[[Trials, str], float | None]
"""From trials and a price row to a figure; None is unknown."""


def _mean(name: str) -> Figure:
    return lambda trials, _: _average([t[name] for t in trials])


def _quantile(name: str, share: float) -> Figure:
    """The nearest rank: the least value that at least this share of the trials does not exceed."""

    def figure(trials: Trials, _: str) -> float | None:
        values = sorted(t[name] for t in trials if t[name] is not None)
        return values[ceil(share * len(values)) - 1] if values else None

    return figure


def _average(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _per_solved(trials: Trials, row: str) -> float | None:
    mean, solved = _average([t["usd"].get(row) for t in trials]), sum(t["solved"] for t in trials)
    return mean * len(trials) / solved if mean is not None and solved else None


SHARES: Mapping[str, Figure] = {
    "success": _mean("success"),
    "solved": _mean("solved"),
    "completion": lambda trials, _: _average([t["outcome"] == "done" for t in trials]),
}
"""Shares, 0..1, where less is worse: a mean score, the share that is solved, the share that came to its end."""

MEANS = (
    "input_tokens", "output_tokens", "peak_tokens", "model_calls", "tool_calls", "repeated_tool_calls",
    "seconds", "first_reply_seconds", "store_bytes", "round_trips",
)  # fmt: skip
"""Fields of a trial whose mean is a cost."""

COSTS: Mapping[str, Figure] = {
    "usd": lambda trials, row: _average([t["usd"].get(row) for t in trials]),
    "usd_per_solved": _per_solved,
    **{name: _mean(name) for name in MEANS},
    "seconds_p50": _quantile("seconds", 0.50),
    "seconds_p95": _quantile("seconds", 0.95),
    "first_reply_p95": _quantile("first_reply_seconds", 0.95),
}
"""Means per trial, unless the name says otherwise, where more is worse; dollars at the first price row."""

FIGURES = {**SHARES, **COSTS}

AGAINST_BASELINE = {**{f"{n}_loss": n for n in SHARES}, **{f"{n}_ratio": n for n in COSTS}}
"""Against the stateless trials of the same result: shares as a difference, costs as a ratio; no failure is cheaper."""

AGAINST_EARLIER = {**{f"{n}_drop": n for n in SHARES}, **{f"{n}_increase": n for n in COSTS}}
"""Against an earlier result, over the tasks that both have: shares lost, and the part by which costs grew, likewise."""

NAMES = (*FIGURES, *AGAINST_BASELINE, *AGAINST_EARLIER)


@dataclass(frozen=True, slots=True)
class Readings:
    """The trials that figures are read from: of the mode under test, of stateless, and of the mode in a result before.

    The mode under test is the first that is not the baseline, or the only one.
    """

    mode: str
    price: str
    ours: Trials
    base: Trials
    earlier: Trials | None

    @classmethod
    def of(cls, data: Mapping[str, Json], earlier: Mapping[str, Json] | None) -> Readings:
        """Of a result and an earlier one. Raises `ConfigError` if these have no trial of the mode in common."""
        mode = next((name for name in data["modes"] if name != BASELINE), BASELINE)
        every: dict[str, list[Mapping[str, Json]]] = {name: [] for name in (mode, BASELINE)}
        for trial in data["trials"]:
            every.setdefault(trial["mode"], []).append(trial)
        before = [t for t in earlier["trials"] if t["mode"] == mode] if earlier else None
        if before is not None and not {_task(t) for t in before} & {_task(t) for t in every[mode]}:
            raise ConfigError(f"the baseline has no trial of {data['suite']} in {mode}; make it with the same command")
        return cls(mode, data["prices"][0], every[mode], every[BASELINE], before)

    def read(self, name: str, tag: str | None = None) -> float | None:
        """A figure by name, over all trials or those of a tag; None is unknown. Raises `ConfigError` for a tag."""
        ours = self._tagged(self.ours, tag)
        if name in FIGURES:
            return FIGURES[name](ours, self.price)
        figure = AGAINST_BASELINE.get(name) or AGAINST_EARLIER[name]
        ours, theirs = _common(ours, self.base if name in AGAINST_BASELINE else self.earlier or ())
        if figure in COSTS:
            ours = [_counted(a, b) for a, b in zip(ours, theirs, strict=True)]
        now, then = FIGURES[figure](ours, self.price), FIGURES[figure](theirs, self.price)
        if now is None or then is None:
            return None
        if figure in SHARES:
            return then - now
        ratio = now / then if then else 1.0 if now == then else float("inf")
        return ratio if name in AGAINST_BASELINE else ratio - 1

    def _tagged(self, trials: Trials, tag: str | None) -> Trials:
        if tag is None:
            return trials
        found = [t for t in trials if tag in t["tags"]]
        if not found:
            there = sorted({tag for t in trials for tag in t["tags"]})
            raise ConfigError(f"no trial carries the tag {tag!r}; there are: {', '.join(there)}")
        return found


def _counted(ours: Mapping[str, Json], theirs: Mapping[str, Json]) -> Mapping[str, Json]:
    """A trial as its costs count beside its pair's: each at least the pair's where it failed."""
    if not lost(ours, theirs):
        return ours
    usd = {row: charged(spent, theirs["usd"].get(row), failed=True) for row, spent in ours["usd"].items()}
    return {**ours, **{name: charged(ours[name], theirs[name], failed=True) for name in MEANS}, "usd": usd}


def _common(ours: Trials, theirs: Trials) -> tuple[Trials, Trials]:
    """The trials of either that pair with one of the other, in the same order."""
    known = {_task(t): t for t in theirs}
    pairs = [(t, known[_task(t)]) for t in ours if _task(t) in known]
    return [a for a, _ in pairs], [b for _, b in pairs]


def _task(trial: Mapping[str, Json]) -> tuple[str, str, int]:
    return trial["suite"], trial["case"], trial["seed"]
