"""The optimum in hindsight is one: no schedule of the model is cheaper, and the engine's prompts cost what it says."""

from __future__ import annotations

from itertools import chain, combinations

import pytest

from satchel.evals.optimum import Model, Way, hindsight, schedule, trajectories
from satchel.evals.timed import Run, play
from satchel.runtime.context.epoch import Taken
from satchel.runtime.context.message import Message
from satchel.runtime.context.turn import Turn
from satchel.runtime.prices import row

ROWS = ("c=.10,w=1.25", "c=.02,w=1", "no-cache")


def run(sizes: list[int], *, room: int = 4_000, handles_at: int = 99) -> Run:
    """A run of turns of these sizes, each of which a fold makes a sixth, in tokens."""
    turn = Turn((Message("assistant", ""),), (1,))
    taken = [Taken(turn, (), size, size // 6, size, behind=n > 2) for n, size in enumerate(sizes)]
    return Run(
        plain=500, surface=700, task=100, room=room, taken=tuple(taken), prompts=tuple(range(len(sizes) + 1)),
        handles_at=handles_at, share=1.0, folds=(), bill=0.0,
    )  # fmt: skip


def cost(run: Run, at: set[int], price: str) -> Way | None:
    """The way of one schedule; None if it breaks the ceiling or folds nothing."""
    model = Model(run, *row(price).rates)
    way: Way | None = model.first()
    for k in range(1, len(run.prompts)):
        way = way and (model.fold(way, k) if k in at else model.append(way, k))
    return way


@pytest.mark.parametrize("price", ROWS)
@pytest.mark.parametrize("room", [4_000, 1_500])
@pytest.mark.parametrize("handles_at", [99, 4])
def test_no_other_schedule_is_cheaper(price: str, room: int, handles_at: int) -> None:
    made = run([300, 120, 500, 90, 700, 300, 40, 350, 420], room=room, handles_at=handles_at)
    every = chain.from_iterable(combinations(range(1, 10), n) for n in range(10))
    costs = [way.bill for folds in every if (way := cost(made, set(folds), price))]
    assert len(costs) > 20
    best = schedule(made, row(price))
    assert best.bill == pytest.approx(min(costs))
    assert cost(made, set(best.folds), price) == best


async def test_the_model_says_what_the_engine_pays() -> None:
    """To the token where nothing is folded; within a thirtieth where blocks are as large as expected."""
    (trajectory,) = await trajectories("knapsack-easy-verbose", 1)
    price = row("c=.10,w=1.25")
    whole = play(trajectory, "+99999", price, frozenset())
    assert whole.folds == ()
    assert (way := cost(whole, set(), price.name))
    assert way.bill / 1e6 == pytest.approx(whole.bill, rel=0.002)
    folded = play(trajectory, "+99999", price, frozenset({5, 9, 13}))
    assert folded.folds == (5, 9, 13)
    assert (way := cost(folded, {5, 9, 13}, price.name))
    assert way.bill / 1e6 == pytest.approx(folded.bill, rel=0.033)


async def test_the_controller_is_near_the_best_schedule_and_never_said_to_beat_it() -> None:
    (trajectory,) = await trajectories("conflicts-rows", 1)
    found = hindsight(trajectory, "+3000", row("c=.10,w=1.25"))
    assert found.best.bill <= found.controller.bill <= 1.16 * found.best.bill
    assert found.best.bill < found.full
