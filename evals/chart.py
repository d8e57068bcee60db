"""Charts as data for the templates: prompt tokens by turn, dollars so far, and the parts of a saving.

Each chart says in words what it shows (`title`, `text`) and has its figures as a table (`head`, `rows`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from satchel.evals.bill import Waterfall, crossings, crossover, cumulative, lost
from satchel.evals.verdict import BASELINE

if TYPE_CHECKING:
    from satchel.memory.records import Json

WIDTH, HEIGHT = 640, 190
LEFT, RIGHT, TOP, BOTTOM = 46, 6, 12, 24
"""Size of a chart and its margins, in units of the drawing."""

BAR = 40
"""Height of one part of a waterfall with its name."""

TICKS = 10
"""The most turns that are numbered below a chart."""

THOUSAND = 1000

Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What every chart has: its kind is the template that draws it, `name` and `label` head it."""

    kind: str
    name: str
    title: str
    text: str
    head: tuple[str, ...]
    rows: Rows
    height: int = HEIGHT
    grid: tuple[tuple[float, str], ...] = ()
    ticks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel(Chart):
    """One mode's prompts of one seed: SVG path data of the whole prompts and of their cached part."""

    whole: str
    cached: str
    folds: tuple[float, ...]
    ceiling: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves(Chart):
    """Dollars so far, a line a mode; `crosses` is where each gets ahead of the baseline for good."""

    lines: tuple[tuple[str, str], ...]
    crosses: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars(Chart):
    """A waterfall: for each bar its name, value in words, left end, width, and `saves`, `costs` or `total`."""

    bars: tuple[tuple[str, str, float, float, str], ...]


def panels(trials: Sequence[Mapping[str, Json]], modes: Sequence[str]) -> list[Panel]:
    """A panel for each mode that has turns, all of one case and to one scale."""
    shown = _shown(trials, modes)
    every = [turn for trial in shown.values() for turn in trial["turns"]]
    if not every:
        return []
    top, across = _round_up(max(turn[0] for turn in every)), max(len(t["turns"]) for t in shown.values())
    return [_panel(shown[mode], top, across) for mode in modes if mode in shown]


