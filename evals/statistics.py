"""Paired statistics: bootstrap intervals over seeds, for means, differences and ratios of sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

DRAWS = 2_000
"""Bootstrap samples; percentile intervals (Efron and Tibshirani, An Introduction to the Bootstrap, ch. 13, 1993)."""

LEVEL = 0.95
"""Confidence of the intervals."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval; all None where it is not known."""

    value: float | None
    low: float | None = None
    high: float | None = None


@lru_cache(maxsize=8)
def _samples(n: int) -> tuple[tuple[int, ...], ...]:
    """The same draws of `n` seeds for every figure, so that figures stay paired and reruns are identical."""
    rng = Random(n)  # noqa: S311 - statistics, no secret
    everyone = range(n)
    return tuple(tuple(rng.choices(everyone, k=n)) for _ in range(DRAWS))


def mean(values: Sequence[float]) -> Estimate:
    """The mean of one value a seed."""
    return _interval(len(values), lambda picks: sum(values[k] for k in picks) / len(picks))


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """The mean of ours minus theirs, paired by seed."""
    return mean([a - b for a, b in zip(ours, theirs, strict=True)])


def ratio(ours: Sequence[float | None], theirs: Sequence[float | None]) -> Estimate:
    """The sum of ours over the sum of theirs, paired by seed; unknown if any value is, or if theirs sum to nothing."""
    a = [v for v in ours if v is not None]
    b = [v for v in theirs if v is not None]
    if len(a) < len(ours) or len(b) < len(theirs) or not all(v > 0 for v in b):
        return Estimate(None)
    return _interval(len(a), lambda picks: sum(a[k] for k in picks) / sum(b[k] for k in picks))


def _interval(n: int, figure: Callable[[Sequence[int]], float]) -> Estimate:
    if n == 0:
        return Estimate(None)
    value = figure(range(n))
    if n == 1:
        return Estimate(value)
    drawn = sorted(map(figure, _samples(n)))
    tail = round((1 - LEVEL) / 2 * DRAWS)
    return Estimate(value, drawn[tail], drawn[DRAWS - 1 - tail])
