"""What goes wrong, as the API says it: a status and `{"detail": ...}`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import HTTPException as Refused
from fastapi.responses import Response

from satchel.memory.errors import (
    ConfigError,
    SatchelError,
    StoreUnreachable,
    ThreadBusy,
    ThreadNotFound,
    UnknownHandle,
)
from satchel.runtime.service.wire import dumps

if TYPE_CHECKING:
    from fastapi import Request

__all__ = ["Refused", "conflict", "missing", "told", "wrong"]

STATUS: list[tuple[type[Exception], int]] = [
    (UnknownHandle, 404),
    (ThreadNotFound, 404),
    (ThreadBusy, 409),
    (ConfigError, 422),
    (StoreUnreachable, 503),
    (SatchelError, 500),
]
"""The status of an error of ours: the first row whose kind it is."""


BOTH = "context and config.configurable are both given; give one, best the context"


def status(problem: Exception) -> int:
    """The status of an error of ours."""
    return next(code for kind, code in STATUS if isinstance(problem, kind))


def missing(what: str) -> Refused:
    """What was asked for is not there."""
    return Refused(404, what)


def conflict(why: str) -> Refused:
    """It is there already, or held."""
    return Refused(409, why)


def wrong(why: str) -> Refused:
    """The request cannot be right."""
    return Refused(422, why)


async def told(_: Request, problem: Exception) -> Response:
    """The answer for an error of ours."""
    return Response(dumps({"detail": str(problem)}), status(problem), media_type="application/json")
