"""How many of a model's tokens one of ours is, learned from the usage that its provider reports.

Until the first report our counts are raised by `SAFETY`. Then the factor is the largest ratio of reported to counted
tokens among the prompts at least half as large as the largest so far, and a margin: a fixed surcharge of the provider
(a hidden system text for tools, for instance) weighs much in a small prompt and little near the ceiling, where the
factor matters. A function of the log alone, so a resumed run sends the identical prompt.
"""

from __future__ import annotations

from dataclasses import dataclass

from satchel.memory.records import Reply
from satchel.runtime.budget import SAFETY

MARGIN = 1.05
"""On the ratios seen: the next text may be denser in the model's tokens (prose and code differ by an eighth)."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What has been learned of a model's counting. `seen` are pairs of counted tokens and ratio that still matter."""

    model: str = ""
    exact: bool = True
    seen: tuple[tuple[int, float], ...] = ()

    @property
    def factor(self) -> float:
        """Tokens of the model for one of ours, at most; 1.0 where our counter is its own, and never below."""
        if self.exact:
            return 1.0
        if not self.seen:
            return SAFETY
        half = max(counted for counted, _ in self.seen) / 2
        return max(1.0, MARGIN * max(ratio for counted, ratio in self.seen if counted >= half))

    def replied(self, reply: Reply) -> Calibration:
        """After a reply; another model's, and one without a report, teach nothing."""
        if self.exact or reply.model != self.model or not reply.counted or not reply.usage.input:
            return self
        new = reply.counted, reply.usage.input / reply.counted
        kept = [old for old in self.seen if old[0] > new[0] or old[1] > new[1]]
        return Calibration(self.model, self.exact, (*kept, new))
