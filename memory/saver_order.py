"""What keeps a checkpoint behind its parent's writes when LangGraph hands both to threads of a pool, in no sure order.

LangGraph submits the writes of a step's tasks before the checkpoint that follows, but a pool may begin them the other
way round. The synchronous `put` therefore waits until as many tasks have written as the checkpoint says have run.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.base import WRITES_IDX_MAP
from langgraph.checkpoint.serde.types import TASKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from langgraph.checkpoint.base import CheckpointTuple

    from satchel.memory.store import ThreadId

    Place = tuple[ThreadId, str, str]

PATIENCE = 0.02
"""Seconds to wait at most: a task that LangGraph found in its cache of nodes does not write.

It is four turns of the interpreter's lock: all that stands between a thread that has its work and its first line.
"""

REMEMBERED = 256
"""Checkpoints whose tasks are counted."""

_NO_TASKS = frozenset(("__input__", "__interrupt__", "__snapshot_bumps__"))
"""What LangGraph keeps among the nodes' versions and is no node."""

_NO_TASK = "00000000-0000-0000-0000-000000000000"
"""LangGraph's name for who wrote what came with a command."""


class Tasks:
    """Which tasks have written under the latest checkpoints, and how many are expected to."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._wrote: OrderedDict[Place, set[str]] = OrderedDict()
        self._seen: OrderedDict[Place, tuple[Mapping[str, object], int]] = OrderedDict()

    def wrote(self, place: Place, task: str, channels: Iterable[str]) -> None:
        """A task has written under a checkpoint; one that only failed or was interrupted is yet to write."""
        if task == _NO_TASK or all(channel in WRITES_IDX_MAP for channel in channels):
            return
        with self._changed:
            self._wrote.setdefault(place, set()).add(task)
            _bound(self._wrote)
            self._changed.notify_all()

    def kept(self, place: Place, versions_seen: Mapping[str, object], values: Mapping[str, object]) -> None:
        """A checkpoint was put or read: what its nodes had seen, and how many tasks it sends."""
        sends = values.get(TASKS)
        with self._changed:
            self._seen[place] = dict(versions_seen), len(sends) if isinstance(sends, list) else 0
            _bound(self._seen)

    def read(self, place: Place, found: CheckpointTuple) -> None:
        """A checkpoint was read, from which a run may go on."""
        self.kept(place, found.checkpoint["versions_seen"], found.checkpoint["channel_values"])
        for task, channel, _ in found.pending_writes or ():
            self.wrote(place, task, [channel])

    def wait(self, parent: Place, versions_seen: Mapping[str, object]) -> None:
        """Wait until the tasks between a parent and its child have written."""
        with self._changed:
            if parent not in self._seen:
                return
            before, sends = self._seen[parent]
            nodes = sum(seen != before.get(node, {}) for node, seen in versions_seen.items() if node not in _NO_TASKS)
            self._changed.wait_for(lambda: len(self._wrote.get(parent, ())) >= nodes + sends, PATIENCE)


def _bound(held: OrderedDict[Place, Any]) -> None:
    while len(held) > REMEMBERED:
        held.popitem(last=False)
