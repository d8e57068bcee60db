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
    protocol_api,
    runs_api,
    store_api,
    thread_stream,
    threads_api,
)
from satchel.runtime.service.dispatcher import SLOTS
from satchel.runtime.service.engine import Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROUTERS = (
    own_api.router,
    assistants_api.router,
    threads_api.router,
    runs_api.router,
    thread_stream.router,
    protocol_api.router,
    store_api.router,
    chat.router,
)


def app(agents: object, *, store: str | None = None, slots: int = SLOTS) -> FastAPI:
    """An application that serves an `Agent`, a LangGraph graph, or a mapping from names to these.

    `store` is where threads, runs and events are kept (None: SATCHEL_STORE, REDIS_URL or the embedded server); `slots`
    is how many runs one process executes at once. Mounted inside another application it starts with the first request;
    await `app.state.service.stop()` when that one ends. Raises `ConfigError` if there is nothing to serve.
    """
    service = Service(agents, store=store, slots=slots)

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    made = FastAPI(title="Satchel", lifespan=living)
    made.state.service = service
    made.add_exception_handler(SatchelError, faults.told)
    for router in ROUTERS:
        made.include_router(router)
    return made
