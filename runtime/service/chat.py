"""/v1/chat/completions: OpenAI's chat over what is served; with `metadata.thread_id` a thread keeps the state."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse
from pydantic import ConfigDict, Field

from satchel.memory.runs import END, START
from satchel.runtime.service import answers, runs, streaming, threads, wire
from satchel.runtime.service.caller import Called
from satchel.runtime.service.chat_answers import Ending, piece, text
from satchel.runtime.service.models import Body, RunCreate
from satchel.runtime.service.openai_errors import Failed, Route, error

if TYPE_CHECKING:
    from satchel.memory.store import ThreadId
    from satchel.runtime.service.caller import Caller

router = APIRouter(tags=["openai"], route_class=Route)

NAMESPACE = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")
"""Names of threads that are no UUIDs become one below this namespace (RFC 9562, for object identifiers)."""

PREFIX = "chatcmpl-"


class ChatBody(Body):
    """The part of OpenAI's request that is understood, and `command`, which goes on with a thread that waits.

    `store` keeps the run going when the caller goes away; its answer can be asked for by id. `tools` are told to the
    graph as `configurable.tools`; an agent of ours has its own.
    """

    model_config = ConfigDict(extra="ignore")

    model: str
    messages: list[dict[str, Any]] = Field(default_factory=list)
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    store: bool | None = None
    tools: list[dict[str, Any]] | None = None
    command: dict[str, Any] | None = None


@router.get("/v1/models")
async def models(call: Called) -> Response:
    """What is served, as models."""
    return answers.json({"object": "list", "data": [_model(name) for name in call.service.graphs]})


@router.get("/v1/models/{name}")
async def model(name: str, call: Called) -> Response:
    """One of the models."""
    _known(call, name)
    return answers.json(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "satchel"}


def _known(call: Caller, name: str) -> None:
    if name not in call.service.graphs:
        known = ", ".join(call.service.graphs)
        raise Failed(404, f"there is no model {name!r:.80}; served are {known}", param="model", code="model_not_found")


@router.post("/v1/chat/completions")
async def completions(body: ChatBody, call: Called) -> Response:
    """Answer a chat; the thread keeps what was said, so with one only the newest words need to be sent."""
    _known(call, body.model)
    if not body.messages and not body.command:
        raise Failed(400, "messages is empty; give at least one message of the user", param="messages")
    named = (body.metadata or {}).get("thread_id")
    thread = _thread(str(named)) if named else None
    made = await runs.accept(call, _asked(call, body, thread), thread)
    head = {"id": PREFIX + made.run, "created": int(time.time()), "model": body.model}
    headers = {"Content-Location": made.path}
    if body.stream:
        usage = bool((body.stream_options or {}).get("include_usage"))
        chunks = _chunks(call, (made.thread, made.run), head, usage=usage, keep=bool(body.store))
        return StreamingResponse(chunks, media_type=streaming.SSE, headers=headers)
    return answers.json(_whole(head, await _ending(call, made.thread, made.run)), headers=headers)


def _asked(call: Caller, body: ChatBody, thread: str | None) -> RunCreate:
    found = _new(body.messages) if thread else _all(call, body)
    given = {"messages": [{**one, "content": one.get("content") or ""} for one in found]}  # a call may come without
    wanted = {"input": None, "command": body.command} if body.command else {"input": given}
    kept = {"on_disconnect": "continue", "on_completion": "keep", "stream_resumable": True}
    return RunCreate.model_validate(
        {
            "assistant_id": body.model,
            "stream_mode": ["messages-tuple", "values"] if body.stream else ["values"],
            "if_not_exists": "create",
            "config": {"configurable": {"tools": body.tools}} if body.tools else None,
            **(kept if body.store else {"on_disconnect": "cancel"}),
            **wanted,
        }
    )


@router.get("/v1/chat/completions/{completion}")
async def completion(completion: str, call: Called) -> Response:
    """The answer of a chat that was asked with `store`, also when its stream broke; waits until the run has ended."""
    try:
        run = str(uuid.UUID(completion.removeprefix(PREFIX)))
    except ValueError:
        run = ""
    found = await call.service.runs.thread_of(call.tenant, run) if run else None
    thread = await threads.of(call, found.name) if found else None
    row = await call.service.runs.run(thread, run) if thread else None
    if thread is None or row is None:
        raise Failed(404, f"there is no completion {completion!r:.80}; only those with store=true are kept")
    doc = wire.loads(row.doc)
    began = int(datetime.fromisoformat(doc["created_at"]).timestamp())
    head = {"id": PREFIX + run, "created": began, "model": doc["graph_id"]}
    return answers.json(_whole(head, await _ending(call, thread, run)))


def _thread(name: str) -> str:
    try:
        return str(uuid.UUID(name))
    except ValueError:
        return str(uuid.uuid5(NAMESPACE, name))


def _new(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages after the last answer: what a thread with state has not seen."""
    last = max((n for n, one in enumerate(messages) if one.get("role") == "assistant"), default=-1)
    return messages[last + 1 :]


