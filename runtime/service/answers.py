"""Answers as bytes: one JSON value, with the headers that searches have."""

from __future__ import annotations

from typing import Any

from fastapi.responses import Response

from satchel.runtime.service.wire import dumps


def json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON value."""
    return Response(dumps(value), status, headers=headers, media_type="application/json")


def page(found: list[Any], total: int, offset: int) -> Response:
    """A part of what was found, with how much there is and where the next part begins."""
    headers = {"X-Pagination-Total": str(total)}
    if offset + len(found) < total:
        headers["X-Pagination-Next"] = str(offset + len(found))
    return json(found, headers=headers)


def nothing() -> Response:
    """Done, and nothing to say."""
    return Response(status_code=204)
