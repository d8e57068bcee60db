"""Ending tasks for sure: `asyncio.wait_for` of Python 3.11, which redis-py writes with, may swallow a cancellation.

See https://github.com/python/cpython/issues/86296; it is mended in Python 3.12.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

AGAIN = 0.1
"""Seconds until a task that goes on is cancelled again."""

_HELD: set[asyncio.Task[Any]] = set()


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end, however it ends."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN)


async def apart(work: Coroutine[Any, Any, Any]) -> None:
    """Do something to its end in a task of its own, whatever becomes of the one that asks."""
    task = asyncio.ensure_future(work)
    _HELD.add(task)  # the loop alone would not keep it
    task.add_done_callback(_HELD.discard)
    await asyncio.shield(task)
