"""The embedded server and its guard are killed under a running agent: a clear error, nothing acknowledged is lost."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from satchel.memory.embedded import attach
from satchel.memory.log import read_log
from satchel.memory.redis_store import ServerStore
from satchel.memory.store import ThreadId
from tests.chaos.conftest import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def worker(tree: Path, tmp_path: Path) -> Iterator[Worker]:
    """Processes that find the server by themselves, as users' programs do."""
    made = Worker(tmp_path, home=str(tmp_path / "home"), tree=str(tree), question="port", mode="stateful")
    yield made
    made.close()


@pytest.mark.parametrize("point", [5, 10], ids=["before an append", "after an append"])
async def test_when_the_server_dies_the_run_stops_with_a_clear_error_and_can_be_resumed(
    worker: Worker, tmp_path: Path, point: int
) -> None:
    stopped = await worker.live(stop=point)
    known = json.loads((tmp_path / "home" / "server.json").read_text())
    for name in ("guard", "server"):
        os.kill(known[name], signal.SIGKILL)
    ended = await worker.end(stopped)
    assert ended.end["type"] == "StoreUnreachable"
    assert "gives no answer" in ended.end["text"]
    resumed = await worker.live(resume=True)
    assert (resumed.end["outcome"], resumed.end["output"]) == ("done", "8007")
    server = await attach(tmp_path / "home")
    store = ServerStore(server.url, server=server)
    resumed.log = await read_log(store, ThreadId("port"))
    await store.aclose()
    assert stopped.acknowledged <= {entry.op for entry in resumed.log}
