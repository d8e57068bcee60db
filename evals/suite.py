"""The suites by name: families of cases, each one row in a table."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from satchel.evals.case import Case
from satchel.evals.knapsack import EASY, HARD
from satchel.evals.knapsack_desk import knapsack
from satchel.memory.errors import ConfigError

__all__ = ["SUITES", "Case", "Suite", "suite"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A family of cases: `make` turns a seed into a case in a fresh world.

    `context_limit` is the ceiling of a trial unless another is asked for: a number of tokens, or `+N` beyond the fixed
    surface.
    """

    name: str
    summary: str
    make: Callable[[int], Case]
    context_limit: str = "+8000"


_ROWS = (
    Suite(
        name="knapsack",
        summary="Opaque Knapsack, hard: about 100 items and 46 turns, with catalogue prose in each answer",
        make=partial(knapsack, difficulty=HARD, verbose=True),
    ),
    Suite(
        name="knapsack-hard-bare",
        summary="the same items, answers as short as in the paper",
        make=partial(knapsack, difficulty=HARD, verbose=False),
    ),
    Suite(
        name="knapsack-easy-verbose",
        summary="Opaque Knapsack, easy: about 33 items and 17 turns, with catalogue prose in each answer",
        make=partial(knapsack, difficulty=EASY, verbose=True),
    ),
    Suite(
        name="knapsack-easy-bare",
        summary="the easy items, answers as short as in the paper",
        make=partial(knapsack, difficulty=EASY, verbose=False),
    ),
)

SUITES = MappingProxyType({row.name: row for row in _ROWS})


def suite(name: str) -> Suite:
    """The suite of that name; `ConfigError` with the nearest names if there is none."""
    if name in SUITES:
        return SUITES[name]
    near = difflib.get_close_matches(name, SUITES, n=3, cutoff=0.4) or list(SUITES)
    raise ConfigError(f"unknown suite {name!r}; did you mean {' or '.join(near)}? `satchel suites` lists all")
