"""The ASGI application: LangGraph's API, ours and an OpenAI-compatible one over what is served."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from satchel.memory.errors import SatchelError
from satchel.runtime.service import (
    assistants_api,
    chat,
    faults,
    own_api,
    runs_api,
    store_api,
    threads_api,
)
from satchel.runtime.service.dispatcher import SLOTS
from satchel.runtime.service.engine import Service
from satchel.runtime.service.tracing import Traced

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from satchel.runtime.telemetry import Telemetry

ROUTERS = (
    own_api.router,
    assistants_api.router,
    threads_api.router,
    runs_api.router,
    store_api.router,
    chat.router,
)


def app(agents: object, *, store: str | None = None, slots: int = SLOTS, telemetry: Telemetry | None = None) -> FastAPI:
    """An application that serves an `Agent`, a LangGraph graph, or a mapping from names to these.

    `store` is where threads, runs and events are kept (None: SATCHEL_STORE, REDIS_URL or the embedded server); `slots`
    is how many runs one process executes at once; `telemetry` hears of requests, runs and what agents do. Mounted
    inside another application it starts with the first request; await `app.state.service.stop()` when that one ends.
    Raises `ConfigError` if there is nothing to serve.
    """
    service = Service(agents, store=store, slots=slots, telemetry=telemetry)

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    made = FastAPI(title="Satchel", lifespan=living)
    made.state.service = service
    made.add_exception_handler(SatchelError, faults.told)
    made.add_middleware(Traced, telemetry=telemetry)
    for router in ROUTERS:
        made.include_router(router)
    return made
