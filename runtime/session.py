"""One executor's hold on one thread: if the log holds an operation, return that; else do it and append."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from satchel.memory.errors import ModelError, StoreUnreachable, StoreUnsafe
from satchel.memory.records import Call, Charge, Ended, Record, Reply, Result, Said, Started, Usage
from satchel.prompts import render
from satchel.runtime.attempts import after, used_up
from satchel.runtime.budget import Budget, left
from satchel.runtime.calibration import Calibration
from satchel.runtime.calling import invoke
from satchel.runtime.context.context import Overflow, Prompt
from satchel.runtime.events import (
    CacheAlarm,
    CallFailed,
    Event,
    PromptSent,
    ReplyReceived,
    RunResult,
    ToolFinished,
    ToolStarted,
)
from satchel.runtime.gate import Gate, Verdict
from satchel.runtime.history import History, recorded
from satchel.runtime.outcome import Sizes, result
from satchel.runtime.prices import priced
from satchel.runtime.snapshot import Snapshots
from satchel.runtime.summariser import Summariser

if TYPE_CHECKING:
    from satchel.memory.store import Store, ThreadId
    from satchel.runtime.models import Answer
    from satchel.runtime.spec import Spec

Emit = Callable[[Event], None]


class Session:
    """A thread, opened by one executor, made by `Session.open`. The graph's nodes call `model` and `call`."""

    def __init__(self, spec: Spec, snapshots: Snapshots, emit: Emit) -> None:
        self.spec = spec
        self.log = snapshots.log
        self.emit = emit
        self.append = self.log.append
        self.history = History(spec.context(self.log.salt), spec.tools, Calibration(spec.model.name, spec.model.exact))
        if snapshots.found:
            self.history.restore(snapshots.found)
        self.history.feed(self.log.entries)
        self._snapshots = snapshots
        self._gate = Gate(spec)
        self._summariser = Summariser(spec, self._gate)
        self._since = time.monotonic()
        self._sizes = Sizes()

    @classmethod
    async def open(cls, spec: Spec, store: Store, thread: ThreadId, *, salt: bytes | None, emit: Emit) -> Session:
        """Take a thread and bring back its state. Raises `ThreadBusy`, `DamagedEntry`, `StoreUnreachable`."""
        snapshots = await Snapshots.open(spec, store, thread, salt=salt)
        try:
            return cls(spec, snapshots, emit)
        except BaseException:
            await snapshots.log.close()
            raise

    async def close(self) -> None:
        """Leave a snapshot for whoever opens the thread next, and give the thread back."""
        await self._snapshots.close(self.history)

    # ------------------------------------------------------------------ begin and end

    @property
    def finished(self) -> bool:
        """Whether the run has an outcome, or none was ever started."""
        return self.history.ended is not None or self.history.run < 0

    async def begin(self, task: str, *, op: str | None = None) -> None:
        """Start a run with the user's words; `op` names the run in the log, for whoever must not start it twice."""
        run = self.history.run + 1
        started = Started(run=run, mode=self.spec.mode.name, budget=self.spec.budget.record())
        await self._commit(op or f"r{self.log.length}", [started, Said(text=task)])

    async def resume(self, more: Budget | None, *, op: str | None = None) -> None:
        """Go on with the last run: after a crash as if there had been none, after a stop with a raised budget."""
        stopped = self.history.ended
        doubt = self._doubtful() if stopped is None else []
        if stopped is None and not doubt and not more:
            return  # a record here would move the positions of what follows, and with them the handles in the prompts
        budget = self.history.budget + more if more else self.history.budget
        name = self.spec.mode.name
        records: list[Record] = [Started(run=self.history.run, mode=name, budget=budget.record(), resumed=True)]
        records += [Result(call=c.id, text=render("uncertain", name=c.name), error=True) for c in doubt]
        if stopped and stopped.text is not None:
            records.append(Said(text=render("continue")))
        if doubt:
            names = ", ".join(f"{c.name} ({c.id})" for c in doubt)
            detail = f"a crash left it unknown whether these calls took effect: {names}; check, then resume the thread"
            records.append(Ended(outcome="uncertain", detail=detail))
        await self._commit(op or f"r{self.log.length}", records)

    async def cancel(self) -> None:
        """End a run that was stopped from outside: each call that has no result gets one that says so."""
        calls = self.history.open.pending() if self.history.open else []
        records: list[Record] = [Result(call=c.id, text=render("cancelled", name=c.name), error=True) for _, c in calls]
        ended = Ended(outcome="cancelled", detail="the run was stopped; what it did stays in the log")
        await self._commit(f"x{self.log.length}", [*records, ended])

    def _doubtful(self) -> list[Call]:
        """Calls that were under way when an executor died and must not run twice."""
        pending = self.history.open.pending() if self.history.open else []
        return [call for _, call in pending if call.effect == "write"]

    def next(self) -> list[int]:
        """Positions of the calls that wait for a result; none means that the model is next."""
        return [seq for seq, _ in self.history.open.pending()] if self.history.open else []

    def result(self) -> RunResult:
        """How the run ended, or where it stands."""
        return result(self.history, self.log.thread.name, self.log.length, self._sizes)

    async def _end(self, outcome: str, text: str | None, detail: str = "") -> None:
        await self._commit(f"e{self.log.length}", [Ended(outcome=outcome, text=text, detail=detail)])

    async def _commit(self, op: str, records: Sequence[Record]) -> None:
        self.history.feed(await self.append(op, records))

    # ------------------------------------------------------------------ the model's turn

    async def model(self) -> None:
        """One model call: gate, prompt, call, and one commit of fold, reply, intents and refusals."""
        verdict = self._gate.model(self.history.standing, seconds=self._elapsed())
        if await self._sum_up(verdict):
            verdict = self._gate.model(self.history.standing, seconds=self._elapsed())
        stop, text = verdict.stop, self.history.last_text
        if stop and self.spec.on_budget == "pause":
            return await self._end("paused", None, used_up(stop))
        if stop and (self.spec.on_budget == "raise" or not verdict.ceiling):
            return await self._end(stop, text, used_up(stop))
        try:
            prompt = self._prompt(verdict)
        except Overflow as error:
            return await self._end(stop or "context", text, f"the prompt cannot be made to fit: {error}")
        return await self._ask(prompt, stop)

    def _prompt(self, verdict: Verdict) -> Prompt:
        h, final = self.history, verdict.stop is not None
        state = render("final_answer") if final else left(h.budget, h.spent)
        prompt = h.context.prompt(state=state, page_seq=self.log.length, ceiling=verdict.ceiling, final=final)
        h.prompted = True
        self._sizes = self._sizes.sent(prompt)
        return prompt

    async def _sum_up(self, verdict: Verdict) -> bool:
        """Commit the folds that are due and what a summariser says of them, ahead of the prompt; False if none is."""
        at, elapsed = self.log.length, self._elapsed()
        if records := await self._summariser.records(self.history, at, verdict, elapsed=elapsed):
            self._since = time.monotonic()
            self.history.prompted = True  # these folds are done
            await self._commit(f"f{at}", records)
            self.history.prompted = False
        return bool(records)

    async def _ask(self, prompt: Prompt, stop: str | None) -> None:
        h, step = self.history, self.history.steps
        folded, tools = h.folded or bool(prompt.folds), () if stop else prompt.tools
        self.emit(PromptSent(h.spent.steps, prompt.size, folded, prompt.saved))
        clock = asyncio.timeout(self._time_left())
        try:
            async with clock:
                answer = await self.spec.model.call(prompt.messages, tools, reply_tokens=self.spec.reply_tokens)
        except (ModelError, TimeoutError) as error:
            await self._failed(prompt, error, late=clock.expired())
            return
        if stop and answer.calls:  # the reserved answer has no tools: what asks for one is no part of the thread
            answer = replace(answer, calls=(), opaque=None)
        records = [*recorded(prompt.folds, self.log.length), self._reply(answer, prompt, step)]
        self._since = time.monotonic()
        ended = stop or ("done" if not answer.calls else None)
        if ended:
            text = answer.text or (h.last_text if stop else "")
            records.append(Ended(outcome=ended, text=text, detail=used_up(stop) if stop else ""))
        else:
            records += self._gate.calls(h.standing, answer.calls)
        alarmed = h.watch.alarm
        await self._commit(f"m{step}", records)
        if folded:
            await self._snapshots.keep(h)
        self.emit(ReplyReceived(h.spent.steps - 1, answer.text, len(answer.calls), h.spent.usage))
        if h.watch.alarm != alarmed:
            self.emit(CacheAlarm(h.spent.steps - 1, h.watch.alarm))

    async def _failed(self, prompt: Prompt, error: Exception, *, late: bool) -> None:
        """Charge a call that gave no reply; then try again, or end."""
        h, left = self.history, self._time_left()
        then = after(error, size=prompt.size, failed=h.failed, capped=h.capped, late=late)
        usage = priced(Usage(fresh=prompt.size if then.billed else 0), self.spec.price)
        again = then.outcome is None
        charge = Charge(why=then.detail, usage=usage, seconds=self._elapsed(), again=again, cap=then.cap)
        self._since = time.monotonic()
        if then.outcome:
            end = Ended(outcome=then.outcome, text=h.last_text if late else None, detail=then.detail)
            await self._commit(f"e{self.log.length}", [charge, end])
            return
        await self._commit(f"x{self.log.length}", [*recorded(prompt.folds, self.log.length), charge])
        self.emit(CallFailed(h.spent.steps, then.detail, then.wait))
        await asyncio.sleep(then.wait if left is None else min(then.wait, left))

    def _elapsed(self) -> float:
        """Seconds since the last reply, or since this executor has the thread: what no record counts yet."""
        return time.monotonic() - self._since

    def _time_left(self) -> float | None:
        limit = self.history.budget.seconds
        return None if limit is None else max(0.0, limit - self.history.spent.seconds - self._elapsed())

    def _reply(self, answer: Answer, prompt: Prompt, step: int) -> Reply:
        usage = priced(answer.usage or Usage(fresh=prompt.size), self.spec.price)
        return Reply(
            step=step, text=answer.text, model=self.spec.model.name, usage=usage, opaque=answer.opaque,
            seconds=self._elapsed(), counted=prompt.size, predicted=answer.predicted,
        )  # fmt: skip

    # ------------------------------------------------------------------ one tool call

    async def call(self, seq: int) -> None:
        """Run one admitted call and append its result; nothing if the log already holds it."""
        pending = dict(self.history.open.pending()) if self.history.open else {}
        if seq not in pending:
            return
        call = pending[seq]
        if call.effect == "write":
            await self._settle(seq, call)
        self.emit(ToolStarted(call.id, call.name, call.args))
        result = await invoke(self.spec, self.log, call, seq=seq, left=self._time_left())
        await self._commit(f"c{seq}", [result])
        self.emit(ToolFinished(call.id, call.name, result.text, result.error))

    async def _settle(self, seq: int, call: Call) -> None:
        """Let the intent reach the disk before its tool may start; else an error, and nothing was run."""
        try:
            await self.log.settle()
        except (StoreUnreachable, StoreUnsafe) as error:
            await self._commit(f"c{seq}", [Result(call=call.id, text=render("unsettled", name=call.name), error=True)])
            raise type(error)(f"{call.name} was not run: {error}") from error
