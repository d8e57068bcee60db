"""What goes wrong, as the API says it: a status and `{"detail": ...}`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import HTTPException
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

STATUS: list[tuple[type[Exception], int]] = [
    (UnknownHandle, 404),
    (ThreadNotFound, 404),
    (ThreadBusy, 409),
    (ConfigError, 422),
    (StoreUnreachable, 503),
    (SatchelError, 500),
]
"""The status of an error of ours: the first row whose kind it is."""


def missing(what: str) -> HTTPException:
    """What was asked for is not there."""
    return HTTPException(404, what)


def conflict(why: str) -> HTTPException:
    """It is there already, or held."""
    return HTTPException(409, why)


def wrong(why: str) -> HTTPException:
    """The request cannot be right."""
    return HTTPException(422, why)


async def told(_: Request, problem: Exception) -> Response:
    """The answer for an error of ours."""
    status = next(code for kind, code in STATUS if isinstance(problem, kind))
    return Response(dumps({"detail": str(problem)}), status, media_type="application/json")
