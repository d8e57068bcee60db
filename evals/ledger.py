"""The ledger of a comparison as lines of text: what each mode took, against the baseline, by tag, and the fronts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from satchel.memory.records import Json

BASE = "stateless"
"""The column that dollars are relative to; its own dollars are 1."""

NONE = "unknown"
NOT_MET = "no failure met"
NONE_SOLVED = "none solved"
TIMES = "\N{MULTIPLICATION SIGN}"

BUCKETS = {
    "fresh": "of which billed as fresh",
    "cache_write": "of which billed as cache write",
    "reasoning": "reasoning tokens",
}
"""Tokens by what a provider bills them as, beside the cached prefix and the output; told where there are any."""

FIRST = ("agent of", "success", "solved", "input tokens", "largest prompt", "model calls", "seconds", "outcomes")
"""Lines of the ledger that a page opens with, beside the dollars at the first price row."""

Shown = Callable[[Mapping[str, "Json"]], str]
"""A figure of a mode or a comparison, as text."""


@dataclass(frozen=True, slots=True)
class Line:
    """One measure: its name and a text for each column."""

    name: str
    cells: tuple[str, ...]


def badges(data: Mapping[str, Json]) -> list[str]:
    """The modes as heads of columns, each with where its figures come from: live, replayed or simulated."""
    return [f"{mode} ({found['kind']})" for mode, found in data["modes"].items()]


def table(data: Mapping[str, Json]) -> list[Line]:
    """The ledger: one line a measure, one column a mode; means per trial, dollars relative to the baseline."""
    modes = list(data["modes"].values())
    first, base = data["prices"][0], data["modes"].get(BASE, modes[0])["usd"]
    agents = [("agent of", lambda m: m["libraries"] or "satchel")] if any(m.get("libraries") for m in modes) else []
    unpriced = (
        [("GPU seconds", lambda m: NONE if m["gpu_seconds"] is None else _each(m, "gpu_seconds", 2))]
        if any(m["gpu_seconds"] is not None for m in modes) else []
    )  # fmt: skip
    measures: list[tuple[str, Shown]] = [
        *agents,
        ("success", lambda m: f"{m['success_mean']:.3f}{_between(m['success_ci'], 3)}"),
        ("solved", lambda m: f"{m['solved']} of {m['trials']}"),
        ("input tokens", lambda m: _each(m, "input_tokens")),
        ("of which cached prefix", lambda m: _each(m, "cached_tokens")),
        ("of which fixed surface", lambda m: f"{m['fixed_tokens'] / max(m['input_tokens'], 1):.1%}"),
        *((name, _bucket(bucket)) for bucket, name in BUCKETS.items() if any(m["tokens"].get(bucket) for m in modes)),
        ("output tokens", lambda m: _each(m, "output_tokens")),
        ("largest prompt", lambda m: f"{m['peak_tokens']:,}"),
        ("model calls", lambda m: _each(m, "model_calls", 1)),
        ("tool calls", lambda m: _each(m, "tool_calls", 1)),
        ("repeated tool calls", lambda m: _each(m, "repeated_tool_calls", 1)),
        ("steps beyond the oracle's", lambda m: f"{m['extra_steps']:+.1f}"),
        ("tool accuracy", lambda m: f"{m['tool_accuracy']:.3f}"),
        ("action agreement", lambda m: f"{m['agreement']:.3f}"),
        ("trials that ever differ from the oracle", lambda m: f"{m['diverged']:.1%}"),
        ("first call that differs, median", lambda m: _first(m.get("first_divergence"))),
        ("fault rate", lambda m: f"{m['fault_rate']:.1%}"),
        ("amnesia tax", lambda m: f"{m['amnesia_tax']:.1%}"),
        ("stale exposure", lambda m: f"{m['stale_exposure']:.3f}"),
        ("failure recovery", lambda m: NOT_MET if m["recovery"] is None else f"{m['recovery']:.1%}"),
        ("folds", lambda m: _each(m, "folds", 1)),
        *((f"dollars at {row}", _relative(base[row], row)) for row in data["prices"]),
        (
            f"cost per solved task at {first}",
            lambda m: _cost(m["usd_per_solved"][first]) if m["solved"] else NONE_SOLVED,
        ),
        ("score per 1k tokens", lambda m: _cost(m["score_per_1k_tokens"])),
        ("round trips to the store", lambda m: _each(m, "round_trips", 1)),
        ("bytes in the store", lambda m: _each(m, "store_bytes")),
        ("seconds to the first reply", lambda m: _cost(m["first_reply_seconds"])),
        ("seconds", lambda m: _each(m, "seconds", 2)),
        *unpriced,
        ("outcomes", lambda m: ", ".join(f"{name} {n}" for name, n in m["outcomes"].items())),
    ]
    return [Line(name, tuple(show(mode) for mode in modes)) for name, show in measures]


def ratios(data: Mapping[str, Json]) -> list[Line]:
    """Each compared mode against the baseline, paired by seed, with 95 % intervals."""
    every = list(data["comparisons"].values())
    measures: list[tuple[str, Shown]] = [
        ("success difference", lambda c: _signed(c["success_diff"], c["ci"]["success_diff"])),
        ("input tokens", lambda c: _times(c["token_ratio"], c["ci"]["token_ratio"])),
        *((f"dollars at {row}", _usd(row)) for row in data["prices"]),
        ("p of solved, exact (McNemar)", lambda c: f"{c['p']['success']:.3g}"),
        ("p of tokens, signed ranks (Wilcoxon)", lambda c: f"{c['p']['tokens']:.3g}"),
    ]
    return [Line(name, tuple(show(c) for c in every)) for name, show in measures]


def slices(data: Mapping[str, Json]) -> list[Line]:
    """By tag, the success of each mode and, below it, its dollars against the baseline at the first row.

    A tag that all tasks carry says nothing that the ledger does not.
    """
    every = next(iter(data["modes"].values()))["trials"]
    return [
        Line(f"{tag}, {found['trials']}", tuple(_slice(found, mode, data["prices"][0]) for mode in data["modes"]))
        for tag, found in data["slices"].items()
        if found["trials"] < every
    ]


def headline(data: Mapping[str, Json]) -> list[Line]:
    """The lines of the ledger that a reader needs first."""
    return [line for line in table(data) if line.name in {*FIRST, f"dollars at {data['prices'][0]}"}]


def _slice(found: Mapping[str, Json], mode: str, row: str) -> str:
    success = f"{found['success'][mode]:.3f}"
    usd = found["comparisons"][mode]["usd_ratio"][row] if mode in found["comparisons"] else None
    return success if usd is None else f"{success} (dollars {usd:.2f}{TIMES})"


def fronts(data: Mapping[str, Json]) -> list[str]:
    """The Pareto fronts and price reversals, one sentence each."""
    cost = {"usd": f"dollars at {data['prices'][0]}", "tokens": "tokens", "seconds": "seconds"}
    every = [f"No mode beats these in success and {cost[axis]}: {', '.join(f)}." for axis, f in data["pareto"].items()]
    for mode, found in data["price_reversal"].items():
        swapped = "; ".join(f"{a} and {b}" for a, b in found["reversed"]) or "none"
        every.append(f"Models whose rank by list price is not that by the bill in {mode}: {swapped}.")
    return every


def _bucket(name: str) -> Shown:
    return lambda m: f"{m['tokens'].get(name, 0) / m['trials']:,.0f}"


def _first(call: float | None) -> str:
    return "none" if call is None else f"{call + 1:,g}"


def _cost(value: float | None) -> str:
    return NONE if value is None else f"{value:.3g}"


def _usd(row: str) -> Shown:
    return lambda c: _times(c["usd_ratio"][row], c["ci"]["usd_ratio"][row])


def _relative(base: float | None, row: str) -> Shown:
    return lambda m: _times(None if not base or m["usd"][row] is None else m["usd"][row] / base, None)


def _each(mode: Mapping[str, Json], name: str, digits: int = 0) -> str:
    return f"{mode[name] / mode['trials']:,.{digits}f}"


def _times(value: float | None, interval: list[float] | None) -> str:
    return NONE if value is None else f"{value:.3f}{TIMES}{_between(interval, 3)}"


def _signed(value: float | None, interval: list[float] | None) -> str:
    return NONE if value is None else f"{value:+.3f}{_between(interval, 3, '+')}"


def _between(interval: list[float] | None, digits: int, sign: str = "") -> str:
    return f" ({interval[0]:{sign}.{digits}f} to {interval[1]:{sign}.{digits}f})" if interval else ""
