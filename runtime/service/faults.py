"""What goes wrong, as the API says it: a status and `{"detail": ...}`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

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
from satchel.runtime.service.wire import dumps, safe

if TYPE_CHECKING:
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError

__all__ = ["Refused", "busy", "conflict", "invalid", "missing", "told", "wrong"]

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


def busy(why: str, seconds: float = 5.0) -> Refused:
    """Too much of something; come again in so many seconds."""
    return Refused(429, f"{why}; try again later", {"Retry-After": str(math.ceil(seconds))})


def told(problem: SatchelError) -> Response:
    """The answer for an error of ours."""
    return Response(dumps({"detail": safe(str(problem))}), status(problem), media_type="application/json")


async def failed(_: Request, problem: Exception) -> Response:
    """The answer for an error of ours, as FastAPI asks for it."""
    return told(cast("SatchelError", problem))


async def invalid(_: Request, problem: Exception) -> Response:
    """The answer for a request that does not fit its model: where and why, without what was sent."""
    found = cast("RequestValidationError", problem).errors()
    detail = [{"type": one["type"], "loc": list(one["loc"]), "msg": one["msg"]} for one in found]
    return Response(dumps({"detail": detail}), 422, media_type="application/json")
