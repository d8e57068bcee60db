"""The same task in two modes, side by side: which pairs got worse, and the whole prompts of the worst."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from satchel.evals.prompt_tape import Tape
from satchel.evals.trial import Trial, run_trial
from satchel.evals.verdict import BASELINE
from satchel.memory.memory_store import MemoryStore

if TYPE_CHECKING:
    from satchel.evals.frameworks import Way
    from satchel.evals.plan import Job, Setting
    from satchel.evals.suite import Task
    from satchel.memory.records import Json

WHOLE = 3
"""Pairs that are kept with every prompt."""

PAIRS = "pairs.json"
"""The file of a report folder that holds them."""


Place = tuple[str, str, int, str]
"""Suite, case, seed and mode of a trial."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A task in a mode and in the baseline, as trials of result.json; dollars are those of the first price row."""

    ours: Mapping[str, Json]
    base: Mapping[str, Json]
    row: str

    @property
    def success_diff(self) -> float:
        """Ours minus the baseline's."""
        return float(self.ours["success"] - self.base["success"])

    @property
    def usd_ratio(self) -> float | None:
        """Ours by the baseline's; None if either is unknown."""
        ours, base = self.ours["usd"][self.row], self.base["usd"][self.row]
        return ours / base if ours is not None and base else None


def ranked(data: Mapping[str, Json]) -> list[Pair]:
    """The pairs of the first mode that was compared, the worst first: success lost, then dollars."""
    mode = next(iter(data["comparisons"]), None)
    base = {_task(t): t for t in data["trials"] if t["mode"] == BASELINE}
    ours = [t for t in data["trials"] if t["mode"] == mode and _task(t) in base]
    pairs = [Pair(t, base[_task(t)], data["prices"][0]) for t in ours]
    return sorted(pairs, key=lambda p: (p.success_diff, -(p.usd_ratio or 0.0), p.ours["case"], p.ours["seed"]))


def _task(trial: Mapping[str, Json]) -> tuple[str, str, int]:
    return trial["suite"], trial["case"], trial["seed"]


async def record(
    data: Mapping[str, Json],
    find: Callable[[Place], tuple[Task, Way]],
    setting: Setting,
    *,
    known: Sequence[Json] = (),
) -> list[Json]:
    """The worst pairs with every prompt: each task is played again in both modes, unless it is among the known ones.

    A scripted policy plays the same run again, and `prompts` is the digest that shows it. `find` gives the task and the
    mode of a trial. Nothing is recorded where no policy played: a live model would be asked, and billed, anew, and a
    replayed one has its answers elsewhere.
    """
    if setting.model or data["kind"] == "replayed":
        return []
    before = {(*_task(pair), side["prompts"]): side for pair in known for side in _sides(pair)}
    found: list[Json] = []
    for pair in ranked(data)[:WHOLE]:
        sides = {}
        for name, trial in (("base", pair.base), ("ours", pair.ours)):
            place = (*_task(trial), trial["mode"])
            side = before.get((*_task(trial), trial["prompts"])) or await _play(*find(place), setting)
            sides[name] = {**side, "mode": trial["mode"]}
        found.append({"suite": pair.ours["suite"], "case": pair.ours["case"], "seed": pair.ours["seed"], **sides})
    return found


def repeated(data: Mapping[str, Json], pairs: Sequence[Json]) -> dict[str, int] | None:
    """Determinism as it was seen: trials that were played again, and those whose prompts were the same, byte for byte.

    None where none was.
    """
    digests = {(*_task(t), t["mode"]): t["prompts"] for t in data["trials"]}
    again = [(digests[*_task(pair), side["mode"]], side["prompts"]) for pair in pairs for side in _sides(pair)]
    return {"played_again": len(again), "identical": sum(a == b for a, b in again)} if again else None


def _sides(pair: Mapping[str, Json]) -> tuple[Json, Json]:
    return pair["base"], pair["ours"]


async def _play(task: Task, mode: Way, setting: Setting) -> dict[str, Json]:
    tape = Tape()
    again = await run_trial(
        task.suite, task.seed, mode, number=task.number, store=MemoryStore(), prices=setting.prices,
        context_limit=setting.context_limit, tape=tape,
    )  # fmt: skip
    return {"prompts": again.prompts, **tape.to_json()}


def places(jobs: Sequence[Job], kept: Callable[[str], Trial | None]) -> dict[Place, tuple[Task, Way]]:
    """Where each trial came from: its task and mode."""
    done = ((kept(job.key), job) for job in jobs)
    return {(*trial.pair, trial.mode): (job.task, job.way) for trial, job in done if trial}
