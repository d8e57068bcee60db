"""When to fold: never later than the ceiling demands, and before that only when the prices say it pays.

A fold rewrites the digest of s tokens, which costs K = (w - c) * s more than reading it from the cache. Until then
every turn reads H - s tokens too many, at c each. The number of turns left is unknown, so this is the ski-rental
problem: fold when what was overpaid since the last fold reaches K. The cost is at most twice that of the best schedule
(Karlin et al., "Competitive Snoopy Caching", Algorithmica 3, 1988); with steady growth it is the optimal interval.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices of cached reads `c` and of writes `w`, as multiples of an uncached input token."""

    c: float = 0.10
    w: float = 1.25


@dataclass(frozen=True, slots=True)
class Controller:
    """What has been overpaid since the last fold, in prices of an uncached input token."""

    rates: Rates = Rates()
    overpaid: float = 0.0

    def seen(self, history: int, folded: int) -> Controller:
        """After a prompt whose foldable part has `history` tokens and would have `folded` after a fold."""
        return replace(self, overpaid=self.overpaid + self.rates.c * max(0, history - folded))

    def due(self, history: int, folded: int, prefix: int) -> bool:
        """Whether to fold now; `prefix` tokens ahead of the digest would have to be written again, too."""
        cost = (self.rates.w - self.rates.c) * (folded + prefix)
        return history > folded and self.overpaid + self.rates.c * (history - folded) >= cost

    def folded(self) -> Controller:
        """Just after a fold."""
        return replace(self, overpaid=0.0)
