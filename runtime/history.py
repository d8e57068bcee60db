"""From a log to the state of a run: what was said, what is pending, what was spent. The same log, the same state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from satchel.memory.errors import DamagedEntry
from satchel.memory.handles import RESULT
from satchel.memory.records import Call, Charge, Ended, Entry, Fold, Page, Record, Reply, Result, Said, Started
from satchel.runtime.brief import SCHEMA
from satchel.runtime.budget import Budget, Spent
from satchel.runtime.calibration import Calibration
from satchel.runtime.context.context import Context, Folded
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.context.turn import Turn
from satchel.runtime.gate import Standing
from satchel.runtime.meter import Watch
from satchel.runtime.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from satchel.runtime.tools import Tool


@dataclass(slots=True)
class Open:
    """A reply whose calls do not all have results yet."""

    seq: int
    reply: Reply
    calls: dict[int, Call] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)

    def pending(self) -> list[tuple[int, Call]]:
        """Calls without a result, by their position in the log."""
        return [(seq, call) for seq, call in self.calls.items() if call.id not in self.results]

    def turn(self, tools: Mapping[str, Tool]) -> Turn:
        """The turn, once every call has its result."""
        calls = tuple(ToolCall(c.id, c.name, c.args) for c in self.calls.values())
        reply = Message("assistant", self.reply.text, calls, opaque=self.reply.opaque)
        asked = self.calls.values()
        shown = tuple(Message("tool", self.results[c.id].text, call_id=c.id, name=c.name) for c in asked)
        capped = [tools.get(c.name) if c.refused != SCHEMA else None for c in asked]
        caps = tuple(tool.max_inline_tokens if tool else None for tool in capped)
        return Turn((reply, *shown), (self.seq, *(RESULT + seq for seq in self.calls)), tuple(self.calls), caps)


class History:
    """Feeds a thread's entries, in order, to its context and its ledger; used alike live and after a crash."""

    def __init__(self, context: Context, tools: Mapping[str, Tool], calibration: Calibration) -> None:
        self.context = context
        self.calibration = calibration
        self.watch = Watch()
        self.failed = 0
        """Model calls since the last reply that gave none and are tried again."""
        self.capped = False
        """Whether the provider found a prompt too long since the last reply."""
        self._tools = tools
        self.spent = Spent()
        self.budget = Budget()
        self.run = -1
        self.steps = 0
        self.folds = 0
        self.growth = 0
        self.open: Open | None = None
        self.ended: Ended | None = None
        self.last_text: str | None = None
        self.task: str | None = None
        self.refused: str | None = None
        self.shown: tuple[str, ...] = ()
        """Tools whose whole schema was shown."""
        self.snapshot: Callable[[str], Snapshot] | None = None
        """Makes the snapshot of the last fold that was fed, given its key."""
        self.folded = False
        """Whether something was folded since the last reply."""
        self.prompted = False
        """A prompt was made in this process and its reply not yet fed: its folds are already done."""

    def feed(self, entries: Iterable[Entry]) -> None:
        """Take in entries; a turn enters the context when its last result is there."""
        for entry in entries:
            handler = self._HANDLERS.get(type(entry.record))
            if handler:
                handler(self, entry.seq, entry.record)
        self._close()

    def restore(self, snapshot: Snapshot) -> None:
        """Be as after the entries before `snapshot.at`."""
        self.context.past.restore(snapshot.past)
        self.spent, self.budget = snapshot.spent, Budget(**snapshot.budget)
        self.run, self.steps, self.folds = snapshot.run, snapshot.steps, snapshot.folds
        self.growth, self.last_text, self.task = snapshot.growth, snapshot.last_text, snapshot.task
        self.calibration, self.watch = snapshot.calibration, snapshot.watch
        self.context.factor, self.context.cap = self.calibration.factor, snapshot.cap
        self.shown = snapshot.shown
        self.prompted = True

    @property
    def standing(self) -> Standing:
        """Where the run stands, for the gate."""
        return Standing(
            self.budget, self.spent, self.steps, self.context.estimate(), self.growth, self.context.factor,
            bool(self._tools), self.refused, frozenset(self.shown),
        )  # fmt: skip

    def _mark(self, at: int) -> None:
        """Remember the state after a fold, just before the reply at `at`."""
        kept = self.context.past.kept()
        if kept:
            self.snapshot = partial(
                Snapshot, at=at, past=kept, spent=self.spent, budget=self.budget.record(), run=self.run,
                steps=self.steps, folds=self.folds, growth=self.growth, last_text=self.last_text, task=self.task,
                calibration=self.calibration, watch=self.watch, cap=self.context.cap, shown=self.shown,
            )  # fmt: skip

    def _started(self, _: int, record: Started) -> None:
        self._close()
        self.run, self.ended = record.run, None
        self.budget = Budget(**record.budget)
        self.refused = None
        self.failed, self.capped = 0, False
        if not record.resumed:
            self.spent, self.watch, self.context.cap = Spent(), Watch(), None

    def _said(self, seq: int, record: Said) -> None:
        self._close()
        self.task = record.text
        self.context.add(Turn((Message("user", record.text),), (seq,)))

    def _fold(self, _: int, record: Fold) -> None:
        self._close()
        self.folds += 1
        self.folded = True
        if not self.prompted:
            self.context.refold(Folded(record.room, record.deep, None, record.certificate), record.page or 0)

    def _reply(self, seq: int, record: Reply) -> None:
        self._close()
        if not self.prompted:
            self.context.resent()
        self.prompted = False
        if self.folded:
            self._mark(seq)
        self.folded = False
        self.steps += 1
        self.failed, self.capped = 0, False
        self.calibration = self.calibration.replied(record)
        self.context.factor = self.calibration.factor
        self.watch = self.watch.saw(_predicted(record), record.usage.cache_read)
        self.spent = self.spent.replied(record.usage, record.seconds)
        self.last_text = record.text or self.last_text
        self.refused = None
        self.open = Open(seq, record)

    def _call(self, seq: int, record: Call) -> None:
        if self.open is None:
            raise DamagedEntry(f"entry {seq} is a call without its reply; restore the store, or remove the thread")
        self.open.calls[seq] = record
        if record.refused:
            self.refused = record.refused
            if record.refused == SCHEMA and record.name not in self.shown:
                self.shown += (record.name,)
        else:
            tool = self._tools.get(record.name)
            self.spent = self.spent.called(record.name, tool.cost_usd if tool else 0.0)

    def _result(self, _: int, record: Result) -> None:
        if self.open:
            self.open.results[record.call] = record

    def _charge(self, _: int, record: Charge) -> None:
        if record.prose is None:
            self.spent = self.spent.charged(record.usage, record.seconds)
        else:
            self.spent = self.spent.summarised(record.usage, record.seconds)
            self.context.past.tell(record.prose)
        if record.again:
            self.failed += 1
            if record.cap is not None:
                self.context.cap, self.capped = record.cap, True
            if not self.prompted:
                self.context.resent()
            self.prompted = False

    def _ended(self, _: int, record: Ended) -> None:
        self._close()
        self.ended = record

    def _close(self) -> None:
        """Add the open turn to the context once every call has its result."""
        if self.open and not self.open.pending():
            turn, self.open = self.open.turn(self._tools), None
            before = self.context.past.size()
            self.context.add(turn)
            self.growth = max(self.growth, self.context.past.size() - before)

    _HANDLERS: dict[type, Any] = {  # noqa: RUF012 - a dispatch table, never changed
        Started: _started,
        Said: _said,
        Fold: _fold,
        Page: lambda _self, _seq, _record: None,
        Reply: _reply,
        Call: _call,
        Result: _result,
        Charge: _charge,
        Ended: _ended,
    }


def recorded(folds: Sequence[Folded], at: int) -> list[Record]:
    """Folds as records of the log that stand at `at` and behind, each after its page."""
    records: list[Record] = []
    for done in folds:
        page = at + len(records) if done.page is not None else None
        if done.page is not None:
            records.append(Page(text=done.page))
        records.append(Fold(room=done.room, deep=done.deep, certificate=done.certificate, page=page))
    return records


def _predicted(reply: Reply) -> int:
    """What should have come from the cache, in the model's tokens: the same share of what its provider counted."""
    return (reply.predicted or 0) * reply.usage.input // max(1, reply.counted)
