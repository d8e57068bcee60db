"""`compare`: the same tasks and seeds in several modes, one trial at a time, paired with the stateless baseline."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from satchel.evals.report import prepare, write_report
from satchel.evals.statistics import mean
from satchel.evals.trial import Trial, run_trial
from satchel.evals.verdict import BASELINE, Comparison, bounds, compare_pairs
from satchel.memory.errors import ConfigError
from satchel.runtime.mode import mode as mode_named
from satchel.runtime.prices import row

if TYPE_CHECKING:
    from satchel.evals.suite import Suite
    from satchel.memory.records import Json
    from satchel.memory.store import Store
    from satchel.runtime.models import Model

SCHEMA = "satchel.compare/1"

SUMMED = (
    "input_tokens", "cached_tokens", "output_tokens", "model_calls", "tool_calls", "repeated_tool_calls", "folds",
    "seconds", "store_bytes",
)  # fmt: skip
"""Fields of a trial that a mode adds up over its trials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A comparison that was run: all trials, and what they come to. `kind` says where the answers came from."""

    suite: str
    summary: str
    seeds: tuple[int, ...]
    prices: tuple[str, ...]
    git: str | None
    created: str
    kind: Literal["simulated", "replayed", "live"]
    model: str | None
    trials: tuple[Trial, ...]

    def of(self, mode: str) -> list[Trial]:
        """The trials of a mode, in the order of the seeds."""
        return [trial for trial in self.trials if trial.mode == mode]

    @property
    def modes(self) -> list[str]:
        """The modes, the baseline first."""
        return list(dict.fromkeys([BASELINE, *(trial.mode for trial in self.trials)]))

    @property
    def comparisons(self) -> list[Comparison]:
        """Every other mode against the baseline."""
        return [compare_pairs(self.of(mode), self.of(BASELINE)) for mode in self.modes if mode != BASELINE]

    @property
    def verdict(self) -> str:
        """The verdict on the first mode compared, as one sentence; what to do if there was nothing to compare."""
        first = next(iter(self.comparisons), None)
        return first.text if first else f"Only {BASELINE} was run: name another mode to compare it with."

    def to_json(self) -> dict[str, Json]:
        """The whole result as the versioned document `result.json`."""
        return {
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
            "modes": {mode: _totals(self.of(mode), self.prices) for mode in self.modes},
            "comparisons": {c.mode: c.to_json() for c in self.comparisons},
            "trials": [trial.to_json() for trial in self.trials],
        }


def _totals(trials: Sequence[Trial], prices: Sequence[str]) -> dict[str, Json]:
    """Sums over the trials of a mode; success is a mean, the peak a maximum; a sum with an unknown part is unknown."""
    success = mean([t.success for t in trials])
    usd: dict[str, float | None] = {}
    for name in prices:
        bills = [t.usd[name] for t in trials]
        known = [b for b in bills if b is not None]
        usd[name] = sum(known) if len(known) == len(bills) else None
    return {
        "trials": len(trials),
        "success_mean": success.value,
        "success_ci": bounds(success),
        **{name: sum(getattr(t, name) for t in trials) for name in SUMMED},
        "peak_tokens": max(t.peak_tokens for t in trials),
        "usd": usd,
        "outcomes": dict(sorted(Counter(t.outcome for t in trials).items())),
    }


async def compare(
    suite: Suite,
    modes: Sequence[str],
    seeds: Sequence[int],
    *,
    store: Store,
    prices: Sequence[str],
    context_limit: str | None = None,
    out: Path | None = None,
    progress: Callable[[Trial], None] | None = None,
    model: Model | None = None,
) -> Result:
    """Run every seed in every mode, and in the baseline, which always runs; write the report into `out` if given.

    Trials run one after the other, the modes of a seed side by side, so that wall times are fair. Raises `ConfigError`
    before the first trial for an unknown mode or price, and for no seeds or no prices.
    """
    names = list(dict.fromkeys([BASELINE, *(mode_named(m).name for m in modes)]))
    rows = tuple(dict.fromkeys(row(name).name for name in prices))
    if not seeds or not rows:
        raise ConfigError(f"a comparison needs at least one {'price row' if seeds else 'seed'}")
    if out:
        prepare(out)
    trials: list[Trial] = []
    for seed in seeds:
        for name in names:
            trial = await run_trial(
                suite, seed, name, store=store, prices=rows, context_limit=context_limit, model=model
            )
            trials.append(trial)
            if progress:
                progress(trial)
    result = Result(
        suite=suite.name,
        summary=suite.summary,
        seeds=tuple(seeds),
        prices=rows,
        git=commit(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        kind="live" if model else "simulated",
        model=model.name if model else None,
        trials=tuple(trials),
    )
    if out:
        write_report(result, out)
    return result


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
