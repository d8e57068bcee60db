"""`compare`: the same tasks and seeds in several modes, paired with the stateless baseline."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from satchel.evals import pool
from satchel.evals.bill import crossings, waterfall
from satchel.evals.cassette import Kind, kind
from satchel.evals.frameworks import Way
from satchel.evals.frameworks import way as way_named
from satchel.evals.metrics import pareto, price_reversal, slices, totals
from satchel.evals.oracle import Oracle
from satchel.evals.pairs import places, record
from satchel.evals.plan import Kept, Setting
from satchel.evals.report import SCHEMA, prepare, read_pairs, write_report
from satchel.evals.suite import Suite, Task
from satchel.evals.suite import suite as suite_named
from satchel.evals.suite import summary as summary_of
from satchel.evals.suite import tasks as tasks_of
from satchel.evals.trial import Trial, run_trial
from satchel.evals.verdict import BASELINE, Comparison, compare_pairs
from satchel.memory.errors import ConfigError
from satchel.runtime.prices import row

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.memory.store import Store
    from satchel.runtime.models import Model

Job = tuple[str, Task, Way]


@dataclass(frozen=True, kw_only=True)
class Result:
    """A comparison that was run: all trials, and what they come to. `kind` says where the answers came from."""

    suite: str
    summary: str
    seeds: tuple[int, ...]
    prices: tuple[str, ...]
    git: str | None
    created: str
    kind: Kind
    model: str | None
    trials: tuple[Trial, ...]

    def of(self, mode: str) -> list[Trial]:
        """The trials of a mode, in the order of the tasks."""
        return [trial for trial in self.trials if trial.mode == mode]

    @property
    def modes(self) -> list[str]:
        """The modes, the baseline first."""
        every = dict.fromkeys(trial.mode for trial in self.trials)
        return sorted(every, key=lambda mode: mode != BASELINE)

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Every other mode against the baseline, if that was run."""
        base = self.of(BASELINE)
        return [compare_pairs(self.of(mode), base) for mode in self.modes if mode != BASELINE] if base else []

    @property
    def verdict(self) -> str:
        """The verdict on the first mode compared, as one sentence; what to do if there was nothing to compare."""
        first = next(iter(self.comparisons), None)
        return first.text if first else f"Only {self.modes[0]} was run: name another mode to compare it with."

    def to_json(self) -> dict[str, Json]:
        """The whole result as the versioned document `result.json`."""
        modes = {mode: totals(self.of(mode), self.prices) for mode in self.modes}
        reversals = {mode: price_reversal(found["usd"]) for mode, found in modes.items()}
        found: dict[str, Json] = {
            "schema": SCHEMA,
            "suite": self.suite,
            "summary": self.summary,
            "seeds": list(self.seeds),
            "git": self.git,
            "created": self.created,
            "kind": self.kind,
            "model": self.model,
            "prices": list(self.prices),
            "verdict": self.verdict,
            "modes": modes,
            "comparisons": {c.mode: {**c.to_json(), "kind": self.kind} for c in self.comparisons},
            "slices": slices(self.trials, self.modes, self.prices[0]) if self.comparisons else {},
            "pareto": pareto(modes, self.prices[0]),
            "price_reversal": {mode: found for mode, found in reversals.items() if found},
            "trials": [trial.to_json() for trial in self.trials],
        }
        return found | {"crossover": crossover_of(found), "waterfall": parts_of(found)}


