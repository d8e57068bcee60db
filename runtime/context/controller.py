"""When to fold: never later than the ceiling demands, and before that only when the prices say it pays.

A fold writes anew what it changes, b tokens, at w - c each more than reading them from the cache. Until then each turn
reads H - s tokens too many, at c each. How many turns are left is unknown, so this is the ski-rental problem: fold when
what was overpaid since the last fold reaches the cost of the fold. The bill is at most twice that of the best schedule
(Karlin et al., "Competitive Snoopy Caching", Algorithmica 3, 1988); with steady growth it is the optimal interval.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

FIRST = 3.0
"""Factor on the cost of the first fold that brings handles: so that runs that end before it has paid have none.

Measured on Opaque Knapsack at (c=.10, w=1) over 12 draws: with 2, hard runs with bare answers (46 turns) cost 1.6 %
more than without state, the worst 8.5 %, and with 3 no more; longer runs gain nothing by a lower one.
"""


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices of cached reads `c` and of writes `w`, as multiples of an uncached input token."""

    c: float = 0.10
    w: float = 1.25


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a fold would do now, in tokens: it makes `folded` of `history` and writes `written`.

    `first` folds are those that bring the tool `recall`, with which the whole of the prompt is written anew.
    """

    history: int
    folded: int
    written: int
    first: bool = False


@dataclass(frozen=True, slots=True)
class Controller:
    """What has been overpaid since the last fold, in prices of an uncached input token."""

    rates: Rates = Rates()
    overpaid: float = 0.0

    def seen(self, now: Outlook) -> Controller:
        """After a prompt was sent."""
        return replace(self, overpaid=self.overpaid + self.rates.c * max(0, now.history - now.folded))

    def due(self, now: Outlook) -> bool:
        """Whether to fold now."""
        cost = (self.rates.w - self.rates.c) * now.written
        cost *= FIRST if now.first else 1.0
        return now.history > now.folded and self.overpaid + self.rates.c * (now.history - now.folded) >= cost

    def folded(self) -> Controller:
        """Just after a fold."""
        return replace(self, overpaid=0.0)
