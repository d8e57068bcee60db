"""The items of `memory://`: everything in this process, gone with it."""

from __future__ import annotations

import time
from dataclasses import replace
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from satchel.memory.items import Row

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from satchel.memory.items import Change, Path, Wanted


class MemoryItems:
    """`Items` without a server; `clock` tells microseconds since 1970. Two of them share nothing."""

    def __init__(self, clock: Callable[[], int] = lambda: time.time_ns() // 1_000) -> None:
        self._clock = clock
        self._kept: dict[Path, dict[str, Row]] = {}
        self._deadlines: dict[tuple[Path, str], int] = {}
        self._queue: list[tuple[int, Path, str]] = []

    async def get(self, wanted: Sequence[Wanted]) -> list[Row | None]:
        """The items that are there, refreshed where that is asked for."""
        now = self._now()
        found = [self._kept.get(want.path, {}).get(want.key) for want in wanted]
        for want, row in zip(wanted, found, strict=True):
            if row is not None and want.refresh:
                self._begin(row, now)
        return found

    async def touch(self, rows: Sequence[Row]) -> None:
        """Begin the deadlines of items anew."""
        now = self._now()
        for row in rows:
            if (kept := self._kept.get(row.path, {}).get(row.key)) is not None:
                self._begin(kept, now)

    async def scan(self, prefix: Path, *, skip: int = 0, most: int | None = None) -> AsyncGenerator[Row]:
        """The items at and below a path, in order."""
        self._now()
        found = [row for path, rows in self._kept.items() if path[: len(prefix)] == prefix for row in rows.values()]
        for row in found[skip : None if most is None else skip + most]:
            yield row

    async def paths(self, prefix: Path) -> AsyncGenerator[Path]:
        """The paths at and below one, sorted."""
        self._now()
        for path in sorted(path for path in self._kept if path[: len(prefix)] == prefix):
            yield path

    async def write(self, changes: Sequence[Change]) -> None:
        """Write and remove items in one step."""
        now = self._now()
        for change in changes:
            if change.data is None:
                self._drop(change.path, change.key)
                continue
            rows = self._kept.setdefault(change.path, {})
            row = Row(change.path, change.key, now, now, change.ttl, change.data)
            if (old := rows.get(change.key)) is not None:
                row = replace(row, created=old.created, updated=max(now, old.created))
            rows[change.key] = row
            self._deadlines.pop((change.path, change.key), None)
            self._begin(row, now)

    async def aclose(self) -> None:
        """Nothing to close."""

    def _now(self) -> int:
        """The time, once what is due by then has gone."""
        now = self._clock()
        while self._queue and self._queue[0][0] <= now:
            _, path, key = heappop(self._queue)
            deadline = self._deadlines.get((path, key))
            if deadline is not None and deadline <= now:
                self._drop(path, key)
            elif deadline is not None:  # it was refreshed since
                heappush(self._queue, (deadline, path, key))
        return now

    def _begin(self, row: Row, now: int) -> None:
        """Give an item its full time to live; one that has a deadline already stands in the queue."""
        if not row.ttl:
            return
        item = (row.path, row.key)
        if item not in self._deadlines:
            heappush(self._queue, (now + row.ttl * 1_000, *item))
        self._deadlines[item] = now + row.ttl * 1_000

    def _drop(self, path: Path, key: str) -> None:
        self._deadlines.pop((path, key), None)
        rows = self._kept.get(path, {})
        if rows.pop(key, None) is not None and not rows:
            del self._kept[path]
