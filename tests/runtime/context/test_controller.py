"""The controller folds when what was overpaid reaches what a fold costs, and not before."""

from __future__ import annotations

import pytest

from satchel.runtime.context.controller import Controller, Rates


def turns_until_due(rates: Rates, *, growth: int = 1_000, folded: int = 2_000, prefix: int = 0) -> int:
    controller, history = Controller(rates), folded
    for turn in range(1, 10_000):
        history += growth
        if controller.due(history, folded, prefix):
            return turn
        controller = controller.seen(history, folded)
    return 10_000


def test_nothing_to_gain_is_never_due() -> None:
    assert not Controller(overpaid=10**9).due(1_000, 1_000, 0)
    assert not Controller(overpaid=10**9).due(999, 1_000, 0)


def test_the_interval_follows_the_prices() -> None:
    """A fold costs (w - c) * s and each turn overpays c: dear writes and cheap reads make folds rare."""
    intervals = [
        turns_until_due(Rates(c, w)) for c, w in ((0.25, 1.0), (0.10, 1.0), (0.10, 1.25), (0.05, 1.25), (0.02, 1.25))
    ]
    assert intervals == sorted(intervals)
    assert intervals[0] < intervals[-1]


def test_without_caching_every_turn_is_worth_a_fold() -> None:
    assert turns_until_due(Rates(1.0, 1.0)) == 1


def test_the_sum_overpaid_stays_within_one_turn_of_the_cost_of_a_fold() -> None:
    """Ski rental: the bill is at most twice that of the best schedule."""
    rates, folded, history = Rates(), 2_000, 2_000
    controller = Controller(rates)
    while not controller.due(history := history + 500, folded, 0):
        controller = controller.seen(history, folded)
    cost = (rates.w - rates.c) * folded
    assert cost - rates.c * (history - folded) <= controller.overpaid < cost


def test_a_prefix_that_must_be_written_again_delays_the_first_fold() -> None:
    assert turns_until_due(Rates(), prefix=3_000) > turns_until_due(Rates())


def test_a_fold_starts_the_account_again() -> None:
    assert Controller().seen(9_000, 1_000).folded() == Controller()
    assert Controller().seen(9_000, 1_000).overpaid == pytest.approx(800)