def _all(call: Caller, body: ChatBody) -> list[dict[str, Any]]:
    """The messages of a chat without a thread; an agent, whose log begins with the user, gets them as one text."""
    from satchel.runtime.agent import Agent  # noqa: PLC0415 - loaded by the engine

    if len(body.messages) == 1 or not isinstance(call.service.graphs.get(body.model), Agent):
        return body.messages
    lines = [f"{one.get('role')}: {text(one.get('content'))}" for one in body.messages]
    return [{"role": "user", "content": "\n\n".join(lines)}]


def _whole(head: dict[str, Any], end: Ending) -> dict[str, Any]:
    choice = {"index": 0, "message": end.message, "finish_reason": end.reason, "logprobs": None}
    return {**head, "object": "chat.completion", "choices": [choice], "usage": end.usage, **end.more}


async def _ending(call: Caller, thread: ThreadId, run: str) -> Ending:
    values: Any = None
    async for event in streaming.events(call, thread, run, START):
        if event is not None and event.name == "error":
            told = wire.loads(event.data)
            raise Failed(500, told["message"], code=told["error"])
        if event is not None and event.name == "values":
            values = wire.loads(event.data)
    if values is None:  # the events are gone by now
        rows = await call.service.runs.runs(thread)
        if not rows or rows[-1].id != run:
            raise Failed(404, "the completion is gone: its events have expired and its thread went on")
        values = wire.loads(wire.dumps(await streaming.final(call, thread, run)))
        if "__error__" in values:
            raise Failed(500, values["__error__"]["message"], code=values["__error__"]["error"])
    return Ending(values)


async def _chunks(
    call: Caller, place: tuple[ThreadId, str], head: dict[str, Any], *, usage: bool, keep: bool
) -> AsyncIterator[bytes]:
    def chunk(delta: dict[str, Any], end: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": end, "logprobs": None}
        return _line({**head, "object": "chat.completion.chunk", "choices": [choice], **more})

    values: Any = {}
    ended = failed = False
    try:
        yield chunk({"role": "assistant", "content": ""})
        async for event in streaming.events(call, *place, START):
            if event is None:
                yield b": heartbeat\n\n"
            elif event.name == "messages" and (told := piece(wire.loads(event.data))):
                yield chunk({"content": told})
            elif event.name == "values":
                values = wire.loads(event.data)
            elif event.name == "error":
                problem, failed = wire.loads(event.data), True
                yield _line(error(problem["message"], code=problem["error"]))
            ended = ended or (event is not None and event.name == END)
        for last in () if failed else _last(Ending(values), usage=usage):
            yield chunk(**last)
        yield b"data: [DONE]\n\n"
    finally:
        if not (ended or keep or call.service.draining):
            runs.leave(call, *place)


def _last(end: Ending, *, usage: bool) -> list[dict[str, Any]]:
    """What the chunks after the last words say."""
    found: list[dict[str, Any]] = [{"delta": {}, "end": end.reason, **end.more}]
    if end.calls:
        found.insert(0, {"delta": {"tool_calls": [{"index": n, **one} for n, one in enumerate(end.calls)]}})
    return [*found, {"delta": {}, "choices": [], "usage": end.usage}] if usage else found


def _line(data: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % wire.dumps(data)
