"""A proxy before a server that loses replies, for whatever must be done once though it is sent twice."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Wire:
    """A proxy before the server, which can lose the next reply: the command is done and the connection breaks."""

    def __init__(self, target: str) -> None:
        self.target = target.removeprefix("unix://")
        self.lose = 0
        self.lost = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self.target)
        forth = asyncio.create_task(self._copy(reader, back))
        try:
            while data := await there.read(65_536):
                if self.lose:
                    self.lose, self.lost = self.lose - 1, self.lost + 1
                    break
                writer.write(data)
                await writer.drain()
        finally:
            forth.cancel()
            for end in (writer, back):
                end.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def wire(target: str, path: Path) -> AsyncIterator[Wire]:
    it = Wire(target)
    async with await asyncio.start_unix_server(it.serve, path / "wire.sock") as server:
        yield it
        server.close()
