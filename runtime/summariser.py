"""A summariser: another model's prose beside the digest, asked for at a fold, paid for once, harmless when it fails."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from satchel.memory.records import Charge, Usage
from satchel.prompts import render
from satchel.runtime.budget import SAFETY
from satchel.runtime.context import tokens
from satchel.runtime.context.beside import PROSE, clipped
from satchel.runtime.context.message import Message
from satchel.runtime.failure import describe
from satchel.runtime.history import recorded
from satchel.runtime.prices import most, priced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.memory.records import Record
    from satchel.runtime.gate import Gate, Verdict
    from satchel.runtime.history import History
    from satchel.runtime.models import Answer, Model
    from satchel.runtime.spec import Spec

SECONDS = 60.0
"""Seconds that a summary may take; a run's own time may be shorter."""


class Summariser:
    """Asks a spec's summariser, if it has one. A try that fails is not repeated: the digest stands without it."""

    def __init__(self, spec: Spec, gate: Gate) -> None:
        self._spec = spec
        self._gate = gate

    async def records(self, h: History, at: int, verdict: Verdict, *, elapsed: float) -> Sequence[Record]:
        """The folds that are due before a prompt, done now, and what the summariser says, as records from `at` on.

        None if nothing is due. `elapsed` are the seconds that no record counts yet. The model is not asked if the run
        could then not go on.
        """
        model = self._spec.summariser
        if model is None or verdict.stop:
            return ()
        before = tuple(h.context.past.messages())
        folds = h.context.fold(page_seq=at, ceiling=verdict.ceiling)
        if not folds:
            return ()
        asked = (Message("system", render("summarise")), Message("user", "\n\n".join(map(tokens.render, before))))
        return [*recorded(folds, at), await self._charge(h, model, asked, elapsed)]

    async def _charge(self, h: History, model: Model, asked: Sequence[Message], elapsed: float) -> Charge:
        """What the summary says and costs: nothing where a budget or the model's window forbids to ask."""
        spec = self._spec
        size = int(sum(map(tokens.count_message, asked)) * (1.0 if model.exact else SAFETY))
        dear = most(spec.summariser_price, input_tokens=size, output_tokens=PROSE)
        worst = Usage(fresh=size, output=PROSE, model_calls=1, usd=dear)
        standing = replace(h.standing, spent=h.spent.charged(worst))
        if size + PROSE > model.window or self._gate.model(standing, seconds=elapsed).stop:
            return Charge(why="summary: it would not fit", usage=Usage(), seconds=elapsed, prose="")
        began = time.monotonic()
        left = SECONDS if h.budget.seconds is None else h.budget.seconds - h.spent.seconds - elapsed
        why, usage, prose = "summary", Usage(), ""
        try:
            async with asyncio.timeout(min(SECONDS, left)):
                answer = await model.call(asked, (), reply_tokens=PROSE)
            usage, prose = answer.usage or _estimate(answer, asked), clipped(answer.text, PROSE)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the run goes on without a summary
            late = isinstance(error, TimeoutError)
            why = f"summary: {'no answer in time' if late else describe(error)}"
            usage = Usage(fresh=size) if late or getattr(error, "billed", False) else usage
        seconds = elapsed + time.monotonic() - began
        return Charge(why=why, usage=priced(usage, spec.summariser_price), seconds=seconds, prose=prose)


def _estimate(answer: Answer, asked: Sequence[Message]) -> Usage:
    return Usage(fresh=sum(map(tokens.count_message, asked)), output=tokens.count(answer.text))
