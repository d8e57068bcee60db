"""The suites by name: families of cases, each one row in a table, and the golden set that is their union."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from satchel.evals.audit import audit
from satchel.evals.case import Case
from satchel.evals.conflicts import conflicts
from satchel.evals.constraints import constraints
from satchel.evals.knapsack import EASY, HARD, LONG, LONGEST
from satchel.evals.knapsack_desk import knapsack
from satchel.evals.repair import repair
from satchel.evals.service import service
from satchel.memory.errors import ConfigError

if TYPE_CHECKING:
    from satchel.evals.trial import Trial
    from satchel.runtime.mode import Mode

__all__ = ["GOLDEN", "SUITES", "Case", "Suite", "Task", "suite", "tasks"]

TRACES = "traces:"
"""How the name of a suite begins that is a folder of recorded trajectories."""

STRIDE = 1_000
"""Draws between two cases of the golden set: each has as many seeds of its own."""


class Recorded(Protocol):
    """Trials that are replayed, not played: `size` of them; `version` is a digest of what they are."""

    size: int
    version: str

    def trial(self, name: str, draw: int, mode: Mode, context_limit: str, prices: Sequence[str]) -> Trial:
        """One of them in a mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A family of cases: `make` turns a draw into a case in a fresh world.

    `context_limit` is the ceiling of a trial unless another is asked for: a number of tokens, or `+N` beyond the fixed
    surface. `tags` say what it is about and how hard it is. `golden` is how many of its cases the golden set has.
    Where trials are `recorded`, nothing is made.
    """

    name: str
    summary: str
    make: Callable[[int], Case]
    context_limit: str = "+8000"
    tags: frozenset[str] = frozenset()
    golden: int = 0
    recorded: Recorded | None = None

    def draw(self, number: int, seed: int) -> int:
        """The draw of case `number` at a seed; case 0 is the one that the suite runs by itself."""
        return number * STRIDE + seed


@dataclass(frozen=True, slots=True)
class Task:
    """A case to be run: of a suite, by its number, at a seed."""

    suite: Suite
    number: int
    seed: int


def _row(
    name: str, summary: str, make: Callable[..., Case], *tags: str, golden: int, limit: str = "+8000", **level: object
) -> Suite:
    return Suite(
        name=name,
        summary=summary,
        make=partial(make, **level),
        context_limit=limit,
        tags=frozenset(tags),
        golden=golden,
    )


_PACK = ("knapsack", "state-tracking")
_ROWS = (
    _row("knapsack", "Opaque Knapsack, hard: about 100 items and 46 turns, with catalogue prose in each answer",
         knapsack, *_PACK, "medium", golden=6, difficulty=HARD, verbose=True),
    _row("knapsack-hard-bare", "the same items, answers as short as in the paper",
         knapsack, *_PACK, "medium", golden=6, limit="+10000", difficulty=HARD, verbose=False),
    _row("knapsack-easy-verbose", "Opaque Knapsack, easy: about 33 items and 17 turns, with catalogue prose",
         knapsack, *_PACK, "short", golden=12, limit="+10000", difficulty=EASY, verbose=True),
    _row("knapsack-easy-bare", "the easy items, answers as short as in the paper",
         knapsack, *_PACK, "short", golden=12, limit="+10000", difficulty=EASY, verbose=False),
    _row("knapsack-200", "Opaque Knapsack over about 200 turns, one inspection a turn",
         knapsack, *_PACK, "long", golden=2, difficulty=LONG, verbose=True, per_turn=1),
    _row("knapsack-400", "Opaque Knapsack over about 400 turns; about 300 items are seen and must be weighed",
         knapsack, *_PACK, "long", golden=1, limit="+16000", difficulty=LONGEST, verbose=True, per_turn=1),
    _row("service", "customer service: policies, a database, a simulated user with 5 requests",
         service, "service", "writes", "short", golden=36, limit="+3000", requests=5, verbose=False, flaky=False),
    _row("service-flaky", "the same over a database that fails now and then: failure recovery",
         service, "service", "writes", "short", golden=24, limit="+3000", requests=6, verbose=True, flaky=True),
    _row("service-long", "one customer with 20 requests that refer back to each other",
         service, "service", "writes", "medium", golden=12, limit="+3000", requests=20, verbose=True, flaky=False),
    _row("repair", "code repair over a generated repository of 12 files: every call of a renamed function",
         repair, "code", "bookkeeping", "short", golden=24, limit="+6000", files=12, renames=8, lines=24),
    _row("repair-large", "the same over 40 files",
         repair, "code", "bookkeeping", "medium", golden=6, limit="+8000", files=40, renames=12, lines=24),
    _row("audit", "long audit: 220 entries shown once, facts of the first fifth asked for at the end",
         audit, "recall", "long", golden=3, entries=220, doubted=6, passages=1),
    _row("telephone", "telephone test: a few early facts must come through 50 folds and more",
         audit, "recall", "folds", "medium", golden=8, limit="+4000", entries=110, doubted=4, passages=8),
    _row("constraints", "constraint survival: rules of the user must hold over 50 folds; tools quote false ones",
         constraints, "constraints", "folds", "injection", "medium", golden=8, limit="+4000",
         batches=16, batch=4, passages=8),
    _row("constraints-short", "the same in four batches",
         constraints, "constraints", "injection", "short", golden=16, limit="+4000", batches=4, batch=4, passages=4),
    _row("conflicts", "conflicting updates: orders at the current price of a feed in prose",
         conflicts, "stale", "short", golden=16, limit="+3000", notices=50, stocks=6, prose=True),
    _row("conflicts-rows", "the same feed as bare values",
         conflicts, "stale", "short", golden=16, limit="+3000", notices=50, stocks=6, prose=False),
    _row("conflicts-long", "a feed of 150 notices in prose",
         conflicts, "stale", "medium", golden=4, limit="+4000", notices=150, stocks=8, prose=True),
)  # fmt: skip

SUITES = MappingProxyType({row.name: row for row in _ROWS})

GOLDEN = "golden"
"""The name of the union: of each suite as many cases as its row says."""


def suite(name: str) -> Suite:
    """The suite of that name, or of `traces:DIR`; `ConfigError` with the nearest names if there is none."""
    if name.startswith(TRACES):
        from satchel.evals.traces import traces  # noqa: PLC0415 - it makes suites, so it needs what stands here

        return traces(name)
    if name in SUITES:
        return SUITES[name]
    near = difflib.get_close_matches(name, [*SUITES, GOLDEN], n=3, cutoff=0.4) or [*SUITES, GOLDEN]
    raise ConfigError(f"unknown suite {name!r}; did you mean {' or '.join(near)}? `satchel suites` lists all")


def tasks(name: str, seeds: Sequence[int]) -> list[Task]:
    """The tasks of a suite, or of the golden set, seed by seed. Raises `ConfigError` for an unknown name."""
    if name != GOLDEN:
        return [Task(suite(name), 0, seed) for seed in seeds]
    return [Task(row, number, seed) for seed in seeds for row in SUITES.values() for number in range(row.golden)]


def summary(name: str) -> str:
    """What a suite, or the golden set, is about."""
    if name != GOLDEN:
        return suite(name).summary
    return f"the golden set: {sum(row.golden for row in SUITES.values())} cases of {len(SUITES)} suites, by tag"
