"""Opening a store by URL and environment, refused if it would lose data."""

from __future__ import annotations

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
