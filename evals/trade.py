"""Success against dollars as a chart: a numbered point a mode, and the line of those that no other beats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from satchel.evals.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart
from satchel.evals.verdict import BASELINE

if TYPE_CHECKING:
    from satchel.memory.records import Json

ROOM = 12
"""Units between the edge of the drawing and a point."""

NEAR = 22
"""Units below which two numbers would hide each other; the later one hangs below, on a line from its true place."""

STEPS = (0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 500, 10**6)
"""Distances of the numbers on the axis of dollars, of which the least that gives at most six is taken."""

TALL = HEIGHT + 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Points(Chart):
    """Points: true place, the height at which the number hangs, and the number; `front` is SVG path data."""

    points: tuple[tuple[float, float, float, str], ...]
    front: str


def trade(data: Mapping[str, Json]) -> Points | None:
    """The chart at the first price row, dollars relative to the baseline; None with one mode or unknown dollars."""
    price, base = data["prices"][0], data["modes"].get(BASELINE, {}).get("usd", {}).get(data["prices"][0])
    known = {mode: m for mode, m in data["modes"].items() if m["usd"][price] is not None}
    if not base or len(known) < 2:  # noqa: PLR2004 - one mode alone trades nothing
        return None
    dear = {mode: m["usd"][price] / base for mode, m in known.items()}
    most = max(dear.values())
    step = next(step for step in STEPS if most / step <= 6)  # noqa: PLR2004 - as said there
    places = {mode: (_x(dear[mode], most), _y(m["success_mean"])) for mode, m in known.items()}
    front = sorted((dear[mode], *places[mode]) for mode in data["pareto"]["usd"] if mode in known)
    told = ", ".join(
        f"{n} {mode} {known[mode]['success_mean']:.3f} at {dear[mode]:.2f}" for n, mode in _numbered(known)
    )
    return Points(
        kind="points",
        name=price,
        title=f"success against dollars at {price}",
        text=f"Mean success, and dollars as a multiple of {BASELINE}'s: {told}.",
        head=("", "mode", "success", "dollars", "beaten by none"),
        rows=tuple(
            (str(n), mode, f"{known[mode]['success_mean']:.3f}", f"{dear[mode]:.3f}",
             "yes" if mode in data["pareto"]["usd"] else "")
            for n, mode in _numbered(known)
        ),
        grid=tuple((_y(share), f"{share:g}") for share in (0.0, 0.5, 1.0)),
        ticks=tuple((_x(k * step, most), f"{k * step:g}") for k in range(int(most / step) + 1)),
        height=TALL,
        points=_hung([(*places[mode], str(n)) for n, mode in _numbered(known)]),
        front="M" + "L".join(f"{x:g} {y:g}" for _, x, y in front) if len(front) > 1 else "",
    )  # fmt: skip


def _numbered(modes: Mapping[str, Json]) -> list[tuple[int, str]]:
    return list(enumerate(modes, 1))


def _hung(points: list[tuple[float, float, str]]) -> tuple[tuple[float, float, float, str], ...]:
    """The points, each number where none of the others hides it."""
    hung: list[tuple[float, float, float, str]] = []
    for x, y, name in points:
        down = 1 if y < TALL / 2 else -1
        at = y
        while any(abs(x - a) < NEAR and abs(at - b) < NEAR for a, _, b, _ in hung):
            at += down * NEAR
        hung.append((x, y, round(at, 1), name))
    return tuple(hung)


def _x(value: float, most: float) -> float:
    return round(LEFT + ROOM + (WIDTH - LEFT - RIGHT - 2 * ROOM) * value / most, 1)


def _y(success: float) -> float:
    return round(TOP + ROOM + (TALL - TOP - BOTTOM - 2 * ROOM) * (1 - success), 1)
