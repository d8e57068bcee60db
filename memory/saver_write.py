"""The writing half of `RedisSaver`: what a checkpoint or the writes of a task change, planned at once, sent in order.

A change is planned in the caller's thread at the moment of the call, so what is kept is what the state was then. It is
sent after all that was planned before it for the same thread: a checkpoint never overtakes its parent's writes.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.base import WRITES_IDX_MAP
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from satchel.memory import blobs, points
from satchel.memory.errors import LeaseLost, StoreError
from satchel.memory.lists import Pieces
from satchel.memory.loops import Turn
from satchel.memory.saver_plan import Plan, changes, together
from satchel.memory.sentences import lost

if TYPE_CHECKING:
    from langgraph.checkpoint.base import ChannelVersions
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from satchel.memory.fields import Fields
    from satchel.memory.store import ThreadId

MOST_KNOWN = 20_000
"""Blobs that a thread remembers to have written; one that is forgotten may be written once more."""

MOST_LISTS = 16
"""Channels that a thread remembers the last list of."""

ATTEMPTS = 10


class Writer:
    """Plans and sends the changes of one thread."""

    def __init__(self, thread: ThreadId) -> None:
        self.thread = thread
        self.generation: bytes | None = None
        self._guard = threading.RLock()
        self._turn = Turn()
        self._queue: deque[Plan] = deque()
        self._epoch = 0
        self._listed = False
        self._known: set[bytes] = set()
        self._lists: dict[tuple[str, str], Pieces] = {}

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be sent."""
        return not self._queue

    def plan_point(
        self,
        serde: SerializerProtocol,
        point: points.Point,
        values: Mapping[str, Any],
        new_versions: ChannelVersions,
        token: str = "",
    ) -> Plan:
        """Plan to keep a checkpoint and the values of its new versions, under the token of a turn."""

        def make(plan: Plan) -> None:
            for channel, version in new_versions.items():
                if values.get(channel) is not None:
                    name = points.value_name(point.ns, channel, version)
                    plan.put[name] = blobs.seal(self._value(plan, serde, (point.ns, channel), values[channel]))
            body = [point.parent, points.stripped(point.checkpoint), point.metadata, point.nulls]
            plan.put[points.point_name(point.ns, point.id)] = sealed(serde, body)
            plan.top[points.head_name(point.ns)] = points.head(point.id)

        return self._planned(make, token)

    def plan_writes(
        self,
        serde: SerializerProtocol,
        place: tuple[str, str],
        writes: Sequence[tuple[str, Any]],
        task: tuple[str, str],
        token: str = "",
    ) -> Plan:
        """Plan to keep what a task (its id and path) wrote under a checkpoint, under the token of a turn."""

        def make(plan: Plan) -> None:
            refer = self._referrer(plan, serde)
            rows: list[list[Any]] = []
            for n, (channel, value) in enumerate(writes):
                kind = points.LIST if type(value) is list else points.WHOLE
                refs = [refer(item) for item in value] if kind == points.LIST else [refer(value)]
                rows.append([WRITES_IDX_MAP.get(channel, n), channel, kind, refs])
            plan.push.append((points.writes_name(*place), sealed(serde, [*task, rows])))

        return self._planned(make, token)

    async def send(self, fields: Fields, plan: Plan) -> None:
        """Send all that was planned up to this, in order; raises what this one met."""
        if not plan.done:
            await self._flush(fields, plan)
        if plan.error is not None:
            raise plan.error

    def withdraw(self, plan: Plan) -> None:
        """Do not send what was planned, unless that has begun."""
        with self._guard:
            if not plan.begun:
                self._queue.remove(plan)
                self.forget()

    async def settle(self, fields: Fields) -> None:
        """Send all that is planned."""
        with self._guard:
            last = self._queue[-1] if self._queue else None
        if last is not None:
            await self._flush(fields, last)

    async def _flush(self, fields: Fields, plan: Plan) -> None:
        while not plan.done:
            with self._guard:
                if self._turn.stands():
                    self._turn = Turn()  # all is sent again: that does no harm, waiting would have no end
                turn = self._turn
            async with turn:
                if turn is self._turn and not plan.done:
                    await self._send_next(fields, turn)

    async def _send_next(self, fields: Fields, turn: Turn) -> None:
        """Send the first plans; if this is cancelled, whoever comes next sends them again, as they are."""
        with self._guard:
            plans = together(self._queue)
            for plan in plans:
                plan.begun = True
        error: Exception | None = None
        try:
            await self._send(fields, plans)
        except Exception as failed:  # noqa: BLE001 - all whose plans were in it are told
            error = failed
            self.forget()
        with self._guard:
            if turn is self._turn:  # else another has taken them over
                for plan in plans:
                    plan.error, plan.done = error, True
                    self._queue.popleft()

    def learn(self, generation: bytes, lists: Mapping[tuple[str, str], Pieces]) -> None:
        """Remember lists that were read in this generation."""
        with self._guard:
            if self._queue or self.generation not in {None, generation}:
                return
            self.generation = generation
            for place, pieces in lists.items():
                self._remember(place, pieces)
                self._known.update(found for ref in pieces.refs if (found := blobs.digest(ref)))

    def forget(self, generation: bytes | None = None) -> None:
        """Rely on nothing that was written or read before."""
        with self._guard:
            self._epoch += 1
            self.generation = generation
            self._listed = False
            self._known.clear()
            self._lists.clear()

    def _planned(self, make: Callable[[Plan], None], token: str) -> Plan:
        plan = Plan(make, token)
        with self._guard:
            self._make(plan)
            self._queue.append(plan)
        return plan

    def _make(self, plan: Plan) -> None:
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        plan.renew(self._epoch)

    async def _send(self, fields: Fields, plans: Sequence[Plan]) -> None:
        if not self._listed:
            await fields.enlist(self.thread)
            self._listed = True
        for _ in range(ATTEMPTS):
            with self._guard:
                for plan in plans:
                    if plan.epoch != self._epoch:
                        self._make(plan)
            for change in changes(plans, self.generation):
                answer = await fields.change(self.thread, change)
                if answer.how == "lost":
                    raise LeaseLost(lost(self.thread))
                if answer.how != "done":
                    self.forget(answer.generation)
                    break
                self.generation = answer.generation
            else:
                return
        raise StoreError(f"thread {self.thread.name!r} is changed by others all the time; let one writer have it")

    def _referrer(self, plan: Plan, serde: SerializerProtocol) -> Callable[[Any], bytes]:
        def refer(value: object) -> bytes:
            framed = blobs.frame(*serde.dumps_typed(value))
            ref = blobs.refer(framed)
            found = blobs.digest(ref)
            if found is not None and found not in self._known:
                plan.put[points.blob_name(found)] = blobs.seal(framed)
                self._known.add(found)
            return ref

        return refer

    def _value(self, plan: Plan, serde: SerializerProtocol, place: tuple[str, str], value: object) -> bytes:
        refer = self._referrer(plan, serde)
        kind, items = points.LIST, value
        if type(value) is _DeltaSnapshot:
            kind, items = points.SNAPSHOT, value.value
        if type(items) is not list:
            return bytes((points.WHOLE,)) + refer(value)
        pieces, entries = self._lists.get(place, Pieces()).write(items, refer)
        self._remember(place, pieces)
        plan.fresh.update({name: blobs.seal(ref) for name, ref in entries.items()})
        return bytes((kind,)) + points.pack_segments(pieces.segments)

    def _remember(self, place: tuple[str, str], pieces: Pieces) -> None:
        self._lists.pop(place, None)
        self._lists[place] = pieces
        if len(self._lists) > MOST_LISTS:
            self._lists.pop(next(iter(self._lists)))


def sealed(serde: SerializerProtocol, value: object) -> bytes:
    """A record as bytes."""
    return blobs.seal(blobs.frame(*serde.dumps_typed(value)))
