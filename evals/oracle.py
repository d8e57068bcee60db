"""The oracle: a case played with the whole transcript at hand and no engine between policy and tools.

What it does is the reference for steps, expected calls and action agreement, and it bounds what any mode can score.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from satchel.evals.watch import action
from satchel.runtime.context.message import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.evals.case import Case
    from satchel.evals.suite import Suite

KEPT = 64
"""References remembered: those of the cases whose other modes are still to come."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What the oracle did: its score, its model calls, and its tool calls in order."""

    success: float
    steps: int
    calls: tuple[str, ...]

    def accuracy(self, calls: Sequence[str]) -> float:
        """How well these calls are the expected ones: distinct calls in common over those of either (Jaccard, 0..1)."""
        made, expected = set(calls), set(self.calls)
        return len(made & expected) / len(made | expected) if made or expected else 1.0

    def agreement(self, calls: Sequence[str]) -> float:
        """The share of actions in the same order as the oracle's, of the longer of both: 1 is the same play."""
        longer = max(len(calls), len(self.calls))
        same = SequenceMatcher(None, list(self.calls), list(calls), autojunk=False).get_matching_blocks()
        return sum(block.size for block in same) / longer if longer else 1.0

    def divergence(self, calls: Sequence[str]) -> int | None:
        """The first tool call, from 0, that is another than the oracle's; None if all are the same."""
        if tuple(calls) == self.calls:
            return None
        pairs = zip(calls, self.calls, strict=False)
        return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(calls), len(self.calls)))


@dataclass(slots=True)
class Oracle:
    """Plays cases once and remembers the latest."""

    _kept: OrderedDict[tuple[str, int], Reference] = field(default_factory=OrderedDict)

    async def of(self, suite: Suite, draw: int) -> Reference:
        """The reference of a case."""
        key = (suite.name, draw)
        if key not in self._kept:
            self._kept[key] = await play(suite.make(draw))
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return self._kept[key]


async def play(case: Case, policy: str = "expert") -> Reference:
    """Play a case to its end, or to the end of its budget of steps."""
    return (await transcript(case, policy))[0]


async def transcript(case: Case, policy: str = "expert") -> tuple[Reference, list[Message]]:
    """Play a case likewise; the reference, and every message of the play, the system text first."""
    tools = {tool.name: tool for tool in case.tools}
    schemas = [tool.schema for tool in case.tools]
    messages = [Message("system", case.instructions), Message("user", case.task)]
    calls: list[str] = []
    steps = left = case.steps
    steps = 0
    while True:
        answer = case.policies[policy](messages, schemas if left > 1 else [])
        steps, left = steps + 1, left - 1
        messages.append(Message("assistant", answer.text, answer.calls))
        if answer.calls and left:
            for call in answer.calls:
                output = await tools[call.name].invoke(call.args, key=call.id)
                calls.append(action(call.name, call.args))
                messages.append(Message("tool", output.text, call_id=call.id, name=call.name))
            continue
        words = case.user(answer.text) if left else None
        if words is None:
            return Reference(case.score(answer.text), steps, tuple(calls)), messages
        messages.append(Message("user", words))
        left = case.steps
