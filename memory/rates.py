"""How often something may happen: one bucket a name, kept in the store, so that all processes count together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from satchel.memory.keys import rate_key

if TYPE_CHECKING:
    from satchel.memory.redis_store import ServerStore

TAKE = """
-- KEYS rate    ARGV now, ms between two, ms that may be taken in advance
local at = tonumber(redis.call('GET', KEYS[1]) or '0')
local now, each, ahead = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
at = math.max(at, now)
if at - now > ahead then return math.ceil(math.min(at - now, 2 * ahead + each) - ahead) end
redis.call('SET', KEYS[1], string.format('%.3f', at + each), 'PX', math.ceil(at + each - now) + 1)
return 0
"""
"""The generic cell rate algorithm (ITU-T I.371): `at` is when the bucket will be empty again.

Times come from the caller, as in `run_scripts`; `min` bounds what a clock that ran ahead may cost others.
"""


class Rates(Protocol):
    """Counts what happens. All methods raise `StoreError` or one of its children and nothing else."""

    async def take(self, tenant: str, name: str, *, rate: float, burst: int) -> float:
        """Do it once more: 0.0, or the seconds to wait first. `rate` is times a second, `burst` how many at once."""


class MemoryRates:
    """`Rates` in this process."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, str], float] = {}

    async def take(self, tenant: str, name: str, *, rate: float, burst: int) -> float:
        """Do it once more, or wait."""
        now = time.monotonic()
        at = max(self._at.get((tenant, name), 0.0), now)
        ahead = (burst - 1) / rate
        if at - now > ahead:
            return at - now - ahead
        self._at[tenant, name] = at + 1 / rate
        return 0.0


class ServerRates:
    """`Rates` on a server with the Redis protocol; a bucket that is empty is gone."""

    def __init__(self, server: ServerStore) -> None:
        self._take = server.connection.script(TAKE)
        self._errors = server.connection.errors

    async def take(self, tenant: str, name: str, *, rate: float, burst: int) -> float:
        """Do it once more, or wait."""
        args = [f"{time.time() * 1000:.3f}", f"{1000 / rate:.3f}", f"{1000 * (burst - 1) / rate:.3f}"]
        with self._errors():
            return int(await self._take([rate_key(tenant, name)], args)) / 1000
