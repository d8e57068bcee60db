"""How many runs of a tenant wait or go on, over all processes, counted once a second."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from satchel.memory.runs import Runs

FRESH = 1.0
"""Seconds that a count holds; what this process accepts meanwhile is added, what others accept is seen after it."""


class Queued:
    """Counts the runs of tenants."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._counted: Counter[str] = Counter()
        self._at = float("-inf")

    async def of(self, tenant: str) -> int:
        """The runs of a tenant. Raises `StoreError`."""
        if time.monotonic() - self._at > FRESH:
            self._at = time.monotonic()
            counted: Counter[str] = Counter()
            for row in await self._runs.rows(await self._runs.waiting()):
                counted[row.thread.tenant] += len(row.queue)
            self._counted = counted
        return self._counted[tenant]

    def more(self, tenant: str) -> None:
        """One more was accepted here."""
        self._counted[tenant] += 1
