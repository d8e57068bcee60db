"""What each route does, in the words of `langgraph_sdk.Auth`: so its handlers are asked before the route is entered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from uuid import UUID

from satchel.runtime.service.faults import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import Request
    from starlette.requests import HTTPConnection

    from satchel.runtime.service.auth import Rules

    Filter = Mapping[str, Any]

ACTIONS: Mapping[str, tuple[str, str]] = {
    "POST /assistants": ("assistants", "create"),
    "POST /assistants/search": ("assistants", "search"),
    "POST /assistants/count": ("assistants", "search"),
    "GET /assistants/{assistant}": ("assistants", "read"),
    "PATCH /assistants/{assistant}": ("assistants", "update"),
    "DELETE /assistants/{assistant}": ("assistants", "delete"),
    "POST /assistants/{assistant}/versions": ("assistants", "read"),
    "POST /assistants/{assistant}/latest": ("assistants", "update"),
    "GET /assistants/{assistant}/graph": ("assistants", "read"),
    "GET /assistants/{assistant}/schemas": ("assistants", "read"),
    "GET /assistants/{assistant}/subgraphs": ("assistants", "read"),
    "GET /assistants/{assistant}/subgraphs/{ns:path}": ("assistants", "read"),
    "POST /threads": ("threads", "create"),
    "POST /threads/search": ("threads", "search"),
    "POST /threads/count": ("threads", "search"),
    "POST /threads/prune": ("threads", "delete"),
    "GET /threads/{thread}": ("threads", "read"),
    "PATCH /threads/{thread}": ("threads", "update"),
    "DELETE /threads/{thread}": ("threads", "delete"),
    "POST /threads/{thread}/copy": ("threads", "read"),
    "GET /threads/{thread}/state": ("threads", "read"),
    "POST /threads/{thread}/state/checkpoint": ("threads", "read"),
    "GET /threads/{thread}/state/{checkpoint}": ("threads", "read"),
    "POST /threads/{thread}/state": ("threads", "update"),
    "POST /threads/{thread}/history": ("threads", "read"),
    "GET /threads/{thread}/history": ("threads", "read"),
    "GET /threads/{thread}/stream": ("threads", "read"),
    "POST /threads/{thread}/commands": ("threads", "create_run"),
    "POST /threads/{thread}/stream/events": ("threads", "read"),
    "GET /threads/{thread}/usage": ("threads", "read"),
    "GET /threads/{thread}/results/{ref}": ("threads", "read"),
    "GET /runs/{run}/prompts": ("threads", "read"),
    "POST /runs": ("threads", "create_run"),
    "POST /threads/{thread}/runs": ("threads", "create_run"),
    "POST /runs/stream": ("threads", "create_run"),
    "POST /threads/{thread}/runs/stream": ("threads", "create_run"),
    "POST /runs/wait": ("threads", "create_run"),
    "POST /threads/{thread}/runs/wait": ("threads", "create_run"),
    "POST /runs/batch": ("threads", "create_run"),
    "POST /runs/cancel": ("threads", "update"),
    "GET /threads/{thread}/runs": ("threads", "read"),
    "GET /threads/{thread}/runs/{run}": ("threads", "read"),
    "DELETE /threads/{thread}/runs/{run}": ("threads", "delete"),
    "GET /threads/{thread}/runs/{run}/join": ("threads", "read"),
    "GET /threads/{thread}/runs/{run}/stream": ("threads", "read"),
    "POST /threads/{thread}/runs/{run}/cancel": ("threads", "update"),
    "POST /runs/crons": ("crons", "create"),
    "POST /threads/{thread}/runs/crons": ("crons", "create"),
    "POST /runs/crons/search": ("crons", "search"),
    "POST /runs/crons/count": ("crons", "search"),
    "GET /runs/crons/{cron}": ("crons", "read"),
    "PATCH /runs/crons/{cron}": ("crons", "update"),
    "DELETE /runs/crons/{cron}": ("crons", "delete"),
    "PUT /store/items": ("store", "put"),
    "GET /store/items": ("store", "get"),
    "DELETE /store/items": ("store", "delete"),
    "POST /store/items/search": ("store", "search"),
    "POST /store/namespaces": ("store", "list_namespaces"),
    "GET /v1/models": ("assistants", "search"),
    "GET /v1/models/{name}": ("assistants", "search"),
    "POST /v1/chat/completions": ("threads", "create_run"),
    "GET /v1/chat/completions/{completion}": ("threads", "read"),
    "GET /metrics": ("assistants", "search"),
}
"""A route that has no row is closed to those who have rules."""

IDS = {"thread": "thread_id", "run": "run_id", "assistant": "assistant_id", "cron": "cron_id"}
"""Parts of paths, as handlers know them."""

NAMESPACES = {"search": "namespace_prefix", "list_namespaces": "prefix"}
"""Where a body has what handlers call `namespace`, if not there."""


async def judged(request: Request, rules: Rules) -> Filter | None:
    """Ask the rules about a request; what the metadata of whatever is touched must say. Raises `Refused`.

    Metadata and namespaces that they change are changed in the body that the route is given; for a request without a
    body the namespace is in `request.state`.
    """
    row = ACTIONS.get(f"{request.method} {request.scope['route'].path}")
    if row is None:
        raise Refused(403, "Forbidden")
    query = dict(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True))
    if request.method == "GET":
        value = _value(request, {**query, **({"namespace": _labels(query)} if row[0] == "store" else {})})
        wanted = await rules.judge(*row, value)
        request.state.namespace = value.get("namespace")
        return wanted
    sent = await _sent(request)
    found = [await _body(request, rules, row, one) for one in (sent if isinstance(sent, list) else [sent])]
    if any(one != found[0] for one in found):
        raise Refused(403, "Forbidden")  # several runs at once, each under another rule
    return found[0] if found else None


async def heard(connection: HTTPConnection, operation: str, sent: dict[str, Any], rules: Rules) -> Filter | None:
    """Ask the rules about what came over a WebSocket, as if it had come by an operation. Raises `Refused`."""
    return await rules.judge(*ACTIONS[operation], _value(connection, sent))


async def _sent(request: Request) -> Any:
    """The JSON of a request: the same object that the route is given, so that changes reach it."""
    try:
        return await request.json() if await request.body() else {}
    except ValueError:
        return {}


async def _body(request: Request, rules: Rules, row: tuple[str, str], body: Any) -> Filter | None:
    if not isinstance(body, dict):
        return await rules.judge(*row, _value(request, {}))
    space = NAMESPACES.get(row[1], "namespace")
    value = _value(request, {**body, **({"namespace": tuple(body.get(space) or ())} if row[0] == "store" else {})})
    wanted = await rules.judge(*row, value)
    if value.get("metadata"):
        body["metadata"] = value["metadata"]
    if row[0] == "store":
        body[space] = list(value.get("namespace") or ())
    return wanted


def _value(request: HTTPConnection, given: dict[str, Any]) -> dict[str, Any]:
    ids = {IDS[name]: _id(value) for name, value in request.path_params.items() if name in IDS}
    metadata = given.get("metadata")
    return {**given, **ids, "metadata": dict(metadata) if isinstance(metadata, dict) else {}}


def _id(text: str) -> Any:
    try:
        return UUID(text)
    except ValueError:
        return text


def _labels(query: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(query["namespace"].split(".")) if query.get("namespace") else ()
