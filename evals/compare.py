"""`compare`: the same tasks and seeds in several modes, paired with the stateless baseline."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from satchel.evals import pool
from satchel.evals.bill import crossings, waterfall
from satchel.evals.cassette import Kind, kind
from satchel.evals.distortion import Point, ordered, point
from satchel.evals.distortion import to_json as curve_json
from satchel.evals.frameworks import Way
from satchel.evals.frameworks import way as way_named
from satchel.evals.metrics import pareto, price_reversal, slices, totals
from satchel.evals.pairs import places, record, repeated
from satchel.evals.plan import Job, Kept, Setting
from satchel.evals.report import SCHEMA, prepare, read_pairs, write_report
from satchel.evals.suite import Suite, Task
from satchel.evals.suite import summary as summary_of
from satchel.evals.suite import tasks as tasks_of
from satchel.evals.trial import Trial
from satchel.evals.verdict import BASELINE, Comparison, compare_pairs
from satchel.memory.errors import ConfigError, PromptTooLarge
from satchel.runtime.prices import row

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.memory.store import Store
    from satchel.runtime.models import Model


@dataclass(frozen=True, kw_only=True)
class Result:
    """A comparison that was run: all trials, and what they come to. `kind` says where the answers came from.

    `curves` has, by mode, the points of its success by context limit, if they were asked for; `determinism` says how
    many trials were played again for the report, and how many of those had the same prompts.
    """

    suite: str
    summary: str
    seeds: tuple[int, ...]
    prices: tuple[str, ...]
    git: str | None
    created: str
    kind: Kind
    model: str | None
    trials: tuple[Trial, ...]
    curves: Mapping[str, Sequence[Point]] = field(default_factory=dict)
    determinism: Mapping[str, int] | None = None

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
            "determinism": dict(self.determinism) if self.determinism else None,
            "curves": {mode: curve_json(points) for mode, points in self.curves.items()},
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
    curve: Sequence[str] = (),
    out: Path | None = None,
    progress: Callable[[Trial, int], None] | None = None,
    model: Model | None = None,
    workers: int = 1,
    baseline: bool = True,
) -> Result:
    """Run every task of a suite (or `"golden"`) in every mode, and in the baseline unless `baseline` is off.

    With one worker trials run one after the other in this process, the modes of a task side by side, so that wall times
    are fair; with more, in as many processes, each with the store of that URL. At the context limits of `curve` the
    modes that have one run, too. What `out` holds already is not run again; every result is kept there as it comes, and
    the report is written at the end. `progress` hears of each trial, and how many there are. A `model` plays in place
    of the scripted policies: a live one, one that records, or a recording (`satchel.evals.cassette`). Raises
    `ConfigError` before the first trial for an unknown mode or price, for a wrong curve, and for no seeds or no prices;
    `PromptTooLarge` if a task does not fit under its context limit; `BudgetExceeded` at a cap.
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
    jobs = [setting.job(task, way) for task in plan for way in ways]
    swept = _swept(setting, ordered(curve), plan, ways)
    every = {job.key: job for job in (*jobs, *chain.from_iterable(zip(*swept.values(), strict=True)))}
    kept = Kept(out)
    for key in every:
        if progress and (done := kept.get(key)):
            progress(done, len(every))
    left = [job for key, job in every.items() if kept.get(key) is None]
    running = pool.inside(left, store, model) if workers == 1 else pool.outside(left, store, workers)
    async with aclosing(running) as results:
        async for job, found in results:
            if not isinstance(found, PromptTooLarge):
                kept.add(job.key, found)
                if progress:
                    progress(found, len(every))
            elif any(job.key == one.key for one in jobs):  # of a curve it is told as what does not fit
                raise found
    result = Result(
        suite=suite if isinstance(suite, str) else suite.name,
        summary=summary_of(suite) if isinstance(suite, str) else suite.summary,
        seeds=tuple(seeds),
        prices=rows,
        git=commit(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        kind="replayed" if plan[0].suite.recorded else kind(model),
        model=model.name if model else None,
        trials=tuple(filter(None, (kept.get(job.key) for job in jobs))),
        curves=_curves(swept, jobs, kept),
    )
    if out:
        data, find = result.to_json(), places(jobs, kept.get).__getitem__
        pairs = await record(data, find, setting, known=read_pairs(out))
        result = replace(result, determinism=repeated(data, pairs))
        write_report(result, out, pairs=pairs)
    return result


def _swept(
    setting: Setting, limits: Sequence[str], plan: Sequence[Task], ways: Sequence[Way]
) -> dict[tuple[str, str], list[Job]]:
    """The jobs of each point of a curve, by mode and limit: of every mode that has a context limit."""
    bounded = [way for way in ways if way.bounded]
    if limits and not bounded:
        raise ConfigError(f"{', '.join(way.name for way in ways)}: no mode with a context limit, so there is no curve")
    at = {limit: replace(setting, context_limit=limit) for limit in limits}
    return {(way.name, limit): [at[limit].job(task, way) for task in plan] for way in bounded for limit in limits}


def _curves(swept: Mapping[tuple[str, str], Sequence[Job]], jobs: Sequence[Job], kept: Kept) -> dict[str, list[Point]]:
    """The points of each mode, beside the oracle's success at the same tasks."""
    oracle = {job.task: trial.oracle for job in jobs if (trial := kept.get(job.key))}
    found: dict[str, list[Point]] = {}
    for (mode, limit), at in swept.items():
        trials = [kept.get(job.key) for job in at]
        made = point(limit, trials, [oracle[job.task] for job in at], at[0].setting.prices[0])
        found.setdefault(mode, []).append(made)
    return found


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
