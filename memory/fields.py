"""The second part of the port: named values of a thread, changed in one atomic step, for LangGraph's checkpoints.

A thread's fields live beside its log and know nothing of it. Field `g` is their generation: a nonce that is new after
each removal, so that a writer never relies on a value that another one has removed.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from satchel.memory.store import ThreadId

GENERATION = b"g"


@dataclass(frozen=True, slots=True)
class Change:
    """What one step does, if `generation` and `size` (number of fields; None: whatever it is) still hold."""

    put: Mapping[bytes, bytes] = field(default_factory=dict)
    """Written as they are."""

    fresh: Mapping[bytes, bytes] = field(default_factory=dict)
    """Written where nothing stands yet; something else there refuses the whole change."""

    top: Mapping[bytes, bytes] = field(default_factory=dict)
    """Written where they are greater, byte by byte, than what stands there."""

    push: Sequence[tuple[bytes, bytes]] = ()
    """Written under the name, a space and a number; the name itself counts them."""

    drop: Sequence[bytes] = ()
    generation: bytes | None = None
    size: int | None = None

    token: str = ""
    """That of the turn under which it is done (`runs.Turn`); refused if another one stands there. Empty: none."""


@dataclass(frozen=True, slots=True)
class Changed:
    """Whether a change was done, and the generation that stands now.

    Of the others nothing was done: `stale` (another generation or size), `taken` (something else stands where a fresh
    value was to go), `lost` (the turn is no longer the writer's).
    """

    how: Literal["done", "stale", "taken", "lost"]
    generation: bytes


class Fields(Protocol):
    """Keeps the fields of threads. All methods raise `StoreError` or one of its children and nothing else."""

    async def get(self, thread: ThreadId, names: Sequence[bytes]) -> list[bytes | None]:
        """The values of these names, None for what is not there."""

    async def names(self, thread: ThreadId) -> list[bytes]:
        """All names of the thread, in no order."""

    async def change(self, thread: ThreadId, change: Change) -> Changed:
        """Do it in one atomic step, or not at all. Sent again it changes nothing, but pushes again."""

    async def enlist(self, thread: ThreadId) -> None:
        """List the thread, before its first change."""

    async def threads(self, tenant: str) -> list[ThreadId]:
        """The tenant's threads that are listed, sorted by name."""

    async def delete(self, thread: ThreadId) -> None:
        """Remove all fields of the thread and its name from the list; nothing if there are none."""


class MemoryFields:
    """`Fields` in this process, for any of its threads."""

    def __init__(self) -> None:
        self._threads: dict[ThreadId, dict[bytes, bytes]] = {}
        self._turns: dict[ThreadId, str] = {}
        self._lock = threading.Lock()

    def turn(self, thread: ThreadId, token: str) -> None:
        """Whose turn the thread is from now on; empty: nobody's."""
        with self._lock:
            if token:
                self._turns[thread] = token
            else:
                self._turns.pop(thread, None)

    async def get(self, thread: ThreadId, names: Sequence[bytes]) -> list[bytes | None]:
        """The values of these names."""
        with self._lock:
            kept = self._threads.get(thread, {})
            return [kept.get(name) for name in names]

    async def names(self, thread: ThreadId) -> list[bytes]:
        """All names of the thread."""
        with self._lock:
            return list(self._threads.get(thread, {}))

    async def change(self, thread: ThreadId, change: Change) -> Changed:
        """Do it, or not at all."""
        with self._lock:
            kept = self._threads.setdefault(thread, {})
            generation = kept.get(GENERATION, b"")
            if change.token and change.token != self._turns.get(thread):
                return Changed("lost", generation)
            if change.generation not in {None, generation} or change.size not in {None, len(kept)}:
                return Changed("stale", generation)
            if any(kept.get(name, value) != value for name, value in change.fresh.items()):
                return Changed("taken", generation)
            if change.drop or not generation:
                kept[GENERATION] = generation = secrets.token_bytes(6)
            kept.update(change.put)
            kept.update(change.fresh)
            kept.update({name: value for name, value in change.top.items() if kept.get(name, b"") < value})
            for name, value in change.push:
                count = int(kept.get(name, b"0"))
                kept[name + b" %d" % count] = value
                kept[name] = b"%d" % (count + 1)
            for name in change.drop:
                kept.pop(name, None)
            return Changed("done", generation)

    async def enlist(self, thread: ThreadId) -> None:
        """Nothing to do: what has fields is listed."""

    async def threads(self, tenant: str) -> list[ThreadId]:
        """The tenant's threads, sorted by name."""
        with self._lock:
            found = [thread for thread, kept in self._threads.items() if thread.tenant == tenant and kept]
        return sorted(found, key=lambda thread: thread.name)

    async def delete(self, thread: ThreadId) -> None:
        """Forget all fields of the thread."""
        with self._lock:
            self._threads.pop(thread, None)
