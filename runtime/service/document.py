"""The API document: what each operation answers, who may ask, and which answer leads to which next request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from satchel.runtime.service import shapes
from satchel.runtime.service.cron_models import Cron
from satchel.runtime.service.guard import OPEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fastapi import FastAPI

    Document = dict[str, Any]

JSON, SSE, TEXT = "application/json", "text/event-stream", "text/plain"

Answer = tuple[int, str, Any]
"""The status of success, the type of what is sent, and its shape."""


def _json(shape: Any) -> Answer:
    return 200, JSON, shape


def _none(status: int) -> Answer:
    return status, "", None


STREAM: Answer = (200, SSE, shapes.Event)
OBJECTS = list[dict[str, Any]]

ANSWERS: Mapping[str, Answer] = {
    "GET /ok": _json(shapes.Ok),
    "GET /healthz": _json(shapes.Ok),
    "GET /readyz": _json(shapes.Ready),
    "GET /info": _json(shapes.Json),
    "GET /metrics": (200, TEXT, str),
    "POST /assistants": _json(shapes.Assistant),
    "POST /assistants/search": _json(OBJECTS),
    "POST /assistants/count": _json(int),
    "GET /assistants/{assistant}": _json(shapes.Assistant),
    "PATCH /assistants/{assistant}": _json(shapes.Assistant),
    "DELETE /assistants/{assistant}": _none(204),
    "POST /assistants/{assistant}/versions": _json(list[shapes.Assistant]),
    "POST /assistants/{assistant}/latest": _json(shapes.Assistant),
    "GET /assistants/{assistant}/graph": _json(shapes.Drawing),
    "GET /assistants/{assistant}/schemas": _json(shapes.Schemas),
    "GET /assistants/{assistant}/subgraphs": _json(dict[str, shapes.Schemas]),
    "GET /assistants/{assistant}/subgraphs/{ns}": _json(dict[str, shapes.Schemas]),
    "POST /threads": _json(shapes.Thread),
    "POST /threads/search": _json(OBJECTS),
    "POST /threads/count": _json(int),
    "POST /threads/prune": _json(shapes.Pruned),
    "GET /threads/{thread}": _json(shapes.Thread),
    "PATCH /threads/{thread}": _json(shapes.Thread),
    "DELETE /threads/{thread}": _none(204),
    "POST /threads/{thread}/copy": _json(shapes.Thread),
    "GET /threads/{thread}/state": _json(shapes.State),
    "POST /threads/{thread}/state/checkpoint": _json(shapes.State),
    "GET /threads/{thread}/state/{checkpoint}": _json(shapes.State),
    "POST /threads/{thread}/state": _json(shapes.Changed),
    "POST /threads/{thread}/history": _json(list[shapes.State]),
    "GET /threads/{thread}/history": _json(list[shapes.State]),
    "GET /threads/{thread}/usage": _json(shapes.Usage),
    "GET /threads/{thread}/results/{ref}": (200, TEXT, str),
    "GET /runs/{run}/prompts": _json(shapes.Prompts),
    "POST /runs": _json(shapes.Run),
    "POST /runs/stream": STREAM,
    "POST /runs/wait": _json(Any),
    "POST /runs/batch": _json(list[shapes.Run]),
    "POST /runs/cancel": _none(204),
    "POST /runs/crons": _json(Cron),
    "POST /threads/{thread}/runs/crons": _json(Cron),
    "POST /runs/crons/search": _json(OBJECTS),
    "POST /runs/crons/count": _json(int),
    "GET /runs/crons/{cron}": _json(Cron),
    "PATCH /runs/crons/{cron}": _json(Cron),
    "DELETE /runs/crons/{cron}": _none(204),
    "GET /threads/{thread}/stream": STREAM,
    "POST /threads/{thread}/commands": _json(dict[str, Any]),
    "POST /threads/{thread}/stream/events": STREAM,
    "GET /threads/{thread}/runs": _json(list[shapes.Run]),
    "POST /threads/{thread}/runs": _json(shapes.Run),
    "POST /threads/{thread}/runs/stream": STREAM,
    "POST /threads/{thread}/runs/wait": _json(Any),
    "GET /threads/{thread}/runs/{run}": _json(shapes.Run),
    "DELETE /threads/{thread}/runs/{run}": _none(204),
    "GET /threads/{thread}/runs/{run}/join": _json(Any),
    "GET /threads/{thread}/runs/{run}/stream": STREAM,
    "POST /threads/{thread}/runs/{run}/cancel": _none(202),
    "PUT /store/items": _none(204),
    "GET /store/items": _json(shapes.Item | None),
    "DELETE /store/items": _none(204),
    "POST /store/items/search": _json(shapes.Items),
    "POST /store/namespaces": _json(shapes.Namespaces),
    "GET /v1/models": _json(shapes.ChatModels),
    "GET /v1/models/{name}": _json(shapes.ChatModel),
    "POST /v1/chat/completions": _json(shapes.Chat),
    "GET /v1/chat/completions/{completion}": _json(shapes.Chat),
}
"""One row for each operation; one without stops the application from being described."""

ALSO: Mapping[str, Answer] = {
    "POST /threads/{thread}/runs/{run}/cancel": _json(dict[str, Any]),  # with `wait`
    "POST /v1/chat/completions": STREAM,  # with `stream`
    "POST /threads/{thread}/commands": (400, JSON, shapes.Problem | shapes.CommandProblem),
    "GET /readyz": (503, JSON, shapes.Ready),
}
"""A second answer, in the place of the refusal with the same status if there is one."""

REFUSED: Mapping[int, str] = {
    400: "The request cannot be done as it is.",
    401: "The key is missing or wrong.",
    403: "A rule forbids it.",
    404: "It is not there, or not the caller's.",
    408: "The body did not arrive in time.",
    409: "It is there already, or held.",
    413: "The body is too large.",
    422: "The request does not fit.",
    429: "Too much at once; `Retry-After` says when to come again.",
    500: "A fault of the server.",
    503: "The store gives no answer, or the server is ending.",
}

UUID = {"format": "uuid"}
PATHS: Mapping[str, str] = {"thread": "uuid", "run": "uuid", "assistant": "assistant", "cron": "uuid"}
"""What parts of paths are."""

FIELDS: Mapping[tuple[str, str], str] = {
    ("ThreadCreate", "thread_id"): "uuid",
    ("RunCreate", "thread_id"): "uuid",
    ("RunCreate", "assistant_id"): "assistant",
    ("RunsCancel", "thread_id"): "uuid",
    ("AssistantCreate", "assistant_id"): "uuid",
    ("AssistantCreate", "graph_id"): "graph",
    ("AssistantPatch", "graph_id"): "graph",
    ("CronCreate", "assistant_id"): "assistant",
    ("ChatBody", "model"): "assistant",
}
"""What fields of bodies are."""

MAKES: Mapping[str, Mapping[str, str]] = {
    "POST /threads": {"thread": "/thread_id"},
    "POST /threads/{thread}/copy": {"thread": "/thread_id"},
    "POST /threads/{thread}/runs": {"thread": "/thread_id", "run": "/run_id"},
    "POST /runs": {"thread": "/thread_id", "run": "/run_id"},
    "POST /runs/crons": {"cron": "/cron_id"},
    "POST /assistants": {"assistant": "/assistant_id"},
}
"""Operations that make something, and where in the answer its id stands: links lead from there to what takes one."""

SCHEMES: Document = {
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}


def documented(made: FastAPI, graphs: Iterable[str], *, closed: bool) -> None:
    """Let the application describe itself wholly; `closed` says that callers need a key."""
    names = {"enum": list(graphs)}
    kinds: Mapping[str, Document] = {"uuid": UUID, "graph": names, "assistant": {"anyOf": [names, UUID]}}
    plain: Callable[[], Document] = made.openapi

    def described() -> Document:
        if made.openapi_schema is None:
            made.openapi_schema = _complete(plain(), kinds, closed=closed)
        return made.openapi_schema

    made.openapi = described  # type: ignore[method-assign]  # as FastAPI's documentation has it


def _complete(document: Document, kinds: Mapping[str, Document], *, closed: bool) -> Document:
    known = document["components"]["schemas"]
    for gone in ("HTTPValidationError", "ValidationError"):
        known.pop(gone, None)
    _narrow(known, kinds)
    if closed:
        document["components"]["securitySchemes"] = SCHEMES
    operations = [
        (f"{method.upper()} {path}", found)
        for path, methods in document["paths"].items()
        for method, found in methods.items()
    ]
    for name, operation in operations:
        path = name.partition(" ")[2]
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path" and parameter["name"] in PATHS:
                parameter["schema"] |= kinds[PATHS[parameter["name"]]]
        problem = shapes.Problem | shapes.ChatProblem if "/v1/" in name else shapes.Problem
        answers = {**{code: (code, JSON, problem) for code in REFUSED}, 0: ANSWERS[name]}
        if name in ALSO:
            answers[-1] = ALSO[name]
        operation["responses"] = _responses(answers, known)
        if closed and path not in OPEN:
            operation["security"] = [{scheme: []} for scheme in SCHEMES]
    for name, operation in operations:
        if name in MAKES:
            operation["responses"]["200"]["links"] = _links(MAKES[name], operations)
    return document


def _narrow(known: Document, kinds: Mapping[str, Document]) -> None:
    """Say more of a field than that it is a text, or null."""
    for (schema, field), kind in FIELDS.items():
        found = known[schema]["properties"][field]
        next(one for one in (found, *found.get("anyOf", ())) if one.get("type") == "string").update(kinds[kind])


def _responses(answers: Mapping[int, Answer], known: Document) -> Document:
    responses: Document = {}
    for status, kind, shape in answers.values():
        made = responses.setdefault(str(status), {"description": REFUSED.get(status, "Done.")})
        if kind:
            made.setdefault("content", {})[kind] = {"schema": _schema(shape, known)}
    return responses


def _schema(shape: Any, known: Document) -> Document:
    made = TypeAdapter(shape).json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    known.update(made.pop("$defs", {}))
    if made.get("type") == "object" and (name := made.get("title")):
        known[name] = made
        return {"$ref": f"#/components/schemas/{name}"}
    return made


def _links(ids: Mapping[str, str], operations: list[tuple[str, Document]]) -> Document:
    links = {}
    for _, operation in operations:
        takes = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
        if takes and takes <= set(ids) | {"checkpoint", "ref", "ns"} and takes & set(ids):
            parameters = {name: f"$response.body#{ids[name]}" for name in takes & set(ids)}
            links[operation["operationId"]] = {"operationId": operation["operationId"], "parameters": parameters}
    return links
