"""The door of the application: who is there, how often, with how much; nothing inside is reached past it."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi.responses import Response
from starlette.requests import HTTPConnection

from satchel.memory.errors import SatchelError
from satchel.runtime.failure import describe
from satchel.runtime.service import bodies, faults
from satchel.runtime.service.faults import Refused
from satchel.runtime.service.wire import dumps

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from satchel.runtime.service.auth import Authentication, Known
    from satchel.runtime.service.engine import Service
    from satchel.runtime.service.settings import ServiceSettings

OPEN = {"/ok", "/healthz", "/readyz", "/info", "/openapi.json", "/docs", "/redoc"}
"""What is told to everybody: that the server lives, and what it understands."""

KNOWN = "satchel.known"
"""Where a request's scope says who sent it."""

log = logging.getLogger("satchel.service")


class Guard:
    """ASGI middleware. A path that is not in `OPEN` is closed, also one that nobody serves."""

    def __init__(self, app: ASGIApp, service: Service, authenticate: Authentication, settings: ServiceSettings) -> None:
        self._app = app
        self._service = service
        self._authenticate = authenticate
        self._settings = settings
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] not in KINDS:
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            if path in OPEN:
                await self._app(scope, receive, sending)
            else:
                await self._inside(scope, receive, sending)
        except ConnectionAbortedError:
            pass  # the client went away, or the server ends: the connection is cut
        except Exception as problem:  # noqa: BLE001 - the last resort: told and written down without what it may hold
            answer = refusal(problem)
            if answer.status_code == 500:  # noqa: PLR2004 - what nobody expected
                log.error("%s failed: %s", path[:200], describe(problem))  # noqa: TRY400 - a traceback holds secrets
            if not begun:
                await KINDS[scope["type"]](answer, scope, receive, send)

    async def _inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        service, settings = self._service, self._settings
        if service.draining:
            raise Refused(503, "the server is ending; try again in a moment", {"Retry-After": "1"})
        connection = HTTPConnection(scope)
        if scope["type"] == "websocket" and not _ours(connection, settings):
            raise Refused(403, "pages from elsewhere may not open a WebSocket here")
        known = await self._known(connection)
        await service.start()
        if known.name:
            wait = await service.rates.take(known.tenant, known.name, rate=settings.requests, burst=settings.burst)
            if wait:
                raise faults.busy("too many requests", wait)
        if self._open[known.tenant] >= settings.open:
            raise faults.busy(f"{settings.open} requests are open", 1.0)
        self._open[known.tenant] += 1
        try:
            if scope["type"] == "http":
                receive = _again(await bodies.taken(scope, receive, settings), receive)
            scope[KNOWN] = known  # in its place: who stands outside reads there which route it was
            await self._app(scope, receive, send)
        finally:
            self._open[known.tenant] -= 1
            self._open += Counter()  # without those that have none

    async def _known(self, request: HTTPConnection) -> Known:
        try:
            known = await self._authenticate(request)
        except Refused:
            raise
        except Exception as problem:  # noqa: BLE001 - it is somebody else's code, and it lets nobody in
            log.error("authentication failed: %s", describe(problem))  # noqa: TRY400 - as above
            raise Refused(503, "it cannot be told who you are; try again later") from None
        if known is None:
            raise Refused(401, "Invalid or missing API key", {"WWW-Authenticate": "Bearer"})
        return known


def refusal(problem: Exception) -> Response:
    """What a caller is told of a problem."""
    if isinstance(problem, Refused):
        return Response(dumps({"detail": problem.detail}), problem.status_code, problem.headers, "application/json")
    if isinstance(problem, SatchelError):
        return faults.told(problem)
    return Response(dumps({"detail": "Internal Server Error"}), 500, media_type="application/json")


def _ours(connection: HTTPConnection, settings: ServiceSettings) -> bool:
    """Whether a WebSocket is opened by no page, by one from here or by one that is named: browsers ask nobody else."""
    origin = connection.headers.get("origin")
    return origin is None or origin in settings.origins or urlsplit(origin).netloc == connection.headers.get("host")


def _again(body: bytes, receive: Receive) -> Receive:
    """The body, as it would have come, and then what comes."""
    waiting = [body]

    async def next_message() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return next_message


async def _closed(_: Response, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - the shape of an answer
    """A WebSocket is refused before it opens."""
    await send({"type": "websocket.close", "code": 1008})


async def _answered(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    await answer(scope, receive, send)


KINDS: dict[str, Any] = {"http": _answered, "websocket": _closed}
"""Kinds of connections, and how each is refused."""
