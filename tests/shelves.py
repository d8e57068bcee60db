"""`RedisStore` on each backend with a time that tests can let pass."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, cast

from satchel.memory import RedisStore
from satchel.memory.background import Background
from satchel.memory.memory_items import MemoryItems
from tests.stores import raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from satchel.memory.embedded import EmbeddedServer

_TENANTS = count()


@dataclass
class Shelf:
    """A store of a tenant of its own, and a second view of its server, if it has one."""

    store: RedisStore
    tenant: str
    raw: Redis | None
    passed: int = 0

    def later(self, minutes: float) -> None:
        """Let minutes pass for all deadlines that were set until now."""
        self.passed += round(minutes * 60e6)
        if self.raw is not None:
            for member in cast("list[bytes]", self.raw.zrange(self.key("due"), 0, -1)):
                self.raw.zincrby(self.key("due"), -round(minutes * 60_000), member)

    def key(self, name: str) -> str:
        """One of the store's keys."""
        return f"satchel:{{{self.tenant}}}:store:{name}"

    def names(self) -> list[bytes]:
        """All keys of the tenant."""
        return [] if self.raw is None else cast("list[bytes]", self.raw.keys(f"satchel:{{{self.tenant}}}:*"))

    @property
    def server(self) -> Redis:
        """The second view."""
        assert self.raw is not None
        return self.raw


@contextmanager
def shelved(at: EmbeddedServer | None, **settings: Any) -> Iterator[Shelf]:
    """A shelf on a server, or in memory; its keys are removed in the end."""
    tenant = f"t{next(_TENANTS)}"
    if at is None:
        with RedisStore.from_url("memory://", tenant=tenant, **settings) as store:
            shelf = Shelf(store, tenant, None)

            async def aged() -> MemoryItems:
                return MemoryItems(lambda: time.time_ns() // 1_000 + shelf.passed)

            store._items = Background(aged)
            yield shelf
        return
    with RedisStore.from_url(at.url, tenant=tenant, **settings) as store, raw(at.url) as other:
        shelf = Shelf(store, tenant, other)
        try:
            yield shelf
        finally:
            if left := shelf.names():
                other.delete(*left)
