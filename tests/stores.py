"""The table of store backends that the conformance tests run over, and servers that live as long as a test session."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from satchel.memory.embedded import _attach

if TYPE_CHECKING:
    from collections.abc import Iterator

    from satchel.memory.embedded import EmbeddedServer

BACKENDS = [
    pytest.param("memory", id="memory"),
    pytest.param("valkey", id="valkey"),
    pytest.param("redis", id="redis", marks=pytest.mark.debian),
]
"""Every store; a new one is one row here and one in `serving`."""

SERVERS = BACKENDS[1:]
"""Those with a server behind them."""


@contextmanager
def serving(backend: str, home: Path) -> Iterator[EmbeddedServer | None]:
    """The server of a backend, if it has one, in a directory of its own."""
    if backend == "memory":
        yield None
        return
    binary = None if backend == "valkey" else Path(shutil.which("redis-server") or "redis-server")
    server = _attach(home, binary)
    yield server
    server.release()
