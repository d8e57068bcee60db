"""Errors as OpenAI's clients read them: `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from satchel.memory.errors import SatchelError
from satchel.runtime.service import answers, faults
from satchel.runtime.service.wire import safe

if TYPE_CHECKING:
    from fastapi import Request
    from fastapi.responses import Response

TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
"""The type of an error by its status (OpenAI's error codes guide, 2026-11); others are below."""

SERVER = 500


def error(message: str, status: int = SERVER, *, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """An error as JSON."""
    kind = TYPES.get(status, "server_error" if status >= SERVER else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


class Failed(Exception):
    """An answer with an error. A run that failed is not tried again by the client, who would start another one."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.told = error(message, status, param=param, code=code)


class Route(APIRoute):
    """A route whose errors are OpenAI's."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route, and what becomes of what it raises."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except Failed as problem:
                return answers.json(problem.told, problem.status, {"x-should-retry": "false"})
            except RequestValidationError as problem:
                first = problem.errors()[0]
                where = ".".join(str(part) for part in first["loc"][1:])
                return answers.json(error(f"{where}: {first['msg']}", 400, param=where or None), 400)
            except HTTPException as problem:
                return _answer(problem.status_code, str(problem.detail), problem.headers)
            except SatchelError as problem:
                return _answer(faults.status(problem), safe(str(problem)), None)

        return handle


def _answer(status: int, message: str, headers: Mapping[str, str] | None) -> Response:
    return answers.json(error(message, status), status, dict(headers or {}))
