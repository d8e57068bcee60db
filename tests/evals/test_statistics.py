"""Intervals are paired, seeded and wide enough to be honest."""

from __future__ import annotations

from random import Random

import pytest

from satchel.evals.statistics import difference, mean, ratio


def test_the_interval_holds_the_value_and_shrinks_with_more_seeds() -> None:
    rng = Random(1)
    few, many = ([rng.gauss(10, 2) for _ in range(n)] for n in (10, 200))
    for values in (few, many):
        found = mean(values)
        assert found.low is not None and found.high is not None and found.value is not None  # noqa: PT018 - narrows
        assert found.low < found.value < found.high
    a, b = mean(few), mean(many)
    assert (a.high or 0) - (a.low or 0) > 2 * ((b.high or 0) - (b.low or 0))


def test_reruns_are_identical() -> None:
    values = [1.0, 4.0, 2.0, 8.0]
    assert mean(values) == mean(list(values))


def test_pairing_removes_what_differs_between_seeds() -> None:
    easy_and_hard = [0.1, 0.9, 0.2, 0.8, 0.5]
    found = difference([v + 0.05 for v in easy_and_hard], easy_and_hard)
    assert (found.value, found.low, found.high) == pytest.approx((0.05, 0.05, 0.05))


def test_a_ratio_is_one_of_sums_not_a_mean_of_ratios() -> None:
    assert ratio([1, 30], [2, 30]).value == pytest.approx(31 / 32)


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = Random(5)
    hits = 0
    for _ in range(100):
        found = mean([rng.expovariate(1) for _ in range(30)])
        hits += found.low is not None and found.high is not None and found.low <= 1 <= found.high
    assert 85 <= hits <= 100


def test_what_is_unknown_or_nothing_stays_unknown() -> None:
    assert ratio([1, None], [1, 2]).value is None
    assert ratio([1, 2], [0, 0]).value is None
    assert mean([]).value is None
    assert (mean([3]).value, mean([3]).low) == (3, None)
