"""Streams that wait cost the store next to nothing: one reader for all of them."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

from redis.asyncio import Redis

from satchel.memory.embedded import attach
from satchel.memory.store import ThreadId
from satchel.runtime.service import wire
from satchel.runtime.service.app import app
from satchel.runtime.service.serving import Server
from tests.service.served import steps

if TYPE_CHECKING:
    from pathlib import Path

STREAMS, PER_THREAD, MOST = 300, 10, 4
PATIENCE = 60.0
LATER = 1 << 45
THREAD = wire.dumps({"tenant": "default", "metadata": {}, "config": {}, "created_at": "", "updated_at": ""})
DOC = wire.dumps({"graph_id": "steps", "stream_resumable": True})


async def test_300_idle_streams_take_four_connections_and_hear_of_their_end(tmp_path: Path) -> None:
    held = await attach(tmp_path / "server")
    made = app({"steps": steps}, store=held.url)
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = Server(made, listening.set_result, host="127.0.0.1", port=0, log_level="error")
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(PATIENCE), Redis.from_url(held.url) as raw:
        port = int((await listening).rpartition(":")[2])
        runs = made.state.service.runs
        names = [ThreadId(str(uuid.UUID(int=n // PER_THREAD))) for n in range(STREAMS)]
        places = [(name, str(uuid.UUID(int=n))) for n, name in enumerate(names)]
        accepted = (
            runs.admit(*place, DOC, strategy="enqueue", due=LATER, make=THREAD, limit=STREAMS) for place in places
        )
        await asyncio.gather(*accepted)

        async def opened(name: ThreadId, run: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET /threads/{name.name}/runs/{run}/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
            return reader, writer

        sockets = await asyncio.gather(*(opened(*place) for place in places))
        while (taken := len(await raw.client_list()) - 1) > MOST:  # noqa: ASYNC110 - a server tells nobody of this
            await asyncio.sleep(0.1)
        assert 0 < taken <= MOST
        await runs.cancel(*places[7], "interrupt", keep=60)
        await sockets[7][0].readuntil(b"0\r\n\r\n")  # the end of a body in pieces
        for _, writer in sockets:
            writer.close()
    server.should_exit = True
    await serving
    held.release()
