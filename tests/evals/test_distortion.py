"""The curve of success by context limit, and the least limit that keeps it."""

from __future__ import annotations

from satchel.evals.distortion import b99, curve
from satchel.evals.suite import suite


def test_b99_is_the_least_limit_from_which_on_success_is_kept() -> None:
    assert b99({1: None, 2: 0.995, 3: 0.5, 4: 0.99, 5: 1.0}) == 4
    assert b99({1: 0.5}) is None


async def test_a_limit_that_holds_everything_keeps_all() -> None:
    found = await curve(suite("knapsack-easy-bare"), [0], [100, 16_000])
    assert found == {100: None, 16_000: 1.0}
    assert b99(found) == 16_000
