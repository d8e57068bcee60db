"""What the tool `recall` answers: a part of the whole text behind a handle of the thread, or figures about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from satchel.memory import handles
from satchel.memory.behind import text_of
from satchel.memory.errors import UnknownHandle
from satchel.memory.log import read_log
from satchel.memory.records import Call, Reply, Result, Said
from satchel.runtime.context import recall
from satchel.runtime.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.memory.log import Log
    from satchel.memory.records import Entry


async def recalled(log: Log, call: Call) -> Result:
    """The result of a call of recall; it names the entry that it was taken from, so that no text is stored twice."""
    given = recall.arguments(call.args)
    ref, query, regex = given.pop("ref"), given["query"], given["regex"]
    if not ref and (query or regex):
        held = log.entries if log.start == 1 else await read_log(log.store, log.thread)
        stored = _stored(held, log.salt)
        found = await in_thread(lambda: recall.search(stored, query=query, regex=regex))
        return Result(call=call.id, text=found)
    try:
        entry = await log.behind(ref or "")
    except UnknownHandle as error:
        return Result(call=call.id, text=str(error), error=True)
    text = text_of(entry.record) or ""
    answer = await in_thread(lambda: recall.select(text, **given))
    again = entry.record.of if isinstance(entry.record, Result) else None  # a text that was itself recalled
    return Result(call=call.id, text=answer, of=entry.seq if again is None else again)


def _stored(entries: Sequence[Entry], salt: bytes) -> list[tuple[str, str]]:
    """What users, models and tools have said, each text behind its handle, the newest first; not what recall said."""
    out: list[tuple[str, str]] = []
    calls: dict[str, tuple[int, str]] = {}
    for entry in entries:
        record = entry.record
        if isinstance(record, Call):
            calls[record.id] = entry.seq, record.name
        elif isinstance(record, Result) and record.call in calls:
            seq, name = calls[record.call]
            if name != recall.NAME:
                out.append((handles.ref(salt, handles.RESULT + seq), record.text))
        elif isinstance(record, (Said, Reply)):
            out.append((handles.ref(salt, entry.seq), record.text))
    return out[::-1]
