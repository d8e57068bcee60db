"""The key-leak checker: once every thread that a server lists is removed, it holds nothing."""

from __future__ import annotations

import re
from typing import Any

from redis.asyncio import RedisCluster

from satchel.memory.keys import named
from satchel.memory.redis_store import ServerStore

LISTS = re.compile(rb"satchel:\{([^:}]+)\}:(threads|fields)")
"""The lists from which every thread of a tenant can be found."""

PASSING = re.compile(rb"^satchel:\{runs\}:|:ev$|^satchel:\{[^:}]+\}:store:")
"""Keys that are not a thread's, or that expire."""


async def leaked(url: str) -> list[bytes]:
    """The keys that stay on a server when all threads of all its tenants are removed, and all its leftovers swept."""
    store = ServerStore(url)
    try:
        raw = store.connection.redis
        for tenant in {named(match[1]) for key in await _keys(raw) if (match := LISTS.fullmatch(key))}:
            for thread in {*await store.threads(tenant), *await store.fields.threads(tenant)}:
                await store.delete(thread)
            await store.sweep(tenant)
        return sorted(await _keys(raw))
    finally:
        await store.aclose()


async def _keys(raw: Any) -> list[bytes]:
    """All keys but LangGraph's items, which no thread owns, and what runs leave for a while (a list, and streams)."""
    everywhere = {"target_nodes": RedisCluster.PRIMARIES} if isinstance(raw, RedisCluster) else {}
    keys = await raw.keys(**everywhere)
    return [key for key in keys if not PASSING.search(key)]
