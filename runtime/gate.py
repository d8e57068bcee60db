"""The one gate before every model call and tool call: may it start, and can the run still land after it?"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from satchel.memory.records import Call, Record, Result, Usage
from satchel.prompts import render
from satchel.runtime.brief import SCHEMA, whole
from satchel.runtime.budget import Budget, Cost, Spent, exhausted, refusal
from satchel.runtime.prices import most

if TYPE_CHECKING:
    from satchel.runtime.context.message import ToolCall
    from satchel.runtime.spec import Spec


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands: its limits, what it has spent, and sizes in tokens of ours.

    `estimate` bounds the next prompt, `growth` is the most that a turn has added so far, and `factor` how many tokens
    of the model one of ours is at most. `refused` names the limit that refused a call of the newest reply; `acts` says
    whether there are tools, `shown` are those whose whole schema the thread holds.
    """

    budget: Budget
    spent: Spent
    steps: int
    estimate: int
    growth: int
    factor: float
    acts: bool
    refused: str | None = None
    shown: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a model call may be: `stop` names the limit that rules out another full turn, None if none does.

    `ceiling` is the most tokens of the model that prompt and reply of the call may have; 0 if not even the reserved
    answer fits.
    """

    stop: str | None
    ceiling: int


class Gate:
    """The budgets of a spec, applied to what a run has spent."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec

    def model(self, h: Standing, *, seconds: float) -> Verdict:
        """Before a model call. A turn with tools is let through only if an answer after it can still be paid.

        `seconds` have passed that the log does not count yet.
        """
        spec = self._spec
        if over := exhausted(h.budget, h.spent.charged(Usage(), seconds), Cost(0, 0, 0.0), calls=0):
            return Verdict(over, 0)
        now = self.cost(int(h.estimate * h.factor))
        stop = h.refused if h.refused in ("tool_calls", "usd") else None
        needed = [now, self._after(h)] if h.acts else [now]
        for n in range(1, len(needed) + 1):
            total = needed[0] if n == 1 else needed[0] + needed[1]
            stop = stop or exhausted(h.budget, h.spent, total, calls=n)
        return Verdict(stop, self._allowance(h) if stop else spec.ceiling)

    def calls(self, h: Standing, calls: Sequence[ToolCall]) -> list[Record]:
        """The intents of a reply's calls, each admitted or refused by the budgets, in order, for one commit."""
        spent, reserve = h.spent, self._after(h)
        records: list[Record] = []
        taken, told = set[str](), set[str]()
        for n, call in enumerate(calls):
            tool = self._spec.tools.get(call.name)
            usd = tool.cost_usd if tool else 0.0
            limit = refusal(h.budget, spent, call.name, usd, reserve)
            if not limit and call.name in self._spec.briefs and call.name not in h.shown:
                limit = SCHEMA
            effect = tool.effect if tool else "read"  # recall, or a name that no tool has: nothing happens outside
            identity = call.id if call.id and call.id not in taken else f"call-{h.steps}-{n}"
            taken.add(identity)
            records.append(Call(id=identity, name=call.name, args=call.args, effect=effect, refused=limit))
            if limit:
                records.append(self._unrun(identity, call.name, limit, again=call.name in told))
                told.add(call.name)
            else:
                spent = spent.called(call.name, usd)
        return records

    def _unrun(self, identity: str, name: str, why: str, *, again: bool) -> Result:
        """The result of a call that does not run: a budget forbids it, or its tool's whole schema comes first."""
        if why != SCHEMA:
            return Result(call=identity, text=render("refused", name=name, budget=why), error=True)
        return Result(call=identity, text=render("unseen", name=name) if again else whole(self._spec.tools[name]))

    def cost(self, size: int) -> Cost:
        """The most that a call with a prompt of `size` tokens of the model can cost."""
        spec = self._spec
        usd = most(spec.price, input_tokens=size, output_tokens=spec.reply_tokens)
        return Cost(size, spec.reply_tokens, usd)

    def _after(self, h: Standing) -> Cost:
        """The answer after one more turn, whose prompt may have grown by what a turn takes at most on arrival."""
        growth = max(self._spec.context_limit // 4, h.growth)
        size = int((h.estimate + self._spec.reply_tokens + growth) * h.factor)
        return self.cost(min(size, self._spec.ceiling))

    def _allowance(self, h: Standing) -> int:
        """The most tokens that prompt and reply of the reserved answer may have."""
        spec = self._spec
        sizes = range(spec.ceiling - spec.reply_tokens + 1)
        over = bisect_left(sizes, 1, key=lambda size: exhausted(h.budget, h.spent, self.cost(size)) is not None)
        return over - 1 + spec.reply_tokens if over else 0
