"""When to fold: never later than the ceiling demands, and before that only when the prices say it pays.

A fold rewrites the digest of s tokens, which costs K = (w - c) * s more than reading it from the cache. Until then
every turn reads H - s tokens too many, at c each. The number of turns left is unknown, so this is the ski-rental
problem: fold when what was overpaid since the last fold reaches kappa**2 * K. With kappa = 1 the cost is at most twice
that of the best schedule (Karlin et al., "Competitive Snoopy Caching", Algorithmica 3, 1988).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

KAPPA = 1.2
"""Folds this many times rarer than the cheapest steady interval; see evals/README.md for the measured choice."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices of cached reads `c` and of writes `w`, as multiples of an uncached input token."""

    c: float = 0.10
    w: float = 1.25


@dataclass(frozen=True, slots=True)
class Controller:
    """What has been overpaid since the last fold. `every` replaces the prices by a fixed number of turns."""

    rates: Rates = Rates()
    every: int | None = None
    overpaid: float = 0.0
    turns: int = 0

    def seen(self, history: int, folded: int) -> Controller:
        """After a prompt whose foldable part has `history` tokens and would have `folded` after a fold."""
        extra = self.rates.c * max(0, history - folded)
        return replace(self, overpaid=self.overpaid + extra, turns=self.turns + 1)

    def due(self, history: int, folded: int, prefix: int) -> bool:
        """Whether to fold now; `prefix` tokens ahead of the digest would have to be written again, too."""
        if self.every is not None:
            return self.turns >= self.every
        cost = (self.rates.w - self.rates.c) * (folded + prefix)
        return history > folded and self.overpaid + self.rates.c * (history - folded) >= KAPPA**2 * cost

    def folded(self) -> Controller:
        """Just after a fold."""
        return replace(self, overpaid=0.0, turns=0)
