"""`satchel serve`: the application in a server process that ends at a crash point when it is told to."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from fastapi import FastAPI

KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: longer than pooled clients keep theirs, who else meet a closed one."""

PATIENCE = 8
"""Seconds that connections may stay open after the runs were brought to a crash point."""


class Server(uvicorn.Server):
    """Uvicorn, but at SIGTERM or Ctrl-C the runs are drained first, so that streams end and clients come again."""

    def __init__(self, app: FastAPI, say: Callable[[str], None], **options: Any) -> None:
        config = uvicorn.Config(
            app, timeout_keep_alive=KEEP_ALIVE, timeout_graceful_shutdown=PATIENCE, lifespan="on", **options
        )
        super().__init__(config)
        self._service = app.state.service
        self._say = say
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: Any = None) -> None:
        """Listen, and say where."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        gc.collect()
        gc.freeze()  # what is loaded stays: the collector need not walk through it again and again
        for server in self.servers:
            for socket in server.sockets:
                host, port = socket.getsockname()[:2]
                self._say(f"serving {', '.join(self._service.graphs)} on http://{host}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain, then do what uvicorn does."""
        if self._loop is not None and self._draining is None:
            self._loop.call_soon_threadsafe(self._drain)
        super().handle_exit(sig, frame)

    def _drain(self) -> None:
        self._draining = asyncio.ensure_future(self._service.drain())


def serve(app: FastAPI, say: Callable[[str], None], *, host: str, port: int) -> None:
    """Serve an application until the process is told to end; `say` is told where, once it listens."""
    server = Server(app, say, host=host, port=port, log_level="warning", access_log=False)
    server.run()
