"""Rate and distortion: how success falls with the context limit, and B99, the least limit that keeps 99 % of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from satchel.evals.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Curves
from satchel.evals.ledger import Line
from satchel.evals.metrics import total
from satchel.evals.statistics import Estimate, ratio
from satchel.evals.verdict import bounds
from satchel.memory.errors import ConfigError
from satchel.runtime.spec import limit

if TYPE_CHECKING:
    from satchel.evals.trial import Trial
    from satchel.memory.records import Json

KEPT = 0.99
"""Share of the oracle's success that counts as kept."""

ROOM = 20
"""Units between the axis and the first limit, and between the last and the edge."""


NAME = 66
"""Units that the name of a limit takes on the screen of a phone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One mode under one context limit, as it was asked for.

    `share` is its success over the oracle's; a task whose fixed surface does not fit scores nothing, and `fits` counts
    the others. Tokens and dollars (at the first price row) are sums over those; None is unknown.
    """

    limit: str
    fits: int
    share: Estimate
    input_tokens: int
    usd: float | None


def ordered(limits: Sequence[str]) -> tuple[str, ...]:
    """The limits of a curve, the least first. Raises `ConfigError` for fewer than two and for two kinds of them."""
    found = sorted(set(limits), key=_tokens)
    if len(found) == 1 or len({text.startswith("+") for text in found}) > 1:
        given = ",".join(limits)
        raise ConfigError(f"a curve has two or more context limits, all N or all +N, as +2000,+4000; not {given}")
    return tuple(found)


def point(at: str, trials: Sequence[Trial | None], oracle: Sequence[float], price: str) -> Point:
    """The trials of a mode under a limit, None for what does not fit, beside the oracle's success at the same tasks."""
    fit = [t for t in trials if t]
    return Point(
        limit=at,
        fits=len(fit),
        share=ratio([t.success if t else 0.0 for t in trials], oracle),
        input_tokens=sum(t.input_tokens for t in fit),
        usd=total([t.usd[price] for t in fit]),
    )


def b99(points: Sequence[Point]) -> str | None:
    """The least limit from which on every one that was tried keeps success; None if the largest does not."""
    least = None
    for one in reversed(points):
        if one.share.value is None or one.share.value < KEPT:
            break
        least = one.limit
    return least


def to_json(points: Sequence[Point]) -> dict[str, Json]:
    """A curve as it stands in result.json."""
    return {
        "b99": b99(points),
        "points": [
            {
                "limit": p.limit, "fits": p.fits, "share": p.share.value, "ci": bounds(p.share),
                "input_tokens": p.input_tokens, "usd": p.usd,
            }
            for p in points
        ],
    }  # fmt: skip


def lines(data: Mapping[str, Json]) -> list[Line]:
    """The curves as a table: a line a limit, a column a mode, and B99 below."""
    every = list(data["curves"].values())
    rows = [
        Line(one["limit"], tuple(_cell(curve["points"][n], data) for curve in every))
        for n, one in enumerate(every[0]["points"] if every else ())
    ]
    return [*rows, Line("B99", tuple(map(_told, every)))] if every else []


def _cell(at: Mapping[str, Json], data: Mapping[str, Json]) -> str:
    tasks = next(iter(data["modes"].values()))["trials"]
    lacking = "" if at["fits"] == tasks else f" ({tasks - at['fits']} of {tasks} do not fit)"
    return "unknown" if at["share"] is None else f"{at['share']:.3f}{lacking}"


def _told(curve: Mapping[str, Json]) -> str:
    first, last = curve["points"][0]["limit"], curve["points"][-1]["limit"]
    return f"above {last}" if curve["b99"] is None else f"{'at most ' if curve['b99'] == first else ''}{curve['b99']}"


def chart(data: Mapping[str, Json]) -> Curves | None:
    """Success by context limit, a line a mode, B99 ringed; the limits on a scale of logarithms. None without curves."""
    known = {m: c for m, c in data["curves"].items() if all(p["share"] is not None for p in c["points"])}
    if not known:
        return None
    limits = [p["limit"] for p in next(iter(known.values()))["points"]]
    across = {text: _x(text, limits) for text in limits}
    top = max(1.0, *(p["share"] for c in known.values() for p in c["points"]))
    places = {m: {p["limit"]: (across[p["limit"]], _y(p["share"], top)) for p in c["points"]} for m, c in known.items()}
    return Curves(
        kind="curves",
        name="B99",
        title="success by context limit, over the oracle's",
        text="; ".join(f"{mode} keeps 99 % of success from {_told(c)} on" if c["b99"] else
                       f"{mode} keeps 99 % of success at none of these limits" for mode, c in known.items()) + ".",
        head=("limit", *known),
        rows=tuple((line.name, *line.cells) for line in lines({**data, "curves": known})),
        lines=tuple((m, "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in at.values())) for m, at in places.items()),
        crosses=tuple(places[mode][c["b99"]] for mode, c in known.items() if c["b99"]),
        grid=tuple((round(_y(share, top), 1), f"{share:g}") for share in (0.0, 0.5, 1.0)),
        ticks=_apart([(x, text) for text, x in across.items()]),
    )  # fmt: skip


def _apart(ticks: Sequence[tuple[float, str]]) -> tuple[tuple[float, str], ...]:
    """The ticks whose names do not run into the one before."""
    shown: list[tuple[float, str]] = []
    for x, text in ticks:
        if not shown or x - shown[-1][0] >= NAME:
            shown.append((x, text))
    return tuple(shown)


def _tokens(text: str) -> int:
    return limit(text, 0)


def _x(text: str, limits: Sequence[str]) -> float:
    low, high, here = (math.log(_tokens(t)) for t in (limits[0], limits[-1], text))
    return round(LEFT + ROOM + (WIDTH - LEFT - RIGHT - 2 * ROOM) * (here - low) / (high - low), 1)


def _y(share: float, top: float) -> float:
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - share / top), 1)
