"""`satchel serve`: the application in a server process that ends at a crash point when it is told to."""

from __future__ import annotations

import asyncio
import gc
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import uvicorn

from satchel.memory.errors import ConfigError
from satchel.runtime.service.settings import configured

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from fastapi import FastAPI

    from satchel.runtime.service.settings import ServiceSettings

KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: longer than pooled clients keep theirs, who else meet a closed one."""

YOUNG = 50_000
"""New objects after which the collector looks at them; Python's 700 are made several times by each request."""

PATIENCE = 8
"""Seconds that connections may stay open after the runs were brought to a crash point."""


class Server(uvicorn.Server):
    """Uvicorn, but at SIGTERM or Ctrl-C the runs are drained first, so that streams end and clients come again."""

    def __init__(self, app: FastAPI, say: Callable[[str], None], **options: Any) -> None:
        frame = app.state.service.settings.body_bytes
        config = uvicorn.Config(
            app, timeout_keep_alive=KEEP_ALIVE, timeout_graceful_shutdown=PATIENCE, lifespan="on",
            ws="websockets-sansio", ws_max_size=frame, **options,
        )  # fmt: skip
        super().__init__(config)
        self._service = app.state.service
        self._say = say
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: Any = None) -> None:
        """Listen, and say where. Raises `StoreError`, which uvicorn would log with its traceback."""
        self._loop = asyncio.get_running_loop()
        await self._service.start()
        await super().startup(sockets)
        gc.collect()
        gc.freeze()  # what is loaded stays: the collector need not walk through it again and again
        gc.set_threshold(YOUNG)
        for server in self.servers:
            for socket in server.sockets:
                host, port = socket.getsockname()[:2]
                self._say(f"serving {', '.join(self._service.graphs)} on http://{bracketed(host)}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain, then do what uvicorn does."""
        if self._loop is not None and self._draining is None:
            self._loop.call_soon_threadsafe(self._drain)
        super().handle_exit(sig, frame)

    def _drain(self) -> None:
        self._draining = asyncio.ensure_future(self._service.drain())


LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""What stands in `Host` when this machine calls itself; a page that lets its name lead here has another one there."""


def door(
    auth: object, host: str, origins: Sequence[str], say: Callable[[str], None], *, unprotected: bool
) -> ServiceSettings:
    """The settings of a server on an address: without authentication it is this machine's own, or open on purpose.

    Raises `ConfigError` for an address that others reach.
    """
    given = {"origins": tuple(origins)} if origins else {}
    settings = configured(**given)
    if auth is not None or settings.keys:
        return settings
    if unprotected:
        say(f"no authentication: whoever reaches {host} may do all")
        return settings
    if not _own(host):
        raise ConfigError(
            f"others may reach {host} and there is no authentication; give --keys FILE (`satchel key` makes it), "
            "--auth module:attr, or --open to let everybody in"
        )
    say("no authentication: only programs on this machine are answered")
    return configured(**given, hosts=settings.hosts or LOOPBACK)


def _own(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def bracketed(host: str) -> str:
    """A host as it stands in an address."""
    return f"[{host}]" if ":" in host else host


def serve(app: FastAPI, say: Callable[[str], None], *, host: str, port: int) -> None:
    """Serve an application until the process is told to end; `say` is told where, once it listens.

    Raises `ConfigError` if it cannot listen there, and `StoreError`.
    """
    server = Server(app, say, host=host, port=port, log_level="warning", access_log=False)
    try:
        server.run()
    except SystemExit:  # uvicorn has said why
        raise ConfigError(f"nothing can listen on {bracketed(host)}:{port}; give another --port or --host") from None
