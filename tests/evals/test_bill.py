"""Dollars by turn, the turn from which on a mode is ahead, and parts of a saving that add up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from satchel.evals.bill import CHAIN, crossings, crossover, cumulative, waterfall
from satchel.evals.chart import curves
from satchel.evals.compare import compare
from satchel.evals.suite import suite
from satchel.memory.memory_store import MemoryStore

PRICES = ["c=.10,w=1.25", "no-cache"]


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    of, store = suite("knapsack-easy-verbose"), MemoryStore()
    run = compare(of, [*CHAIN], range(2), store=store, prices=PRICES, context_limit="+3000")
    return asyncio.run(run).to_json()


@pytest.mark.parametrize(
    ("ours", "base", "turn"),
    [
        ([3, 4, 5], [1, 3, 6], 3),
        ([1, 2, 3], [2, 3, 4], 1),
        ([1, 5, 6], [2, 3, 4], None),
        ([1, 5, 6], [2, 3, 7], 3),
        ([2, 3], [2, 3], None),
        ([2, 3], [1, 2, 3, 4], 4),
        ([1, 2, 9], [2, 4], None),
    ],
)
def test_a_mode_is_ahead_from_the_turn_after_which_it_stays_so(
    ours: list[float], base: list[float], turn: int | None
) -> None:
    assert crossover(ours, base) == turn


def test_dollars_by_turn_end_at_the_bill(data: dict[str, Any]) -> None:
    for trial in data["trials"]:
        for price in data["prices"]:
            costs = cumulative(trial, price)
            assert costs
            assert costs == sorted(costs)
            assert costs[-1] == pytest.approx(trial["usd"][price])


def test_without_a_cache_the_smaller_prompt_gets_ahead(data: dict[str, Any]) -> None:
    found = crossings(data, "stateful", "no-cache")
    assert found
    assert found.ahead == found.pairs == 2


def test_who_fails_is_never_ahead(data: dict[str, Any]) -> None:
    trials = [t | ({"success": 0.0, "solved": False} if t["mode"] == "stateful" else {}) for t in data["trials"]]
    cheap = {**data, "trials": trials}
    found = crossings(cheap, "stateful", "no-cache")
    assert found
    assert (found.ahead, found.pairs) == (0, 2)
    last = curves(cheap)[-1]
    assert "stateful fails here, ahead in none of 2 pairs" in last.text
    assert len(last.crosses) < len(curves(data)[-1].crosses)


def test_the_parts_add_up_to_the_difference_of_the_bills(data: dict[str, Any]) -> None:
    found = waterfall(data)
    assert found
    assert [part.name for part in found.parts][:3] == list(CHAIN.values())
    assert found.start - sum(part.saved for part in found.parts) == pytest.approx(found.end)
    row = data["prices"][0]
    assert found.end / found.start == pytest.approx(
        data["modes"]["stateful"]["usd"][row] / data["modes"]["stateless"]["usd"][row]
    )


def test_a_part_that_was_not_run_alone_is_named_with_the_next(data: dict[str, Any]) -> None:
    modes = {name: of for name, of in data["modes"].items() if name not in {"ingest", "rewrite"}}
    found = waterfall({**data, "modes": modes})
    assert found
    assert found.parts[0].name == "ingestion + folding + append-only"
    assert found.start - sum(part.saved for part in found.parts) == pytest.approx(found.end)
    assert waterfall({**data, "modes": {"stateless": data["modes"]["stateless"]}}) is None


def test_rewriting_each_turn_folds_before_every_prompt_and_ingesting_never(data: dict[str, Any]) -> None:
    modes = data["modes"]
    assert modes["ingest"]["folds"] == 0
    assert modes["rewrite"]["folds"] > modes["stateful"]["folds"] > 0
    assert modes["rewrite"]["success_mean"] == modes["stateless"]["success_mean"]


def test_the_fixed_surface_is_part_of_the_input(data: dict[str, Any]) -> None:
    for found in data["modes"].values():
        assert 0 < found["fixed_tokens"] < found["input_tokens"]
