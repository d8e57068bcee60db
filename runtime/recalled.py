"""What the tool `recall` answers: a part of the whole text behind a handle of the thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from satchel.memory.errors import UnknownHandle
from satchel.runtime.context import recall

if TYPE_CHECKING:
    from satchel.memory.log import Log
    from satchel.memory.records import Json


async def recalled(log: Log, args: Json) -> tuple[str, bool]:
    """The answer to a call with these arguments, and whether it is an error."""
    given = recall.arguments(args)
    handle = given.pop("ref") or ""
    try:
        text = await log.text(handle)
    except UnknownHandle as error:
        return str(error), True
    return recall.select(text, query=given["query"], lines=given["lines"], path=given["path"]), False
