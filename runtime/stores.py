"""Opening a store by URL and environment, refused if it would lose data."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING

from satchel.memory import open as opening
from satchel.memory.errors import SatchelError

if TYPE_CHECKING:
    from satchel.memory.store import Store


async def open_store(url: str | None) -> Store:
    """The store at a URL; without one that of SATCHEL_STORE or REDIS_URL, and else the embedded server.

    Raises `ConfigError` for an unknown kind of URL, `StoreUnreachable`, and `StoreUnsafe` for a store that evicts.
    """
    from satchel.runtime.settings import Settings  # noqa: PLC0415 - pydantic-settings takes 0.2 s to import

    settings = Settings()
    store = await opening.open_store(url or settings.store)
    try:
        await store.check()
    except SatchelError:
        await store.aclose()
        raise
    return store


class Stores:
    """The stores that an agent opens: one in each event loop, since connections belong to theirs."""

    def __init__(self, at: str | Store | None) -> None:
        self._at = at
        self._open: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[Store]] = (
            weakref.WeakKeyDictionary()
        )

    async def get(self) -> Store:
        """The store of the running event loop, opened on first use; a store that was given is used in all."""
        if not isinstance(self._at, str | None):
            return self._at
        loop = asyncio.get_running_loop()
        if loop not in self._open:
            self._open[loop] = loop.create_task(open_store(self._at))
        try:
            return await asyncio.shield(self._open[loop])
        except SatchelError:
            self._open.pop(loop, None)  # the next call tries again
            raise

    async def aclose(self) -> None:
        """Close what was opened in the running event loop."""
        opened = self._open.pop(asyncio.get_running_loop(), None)
        if opened is not None:
            await (await opened).aclose()