async def compare(
    suite: Suite | str,
    modes: Sequence[str | Way],
    seeds: Sequence[int],
    *,
    store: Store | str | None,
    prices: Sequence[str],
    context_limit: str | None = None,
    out: Path | None = None,
    progress: Callable[[Trial], None] | None = None,
    model: Model | None = None,
    workers: int = 1,
    baseline: bool = True,
) -> Result:
    """Run every task of a suite (or `"golden"`) in every mode, and in the baseline unless `baseline` is off.

    With one worker trials run one after the other in this process, the modes of a task side by side, so that wall times
    are fair; with more, in as many processes, each with the store of that URL. What `out` holds already is not run
    again; every result is kept there as it comes, and the report is written at the end. A `model` plays in place of the
    scripted policies: a live one, one that records, or a recording (`satchel.evals.cassette`). Raises `ConfigError`
    before the first trial for an unknown mode or price, and for no seeds or no prices; `BudgetExceeded` at a cap.
    """
    ways = [way_named(m) for m in ([BASELINE] if baseline else []) + list(modes)]
    ways = list({way.name: way for way in ways}.values())
    rows = tuple(dict.fromkeys(row(name).name for name in prices))
    if not seeds or not rows:
        raise ConfigError(f"a comparison needs at least one {'price row' if seeds else 'seed'}")
    plan = tasks_of(suite, seeds) if isinstance(suite, str) else [Task(suite, 0, seed) for seed in seeds]
    if out:
        prepare(out)
    setting = Setting(prices=rows, context_limit=context_limit, model=model.name if model else None, kind=kind(model))
    kept = Kept(out)
    jobs = [(setting.digest(task, way), task, way) for task in plan for way in ways]
    left = [job for job in jobs if kept.get(job[0]) is None]
    for key, _, _ in jobs:
        if progress and (done := kept.get(key)):
            progress(done)
    running = _inside(left, setting, store, model) if workers == 1 else _outside(left, setting, store, workers)
    async with aclosing(running) as results:
        async for key, trial in results:
            kept.add(key, trial)
            if progress:
                progress(trial)
    result = Result(
        suite=suite if isinstance(suite, str) else suite.name,
        summary=summary_of(suite) if isinstance(suite, str) else suite.summary,
        seeds=tuple(seeds),
        prices=rows,
        git=commit(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        kind="replayed" if plan[0].suite.recorded else kind(model),
        model=model.name if model else None,
        trials=tuple(filter(None, (kept.get(key) for key, _, _ in jobs))),
    )
    if out:
        find = places(jobs, kept.get).__getitem__
        known = read_pairs(out)
        write_report(result, out, pairs=await record(result.to_json(), find, setting, known=known))
    return result


async def _inside(
    jobs: Sequence[Job], setting: Setting, store: Store | str | None, model: Model | None
) -> AsyncGenerator[tuple[str, Trial]]:
    """Trials one after the other in this process."""
    if isinstance(store, str | None):
        raise ConfigError("trials in this process need an open store; give one, or more than one worker")
    oracle = Oracle()
    for key, task, mode in jobs:
        yield key, await run_trial(
            task.suite, task.seed, mode, number=task.number, store=store, prices=setting.prices,
            context_limit=setting.context_limit, model=model, oracle=oracle,
        )  # fmt: skip


async def _outside(
    jobs: Sequence[Job], setting: Setting, store: Store | str | None, workers: int
) -> AsyncGenerator[tuple[str, Trial]]:
    """Trials in processes of their own, known there by name."""
    if setting.model or not isinstance(store, str | None):
        raise ConfigError(
            "trials in several processes take the scripted policies and the URL of a store; use workers=1"
        )
    named = [(key, Task(suite_named(task.suite.name), task.number, task.seed), mode.name) for key, task, mode in jobs]
    async with aclosing(pool.run(named, setting, workers=workers, store=store)) as results:
        async for found in results:
            yield found


def crossover_of(data: Mapping[str, Json]) -> dict[str, Json]:
    """By mode and price row: pairs, how many of them end ahead of the baseline, and the median turn from which on."""
    found = {mode: {price: crossings(data, mode, price) for price in data["prices"]} for mode in data["comparisons"]}
    return {mode: {price: asdict(c) if c else None for price, c in rows.items()} for mode, rows in found.items()}


def parts_of(data: Mapping[str, Json]) -> dict[str, Json] | None:
    """The waterfall of the saving at the first price row; None if it was not run."""
    found = waterfall(data)
    return asdict(found) | {"parts": [asdict(part) for part in found.parts]} if found else None


def commit() -> str | None:
    """The commit of the source that runs, with `-dirty` if it was changed; None outside a checkout of ours."""
    here = Path(__file__)
    try:
        _git(here.parent, "ls-files", "--error-unmatch", here.name)
        return _git(here.parent, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *args: str) -> str:
    command = ["git", "-C", str(folder), *args]
    done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=5)  # noqa: S603 - fixed words
    return done.stdout.strip()
