"""`RedisStore`: LangGraph's long-term store on core commands of any Redis or Valkey, embedded, or in memory.

What it does is what LangGraph's `InMemoryStore` does without an index, and what it keeps, it keeps as strict JSON;
README.md says where the two differ.
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Self, cast

from langgraph.store.base import BaseStore

from satchel.memory.background import Background, Closing
from satchel.memory.errors import ConfigError
from satchel.memory.item_values import milliseconds
from satchel.memory.items import Keys
from satchel.memory.open import SCHEMES, open_store
from satchel.memory.operations import perform
from satchel.memory.redis_errors import public

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langgraph.store.base import Op, Result, TTLConfig

    from satchel.memory.items import Items
    from satchel.memory.redis_store import ServerStore


class RedisStore(Closing, BaseStore):
    """LangGraph's `BaseStore`, for synchronous and asynchronous use at once, in any thread and event loop.

    It connects on first use. Close it with `close` or `aclose`, or use it as a context manager of either kind.
    """

    supports_ttl = True

    def __init__(self, url: str | None = None, *, tenant: str = "default", ttl: TTLConfig | None = None) -> None:
        """See `from_url`."""
        if url is not None and url.partition("://")[0] not in SCHEMES:
            raise ConfigError(f"{public(url)!r} is not the address of a store; known are {', '.join(SCHEMES)}")
        milliseconds((ttl or {}).get("default_ttl"))
        self.ttl_config = ttl
        self._items = Background(partial(_open, url, Keys(tenant)))
        weakref.finalize(self, self._items.close)

    @classmethod
    def from_url(cls, url: str | None = None, *, tenant: str = "default", ttl: TTLConfig | None = None) -> Self:
        """The store of a tenant at an address: `redis://`, `rediss://`, `unix://`, `memory://`; None: embedded.

        `ttl` is LangGraph's: `default_ttl` in minutes and `refresh_on_read`. Expired items are always omitted and
        removed by the next calls, so its other settings have no effect. Raises `ConfigError` for a wrong tenant or time
        to live or scheme; an address that cannot be reached raises on first use.
        """
        return cls(url, tenant=tenant, ttl=ttl)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Run operations: reads see what was there before, then all writes are made in one atomic step.

        Of several writes to one item the last counts. Raises `ConfigError`, `InvalidNamespaceError`, `StoreError`.
        """
        return self._items.call(partial(perform, ops=list(ops)))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """`batch` without blocking; a cancelled one may or may not have written."""
        return await self._items.acall(partial(perform, ops=list(ops)))

    def close(self) -> None:
        """Close the connections; the next call opens them again."""
        self._items.close()


async def _open(url: str | None, keys: Keys) -> Items:
    if url == "memory://":
        from satchel.memory.memory_items import MemoryItems  # noqa: PLC0415 - loaded only when used

        return MemoryItems()
    from satchel.memory.sealed import SealedStore  # noqa: PLC0415 - as above
    from satchel.memory.sealed_items import SealedItems  # noqa: PLC0415 - as above
    from satchel.memory.server_items import ServerItems  # noqa: PLC0415 - as above

    store = await open_store(url)
    if isinstance(store, SealedStore):
        inner = ServerItems(cast("ServerStore", store.inner).scripts(), keys)
        return SealedItems(inner, store.keys, keys.base)
    return ServerItems(cast("ServerStore", store).scripts(), keys)
