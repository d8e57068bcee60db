"""What every backend must keep of crons: who changes one has read it, and the store's clock says what is due."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from satchel.memory.open import crons_of
from satchel.memory.redis_store import ServerStore
from tests.stores import EVERYWHERE, SEALED, open_part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from satchel.memory.crons import Crons
    from satchel.memory.store import Store

pytestmark = pytest.mark.parametrize("store", [*EVERYWHERE, SEALED], indirect=True)

ONE, OTHER, THIRD = ("a:b", "c 1"), ("a", "b:c 1"), ("a", "c3")


@pytest.fixture
def crons(store: Store) -> Crons:
    return crons_of(store)


@pytest.fixture(autouse=True)
async def clean(store: Store) -> AsyncIterator[None]:
    yield
    if isinstance(server := open_part(store), ServerStore):
        await server.connection.redis.flushall()


async def test_of_many_who_change_a_revision_one_succeeds(crons: Crons) -> None:
    tries = [crons.put(ONE, b"made %d" % n, at=None, limit=9) for n in range(8)]
    assert sorted(await asyncio.gather(*tries)) == ["done", *["stale"] * 7]
    row = await crons.get(ONE)
    assert row is not None
    assert (row.id, row.revision) == (ONE[1], 1)
    tries = [crons.put(ONE, b"changed %d" % n, at=None, revision=1) for n in range(8)]
    assert sorted(await asyncio.gather(*tries)) == ["done", *["stale"] * 7]
    assert await crons.delete(ONE)
    assert await crons.put(ONE, b"too late", at=None, revision=2) == "stale"
    assert await crons.get(ONE) is None
    assert not await crons.delete(ONE)


async def test_a_tenant_has_its_own_and_so_many(crons: Crons, store: Store) -> None:
    assert await crons.put(ONE, b"one", at=1, limit=1) == "done"
    assert [await crons.put(name, b"x", at=1, limit=1) for name in (OTHER, THIRD)] == ["done", "full"]
    assert await crons.put(OTHER, b"other", at=1, revision=1, limit=1) == "done"
    assert [(row.id, row.doc) for row in await crons.all(OTHER[0])] == [(OTHER[1], b"other")]
    assert await crons.all("nobody") == []
    if isinstance(server := open_part(store), ServerStore):
        kept = await server.connection.redis.hgetall("satchel:{crons}:a")
        assert (b"other" in kept.values()) == (server is store)  # else it is sealed
        await asyncio.gather(crons.delete(ONE), crons.delete(OTHER))
        assert await server.connection.redis.keys("*") == []


async def test_what_is_due_first_comes_first_by_the_stores_clock(crons: Crons) -> None:
    for name, at in ((ONE, 3_000), (OTHER, 1_000), (THIRD, None)):
        await crons.put(name, b"x", at=at, limit=9)
    now, found = await crons.due(9)
    assert found == [(OTHER, 1_000), (ONE, 3_000)]
    assert abs(now - time.time() * 1000) < 60_000  # the server's own clock, in milliseconds
    assert (await crons.due(1))[1] == [(OTHER, 1_000)]
    await crons.put(OTHER, b"x", at=None, revision=1)
    await crons.put(THIRD, b"x", at=2_000, revision=1)
    assert (await crons.due(9))[1] == [(THIRD, 2_000), (ONE, 3_000)]
    await crons.delete(THIRD)
    assert (await crons.due(9))[1] == [(ONE, 3_000)]
