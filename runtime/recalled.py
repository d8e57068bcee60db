"""What the tool `recall` answers: a part of the whole text behind a handle of the thread, or figures about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from satchel.memory.errors import UnknownHandle
from satchel.memory.log import text_of
from satchel.memory.records import Call, Result
from satchel.runtime.context import recall
from satchel.runtime.threads import in_thread

if TYPE_CHECKING:
    from satchel.memory.log import Log


async def recalled(log: Log, call: Call) -> Result:
    """The result of a call of recall; it names the entry that it was taken from, so that no text is stored twice."""
    given = recall.arguments(call.args)
    try:
        entry = await log.behind(given.pop("ref") or "")
    except UnknownHandle as error:
        return Result(call=call.id, text=str(error), error=True)
    text = text_of(entry.record) or ""
    answer = await in_thread(lambda: recall.select(text, **given))
    again = entry.record.of if isinstance(entry.record, Result) else None  # a text that was itself recalled
    return Result(call=call.id, text=answer, of=entry.seq if again is None else again)
