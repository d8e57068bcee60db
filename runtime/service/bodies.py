"""Bodies of requests within limits: how long, how late, how deep."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from satchel.runtime.service.faults import Refused

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

    from satchel.runtime.service.settings import ServiceSettings


async def taken(scope: Scope, receive: Receive, settings: ServiceSettings) -> bytes:
    """The whole body of a request. Raises 413, 408 and 422; `ConnectionAbortedError` if the client goes away."""
    told = dict(scope["headers"]).get(b"content-length", b"0")
    if told.isdigit() and int(told) > settings.body_bytes:
        raise _large(settings)
    parts: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(settings.body_seconds):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ConnectionAbortedError
                parts.append(message.get("body", b""))
                more = message.get("more_body", False)
                size += len(parts[-1])
                if size > settings.body_bytes:
                    raise _large(settings)
    except TimeoutError:
        raise Refused(408, "the body of the request did not arrive in time", {"Connection": "close"}) from None
    body = b"".join(parts)
    kinds = [value.lower() for name, value in scope["headers"] if name == b"content-type"]
    if body and any(b"json" in kind for kind in kinds):
        check(body, depth=settings.json_depth, length=settings.string_length)
    return body


def _large(settings: ServiceSettings) -> Refused:
    return Refused(413, f"the body is larger than {settings.body_bytes} bytes", {"Connection": "close"})


def check(body: bytes, *, depth: int, length: int) -> None:
    """Refuse with 422 what is nested too deep, has a string too long, or is no JSON as RFC 8259 has it."""
    try:
        level = [json.loads(body, parse_constant=_refuse)]
    except RecursionError:
        raise _deep(depth) from None
    except ValueError:
        raise Refused(422, "the body is no JSON") from None
    for _ in range(depth + 1):
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                _fits(value, length)
            elif isinstance(value, list):
                below += value
            elif isinstance(value, dict):
                below += value
                below += value.values()
        if not below:
            return
        level = below
    raise _deep(depth)


def _deep(depth: int) -> Refused:
    return Refused(422, f"the body is nested deeper than {depth} levels")


def _fits(value: str, length: int) -> None:
    if len(value) > length:
        raise Refused(422, f"a string of the body is longer than {length} characters")
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise Refused(422, "a string of the body holds half of a surrogate pair")


def _refuse(name: str) -> Any:
    raise ValueError(name)
