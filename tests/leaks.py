"""The key-leak checker: once every thread that a server lists is removed, it holds nothing."""

from __future__ import annotations

import re

from redis.asyncio import Redis

from satchel.memory.keys import named
from satchel.memory.redis_store import ServerStore

LISTS = re.compile(rb"satchel:\{([^:}]+)\}:(threads|fields)")
"""The lists from which every thread of a tenant can be found."""


async def leaked(url: str) -> list[bytes]:
    """The keys that stay on a server when all threads of all its tenants are removed, and all its leftovers swept."""
    async with Redis.from_url(url) as raw:
        if await raw.dbsize() == 0:
            return []
        store = ServerStore(url)
        for tenant in {named(match[1]) for key in await _keys(raw) if (match := LISTS.fullmatch(key))}:
            for thread in {*await store.threads(tenant), *await store.fields.threads(tenant)}:
                await store.delete(thread)
            await store.sweep(tenant)
        await store.aclose()
        return sorted(await _keys(raw))


async def _keys(raw: Redis) -> list[bytes]:
    """All keys but those that runs leave for a while: a list that the next worker sweeps, and streams that expire."""
    keys = [key for key in await raw.keys() if isinstance(key, bytes)]
    return [key for key in keys if not key.startswith(b"satchel:{runs}:") and not key.endswith(b":ev")]
