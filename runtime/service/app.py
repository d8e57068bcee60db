"""The ASGI application: LangGraph's API, ours and an OpenAI-compatible one over what is served."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware

from satchel.memory.errors import SatchelError
from satchel.runtime.service import (
    assistants_api,
    chat,
    crons_api,
    faults,
    own_api,
    protocol_api,
    protocol_socket,
    runs_api,
    store_api,
    thread_stream,
    threads_api,
)
from satchel.runtime.service.auth import authentication, everybody
from satchel.runtime.service.dispatcher import SLOTS
from satchel.runtime.service.document import documented
from satchel.runtime.service.engine import Service
from satchel.runtime.service.guard import Guard
from satchel.runtime.service.settings import ServiceSettings, configured
from satchel.runtime.service.tracing import Traced

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from satchel.runtime.telemetry import Telemetry

ROUTERS = (
    crons_api.router,  # the first is found first
    runs_api.router,
    own_api.router,
    assistants_api.router,
    threads_api.router,
    thread_stream.router,
    protocol_api.router,
    protocol_socket.router,
    store_api.router,
    chat.router,
)


def app(
    agents: object,
    *,
    store: str | None = None,
    slots: int = SLOTS,
    auth: object = None,
    settings: ServiceSettings | None = None,
    telemetry: Telemetry | None = None,
) -> FastAPI:
    """An application that serves an `Agent`, a LangGraph graph, or a mapping from names to these.

    `store` is where threads, runs and events are kept (None: SATCHEL_STORE, REDIS_URL or the embedded server); `slots`
    is how many runs one process executes at once. `auth` says who may call: a file of keys, a `langgraph_sdk.Auth`, or
    a coroutine function from a token to its tenant or None; with None, and no keys in the settings, everybody may, so
    listen on this machine alone. `settings` are limits and origins (None: those of the environment). `telemetry` hears
    of requests, runs and what agents do. Mounted inside another application it starts with the first request; await
    `app.state.service.stop()` when that one ends. Raises `ConfigError` if there is nothing to serve, or nobody to let
    in.
    """
    settings = settings or configured()
    authenticate = authentication(auth if auth is not None else settings.keys or None)
    service = Service(agents, store=store, slots=slots, settings=settings, telemetry=telemetry)

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    made = FastAPI(title="Satchel", lifespan=living)
    made.state.service = service
    made.add_exception_handler(SatchelError, faults.failed)
    made.add_exception_handler(RequestValidationError, faults.invalid)
    made.add_middleware(Guard, service=service, authenticate=authenticate, settings=settings)  # the innermost one
    made.add_middleware(
        CORSMiddleware,
        allow_origins=settings.origins,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["*"],
        expose_headers=["Location", "Content-Location", "X-Pagination-Total", "X-Pagination-Next", "Retry-After"],
    )
    if settings.hosts:
        made.add_middleware(TrustedHostMiddleware, allowed_hosts=settings.hosts, www_redirect=False)
    made.add_middleware(Traced, telemetry=telemetry)  # the outermost one
    for router in ROUTERS:
        made.include_router(router)
    documented(made, service.graphs, closed=authenticate is not everybody)
    return made
