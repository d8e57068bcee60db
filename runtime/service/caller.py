"""Who calls: the one place that decides whose threads a request sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from satchel.runtime.service import faults
from satchel.runtime.service.engine import Service


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request: the tenant whose threads, runs, assistants and items it sees, and the service."""

    tenant: str
    service: Service


async def caller(request: Request) -> Caller:
    """The caller of a request; without authentication everybody is the default tenant."""
    service: Service = request.app.state.service
    if service.draining:
        raise faults.Refused(503, "the server is ending; try again in a moment", {"Retry-After": "1"})
    await service.start()
    return Caller("default", service)


Called = Annotated[Caller, Depends(caller)]
