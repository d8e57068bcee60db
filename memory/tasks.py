"""Ending tasks for sure: `asyncio.wait_for` of Python 3.11, which redis-py writes with, may swallow a cancellation.

See https://github.com/python/cpython/issues/86296; it is mended in Python 3.12.
"""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN = 0.1
"""Seconds until a task that goes on is cancelled again."""


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end, however it ends."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN)
