"""Who calls: the one place that decides whose threads a request sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request

from satchel.runtime.service.auth import Known
from satchel.runtime.service.auth_sdk import holds
from satchel.runtime.service.guard import KNOWN
from satchel.runtime.service.rules import heard, judged

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from satchel.runtime.service.engine import Service


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request: the tenant whose threads, runs, assistants and items it sees, and the service.

    If there are rules, `wanted` is what the metadata of these must say beside, and `namespace` the one to read instead
    of that in the address.
    """

    known: Known
    service: Service
    wanted: Mapping[str, Any] | None = None
    namespace: tuple[str, ...] | None = None

    @property
    def tenant(self) -> str:
        """The tenant."""
        return self.known.tenant

    def sees(self, document: Mapping[str, Any]) -> bool:
        """Whether a document of a thread, a run or an assistant is the caller's to see."""
        return document.get("tenant", self.tenant) == self.tenant and holds(document["metadata"], self.wanted)


async def caller(request: Request) -> Caller:
    """The caller of a request, as the guard let it in."""
    known: Known = request.scope[KNOWN]
    wanted = await judged(request, known.rules) if known.rules is not None else None
    return Caller(known, request.app.state.service, wanted, getattr(request.state, "namespace", None))


async def speaker(connection: HTTPConnection, operation: str, sent: dict[str, Any]) -> Caller:
    """The caller of what came over a WebSocket, as if it had come by an operation. Raises `Refused`."""
    known: Known = connection.scope[KNOWN]
    wanted = await heard(connection, operation, sent, known.rules) if known.rules is not None else None
    return Caller(known, connection.app.state.service, wanted)


Called = Annotated[Caller, Depends(caller)]
