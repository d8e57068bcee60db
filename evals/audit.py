"""Long audit and telephone: facts that are shown once, early, and asked for at the very end.

A ledger is read entry by entry, each sealed after the first look. Only then the inspector names the vouchers in doubt,
all from the first fifth of the ledger. With much prose around each entry and a low ceiling this is the telephone test:
the same few facts have to come through fifty folds and more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from satchel.evals.case import Case
from satchel.evals.catalogue import passage
from satchel.evals.graders import state
from satchel.evals.view import view
from satchel.runtime.models import Answer
from satchel.runtime.tools import Tool, tool

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.runtime.context.message import Message

TASK = """Audit the ledger of {entries} entries, numbered from 1. Open them one after the other; an entry is sealed \
again after the first look. When the last is read, ask the inspector for the vouchers in doubt, declare the amount of \
each, and report."""

MANUAL = """You audit a ledger. An entry names a voucher, the amount that it paid, and the payee. Nothing can be \
opened twice, so what you have read must be found again where it is kept. Declare amounts as the ledger gives them."""

EARLY = 0.2
"""The doubted vouchers are all in this first share of the ledger."""


@dataclass(slots=True)
class Ledger:
    """The world: entries, what was opened, and what was declared."""

    entries: tuple[tuple[str, int, str], ...]
    doubted: tuple[str, ...]
    notes: tuple[str, ...]
    opened: set[int] = field(default_factory=set)
    declared: dict[str, int] = field(default_factory=dict)

    def tools(self) -> tuple[Tool, ...]:
        """What an auditor can do."""

        @tool(effect="write")
        async def open_entry(number: int) -> str:
            """Open one entry of the ledger; it is sealed again afterwards."""
            if not 1 <= number <= len(self.entries):
                return f"There is no entry {number}."
            if number in self.opened:
                return f"Entry {number} is sealed; the next is {len(self.opened) + 1} of {len(self.entries)}."
            self.opened.add(number)
            voucher, amount, payee = self.entries[number - 1]
            return f"Entry {number}. Voucher {voucher} paid {amount} crowns to {payee}.\n{self.notes[number - 1]}"

        @tool(effect="read")
        async def vouchers_in_doubt() -> str:
            """Ask the inspector which vouchers are in doubt."""
            if len(self.opened) < len(self.entries):
                return f"Read the ledger first: {len(self.opened)} of {len(self.entries)} entries were opened."
            return "In doubt: " + ", ".join(self.doubted) + "."

        @tool(effect="write")
        async def declare(voucher: str, amount: int) -> str:
            """Declare what a voucher paid. The first declaration counts."""
            self.declared.setdefault(voucher, amount)
            return f"Noted for {voucher}."

        return open_entry, vouchers_in_doubt, declare

    def score(self) -> float:
        """The share of doubted vouchers whose amount was declared as the ledger gives it."""
        paid = {voucher: amount for voucher, amount, _ in self.entries}
        return sum(self.declared.get(voucher) == paid[voucher] for voucher in self.doubted) / len(self.doubted)


def audit(seed: int, *, entries: int, doubted: int, passages: int) -> Case:
    """The ledger of a seed; each entry has `passages` of about 100 tokens of prose beside its fact."""
    rng = Random(f"audit {entries} {passages} {seed}")  # noqa: S311 - a puzzle, no secret
    marks = [f"V{n:05d}" for n in rng.sample(range(10_000, 99_999), entries)]
    rows = tuple((mark, rng.randint(1_000, 99_999), rng.choice(PAYEES)) for mark in marks)
    notes = tuple("\n".join(passage("audit", seed, n, k) for k in range(passages)) for n in range(entries))
    world = Ledger(rows, tuple(rng.sample(marks[: max(doubted, int(entries * EARLY))], doubted)), notes)
    return Case(
        id=f"audit-{entries}-{passages}-{seed}",
        seed=seed,
        task=TASK.format(entries=entries),
        instructions=MANUAL,
        tools=world.tools(),
        policies={"expert": expert, "fool": fool},
        score=state(world.score),
        steps=2 * entries + 8 * doubted,
        tool_calls=2 * entries + 8 * doubted,
    )


PAYEES = ("Kovacs Mill", "Orban Freight", "Lindgren Glass", "Tarn Brothers", "Hale and Voss", "Mirel Foundry")


def expert(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
    """Opens entry after entry, then declares what is in view and recalls what is not."""
    seen = view(messages)
    total = int(next(iter(re.findall(r"ledger of (\d+) entries", seen.user)), "0"))
    listed = [mark for m in seen.find(r"In doubt: ([V\d, ]+)\.") for mark in m[1].split(", ")]
    done = {s.args[0] for s in seen.of("declare") if s.args}
    told = (int(m[1]) - 1 for m in seen.find(r"the next is (\d+) of"))
    read = max([*told, *(int(m[1]) for m in seen.find(r"Entry (\d+)\. Voucher"))], default=0)
    if not tools or (listed and done >= set(listed)):
        return Answer(f"Declared {len(done)} vouchers.")
    if not listed:
        return seen.calls(("open_entry", {"number": read + 1}) if read < total else ("vouchers_in_doubt", {}))
    mark = next(mark for mark in listed if mark not in done)
    paid = [m[1] for m in seen.find(rf"Voucher {mark} paid (\d+) crowns")]
    if paid:
        return seen.calls(("declare", {"voucher": mark, "amount": int(paid[-1])}))
    return seen.recall(mark) or seen.calls(("declare", {"voucher": mark, "amount": 0}))


def fool(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
    """Answers at once."""
    return Answer("All vouchers are in order.") if messages or tools else Answer()
