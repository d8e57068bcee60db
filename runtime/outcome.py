"""How a run ended, or where it stands, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from satchel.memory.records import Ended
from satchel.runtime.events import RunResult, RunState

if TYPE_CHECKING:
    from satchel.runtime.context.context import Prompt
    from satchel.runtime.history import History


@dataclass(frozen=True, slots=True)
class Sizes:
    """Tokens of the prompts that were made: of the last, of the largest, of all, and of the fixed surface in all."""

    last: int = 0
    peak: int = 0
    total: int = 0
    surface: int = 0

    def sent(self, prompt: Prompt) -> Sizes:
        """With one more."""
        size = prompt.size
        return Sizes(size, max(self.peak, size), self.total + size, self.surface + prompt.surface)


def result(h: History, thread: str, entries: int, sizes: Sizes) -> RunResult:
    """The result of a thread's last run, whose prompts had these sizes."""
    ended = h.ended or Ended(outcome="cancelled", detail="the run was stopped before it came to an outcome")
    state = RunState(
        entries, h.spent.steps, dict(h.spent.per_tool), h.folds, sizes.last, sizes.peak, h.context.past.digest.text,
        h.watch.predicted, h.watch.billed, h.context.factor, tuple(filter(None, [h.watch.alarm])),
        h.spent.summaries, round(sizes.surface / max(1, sizes.total), 4),
    )  # fmt: skip
    return RunResult(ended.text, ended.outcome, h.spent.usage, thread, state, ended.detail)
