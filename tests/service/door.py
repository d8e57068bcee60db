"""An application behind a door, in this process: the same ASGI application that a server runs, and its client."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from satchel import Agent
from satchel.runtime.service import app
from satchel.runtime.service.settings import configured

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def behind(
    auth: object = None, agents: object = None, *, store: str = "memory://", **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application; all is kept in memory unless a store is named."""
    made = app(agents or {"echo": Agent("sim:echo")}, store=store, auth=auth, settings=configured(**settings))
    transport = httpx.ASGITransport(made, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
    await made.state.service.stop()
