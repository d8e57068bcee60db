"""What every backend must count and keep for the service: how often callers come, and what has to be told outside."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from satchel.memory.keys import deliveries_key
from satchel.memory.open import deliveries_of, rates_of
from satchel.memory.redis_store import ServerStore
from tests.stores import BACKENDS, SEALED, open_part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from satchel.memory.store import Store

pytestmark = pytest.mark.parametrize("store", [*BACKENDS, SEALED], indirect=True)


@pytest.fixture(autouse=True)
async def clean(store: Store) -> AsyncIterator[None]:
    yield
    if isinstance(server := open_part(store), ServerStore):  # buckets expire
        await server.connection.redis.flushall()


async def test_so_many_may_come_at_once_and_then_one_at_a_time(store: Store) -> None:
    first, second = rates_of(store), rates_of(store)  # two processes share what the store counts
    both = [first, first] if not isinstance(open_part(store), ServerStore) else [first, second]
    waits = [await both[n % 2].take("t", "key", rate=0.1, burst=5) for n in range(7)]
    assert waits[:5] == [0.0] * 5
    assert all(9 < wait <= 10 for wait in waits[5:])
    assert await first.take("t", "other", rate=0.1, burst=5) == 0.0
    assert await first.take("other", "key", rate=0.1, burst=5) == 0.0


async def test_a_bucket_fills_again(store: Store) -> None:
    rates = rates_of(store)
    waits = [await rates.take("t", "k", rate=5, burst=1) for _ in range(2)]
    assert waits[0] == 0 < waits[1]
    await asyncio.sleep(waits[1] + 0.002)  # as long as it says
    assert await rates.take("t", "k", rate=5, burst=1) == 0


async def test_a_delivery_is_had_by_one_until_its_time_is_over_and_then_by_another(store: Store) -> None:
    kept = deliveries_of(store)
    one, other, later = ("a:b", "r 1"), ("a", "b:r 1"), ("a", "r2")
    await kept.put(one, b"one", wait=0)
    await kept.put(other, b"other", wait=0)
    await kept.put(later, b"later", wait=60)
    assert sorted(await kept.due(10)) == sorted([one, other])
    assert len(await kept.due(1)) == 1
    assert [await kept.take(one, wait=60) for _ in range(2)] == [b"one", None]
    assert await kept.take(other, wait=-1) == b"other"
    assert await kept.take(other, wait=60) == b"other"  # whoever had it died
    assert await kept.take(later, wait=60) is None
    await kept.put(one, b"again", wait=0)
    assert await kept.take(one, wait=60) == b"again"
    server = open_part(store)
    if isinstance(server, ServerStore):
        (seen,) = await server.connection.redis.hvals(deliveries_key("a:b"))
        assert (seen == b"again") == (server is store)
    for name in (one, other, later):
        await kept.done(name)
    assert await kept.due(10) == []
    if isinstance(server, ServerStore):
        assert await server.connection.redis.keys("*") == []
