"""Snapshots beside a log, so that opening a long thread repeats nothing older than its last fold.

A snapshot is no truth: what made it is in the log, and one that is missing, damaged, or made by another engine or
another spec is passed over, and the log read from its beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2s
from typing import TYPE_CHECKING

from satchel.memory.codec import pack_as, unpack_as
from satchel.memory.errors import DamagedEntry, StoreError
from satchel.memory.log import Log
from satchel.memory.records import Json
from satchel.runtime.budget import Spent
from satchel.runtime.calibration import Calibration
from satchel.runtime.context import tokens
from satchel.runtime.context.folding import Kept
from satchel.runtime.meter import Watch

if TYPE_CHECKING:
    from satchel.memory.store import Store, ThreadId
    from satchel.runtime.history import History
    from satchel.runtime.spec import Spec

ENGINE = 4
"""Raised whenever the same log gives other prompts than before; tests/runtime/test_snapshot.py notices when it must."""

FIELD = "snapshot"
"""Its name among the thread's small values."""

WHILE = 8
"""While a run goes on a snapshot is written when the log has grown by this many times the size of the one before.

So it costs an eighth of a long run's log. One more at the end of a run lets a thread at rest open at once.
"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a run needs of the entries before position `at`, where the reply that follows a fold stands."""

    key: str
    at: int
    past: Kept
    spent: Spent
    budget: Mapping[str, Json]
    run: int
    steps: int
    folds: int
    growth: int
    last_text: str | None
    task: str | None
    calibration: Calibration
    watch: Watch
    cap: int | None
    shown: tuple[str, ...] = ()


class Snapshots:
    """The newest snapshot of one open thread, `found` if it fits, and its log, loaded from there on."""

    def __init__(self, log: Log, spec: Spec) -> None:
        self.log = log
        self.found: Snapshot | None = None
        self._key = key(spec, log.salt)
        self._size = self._then = 0

    @classmethod
    async def open(cls, spec: Spec, store: Store, thread: ThreadId, *, salt: bytes | None) -> Snapshots:
        """Take the thread. Raises `ThreadBusy`, `DamagedEntry`, `StoreUnreachable`."""
        data = (await store.cursor(thread)).get(FIELD, b"")
        found = _decoded(data)
        log = await Log.open(store, thread, salt=salt, start=found.at if found else 1)
        snapshots = cls(log, spec)
        if found and found.key == snapshots._key and found.at == log.start:
            snapshots.found, snapshots._size = found, len(data)
            return snapshots
        try:
            await log.rewind()
        except BaseException:
            await log.close()
            raise
        return snapshots

    async def close(self, history: History) -> None:
        """Leave a snapshot for whoever opens the thread next, and give the thread back."""
        try:
            with suppress(StoreError):  # the log holds everything
                await self.keep(history, growth=0)
        finally:
            await self.log.close()

    async def keep(self, history: History, growth: float = WHILE) -> None:
        """Write the snapshot of the last fold if the log has grown by `growth` times the size of the one before.

        Raises `StoreError`.
        """
        if history.snapshot and self.log.bytes - self._then >= growth * self._size:
            data = pack_as(history.snapshot(self._key))
            await self.log.store.put_cursor(self.log.thread, {FIELD: data})
            self._size, self._then, history.snapshot = len(data), self.log.bytes, None


def key(spec: Spec, salt: bytes) -> str:
    """What decides the prompts of a thread beside its log, as a digest."""
    tools = [[tool.schema, tool.max_inline_tokens] for tool in spec.tools.values()]
    parts = [
        ENGINE, salt.hex(), spec.mode.name, spec.model.name, spec.model.exact, spec.ceiling, spec.reply_tokens,
        spec.rates.c, spec.rates.w, spec.notes, spec.summariser is not None, sorted(spec.briefs), tools,
        [message.content for message in spec.system],
    ]  # fmt: skip
    return blake2s(tokens.compact(parts).encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _decoded(data: bytes) -> Snapshot | None:
    try:
        return unpack_as(Snapshot, data)
    except DamagedEntry:
        return None
