"""One server for each backend and session, one store for each test."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from satchel.memory.keyring import Keyring
from satchel.memory.memory_store import MemoryStore
from satchel.memory.redis_store import ServerStore
from satchel.memory.sealed import SealedStore
from tests.leaks import leaked
from tests.stores import again, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from satchel.memory.embedded import EmbeddedServer
    from satchel.memory.store import Store


RUNNING: dict[str, EmbeddedServer | None] = {}
"""The servers that a test of this session has asked for."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], EmbeddedServer | None]]:
    with ExitStack() as stack:

        def of(backend: str) -> EmbeddedServer | None:
            backend = "valkey" if backend == "sealed" else backend
            if backend not in RUNNING:
                RUNNING[backend] = stack.enter_context(serving(backend, tmp_path_factory.mktemp(backend)))
            return RUNNING[backend]

        yield of
        RUNNING.clear()


@pytest.fixture(autouse=True)
async def no_key_is_left() -> AsyncIterator[None]:
    """After each test, whatever a server still holds can be found by its lists, and removed."""
    yield
    for at in filter(None, RUNNING.values()):
        assert await leaked(at.url) == []


@pytest.fixture
async def store(request: pytest.FixtureRequest, server: Callable[[str], EmbeddedServer | None]) -> AsyncIterator[Store]:
    at = server(request.param)
    made: Store = MemoryStore() if at is None else ServerStore(at.url, server=again(at))
    yield SealedStore(made, Keyring([bytes(32)])) if request.param == "sealed" else made
    if isinstance(made, MemoryStore):
        for thread in {*made._threads, *made.fields._threads}:
            await made.delete(thread)
        assert (made._threads, made.fields._threads) == ({}, {})
    await made.aclose()
