"""A fork of a thread at a turn boundary: where no reply waits for its results and no commit is cut in two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from satchel.memory.errors import ConfigError
from satchel.memory.log import read_log
from satchel.memory.records import Call, Reply, Result

if TYPE_CHECKING:
    from satchel.memory.records import Entry
    from satchel.memory.store import Store, ThreadId


async def fork_thread(store: Store, source: ThreadId, target: ThreadId, at: int | None = None) -> int:
    """Make a new thread of the first `at` entries of another one, None: up to its last boundary; how many they are.

    They are shared, not copied. The fork has the same handles, prompts and spending, and a life of its own. Raises
    `ConfigError`, naming the nearest boundaries, for a position inside a turn; `ThreadExists`, `ThreadNotFound`.
    """
    good = list(boundaries(await read_log(store, source)))
    if at is None:
        at = good[-1]
    if at not in good:
        before, after = [n for n in good if n < at][-1:], [n for n in good if n > at][:1]
        choice = " or ".join(map(str, before + after))
        raise ConfigError(f"entry {at} of thread {source.name!r} is no turn boundary; fork it at {choice}")
    await store.fork(source, target, at)
    return at


def boundaries(entries: Iterable[Entry]) -> Iterator[int]:
    """The lengths at which a log may be cut: between two commits, with no call waiting for its result."""
    pending: set[str] = set()
    op = None
    length = 0
    for entry in entries:
        if length and entry.op != op and not pending:
            yield length
        if isinstance(entry.record, Reply):
            pending = set()
        elif isinstance(entry.record, Call) and entry.record.refused is None:
            pending.add(entry.record.id)
        elif isinstance(entry.record, Result):
            pending.discard(entry.record.call)
        op, length = entry.op, entry.seq + 1
    if length and not pending:
        yield length
