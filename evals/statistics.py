"""Paired statistics: bootstrap intervals for means, differences and ratios of sums, and two exact tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from math import comb, erfc, inf, sqrt
from random import Random

DRAWS = 2_000
"""Bootstrap samples; percentile intervals (Efron and Tibshirani, An Introduction to the Bootstrap, ch. 13, 1993)."""

LEVEL = 0.95
"""Confidence of the intervals."""

EXACT = 25
"""Pairs up to which the signed-rank distribution is counted out; above, it is approximated."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval; all None where it is not known."""

    value: float | None
    low: float | None = None
    high: float | None = None


@lru_cache(maxsize=8)
def _samples(n: int) -> tuple[tuple[int, ...], ...]:
    """The same draws of `n` pairs for every figure, so that figures stay paired and reruns are identical."""
    rng = Random(n)  # noqa: S311 - statistics, no secret
    everyone = range(n)
    return tuple(tuple(rng.choices(everyone, k=n)) for _ in range(DRAWS))


def mean(values: Sequence[float]) -> Estimate:
    """The mean of one value a pair."""
    return _interval(len(values), lambda picks: sum(map(values.__getitem__, picks)) / len(picks))


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """The mean of ours minus theirs, pair by pair."""
    return mean([a - b for a, b in zip(ours, theirs, strict=True)])


def ratio(ours: Sequence[float | None], theirs: Sequence[float | None]) -> Estimate:
    """The sum of ours over the sum of theirs, paired; unknown if any value is, or if theirs sum to nothing.

    A draw of pairs in which theirs sum to nothing counts as endlessly dear.
    """
    a = [v for v in ours if v is not None]
    b = [v for v in theirs if v is not None]
    if len(a) < len(ours) or len(b) < len(theirs) or sum(b) <= 0:
        return Estimate(None)

    def figure(picks: Sequence[int]) -> float:
        under = sum(map(b.__getitem__, picks))
        return sum(map(a.__getitem__, picks)) / under if under else inf

    found = _interval(len(a), figure)
    return replace(found, low=None, high=None) if found.high == inf else found


def _interval(n: int, figure: Callable[[Sequence[int]], float]) -> Estimate:
    if n == 0:
        return Estimate(None)
    value = figure(range(n))
    if n == 1:
        return Estimate(value)
    drawn = sorted(map(figure, _samples(n)))
    tail = round((1 - LEVEL) / 2 * DRAWS)
    return Estimate(value, drawn[tail], drawn[DRAWS - 1 - tail])


def mcnemar(ours: Sequence[bool], theirs: Sequence[bool]) -> float:
    """Two-sided exact p for paired successes: the binomial of the discordant pairs at 1/2 (McNemar 1947)."""
    won = sum(a and not b for a, b in zip(ours, theirs, strict=True))
    lost = sum(b and not a for a, b in zip(ours, theirs, strict=True))
    n = won + lost
    tail = sum(comb(n, k) for k in range(min(won, lost) + 1))
    return min(1.0, 2 * tail / float(2**n))


def wilcoxon(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Two-sided p of the signed-rank test for paired values, equal pairs left out (Wilcoxon 1945).

    Counted out for up to 25 pairs, tied ones at their mean rank, else the normal approximation with the correction for
    ties (Hollander and Wolfe, Nonparametric Statistical Methods, ch. 3.1).
    """
    gaps = [a - b for a, b in zip(ours, theirs, strict=True) if a != b]
    n = len(gaps)
    if n == 0:
        return 1.0
    ranks, ties = _ranks([abs(gap) for gap in gaps])
    plus = sum(rank for rank, gap in zip(ranks, gaps, strict=True) if gap > 0)
    low = min(plus, n * (n + 1) / 2 - plus)
    if n <= EXACT:
        doubled = tuple(round(2 * rank) for rank in ranks)
        return min(1.0, 2 * sum(_counts(doubled)[: round(2 * low) + 1]) / float(2**n))
    variance = n * (n + 1) * (2 * n + 1) / 24 - ties / 48
    return min(1.0, erfc((n * (n + 1) / 4 - low) / sqrt(2 * variance)))


def _ranks(values: Sequence[float]) -> tuple[list[float], int]:
    """Ranks from 1, tied values sharing their mean rank, and the sum of t^3 - t over ties."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks, ties, at = [0.0] * len(values), 0, 0
    for _, group in groupby(order, key=values.__getitem__):
        tied = list(group)
        for n in tied:
            ranks[n] = at + (len(tied) + 1) / 2
        ties += len(tied) ** 3 - len(tied)
        at += len(tied)
    return ranks, ties


def _counts(doubled: Sequence[int]) -> list[int]:
    """How many of the 2^n choices of signs give each sum of ranks, in halves: mean ranks of ties are halves at most."""
    counts = [1]
    for rank in doubled:
        longer = [0] * rank
        counts = [a + b for a, b in zip(counts + longer, longer + counts, strict=True)]
    return counts
