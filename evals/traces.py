"""The suite `traces:DIR`: recorded trajectories replayed in each mode, with paired statistics and without a model.

Success is a proxy: the share of recorded calls whose needed facts all stood in the prompt (`fidelity.py`), and solved
is a trajectory with all of them. It shows what a mode keeps, not whether an agent would have succeeded.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from satchel.evals.analyze import LIMIT, NO_LIMIT
from satchel.evals.fidelity import Fidelity, fidelity
from satchel.evals.replay import Replay
from satchel.evals.suite import TRACES, Suite
from satchel.evals.transcripts import formats
from satchel.evals.trial import Trial, bills
from satchel.evals.watch import TurnTokens
from satchel.memory.errors import ConfigError
from satchel.runtime.context import tokens
from satchel.runtime.context.context import fixed
from satchel.runtime.context.controller import Rates
from satchel.runtime.meter import Meter
from satchel.runtime.models import spoken
from satchel.runtime.prices import row
from satchel.runtime.spec import limit

if TYPE_CHECKING:
    from satchel.evals.case import Case
    from satchel.evals.replay import Call, Trajectory
    from satchel.runtime.mode import Mode


@cache
def traces(name: str) -> Suite:
    """The suite of the transcripts in a folder or a file. Raises `ConfigError` if there are none, and `TraceError`."""
    folder = Path(name.removeprefix(TRACES))
    if name == TRACES or not folder.exists():
        raise ConfigError(f"{name} names no folder or file that is there; write {TRACES}DIR")
    runs = [run.trajectory for path in formats.files([folder]) for run in formats.read(path)[1]]
    if not runs:
        raise ConfigError(f"there are no transcripts in {folder}; name a folder or a file: {TRACES}DIR")
    return Suite(
        name=name,
        summary=f"{len(runs)} recorded trajectories replayed; success is a proxy, the share of recorded calls whose"
        " needed facts all stood in the prompt",
        make=_unplayed,
        recorded=Replayed(runs),
        context_limit=LIMIT,
        tags=frozenset({"replayed"}),
    )


def _unplayed(draw: int) -> Case:
    raise ConfigError(f"trajectory {draw} is recorded and cannot be played by a model; leave --model and --replay out")


class Replayed:
    """Recorded trajectories as trials: the draw is the number of the trajectory."""

    def __init__(self, runs: Sequence[Trajectory]) -> None:
        self.runs = runs
        self.size = len(runs)
        found = hashlib.sha256()
        for run in runs:
            shown = [run.id, list(run.tools), [message.wire() for message in run.messages]]
            found.update(tokens.compact(shown).encode(errors="surrogatepass"))
        self.version = found.hexdigest()

    def trial(self, name: str, draw: int, mode: Mode, context_limit: str, prices: Sequence[str]) -> Trial:
        """Replay one trajectory in a mode; folds are timed by the first price row."""
        if not 0 <= draw < self.size:
            raise ConfigError(f"{name} has {self.size} trajectories; ask for at most as many seeds")
        run = self.runs[draw]
        began = time.perf_counter()
        given = context_limit if mode.bounded else NO_LIMIT
        calls, vault = Replay(mode, given, Rates(*row(prices[0]).rates)).run(run)
        kept = sum(fidelity(run, calls, vault), Fidelity())
        turns = _turns(run, calls, cached=mode.cached)
        success = kept.shares()["complete"]
        system = [m for m in run.messages[:1] if m.role == "system"]
        return Trial(
            suite=name, case=run.id, seed=draw, mode=mode.name, kind="replayed", outcome="done",
            success=1.0 if success is None else success,
            solved=kept.complete == kept.calls,
            model_calls=len(calls),
            tool_calls=sum(len(message.calls) for message in run.messages),
            repeated_tool_calls=0,
            input_tokens=sum(t.input for t in turns),
            cached_tokens=sum(t.cached for t in turns),
            output_tokens=sum(t.output for t in turns),
            peak_tokens=max(t.input for t in turns),
            fixed_tokens=sum(fixed(system, call.prompt.tools) for call in calls),
            usd={price: bills(turns, price) for price in prices},
            seconds=time.perf_counter() - began,
            store_bytes=0,
            folds=sum(len(call.prompt.folds) for call in calls),
            context_limit=limit(given, fixed(system, run.tools)),
            turns=turns,
            tags=("replayed",),
        )  # fmt: skip


def _turns(run: Trajectory, calls: Sequence[Call], *, cached: bool) -> tuple[TurnTokens, ...]:
    meter = Meter()
    replies = [message for message in run.messages if message.role == "assistant"]
    turns = []
    for call, reply in zip(calls, replies, strict=True):
        split = meter.measure(call.prompt.messages, call.prompt.tools)
        turns.append(
            TurnTokens(
                input=split.cached + split.rest, cached=split.cached if cached else 0,
                output=spoken(reply.content, reply.calls), folded=bool(call.prompt.folds),
            )
        )  # fmt: skip
    return tuple(turns)
