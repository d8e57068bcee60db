"""Snapshots: a long thread opens from its last fold, with the same prompts as one that is read from its beginning."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from satchel.memory.codec import pack_as, unpack_as
from satchel.memory.log import read_log
from satchel.memory.memory_store import MemoryStore
from satchel.memory.records import Json, Reply, Started
from satchel.memory.store import ThreadId
from satchel.runtime.agent import Agent
from satchel.runtime.budget import Budget
from satchel.runtime.context.message import Message
from satchel.runtime.models import Answer, Scripted
from satchel.runtime.service import ledger
from satchel.runtime.session import Session
from satchel.runtime.snapshot import FIELD, Snapshot
from satchel.runtime.tools import tool
from tests.runtime.desk import call

T = ThreadId("t")
PROMPTS = "49eb345b7b1b40ca"
"""The digest of all that the engine sends in three runs. If it changes, raise `snapshot.ENGINE` and write it here."""

TURNS = 12
"""Turns of one run."""


@tool(effect="read")
def survey(plot: int) -> str:
    """Survey a plot."""
    return f"plot {plot}: " + ", ".join(f"stone_{plot * 31 + n} at {n}.{plot}" for n in range(60))


class Surveyor:
    """An agent that surveys twelve plots a run, and what it was sent."""

    def __init__(self, store: MemoryStore) -> None:
        self.sent: list[str] = []
        self._plot = 0
        budget = Budget(steps=99)
        self.agent = Agent(
            Scripted(self._ask), [survey], context_limit=3_000, reply_tokens=200, budget=budget, store=store, seed=7
        )

    def _ask(self, messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
        self.sent.append(json.dumps([[m.wire() for m in messages], list(tools)]))
        self._plot += 1
        if self._plot % TURNS == 0:
            return Answer("surveyed")
        return Answer(f"on to {self._plot}", (call("survey", plot=self._plot),))

    async def open(self) -> Session:
        return await Session.open(self.agent.spec, await self.agent.store(), T, salt=None, emit=lambda _: None)


async def test_the_next_run_sends_the_same_with_the_snapshot_and_without() -> None:
    sent = []
    for kept in (True, False):
        store = MemoryStore()
        surveyor = Surveyor(store)
        for _ in range(3):
            result = await surveyor.agent.arun("Survey on.", thread="t")
            await store.put_cursor(T, {}, [] if kept else [FIELD])
        sent.append((surveyor.sent, result.state.folds, result.usage))
    assert sent[0] == sent[1]
    assert sent[0][1] > 5
    assert hashlib.sha256("\n".join(sent[0][0]).encode()).hexdigest()[:16] == PROMPTS


async def test_a_long_thread_is_read_from_its_last_fold_on() -> None:
    store = MemoryStore()
    surveyor = Surveyor(store)
    loaded = []
    for _ in range(4):
        await surveyor.agent.arun("Survey on.", thread="t")
        session = await surveyor.open()
        loaded.append(len(session.log.entries))
        await session.close()
    assert session.log.length > 130
    assert max(loaded) < 40
    assert session.history.folds > 8


async def test_the_prompts_that_are_told_from_the_log_are_those_that_were_sent() -> None:
    """Also those of a run that began from a snapshot, and of the answer that a spent budget leaves."""
    store = MemoryStore()
    surveyor = Surveyor(store)
    for steps in (99, 99, 5):
        surveyor.agent = surveyor.agent.but(budget=Budget(steps=steps))
        await surveyor.agent.arun("Survey on.", thread="t")
    log = await read_log(store, T)
    begun = [entry.op for entry in log if isinstance(entry.record, Started)]
    told = [one for op in begun for one in ledger.prompts(surveyor.agent.spec, log, op)]
    assert [json.dumps([one["messages"], one["tools"]]) for one in told] == surveyor.sent
    assert all(one["as_sent"] for one in told)
    assert sum(len(one["folds"]) for one in told) > 5
    at, reply = next((n, entry.record) for n, entry in enumerate(log) if isinstance(entry.record, Reply))
    log[at] = replace(log[at], record=replace(reply, counted=1))
    assert [one["as_sent"] for one in ledger.prompts(surveyor.agent.spec, log, begun[0])].count(False) == 1


@pytest.mark.parametrize("what", ["foreign", "cut", "another key", "ahead of the log"])
async def test_a_snapshot_that_does_not_fit_is_passed_over(what: str) -> None:
    store = MemoryStore()
    surveyor = Surveyor(store)
    await surveyor.agent.arun("Survey on.", thread="t")
    data = (await store.cursor(T))[FIELD]
    found = unpack_as(Snapshot, data)
    bad = {
        "foreign": b"\x80\x04\x95",
        "cut": data[:-7],
        "another key": pack_as(replace(found, key="0" * 32)),
        "ahead of the log": pack_as(replace(found, at=10**6)),
    }[what]
    await store.put_cursor(T, {FIELD: bad})
    session = await surveyor.open()
    assert len(session.log.entries) == session.log.length
    assert session.history.spent.steps == TURNS
    await session.close()


async def test_another_ceiling_does_not_take_up_the_snapshot_of_this_one() -> None:
    store = MemoryStore()
    surveyor = Surveyor(store)
    await surveyor.agent.arun("Survey on.", thread="t")
    surveyor.agent = surveyor.agent.but(context_limit=4_000)
    session = await surveyor.open()
    assert len(session.log.entries) == session.log.length
    await session.close()


async def test_spending_and_budget_come_back_with_the_snapshot() -> None:
    store = MemoryStore()
    surveyor = Surveyor(store)
    result = await surveyor.agent.arun("Survey on.", thread="t")
    session = await surveyor.open()
    assert len(session.log.entries) < session.log.length
    assert session.history.spent.usage == result.usage
    assert session.history.spent.per_tool == {"survey": TURNS - 1}
    assert session.history.budget == Budget(steps=99)
    assert session.result().output == "surveyed"
    await session.close()
