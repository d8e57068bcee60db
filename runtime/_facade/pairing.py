"""What the command line shows of a comparison, while it runs and when it is done."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import Progress

from satchel import console
from satchel.evals.compare import Result
from satchel.evals.compare import compare as run
from satchel.evals.report import ratios, table
from satchel.evals.suite import suite as suite_named
from satchel.memory.store import Store
from satchel.runtime.prices import STANDING
from satchel.shelf import opened

if TYPE_CHECKING:
    from pathlib import Path

    from satchel.evals.trial import Trial

EVERY = 10
"""Trials between two lines of progress where there is no terminal."""


async def compare(
    suite: str,
    modes: str,
    seeds: int,
    prices: str | None,
    context_limit: str | None,
    out: Path | None,
    open_store: Callable[[], Awaitable[Store]],
    *,
    quiet: bool,
) -> Result:
    """Pair the modes over the first `seeds` seeds, telling each trial on stderr."""
    names = [name.strip() for name in modes.split(",") if name.strip()]
    found = suite_named(suite)
    rows = split_rows(prices) if prices else STANDING
    async with opened(open_store) as store:
        with _Progress(seeds * len({*names, "stateless"}), quiet=quiet) as progress:
            return await run(
                found,
                names,
                range(seeds),
                store=store,
                prices=rows,
                context_limit=context_limit,
                out=out,
                progress=progress,
            )


def split_rows(text: str) -> list[str]:
    """`c=.10,w=1.25,gpt-5` are two price rows: what begins with w= or o= belongs to the row before."""
    rows: list[str] = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        if rows and part.startswith(("w=", "o=")):
            rows[-1] += f",{part}"
        else:
            rows.append(part)
    return rows


def tell(result: Result, out: Path | None) -> None:
    """The verdict, the table, and where the report is."""
    console.out(result.verdict)
    console.out("")
    data = result.to_json()
    for heads, lines in ((list(data["modes"]), table(data)), (list(data["comparisons"]), ratios(data))):
        console.out("\n".join(_grid([["", *heads], *([line.name, *line.cells] for line in lines)])) + "\n")
    if out:
        console.out(f"Report: {(out / 'report.html').resolve()}")


def _grid(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


class _Progress:
    """Trials done: a live bar on a terminal, plain lines otherwise, nothing when quiet."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        self._total, self._done, self._quiet = total, 0, quiet
        self._bar = Progress(console=Console(stderr=True), disable=quiet or not sys.stderr.isatty())
        self._task = self._bar.add_task("trials", total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.stop()

    def __call__(self, trial: Trial) -> None:
        self._done += 1
        self._bar.update(self._task, advance=1, description=f"seed {trial.seed}, {trial.mode}")
        if self._bar.disable and not self._quiet and (self._done % EVERY == 0 or self._done == self._total):
            console.say(f"{self._done} of {self._total} trials, last: seed {trial.seed}, {trial.mode}")
