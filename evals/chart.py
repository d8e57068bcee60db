"""Charts as data for the template: one panel a mode, prompt tokens by turn, the cached part below the fresh part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from satchel.memory.records import Json

WIDTH, HEIGHT = 640, 190
LEFT, RIGHT, TOP, BOTTOM = 46, 6, 12, 24
"""Size of a panel and its margins, in units of the drawing."""

TICKS = 10
"""The most turns that are numbered below a panel."""

THOUSAND = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One mode's prompts of one seed, as SVG path data; `title` and `text` say the same in words."""

    mode: str
    title: str
    text: str
    whole: str
    cached: str
    folds: tuple[float, ...]
    ceiling: float | None
    grid: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, str], ...]


def panels(trials: Sequence[Mapping[str, Json]], modes: Sequence[str]) -> list[Panel]:
    """A panel for each mode that has turns, all of one case and to one scale."""
    case = representative(trials, modes[0])
    shown = {t["mode"]: t for t in trials if t["case"] == case and t["turns"]}
    every = [turn for trial in shown.values() for turn in trial["turns"]]
    if not every:
        return []
    top, across = _round_up(max(turn[0] for turn in every)), max(len(t["turns"]) for t in shown.values())
    return [_panel(shown[mode], top, across) for mode in modes if mode in shown]


def representative(trials: Sequence[Mapping[str, Json]], mode: str) -> str:
    """The case whose total of input tokens is the median of a mode."""
    ranked = sorted((t["input_tokens"], t["case"]) for t in trials if t["mode"] == mode)
    return str(ranked[len(ranked) // 2][1])


def _panel(trial: Mapping[str, Json], top: int, across: int) -> Panel:
    turns = trial["turns"]
    step = (WIDTH - LEFT - RIGHT) / across
    total, cached = sum(t[0] for t in turns), sum(t[1] for t in turns)
    folds = [n for n, turn in enumerate(turns) if turn[3]]
    limit = trial["context_limit"]
    folded = f", {len(folds)} folds (turns {', '.join(str(n + 1) for n in folds)})" if folds else ""
    return Panel(
        mode=trial["mode"],
        title=f"{trial['mode']}: prompt tokens by turn, {trial['case']}",
        text=f"{len(turns)} turns, {total:,} input tokens, of which {cached / max(total, 1):.0%} were sent before; "
        f"largest prompt {max(t[0] for t in turns):,}{folded}.",
        whole=_steps([t[0] for t in turns], top, step),
        cached=_steps([t[1] for t in turns], top, step),
        folds=tuple(round(LEFT + step * n, 1) for n in folds),
        ceiling=round(_y(limit, top), 1) if limit <= top else None,
        grid=tuple((round(_y(top * k // 2, top), 1), _short(top * k // 2)) for k in range(3)),
        ticks=tuple((round(LEFT + step * (n - 0.5), 1), str(n)) for n in _turn_ticks(across)),
    )


def _steps(values: Sequence[int], top: int, step: float) -> str:
    """A filled outline with one step a turn, from the base line and back to it."""
    path = [f"M{LEFT} {_y(0, top):g}"]
    path += [f"V{_y(value, top):.1f}H{LEFT + step * (n + 1):.1f}" for n, value in enumerate(values)]
    return "".join([*path, f"V{_y(0, top):g}Z"])


def _y(value: int, top: int) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)


def _round_up(value: int) -> int:
    """The next number that reads well on an axis: 1, 2, 3, 4, 5, 6 or 8 times a power of ten."""
    power: int = 10 ** int(math.log10(max(value, 10)))
    return next(n * power for n in (1, 2, 3, 4, 5, 6, 8, 10) if n * power >= value)


def _turn_ticks(across: int) -> list[int]:
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**6) if across / n <= TICKS)
    return [1, *range(every, across + 1, every)] if every > 1 else list(range(1, across + 1))


def _short(value: int) -> str:
    return f"{value / THOUSAND:g}k" if value >= THOUSAND else str(value)
