"""Tools and policies that the tests of runs share."""

from __future__ import annotations

from collections.abc import Sequence

from satchel.memory.errors import StoreUnreachable
from satchel.memory.log import read_log
from satchel.memory.memory_store import MemoryStore
from satchel.memory.records import Json, Record
from satchel.memory.store import Lease, ThreadId
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.models import Answer, Policy
from satchel.runtime.tools import tool

MODES = ("stateful", "stateless")


@tool(effect="read")
def weigh(crate: str) -> str:
    """Weigh a crate."""
    return f"crate {crate} weighs {len(crate)} kg, " + "and the scale was checked; " * 8


def tireless(*, calls: int = 1, crash_at: Sequence[int] = ()) -> Policy:
    """Asks for more calls as long as there are tools; raises at some of its calls, as a process may die at any time."""
    asked = 0

    def policy(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
        nonlocal asked
        asked += 1
        if asked in crash_at:
            raise RuntimeError(f"crash {asked}")
        if not tools:
            return Answer("what I know so far")
        turn = sum(len(message.content) for message in messages)
        return Answer("on", tuple(ToolCall(f"c{turn}-{n}", "weigh", {"crate": f"{turn}-{n}"}) for n in range(calls)))

    return policy


def call(name: str, *, id: str = "", **args: Json) -> ToolCall:  # noqa: A002 - the name of the field
    """A tool call; without an id the script numbers it."""
    return ToolCall(id, name, args)


async def records(store: MemoryStore, thread: str) -> list[Record]:
    """All that the log of a thread holds."""
    return [entry.record for entry in await read_log(store, ThreadId(thread))]


class Dying(MemoryStore):
    """A store whose process dies just before the append of an operation, or just after it."""

    def __init__(self) -> None:
        super().__init__()
        self.dies = ""

    async def append(self, lease: Lease, *, op: str, expected: int, entries: Sequence[bytes]) -> int:
        if self.dies == f"before {op}":
            raise StoreUnreachable("gone")
        length = await super().append(lease, op=op, expected=expected, entries=entries)
        if self.dies == f"after {op}":
            raise StoreUnreachable("gone")
        return length
