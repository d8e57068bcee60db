"""The controller folds when what was overpaid reaches what a fold costs, and not before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from satchel.runtime.context.controller import FIRST, Controller, Outlook, Rates


def outlook(history: int, folded: int, *, written: int | None = None, first: bool = False, turns: int = 0) -> Outlook:
    return Outlook(history, folded, folded if written is None else written, first, turns)


def turns_until_due(rates: Rates, *, written: int = 2_000, first: bool = False) -> int:
    controller, history = Controller(rates), 2_000
    for turn in range(1, 10_000):
        history += 1_000
        now = outlook(history, 2_000, written=written, first=first, turns=turn)
        if controller.due(now):
            return turn
        controller = controller.seen(now)
    return 10_000


def test_nothing_to_gain_is_never_due() -> None:
    assert not Controller(overpaid=10**9).due(outlook(1_000, 1_000))
    assert not Controller(overpaid=10**9).due(outlook(999, 1_000))


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
    while not controller.due(outlook(history := history + 500, folded)):
        controller = controller.seen(outlook(history, folded))
    cost = (rates.w - rates.c) * folded
    assert cost - rates.c * (history - folded) <= controller.overpaid < cost


def test_a_prefix_that_must_be_written_again_delays_the_first_fold() -> None:
    assert turns_until_due(Rates(), written=5_000) > turns_until_due(Rates())


def test_a_block_that_is_appended_comes_sooner_than_a_digest_written_anew() -> None:
    assert turns_until_due(Rates(), written=400) < turns_until_due(Rates())


def test_the_first_fold_waits_until_it_would_pay_in_a_part_of_the_turns_so_far() -> None:
    rates, written, saved = Rates(), 2_000, 4_000
    pays_after = (rates.w - rates.c) * written / (rates.c * saved)
    now = outlook(2_000 + saved, 2_000, written=written, first=True, turns=int(FIRST * pays_after))
    assert not Controller(rates, overpaid=10**9).due(now)
    assert Controller(rates).due(replace(now, turns=now.turns + 1))
    assert turns_until_due(rates, first=True) > turns_until_due(rates)


def test_a_digest_is_written_anew_once_what_is_idle_in_it_has_cost_as_much() -> None:
    controller, now = Controller().renewed(200), outlook(3_000, 2_000)
    turns = 0
    while not controller.worn(200, 1_000):
        controller, turns = controller.seen(now), turns + 1
    assert turns == 57  # 1.15 * 1,000 / (.10 * 200), less the turn to come
    assert controller.folded().worn(200, 1_000)
    assert not controller.worn(0, 0)
    assert not controller.renewed().worn(200, 1_000)


def test_a_fold_starts_the_account_again() -> None:
    assert Controller().seen(outlook(9_000, 1_000)).folded() == Controller()
    assert Controller().seen(outlook(9_000, 1_000)).overpaid == pytest.approx(800)
