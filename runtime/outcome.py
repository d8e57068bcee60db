"""How a run ended, or where it stands, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from satchel.memory.records import Ended
from satchel.runtime.events import RunResult, RunState

if TYPE_CHECKING:
    from satchel.runtime.history import History


def result(h: History, thread: str, entries: int, prompt_tokens: int, peak: int) -> RunResult:
    """The result of a thread's last run; `prompt_tokens` of its last prompt and `peak` of its largest."""
    ended = h.ended or Ended(outcome="cancelled", detail="the run was stopped before it came to an outcome")
    state = RunState(
        entries, h.spent.steps, dict(h.spent.per_tool), h.folds, prompt_tokens, peak, h.context.past.digest.text,
        h.watch.predicted, h.watch.billed, h.context.factor, tuple(filter(None, [h.watch.alarm])),
        h.spent.summaries,
    )  # fmt: skip
    return RunResult(ended.text, ended.outcome, h.spent.usage, thread, state, ended.detail)
