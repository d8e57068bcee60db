"""What the command line shows of load and bench."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from satchel import console
from satchel.evals import bench as benches
from satchel.evals.load import ERRORS, SLOWER, Level, Load, ramp
from satchel.memory.errors import ConfigError
from satchel.runtime.stores import open_store
from satchel.shelf import opened

if TYPE_CHECKING:
    from satchel.evals.bench import Ratio

HEAD = "at once   runs  errors    p50 s    p95 s    p99 s   runs/s  bare p50   ratio  ms a turn"


async def load(levels: str, latency: float, turns: int, runs: int, mode: str, store: str | None) -> Load:
    """A ramp on a store, each level told on stderr."""
    try:
        steps = [int(part) for part in levels.split(",")]
    except ValueError:
        raise ConfigError(f"--levels {levels!r} are no numbers; write 1,5,10,25,50") from None
    async with opened(lambda: open_store(store)) as found:
        return await ramp(
            found, levels=steps, latency=latency, turns=turns, runs=runs, mode=mode,
            progress=lambda level: console.say(f"{level.concurrent} at once: p95 {level.p95:.3f} s"),
        )  # fmt: skip


def tell(found: Load, *, as_json: bool) -> None:
    """The levels as a table, and where it breaks."""
    if as_json:
        console.document({**asdict(found), "breaking_point": found.breaking_point})
        return
    console.out(HEAD)
    for level in found.levels:
        console.out(_line(level))
    rule = f"p95 above {SLOWER:g} times that of the first level, or more than {ERRORS:.0%} failed"
    broke = found.breaking_point
    console.out(f"Breaking point: {f'{broke} at once' if broke else 'none of these levels'} ({rule}).")


def _line(at: Level) -> str:
    return (
        f"{at.concurrent:>7} {at.runs:>6} {at.errors:>7.1%} {at.p50:>8.3f} {at.p95:>8.3f} {at.p99:>8.3f}"
        f" {at.rate:>8.1f} {at.bare_p50:>9.3f} {at.ratio:>7.2f} {at.overhead_ms:>10.1f}"
    )


async def bench(store: str | None) -> list[Ratio]:
    """The ratios, each step told on stderr."""
    async with opened(lambda: open_store(store)) as found:
        return await benches.bench(found, progress=console.say)


def tell_ratios(found: list[Ratio], *, as_json: bool) -> None:
    """One line a ratio."""
    if as_json:
        console.document([{**asdict(one), "ratio": one.ratio} for one in found])
        return
    for one in found:
        console.out(f"{one.ratio:>6.2f}x  {one.name} ({one.ours:,.1f} by {one.theirs:,.1f} {one.unit})")
