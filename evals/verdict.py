"""From paired trials to a verdict: success first, then dollars with the cached prefix billed, then tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from satchel.evals.statistics import Estimate, difference, mcnemar, ratio, wilcoxon

if TYPE_CHECKING:
    from satchel.evals.trial import Trial
    from satchel.memory.records import Json

BASELINE = "stateless"
"""The mode that every other one is measured against."""

MINIMUM = 5
"""Pairs of task and seed below which no verdict is given."""

TOLERANCE = 0.01
"""Success that may be lost, and the share of dollars that counts as no difference."""

TIMES = 2
"""Ratios from here on are told as multiples, not in per cent."""

Code = Literal["saves", "costs_more", "no_difference", "loses_success", "too_few"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One mode against the baseline, paired by task and seed; each figure with its 95 % interval.

    `p_success` and `p_tokens` are those of McNemar's exact test over tasks solved and of the signed-rank test.
    """

    mode: str
    seeds: int
    success: tuple[float, float]
    success_diff: Estimate
    token_ratio: Estimate
    usd_ratio: Mapping[str, Estimate]
    p_success: float
    p_tokens: float

    @property
    def code(self) -> Code:
        """The verdict. Dollars are those of the first price row; a saving needs the whole interval below 1."""
        usd = next(iter(self.usd_ratio.values()))
        if self.seeds < MINIMUM:
            return "too_few"
        if self.success_diff.value is None or self.success_diff.value < -TOLERANCE:
            return "loses_success"
        if usd.value is None or usd.low is None or usd.high is None or abs(usd.value - 1) < TOLERANCE:
            return "no_difference"
        return "saves" if usd.high < 1 else "costs_more" if usd.low > 1 else "no_difference"

    @property
    def text(self) -> str:
        """The verdict as one plain sentence, with success, tokens and dollars; the intervals stand in the tables."""
        row, usd = next(iter(self.usd_ratio.items()))
        name, billed = self.mode.capitalize(), f"at {row} with the cached prefix billed"
        dollars, sent = change(usd, "dollars"), change(self.token_ratio, "input tokens")
        score = f"{self.success[0]:.3f} against {self.success[1]:.3f}{self._doubt}"
        match self.code:
            case "too_few":
                few = f"Too few pairs for a verdict on {self.mode} ({self.seeds} of at least {MINIMUM})"
                return f"{few}: so far {dollars} {billed}, {sent}, success {score}."
            case "loses_success":
                return f"{name} loses success ({score}), so no saving is claimed: {dollars} {billed}, {sent}."
            case "saves":
                return f"{name} saves: {dollars} {billed} and {sent}, at success {score}."
            case "costs_more":
                joint = "although it sends" if (self.token_ratio.value or 1) < 1 else "and"
                return f"{name} costs more: {dollars} {billed}, {joint} {sent}, at success {score}."
        if usd.value is None:
            nothing = f"since those at {row} are unknown or nothing"
            return f"{name} has no verdict on dollars, {nothing}: {sent}, at success {score}."
        return f"{name} makes no clear difference in dollars: {dollars} {billed}, {sent}, at success {score}."

    @property
    def _doubt(self) -> str:
        """What the sentence must not keep from the reader: that nothing was solved, or that a loss is not ruled out."""
        if max(self.success) <= 0:
            return ", which is no success of either"
        low = self.success_diff.low
        if self.code in {"too_few", "loses_success"} or low is None or low >= -TOLERANCE:
            return ""
        return f" (a loss of up to {-low:.3f} is within the interval)"

    def to_json(self) -> dict[str, Json]:
        """The comparison as it stands in result.json."""
        return {
            "against": BASELINE,
            "seeds": self.seeds,
            "success_diff": self.success_diff.value,
            "token_ratio": self.token_ratio.value,
            "usd_ratio": {name: e.value for name, e in self.usd_ratio.items()},
            "ci": {
                "success_diff": bounds(self.success_diff),
                "token_ratio": bounds(self.token_ratio),
                "usd_ratio": {name: bounds(e) for name, e in self.usd_ratio.items()},
            },
            "p": {"success": self.p_success, "tokens": self.p_tokens},
            "verdict": {"code": self.code, "text": self.text},
        }

    def brief(self) -> dict[str, Json]:
        """The comparison as it stands in a slice: success, tokens, dollars at the first row, and the verdict's code."""
        row, usd = next(iter(self.usd_ratio.items()))
        return {
            "success_diff": self.success_diff.value,
            "token_ratio": self.token_ratio.value,
            "usd_ratio": {row: usd.value},
            "verdict": self.code,
        }


def bounds(estimate: Estimate) -> list[float] | None:
    """The interval as two numbers, or None if there is none."""
    return None if estimate.low is None or estimate.high is None else [estimate.low, estimate.high]


def compare_pairs(ours: Sequence[Trial], theirs: Sequence[Trial], *, prices: Sequence[str] | None = None) -> Comparison:
    """A mode's trials against the baseline's, over the tasks and seeds that both have, at these price rows or at all.

    A failure is never a cheap success: what a trial took that scored nothing, or less than a baseline that solved the
    task, counts as at least the baseline's.
    """
    base = {t.pair: t for t in theirs}
    pairs = [(t, base[t.pair]) for t in ours if t.pair in base]
    a, b = [p[0] for p in pairs], [p[1] for p in pairs]
    tokens = [float(t.input_tokens) for t in b]
    cheap = [failed(x.success, solved=x.solved, other_solved=y.solved) for x, y in pairs]
    sent = [charged(x.input_tokens, y.input_tokens, failed=f) for (x, y), f in zip(pairs, cheap, strict=True)]
    usd = {
        row: [charged(x.usd[row], y.usd[row], failed=f) for (x, y), f in zip(pairs, cheap, strict=True)]
        for row in prices or ours[0].usd
    }
    return Comparison(
        mode=ours[0].mode,
        seeds=len(pairs),
        success=(_mean(a), _mean(b)),
        success_diff=difference([t.success for t in a], [t.success for t in b]),
        token_ratio=ratio(sent, tokens),
        usd_ratio={row: ratio(bills, [t.usd[row] for t in b]) for row, bills in usd.items()},
        p_success=mcnemar([t.solved for t in a], [t.solved for t in b]),
        p_tokens=wilcoxon([float(t.input_tokens) for t in a], tokens),
    )


def charged(spent: float | None, base: float | None, *, failed: bool) -> float | None:
    """What a trial took as it counts beside its pair's: a failure is never cheaper. None is unknown."""
    return max(spent, base) if failed and spent is not None and base is not None else spent


def failed(success: float, *, solved: bool, other_solved: bool) -> bool:
    """Whether a trial counts as a failure beside its pair: it scored nothing, or left unsolved what the pair solved."""
    return success <= 0 or (other_solved and not solved)


def _mean(trials: Sequence[Trial]) -> float:
    return sum(t.success for t in trials) / len(trials) if trials else 0.0


def change(estimate: Estimate, what: str) -> str:
    """A ratio in words: `38 % fewer input tokens`, `4.7 times the dollars`."""
    if estimate.value is None:
        return f"unknown {what}"
    if estimate.value >= TIMES:
        return f"{estimate.value:.1f} times the {what}"
    return f"{100 * abs(1 - estimate.value):.0f} % {'fewer' if estimate.value < 1 else 'more'} {what}"
