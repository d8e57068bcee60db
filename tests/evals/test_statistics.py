"""Intervals are paired, seeded and wide enough to be honest."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from satchel.evals.statistics import Estimate, difference, mcnemar, mean, ratio, wilcoxon


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
    assert ratio([1] * 6, [0, 0, 0, 0, 0, 6]) == Estimate(1.0), "most draws hold nothing of theirs: no interval"
    assert (ratio([1] * 40, [0, *[2] * 39]).high or 9) < 0.6
    assert mean([]).value is None
    assert (mean([3]).value, mean([3]).low) == (3, None)


def test_the_exact_test_is_the_binomial_of_discordant_pairs() -> None:
    won = [True] * 9 + [False] * 1 + [True] * 20
    lost = [False] * 9 + [True] * 1 + [True] * 20
    assert mcnemar(won, lost) == pytest.approx(22 / 1024)
    assert mcnemar(lost, won) == mcnemar(won, lost)
    assert mcnemar([True] * 5, [True] * 5) == 1.0
    assert mcnemar([False] * 6, [True] * 6) == pytest.approx(2 / 64)


def test_signed_ranks_are_counted_out_for_few_pairs() -> None:
    assert wilcoxon([1, 2, 3, 4, 5, 6], [0, 0, 0, 0, 0, 0]) == pytest.approx(2 / 64)
    # the sum of the smaller ranks is 8 at n = 10, the tabled 5 % point (two-sided): p = 0.0488
    gaps = [-1, 2, 3, 4, 5, 6, -7, 8, 9, 10]
    assert wilcoxon(gaps, [0] * 10) == pytest.approx(0.0488, abs=1e-4)
    assert wilcoxon([4, 4], [4, 4]) == 1.0


def test_signed_ranks_with_ties_are_never_surer_than_the_signs_allow() -> None:
    assert wilcoxon([1, 1, 1, 1, 1], [0, 0, 0, 0, 0]) == pytest.approx(2 / 32)
    assert wilcoxon([1, 1, 2, -1], [0, 0, 0, 0]) == pytest.approx(2 * 4 / 16), "signs with a sum of 2 or less: 4 of 16"
    rng = Random(3)
    gaps = [rng.choice([-2.0, -1.0, 1.0, 2.0, 3.0]) for _ in range(8)]
    sums = [wilcoxon([g if up else -g for g, up in zip(map(abs, gaps), signs, strict=True)], [0.0] * 8)
            for signs in product([True, False], repeat=8)]  # fmt: skip
    for level in (0.01, 0.05, 0.2):
        assert sum(p <= level for p in sums) <= level * len(sums), "it rejects no more often than it says"


def test_signed_ranks_with_ties_and_many_pairs_are_approximated() -> None:
    assert wilcoxon([1.0] * 40, [0.0] * 40) < 1e-6
    even = [1.0, -1.0] * 20
    assert wilcoxon(even, [0.0] * 40) == pytest.approx(1.0)
