"""A proxy before a server: it can lose replies, answer in the server's place with an error, or say nothing at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

HARMLESS = {b"HELLO", b"CLIENT", b"AUTH", b"SELECT", b"PING", b"INFO", b"HMGET", b"HGETALL", b"SMEMBERS", b"GET"}
"""Commands that a server answers which takes no writes."""


class Wire:
    """Passes commands on to `target`, unless told otherwise.

    - `lose`: so many replies are lost; their commands are done, and the connection breaks
    - `refuse`: this error is the answer to each command (with `writes_only`: that may write)
    - `silent`: nothing is answered, and nothing is done
    """

    def __init__(self, target: str) -> None:
        self.target = target.removeprefix("unix://")
        self.lose = 0
        self.lost = 0
        self.refuse = b""
        self.writes_only = False
        self.silent = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self.target)
        forth = asyncio.create_task(self._commands(reader, writer, back))
        try:
            while data := await there.read(65_536):
                if self.lose:
                    self.lose, self.lost = self.lose - 1, self.lost + 1
                    break
                writer.write(data)
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client has gone, or the test has ended
        finally:
            forth.cancel()
            for end in (writer, back):
                end.close()

    async def _commands(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        try:
            while command := await _command(reader):
                name, whole = command
                if self.silent:
                    continue
                if self.refuse and not (self.writes_only and name in HARMLESS):
                    writer.write(b"-" + self.refuse + b"\r\n")
                    await writer.drain()
                else:
                    back.write(whole)
                    await back.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        back.close()


async def _command(reader: asyncio.StreamReader) -> tuple[bytes, bytes] | None:
    """The name and the bytes of the next command, an array of bulk strings (RESP specification); None at the end."""
    head = await reader.readline()
    if not head:
        return None
    whole, words = [head], []
    for _ in range(int(head[1:])):
        size = await reader.readline()
        words.append(await reader.readexactly(int(size[1:]) + 2))
        whole += [size, words[-1]]
    return words[0].strip().upper(), b"".join(whole)


@asynccontextmanager
async def wire(target: str, path: Path) -> AsyncIterator[Wire]:
    """A proxy at `path / "wire.sock"`."""
    it = Wire(target)
    async with await asyncio.start_unix_server(it.serve, path / "wire.sock") as server:
        yield it
        server.close()
