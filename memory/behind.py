"""What a handle names: the text of an entry, in a log that is at hand or read entry by entry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from satchel.memory import handles
from satchel.memory.errors import UnknownHandle
from satchel.memory.records import Call, Page, Reply, Result, Said

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from satchel.memory.records import Entry, Json, Record


async def behind(ref: str, salt: bytes, entry: Callable[[int], Awaitable[Entry | None]], length: int) -> Entry:
    """The entry whose text a handle names, of a log so long; `entry` gives one by its position.

    Raises `UnknownHandle` if the handle names none.
    """
    seq = handles.seq(salt, ref)
    found = await (_result(seq - handles.RESULT, entry, length) if seq >= handles.RESULT else entry(seq))
    if found is None or text_of(found.record) is None:
        raise UnknownHandle(f"{ref} names nothing in this thread; use a handle that stands in the prompt")
    return found


async def _result(seq: int, entry: Callable[[int], Awaitable[Entry | None]], length: int) -> Entry | None:
    """The result of the call at `seq`: the first one behind it that names the call."""
    call = await entry(seq)
    if call is None or not isinstance(call.record, Call):
        return None
    for at in range(seq + 1, length):
        found = await entry(at)
        if found and isinstance(found.record, Result) and found.record.call == call.record.id:
            return found
    return None


def text_of(record: Record) -> str | None:
    """The text behind a record's handle; None for a record that has none."""
    if isinstance(record, Call):
        return compact(record.args)
    return record.text if isinstance(record, (Said, Reply, Result, Page)) else None


def compact(value: Json) -> str:
    """A JSON value in its shortest canonical form; a text that stands in place of arguments as it is."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
