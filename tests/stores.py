"""The table of store backends that the conformance tests run over, and servers that live as long as a test session."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from redis import Redis, RedisCluster, Sentinel

from satchel.memory.embedded import _attach
from satchel.memory.keyring import LEAST
from satchel.memory.sealed import SealedStore
from tests.servers import clustered, watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from satchel.memory.embedded import EmbeddedServer
    from satchel.memory.store import Store

TOPOLOGIES = {"sentinel": watched, "cluster": clustered}

BACKENDS = [
    pytest.param("memory", id="memory"),
    pytest.param("valkey", id="valkey"),
    pytest.param("redis", id="redis", marks=pytest.mark.debian),
]
"""Every store; a new one is one row here and one in `serving`."""

SEALED = pytest.param("sealed", id="sealed")
"""A store whose values are encrypted on their way to Valkey: a row of the suites of the store's own port."""

SERVERS = BACKENDS[1:]
"""Those with one server behind them, which a test can look into."""

EVERYWHERE = [*BACKENDS, *(pytest.param(name, id=name, marks=pytest.mark.debian) for name in TOPOLOGIES)]
"""The stores, and that on a server in each topology."""


@contextmanager
def serving(backend: str, home: Path) -> Iterator[EmbeddedServer | None]:
    """The server of a backend, if it has one, in a directory of its own."""
    if backend == "memory":
        yield None
    elif backend in TOPOLOGIES:
        with TOPOLOGIES[backend](home) as found:
            yield cast("EmbeddedServer", found)  # all that a test asks it is its address
    else:
        binary = None if backend == "valkey" else Path(shutil.which("redis-server") or "redis-server")
        server = _attach(home, binary)
        yield server
        server.release()


def open_part(store: Store) -> Store:
    """What is behind the encryption, if there is one."""
    return store.inner if isinstance(store, SealedStore) else store


def weight(store: Store, *entries: bytes) -> int:
    """Bytes that these entries take there."""
    return sum(map(len, entries)) + (LEAST * len(entries) if isinstance(store, SealedStore) else 0)


def again(server: EmbeddedServer) -> EmbeddedServer | None:
    """A hold of its own on an embedded server, for a store to let go of; None for what stands elsewhere."""
    return _attach(server.home, None) if hasattr(server, "home") else None


def raw(url: str) -> Any:
    """A client of its own for what stands at an address."""
    if "+cluster" in url:
        return RedisCluster.from_url(url.replace("+cluster", "").partition(",")[0])
    if "+sentinel" in url:
        host, _, port = url.partition("://")[2].partition(",")[0].partition(":")
        return Sentinel([(host, int(port))]).master_for("satchel")  # type: ignore[no-untyped-call]  # redis-py has no types here
    return Redis.from_url(url)
