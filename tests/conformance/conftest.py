"""One server for each backend and session, one store for each test."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from satchel.memory.memory_store import MemoryStore
from satchel.memory.redis_store import ServerStore
from tests.stores import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from satchel.memory.embedded import EmbeddedServer
    from satchel.memory.store import Store


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], EmbeddedServer | None]]:
    running: dict[str, EmbeddedServer | None] = {}
    with ExitStack() as stack:

        def of(backend: str) -> EmbeddedServer | None:
            if backend not in running:
                running[backend] = stack.enter_context(serving(backend, tmp_path_factory.mktemp(backend)))
            return running[backend]

        yield of


@pytest.fixture
async def store(request: pytest.FixtureRequest, server: Callable[[str], EmbeddedServer | None]) -> AsyncIterator[Store]:
    at = server(request.param)
    made: Store = MemoryStore() if at is None else ServerStore(at.url)
    yield made
    for tenant in ("default", "other", "a", "a:b"):
        for thread in await made.threads(tenant):
            await made.delete(thread)
    await made.aclose()
