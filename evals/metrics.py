"""What the trials of a mode come to, the slices by tag, the Pareto front, and prices that change places.

Every measure is defined, with its unit, in README.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from statistics import median
from typing import TYPE_CHECKING

from satchel.evals.statistics import mean
from satchel.evals.trial import BUCKETS, Trial
from satchel.evals.verdict import bounds, compare_pairs
from satchel.runtime.prices import row

if TYPE_CHECKING:
    from satchel.memory.records import Json

SUMMED = (
    "input_tokens", "cached_tokens", "output_tokens", "model_calls", "tool_calls", "repeated_tool_calls", "folds",
    "faults", "amnesia_tokens", "fixed_tokens", "stale", "tool_errors", "seconds", "store_bytes", "round_trips",
)  # fmt: skip
"""Fields of a trial that a mode adds up over its trials."""

AVERAGED = ("extra_steps", "tool_accuracy", "agreement")
"""Fields of a trial of which a mode gives the mean."""

KILO = 1000


def totals(trials: Sequence[Trial], prices: Sequence[str]) -> dict[str, Json]:
    """The measures of one mode: sums unless said otherwise; with an unknown part a sum is unknown."""
    success = mean([t.success for t in trials])
    solved = sum(t.solved for t in trials)
    usd = {name: total([t.usd[name] for t in trials]) for name in prices}
    sums: dict[str, float] = {name: sum(getattr(t, name) for t in trials) for name in SUMMED}
    spent = sums["input_tokens"] + sums["output_tokens"]
    shaken = [t for t in trials if t.tool_errors]
    others = [t.diverged for t in trials if t.diverged is not None]
    replies = [t.first_reply_seconds for t in trials if t.first_reply_seconds is not None]
    return {
        "trials": len(trials),
        "kind": trials[0].kind,
        "libraries": trials[0].libraries,
        "success_mean": success.value,
        "success_ci": bounds(success),
        "solved": solved,
        **sums,
        "peak_tokens": max(t.peak_tokens for t in trials),
        "tokens": {name: sum(t.tokens.get(name, 0) for t in trials) for name in BUCKETS},
        "usd": usd,
        "usd_per_solved": {name: bill / solved if bill is not None and solved else None for name, bill in usd.items()},
        "score_per_1k_tokens": sum(t.success for t in trials) * KILO / spent if spent else None,
        **{name: sum(getattr(t, name) for t in trials) / len(trials) for name in AVERAGED},
        "diverged": len(others) / len(trials),
        "first_divergence": median(others) if others else None,
        "fault_rate": sums["faults"] / max(sums["model_calls"], 1),
        "amnesia_tax": sums["amnesia_tokens"] / max(spent, 1),
        "stale_exposure": sums["stale"] / max(sums["model_calls"], 1),
        "recovery": sum(t.solved for t in shaken) / len(shaken) if shaken else None,
        "first_reply_seconds": sum(replies) / len(replies) if replies else None,
        "gpu_seconds": total([t.gpu_seconds for t in trials]),
        "outcomes": dict(sorted(Counter(t.outcome for t in trials).items())),
    }


def total(values: Sequence[float | None]) -> float | None:
    """A sum that is unknown if any part is."""
    known = [v for v in values if v is not None]
    return sum(known) if len(known) == len(values) else None


def slices(trials: Sequence[Trial], modes: Sequence[str], price: str) -> dict[str, Json]:
    """By tag: how each mode does on the tasks that carry it, against the first mode, at one price row."""
    tags = sorted({tag for t in trials for tag in t.tags})
    found: dict[str, Json] = {}
    for tag in tags:
        tagged = {mode: [t for t in trials if t.mode == mode and tag in t.tags] for mode in modes}
        base = tagged[modes[0]]
        found[tag] = {
            "trials": len(base),
            "success": {mode: sum(t.success for t in of) / len(of) for mode, of in tagged.items() if of},
            "solved": {mode: sum(t.solved for t in of) / len(of) for mode, of in tagged.items() if of},
            "comparisons": {
                mode: compare_pairs(of, base, prices=[price]).brief() for mode, of in tagged.items() if mode != modes[0]
            },
        }
    return found


AXES = ("usd", "tokens", "seconds")


def pareto(modes: Mapping[str, Mapping[str, Json]], price: str) -> dict[str, list[str]]:
    """The modes that no other beats: as successful at most at a lower cost, or more so at most at the same.

    One front each for dollars at a price row, for tokens, and for wall seconds.
    """
    costs: dict[str, Callable[[Mapping[str, Json]], float | None]] = {
        "usd": lambda m: m["usd"][price],
        "tokens": lambda m: m["input_tokens"] + m["output_tokens"],
        "seconds": lambda m: m["seconds"],
    }
    fronts: dict[str, list[str]] = {}
    for axis in AXES:
        points = {name: (m["success_mean"], costs[axis](m)) for name, m in modes.items()}
        known = {name: (score, cost) for name, (score, cost) in points.items() if cost is not None}
        fronts[axis] = [name for name, point in known.items() if not any(_beats(p, point) for p in known.values())]
    return fronts


def _beats(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] >= b[0] and a[1] <= b[1] and a != b


def price_reversal(usd: Mapping[str, float | None]) -> dict[str, Json] | None:
    """Models by list price against the same models by what the trials were billed; None with fewer than two.

    List price is that of a million input and a million output tokens. A pair is reversed if the model with the lower
    list price has the higher bill (Price Reversal, arXiv 2603.23971).
    """
    rows = {name: row(name) for name in usd}
    listed = {n: p.input + (p.output or 0.0) for n, p in rows.items() if p.unit == "usd" and usd[n] is not None}
    if len(listed) < 2:  # noqa: PLR2004 - one model alone has no rank
        return None
    billed = {name: bill for name, bill in usd.items() if name in listed and bill is not None}
    pairs = list(combinations(sorted(listed), 2))
    swapped = [[a, b] for a, b in pairs if (listed[a] - listed[b]) * (billed[a] - billed[b]) < 0]
    return {
        "listed": sorted(listed, key=lambda n: (listed[n], n)),
        "billed": sorted(billed, key=lambda n: (billed[n], n)),
        "reversed": swapped,
        "share": len(swapped) / len(pairs),
    }
