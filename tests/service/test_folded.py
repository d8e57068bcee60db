"""An agent's thread that was folded, as clients see it: whole, and begun once though it is opened from a snapshot."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from langgraph.runtime import RunControl

from satchel import Agent, tool
from satchel.memory.memory_store import MemoryStore
from satchel.memory.store import ThreadId
from satchel.runtime.context.message import ToolCall
from satchel.runtime.models import Answer, Scripted
from satchel.runtime.service.agents import ServedAgent
from satchel.runtime.service.served import Job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.runtime.context.message import Message

PAGES, THREAD = 30, ThreadId("book")


class Reader:
    """Reads a book page by page; `seen` are the pages that were really read."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        read = tool(effect="read")(self.page)
        self.agent = Agent(Scripted(self._policy), [read], store=MemoryStore(), context_limit=4_000)
        self.served = ServedAgent("reader", self.agent)

    def page(self, number: int) -> str:
        """Read a page."""
        self.seen.append(number)
        return f"{number}\n" + " ".join(f"word{number}x{n}" for n in range(120))

    @staticmethod
    def _policy(messages: Sequence[Message], tools: Sequence[Any]) -> Answer:  # noqa: ARG004 - the port names it
        last = messages[-1]
        number = int(last.content.split()[0]) + 1 if last.role == "tool" else 0
        if number == PAGES:
            return Answer(text="read")
        return Answer(calls=(ToolCall(f"c{number}", "page", {"number": number}),))

    async def read(self, attempt: int, *, until: int = PAGES) -> list[list[dict[str, Any]]]:
        """Drive the one run until a page; the messages of its `values`."""
        asked = {"input": {"messages": [{"role": "user", "content": "read the book"}]}}
        job = Job(THREAD, "r1", attempt, asked, ("values",), "", RunControl())
        found: list[list[dict[str, Any]]] = []
        async with aclosing(self.served.stream(job)) as parts:  # type: ignore[type-var]  # it is a generator
            async for part in parts:
                found.append(part.data["messages"])
                if len(self.seen) > until:
                    break
        return found


@pytest.fixture
def reader() -> Reader:
    return Reader()


async def test_a_run_that_was_folded_and_cut_off_goes_on_and_is_not_begun_again(reader: Reader) -> None:
    await reader.read(1, until=20)
    session = await reader.agent._session(THREAD.name)
    assert session.log.start > 1  # it is opened from a snapshot: its beginning is not loaded
    await session.close()
    await reader.read(2)
    assert reader.seen == list(range(PAGES))
    assert [m["type"] for m in (await reader.served.values(THREAD))["messages"]].count("human") == 1


async def test_the_values_that_are_streamed_are_whole_before_and_after_a_fold(reader: Reader) -> None:
    await reader.read(1, until=20)
    found = await reader.read(2)
    whole = (await reader.served.values(THREAD))["messages"]
    assert found[-1] == whole
    assert all(some == whole[: len(some)] for some in found)
    assert len(found[0]) > 2 * 20


async def test_a_run_that_was_folded_is_undone_although_its_beginning_is_not_loaded(reader: Reader) -> None:
    await reader.read(1, until=20)
    assert (await reader.served.values(THREAD))["outcome"] is None
    await reader.served.undo(THREAD, "r1")
    assert (await reader.served.values(THREAD))["outcome"] == "cancelled"