def representative(trials: Sequence[Mapping[str, Json]], mode: str) -> str:
    """The case whose total of input tokens is the median of a mode."""
    ranked = sorted((t["input_tokens"], t["case"]) for t in trials if t["mode"] == mode)
    return str(ranked[len(ranked) // 2][1])


def _shown(trials: Sequence[Mapping[str, Json]], modes: Sequence[str]) -> dict[str, Mapping[str, Json]]:
    case = representative(trials, modes[0])
    return {t["mode"]: t for t in trials if t["case"] == case and t["turns"]}


def _panel(trial: Mapping[str, Json], top: int, across: int) -> Panel:
    turns = trial["turns"]
    step = (WIDTH - LEFT - RIGHT) / across
    total, cached = sum(t[0] for t in turns), sum(t[1] for t in turns)
    folds = [n for n, turn in enumerate(turns) if turn[3]]
    limit = trial["context_limit"]
    folded = f", {len(folds)} folds (turns {', '.join(str(n + 1) for n in folds)})" if folds else ""
    return Panel(
        kind="panel",
        name=trial["mode"],
        title=f"{trial['mode']}: prompt tokens by turn, {trial['case']}",
        text=f"{len(turns)} turns, {total:,} input tokens, of which {cached / max(total, 1):.0%} were sent before; "
        f"largest prompt {max(t[0] for t in turns):,}{folded}.",
        head=("turn", "prompt", "sent before", "reply", ""),
        rows=tuple(
            (str(n), f"{t[0]:,}", f"{t[1]:,}", f"{t[2]:,}", "fold" if t[3] else "") for n, t in enumerate(turns, 1)
        ),
        whole=_steps([t[0] for t in turns], top, step),
        cached=_steps([t[1] for t in turns], top, step),
        folds=tuple(round(LEFT + step * n, 1) for n in folds),
        ceiling=round(_y(limit, top), 1) if limit <= top else None,
        grid=tuple((round(_y(top * k // 2, top), 1), _short(top * k // 2)) for k in range(3)),
        ticks=_ticks(across, 0.5),
    )


def curves(data: Mapping[str, Json]) -> list[Curves]:
    """A chart for each price row: dollars so far of the representative task in each mode."""
    modes = list(data["modes"])
    shown = _shown(data["trials"], modes)
    base = shown.get(BASELINE)
    failing = {mode for mode, trial in shown.items() if base and lost(trial, base)}
    charts = []
    for price in data["prices"]:
        costs = {mode: cumulative(shown[mode], price) for mode in modes if mode in shown}
        known = {mode: cost for mode, cost in costs.items() if cost}
        if known and max(c[-1] for c in known.values()) > 0:
            charts.append(_curves(data, price, known, failing))
    return charts


def _curves(
    data: Mapping[str, Json], price: str, costs: Mapping[str, Sequence[float]], failing: Collection[str]
) -> Curves:
    """To the end of the longer of the first two modes; what goes on after that is told in the table."""
    across = max(map(len, list(costs.values())[:2]))
    top = max(c[min(across, len(c)) - 1] for c in costs.values())
    step = (WIDTH - LEFT - RIGHT) / across
    turns = {
        mode: None if mode in failing else crossover(cost, costs[BASELINE])
        for mode, cost in costs.items() if mode != BASELINE and BASELINE in costs
    }  # fmt: skip
    told = []
    for mode, turn in turns.items():
        here = "fails" if mode in failing else f"is ahead from turn {turn} on" if turn else "is not ahead"
        over = crossings(data, mode, price)
        told.append(f"{mode} {here} here" + (f", ahead {over.text}" if over else ""))
    told += [f"{mode} goes on to turn {len(cost)}" for mode, cost in costs.items() if len(cost) > across]
    crosses = [
        (LEFT + step * t, _y(costs[m][min(t, len(costs[m])) - 1], top)) for m, t in turns.items() if t and t <= across
    ]
    return Curves(
        kind="curves",
        name=price,
        title=f"dollars so far by turn at {price}",
        text="; ".join(told) + "." if told else "One mode alone: nothing to cross.",
        head=("turn", *costs),
        rows=tuple(
            (str(n + 1), *(f"{c[n]:.4g}" if n < len(c) else "" for c in costs.values()))
            for n in range(max(map(len, costs.values())))
        ),
        lines=tuple((mode, _line(cost[:across], top, step)) for mode, cost in costs.items()),
        crosses=tuple((round(x, 1), round(y, 1)) for x, y in crosses),
        grid=tuple((round(_y(top * k / 2, top), 1), f"{top * k / 2:.2g}") for k in range(3)),
        ticks=_ticks(across, 0),
    )


def bars(found: Waterfall, price: str) -> Bars:
    """The waterfall of a saving, in per cent of the baseline's bill."""
    steps = [(part.name, -part.saved / found.start) for part in found.parts]
    ends = [1.0]
    for _, change in steps:
        ends.append(ends[-1] + change)
    most = max(1.0, *ends)
    scale = (WIDTH - RIGHT - 2) / most
    drawn = [(BASELINE, f"{1:.0%}", 0.0, scale, "total")]
    for (name, change), before, after in zip(steps, ends, ends[1:], strict=False):
        low, high = min(before, after) * scale, max(before, after) * scale
        drawn.append((name, _per_cent(change), low, high, "saves" if change < 0 else "costs"))
    drawn.append((found.mode, f"{found.end / found.start:.1%}", 0.0, found.end / found.start * scale, "total"))
    told = "; ".join(f"{name} {_per_cent(change)}" for name, change in steps)
    return Bars(
        kind="bars",
        name=found.mode,
        title=f"where the saving of {found.mode} comes from, at {price}",
        text=f"From the bill of {BASELINE}, 100 %, to {found.end / found.start:.1%} over {found.tasks} tasks: {told}.",
        head=("part", "of the bill", "how it was found"),
        rows=tuple(
            (part.name, _per_cent(change), part.why) for part, (_, change) in zip(found.parts, steps, strict=True)
        ),
        bars=tuple((name, value, round(a, 1), round(b - a, 1), kind) for name, value, a, b, kind in drawn),
        height=BAR * len(drawn),
    )


def _per_cent(change: float) -> str:
    """A change, without a sign where it rounds to nothing."""
    text = f"{change:+.1%}"
    return "0" if text in {"+0.0%", "-0.0%"} else text


def _steps(values: Sequence[int], top: int, step: float) -> str:
    """A filled outline with one step a turn, from the base line and back to it."""
    path = [f"M{LEFT} {_y(0, top):g}"]
    path += [f"V{_y(value, top):.1f}H{LEFT + step * (n + 1):.1f}" for n, value in enumerate(values)]
    return "".join([*path, f"V{_y(0, top):g}Z"])


def _line(values: Sequence[float], top: float, step: float) -> str:
    points = (f"{LEFT + step * n:.1f} {_y(value, top):.1f}" for n, value in enumerate(values, 1))
    return f"M{LEFT} {_y(0, top):g}L" + "L".join(points)


def _y(value: float, top: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)


def _round_up(value: int) -> int:
    """The next number that reads well on an axis: 1, 2, 3, 4, 5, 6 or 8 times a power of ten."""
    power: int = 10 ** int(math.log10(max(value, 10)))
    return next(n * power for n in (1, 2, 3, 4, 5, 6, 8, 10) if n * power >= value)


def _ticks(across: int, shift: float) -> tuple[tuple[float, str], ...]:
    """Turns that are numbered, `shift` steps before the end of their own."""
    step = (WIDTH - LEFT - RIGHT) / across
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**6) if across / n <= TICKS)
    turns = [1, *range(every, across + 1, every)] if every > 1 else list(range(1, across + 1))
    return tuple((round(LEFT + step * (n - shift), 1), str(n)) for n in turns)


def _short(value: int) -> str:
    return f"{value / THOUSAND:g}k" if value >= THOUSAND else str(value)
