"""The checkpoints that a question of `list` finds, newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import CheckpointTuple
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from satchel.memory.checkpoints import Checkpoints
    from satchel.memory.points import Point
    from satchel.memory.saver_read import Reader
    from satchel.memory.store import Store, ThreadId

PAGE = 20
"""Checkpoints that are loaded at once."""


class Listing:
    """One question, and how far it is answered."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        serde: SerializerProtocol,
        *,
        config: RunnableConfig | None,
        wanted: Mapping[str, Any] | None,
        before: RunnableConfig | None,
        limit: int | None,
    ) -> None:
        self._of = checkpoints
        self._serde = serde
        place = checkpoints.place(config) if config else (None, None, None)
        self._thread: ThreadId | None = place[0]
        self._ns: str | None = place[1]
        self._id: str | None = place[2]
        self._wanted = dict(wanted or {})
        self._before = (before or {}).get("configurable", {}).get("checkpoint_id")
        self._left = limit
        self._open: list[tuple[ThreadId, tuple[str, str]]] | None = None

    async def page(self, store: Store) -> list[CheckpointTuple]:
        """The next checkpoints; none when all are found."""
        if self._open is None:
            self._open = await self._begin(store)
        while self._open and (self._left is None or self._left > 0):
            thread, rows = next(groupby(self._open, key=lambda row: row[0]))
            places = [place for _, place in list(rows)[:PAGE]]
            del self._open[: len(places)]

            async def ask(reader: Reader, at: list[tuple[str, str]] = places) -> list[CheckpointTuple]:
                points = [point for point in await reader.points(at) if point is not None and self._fits(point)]
                return await reader.tuples(points[: self._left])

            found = await self._of.reading(store, self._serde, thread, ask)
            if self._left is not None:
                self._left -= len(found)
            if found:
                return found
        return []

    async def _begin(self, store: Store) -> list[tuple[ThreadId, tuple[str, str]]]:
        threads = [self._thread] if self._thread else await store.fields.threads(self._of.tenant)
        out: list[tuple[ThreadId, tuple[str, str]]] = []
        for thread in threads:
            await self._of.settle(store, thread)
            places = await self._of.reading(store, self._serde, thread, lambda reader: reader.places())
            newest = sorted(places, key=lambda place: place[1], reverse=True)
            out += [(thread, place) for place in newest if self._lies(*place)]
        return out

    def _lies(self, ns: str, point: str) -> bool:
        return self._ns in {None, ns} and self._id in {None, point} and (self._before is None or point < self._before)

    def _fits(self, point: Point) -> bool:
        return all(point.metadata.get(key) == value for key, value in self._wanted.items())
