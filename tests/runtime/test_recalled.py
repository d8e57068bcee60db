"""Agents that answer by asking inside a stored result: what they find, what the log keeps of it, and after a crash."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

from satchel import Agent, tool
from satchel.memory import Log, MemoryStore, ThreadId, read_log
from satchel.memory.errors import StoreUnreachable
from satchel.memory.handles import RESULT, ref
from satchel.memory.records import Call, Json, Reply, Result, Said, Usage
from satchel.runtime.context.item import items
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.context.turn import Turn
from satchel.runtime.models import Answer, Scripted
from satchel.runtime.recalled import recalled
from tests.runtime.desk import Dying

T = ThreadId("t")
SALT = bytes(16)
REPLY = Reply(step=0, text="", model="m", usage=Usage())
CITIES = ("Oslo", "Paris", "Quito", "Rome")
SALES: list[dict[str, Any]] = [
    {"id": f"s{n}", "city": CITIES[n * n % 7 % 4], "price": (n * 37 % 101) / 10} for n in range(600)
]
FOLDED = re.compile(r"^sales\(\).*?(res:\w+)", re.MULTILINE)


@tool(effect="read")
def sales() -> list[dict[str, Any]]:
    """All the sales of the year."""
    return SALES


@tool(effect="read")
def weather(day: int) -> str:
    """The weather of a day."""
    return f"day {day}: " + "clouds from the west and some rain towards the evening, " * 12


class Clerk:
    """Asks for all the sales, then for the weather until the sales are folded, and then inside what was folded."""

    def __init__(self, **asked: str) -> None:
        self.asked = asked
        self.sent: list[str] = []

    def __call__(self, messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
        prompt = json.dumps([[m.role, m.content, [[c.id, c.name, c.args] for c in m.calls]] for m in messages])
        self.sent.append(prompt + json.dumps(list(tools)))
        newest, turn = messages[-1], len(self.sent)
        if newest.role == "tool" and newest.name == "recall":
            return Answer(newest.content.partition("\n\n[satchel")[0])
        if len(messages) == 2:
            return Answer("", (ToolCall("c0", "sales", {}),))
        if folded := FOLDED.search(messages[1].content):
            assert "Quito: " not in prompt
            return Answer("", (ToolCall("ask", "recall", {"ref": folded[1], **self.asked}),))
        return Answer("", (ToolCall(f"c{turn}", "weather", {"day": turn}),))

    def agent(self, store: MemoryStore) -> Agent:
        return Agent(Scripted(self), [sales, weather], store=store, context_limit="+1500", reply_tokens=200, seed=3)


def expected(city: str) -> str:
    return f"{sum(round(s['price'] * 10) for s in SALES if s['city'] == city) / 10:g}"


async def test_a_question_is_answered_by_figures_from_a_folded_result() -> None:
    store = MemoryStore()
    result = await Clerk(aggregate="group:city sum:price").agent(store).arun("What did each city buy?", thread="t")
    assert result.state.folds >= 1
    bought = {f"{city}: sum of price {expected(city)}" for city in {sale["city"] for sale in SALES}}
    assert set((result.output or "").splitlines()) == bought


async def test_the_log_of_a_recall_holds_no_text_twice() -> None:
    store = MemoryStore()
    await Clerk(regex='"city":"Quito"', path="$[:200]").agent(store).arun("Which sales?", thread="t")
    entry = next(e for e in await read_log(store, T) if isinstance(e.record, Result) and e.record.call == "ask")
    assert isinstance(entry.record, Result)
    (stored,) = await store.read(T, entry.seq, entry.seq + 1)
    assert len(entry.record.text) > 1_000
    assert len(stored) < len(entry.record.text) / 2


@pytest.mark.parametrize("asked", [{"aggregate": "group:city"}, {"query": "Quito", "lines": "1-"}], ids=str)
async def test_a_run_that_crashes_around_a_recall_sends_the_same_prompts(asked: dict[str, str]) -> None:
    whole = Clerk(**asked)
    store = MemoryStore()
    result = await whole.agent(store).arun("Ask.", thread="t")
    entries = await read_log(store, T)
    op = next(e.op for e in entries if isinstance(e.record, Result) and e.record.call == "ask")
    answered = entries[-1].op
    for dies in (f"before {op}", f"after {op}", f"before {answered}"):
        broken, torn = Clerk(**asked), Dying()
        torn.dies = dies
        with pytest.raises(StoreUnreachable):
            await broken.agent(torn).arun("Ask.", thread="t")
        torn.dies = ""
        again = await broken.agent(torn).aresume("t")
        assert (again.output, again.outcome) == (result.output, "done")
        assert list(dict.fromkeys(broken.sent)) == whole.sent
        assert [e.record for e in await read_log(torn, T) if isinstance(e.record, Result)] == [
            e.record for e in entries if isinstance(e.record, Result)
        ]


async def test_what_was_recalled_is_recalled_from_where_it_came() -> None:
    log = await opened(sales_text := json.dumps(SALES, separators=(",", ":")))
    first = await recalled(log, ask(2, path="$[:20]"))
    await log.append("c4", [first])
    again = await recalled(log, ask(4, lines="2-3"))
    assert (first.of, again.of) == (3, 3)
    assert again.text == "\n".join(first.text.split("\n")[1:3])
    assert all(line in sales_text for line in again.text.split("\n"))


@pytest.mark.parametrize("name", ["recall", "look"])
def test_in_the_digest_a_recall_leads_to_its_text_and_does_not_quote_it(name: str) -> None:
    call = ToolCall("c", name, {"ref": "res:000000001", "query": "Oslo"})
    text = "\n".join(f"{n}: a sale in Oslo" for n in range(90))
    turn = Turn((Message("assistant", "", (call,)), Message("tool", text, call_id="c", name=name)), (1, 3), (2,))
    (item,) = items(turn, turn, 0)
    quoted = [form for form in item.forms if "a sale" in form.text]
    assert bool(quoted) is (name == "look")
    assert item.form("line")
    assert "res:000000001" in item.forms[0].text


async def test_a_pattern_that_explodes_leaves_the_loop_free() -> None:
    log = await opened("a" * 300)
    answer = asyncio.ensure_future(recalled(log, ask(2, regex=r"^(a?){200}a{200}b\1")))
    beats = 0
    while not answer.done():
        await asyncio.sleep(0.01)
        beats += 1
    assert "took longer" in (await answer).text
    assert beats > 5


async def test_a_handle_of_nothing_is_an_error_that_the_model_reads() -> None:
    log = await opened("text")
    for handle in ("res:1", "", ref(SALT, 77), ref(SALT, 0)):
        answer = await recalled(log, Call(id="ask", name="recall", args={"ref": handle}))
        assert answer.error
        assert "handle" in answer.text


async def opened(text: str) -> Log:
    """A log in which the call at entry 2 has this result, and that at entry 4 none yet."""
    log = await Log.open(MemoryStore(), T, salt=SALT)
    await log.append(
        "m0", [REPLY, Call(id="look", name="look", args={}, effect="read"), Result(call="look", text=text)]
    )
    await log.append("m1", [Call(id="ask", name="recall", args={}, effect="read")])
    return log


def ask(seq: int, **asked: str) -> Call:
    return Call(id="ask", name="recall", args={"ref": ref(SALT, RESULT + seq), **asked})


async def test_without_a_handle_all_that_was_stored_is_searched_the_newest_first() -> None:
    log = await Log.open(MemoryStore(), ThreadId("search"), salt=b"0123456789abcdef")
    usage = Usage()
    await log.append("run", [Said(text="Watch the price of KA-1.")])
    for n, price in enumerate((350, 410)):
        reply = Reply(step=n, text="", model="m", usage=usage)
        await log.append(f"m{n}", [reply, Call(id=f"c{n}", name="look", args={})])
        await log.append(f"c{n}", [Result(call=f"c{n}", text=f"first line\nKA-1 is now {price} crowns")])
    found = await recalled(log, Call(id="ask", name="recall", args={"query": "KA-1 now"}))
    lines = found.text.splitlines()
    told = [line.partition(" ")[2] for line in lines]
    assert told == ["line 2: KA-1 is now 410 crowns", "line 2: KA-1 is now 350 crowns"]
    assert await log.text(lines[0].split()[0]) == "first line\nKA-1 is now 410 crowns"
    by_pattern = await recalled(log, Call(id="ask", name="recall", args={"regex": r"price of (\w+)"}))
    assert by_pattern.text.endswith("line 1: Watch the price of KA-1.")
    nothing = await recalled(log, Call(id="ask", name="recall", args={"query": "LE-2"}))
    assert nothing.text == "(no stored text holds 'LE-2')"
