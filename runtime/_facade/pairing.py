"""What the command line shows of a comparison, while it runs and when it is done."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import Progress

from satchel import console
from satchel.evals.cassette import Capped, Player, Recorder
from satchel.evals.compare import Result
from satchel.evals.compare import compare as run
from satchel.evals.distortion import lines as curve_lines
from satchel.evals.figures import Readings
from satchel.evals.gate import Gate, junit
from satchel.evals.history import keep
from satchel.evals.ledger import badges, ratios, slices, table
from satchel.evals.plan import TRIALS
from satchel.evals.report import JUNIT, read_document
from satchel.evals.suite import GOLDEN, SUITES, summary
from satchel.evals.suite import suite as suite_named
from satchel.memory.errors import ConfigError
from satchel.runtime.models import resolve
from satchel.runtime.prices import STANDING
from satchel.runtime.stores import open_store
from satchel.shelf import opened

if TYPE_CHECKING:
    from pathlib import Path

    from satchel.evals.trial import Trial
    from satchel.memory.records import Json
    from satchel.runtime.models import Model

FEW, MANY = 3, 40
"""Seeds of each case unless a number is given: of the golden set, and of a suite, which is one case."""

EVERY = 10
"""Trials between two lines of progress where there is no terminal."""


async def compare(
    suite: str,
    modes: str,
    seeds: int | None,
    prices: str | None,
    context_limit: str | None,
    out: Path | None,
    store: str | None,
    *,
    curve: str | None = None,
    workers: int | None = None,
    baseline: bool = True,
    model: Model | None = None,
    quiet: bool,
) -> Result:
    """Pair the modes over the first `seeds` seeds, telling each trial on stderr; Ctrl-C says how to go on."""
    if model is not None and (workers or 1) > 1:
        raise ConfigError("a model plays in this process, trial by trial: leave --workers out")
    names = [name.strip() for name in modes.split(",") if name.strip()]
    recorded = None if suite == GOLDEN else suite_named(suite).recorded
    chosen = seeds or (recorded.size if recorded else FEW if suite == GOLDEN else MANY)
    count = workers or ((os.cpu_count() or 1) if suite == GOLDEN and model is None else 1)
    try:
        with _Progress(quiet=quiet) as progress:
            start = partial(
                run, suite, names, range(chosen), prices=split_rows(prices) if prices else STANDING,
                context_limit=context_limit, curve=curve.split(",") if curve else (), out=out, baseline=baseline,
                progress=progress,
            )  # fmt: skip
            if count > 1 and model is None:
                return await start(store=store, workers=count)
            async with opened(lambda: open_store(store)) as found:
                return await start(store=found, model=model)
    except asyncio.CancelledError:
        kept = f"{out / TRIALS} holds what is done: the same command goes on" if out else "nothing was kept: use --out"
        console.say(f"stopped; {kept}")
        raise


def processes(workers: int | None, profile: Path | None) -> int | None:
    """How many processes were asked for; with a profile one, since that samples this process. Raises `ConfigError`."""
    if profile is None:
        return workers
    if (workers or 1) > 1:
        raise ConfigError("--profile samples this process, where no trial runs with --workers: leave one of them out")
    return 1


def player(model: str | None, record: Path | None, replay: Path | None, usd_cap: float | None) -> Model | None:
    """Who plays: a live model, perhaps capped and recorded, or a recording; None for the scripted policies.

    Raises `ConfigError` for options that do not go together.
    """
    if replay:
        if model or record or usd_cap is not None:
            raise ConfigError("--replay plays a recording: leave out --model, --record and --usd-cap")
        return Player(replay)
    if model is None:
        if record or usd_cap is not None:
            raise ConfigError("--record and --usd-cap need a live model: name one with --model provider:model")
        return None
    found = resolve(model)
    if usd_cap is not None:
        found = Capped(found, usd_cap)
    return Recorder(found, record) if record else found


def gate(expression: str | None, baseline: Path | None) -> tuple[Gate, Mapping[str, Json] | None] | None:
    """The gate that was asked for and its earlier result, read before the first trial; None without an expression."""
    if expression is None:
        if baseline:
            raise ConfigError("--baseline is what --fail-if compares with; give an expression, too")
        return None
    return Gate(expression, earlier=baseline is not None), read_document(baseline) if baseline else None


def conclude(
    data: Mapping[str, Json], asked: tuple[Gate, Mapping[str, Json] | None] | None, *,
    out: Path | None, history: Path | None,
) -> int:  # fmt: skip
    """Keep the result by commit, check the gate, tell each clause on stderr; the exit code."""
    if history:
        console.say(f"kept: {keep(data, history)}")
    if asked is None:
        return console.OK
    checks = asked[0].check(Readings.of(data, asked[1]))
    if out:
        (out / JUNIT).write_bytes(junit(checks, data["suite"]))
    for check in checks:
        console.say(f"gate {'FAILED' if check.failed else 'passed'}: {check.clause} ({check.why})")
    return console.GATE if any(check.failed for check in checks) else console.OK


def split_rows(text: str) -> list[str]:
    """`c=.10,w=1.25,gpt-5` are two price rows: what begins with w= or o= belongs to the row before."""
    rows: list[str] = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        if rows and part.startswith(("w=", "o=")):
            rows[-1] += f",{part}"
        else:
            rows.append(part)
    return rows


def suites(*, as_json: bool) -> None:
    """The suites with their tags and their cases in the golden set."""
    rows: list[dict[str, Any]] = [
        {
            "name": s.name, "summary": s.summary, "context_limit": s.context_limit, "tags": sorted(s.tags),
            "cases": s.golden,
        }
        for s in SUITES.values()
    ]  # fmt: skip
    if as_json:
        console.document(rows)
        return
    for row in rows:
        console.out(f"{row['name']:22} {row['cases']:>4}  {row['summary']} [{', '.join(row['tags'])}]")
    console.out(f"{GOLDEN:22} {sum(row['cases'] for row in rows):>4}  {summary(GOLDEN)}")


def tell(data: Mapping[str, Json], out: Path | None, *, as_json: bool) -> None:
    """The verdict, the tables, and where the report is."""
    if as_json:
        console.document(data)
        return
    console.out(data["verdict"])
    console.out("")
    modes, others = list(data["modes"]), list(data["comparisons"])
    grids = [(badges(data), table(data)), (others, ratios(data)), (modes, slices(data))]
    for heads, lines in grids if others else grids[:1]:
        console.out(grid([["", *heads], *([line.name, *line.cells] for line in lines)]) + "\n")
    if data["curves"]:
        console.out("Success over the oracle's, by context limit:")
        heads = ["", *data["curves"]]
        console.out(grid([heads, *([line.name, *line.cells] for line in curve_lines(data))]) + "\n")
    if out:
        console.out(f"Report: {(out / 'report.html').resolve()}")


def grid(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text as aligned columns, the first to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )


class _Progress:
    """Trials done: a live bar on a terminal, plain lines otherwise, nothing when quiet."""

    def __init__(self, *, quiet: bool) -> None:
        self._done, self._quiet = 0, quiet
        self._bar = Progress(console=Console(stderr=True), disable=quiet or not sys.stderr.isatty())
        self._task = self._bar.add_task("trials", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.stop()

    def __call__(self, trial: Trial, total: int) -> None:
        self._done += 1
        last = f"{trial.suite}, seed {trial.seed}, {trial.mode}"
        self._bar.update(self._task, advance=1, total=total, description=last)
        if self._bar.disable and not self._quiet and (self._done % EVERY == 0 or self._done == total):
            console.say(f"{self._done} of {total} trials, last: {last}")
