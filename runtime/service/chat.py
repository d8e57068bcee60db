"""POST /v1/chat/completions: OpenAI's chat over what is served; with `metadata.thread_id` a thread keeps the state."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse
from pydantic import ConfigDict

from satchel.memory.runs import END, START
from satchel.runtime.service import answers, faults, runs, streaming, wire
from satchel.runtime.service.caller import Called
from satchel.runtime.service.models import Body, RunCreate

if TYPE_CHECKING:
    from satchel.runtime.service.caller import Caller
    from satchel.runtime.service.runs import Accepted

router = APIRouter(tags=["openai"])

NAMESPACE = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")
"""Names of threads that are no UUIDs become one below this namespace (RFC 9562, for object identifiers)."""


class ChatBody(Body):
    """The part of OpenAI's request that is understood."""

    model_config = ConfigDict(extra="ignore")

    model: str
    messages: list[dict[str, Any]]
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


@router.get("/v1/models")
async def models(call: Called) -> Response:
    """What is served, as models."""
    found = [{"id": name, "object": "model", "created": 0, "owned_by": "satchel"} for name in call.service.graphs]
    return answers.json({"object": "list", "data": found})


@router.post("/v1/chat/completions")
async def completions(body: ChatBody, call: Called) -> Response:
    """Answer a chat; the thread keeps what was said, so with one only the newest words need to be sent."""
    if not body.messages:
        raise faults.wrong("messages is empty; give at least one message of the user")
    named = (body.metadata or {}).get("thread_id")
    thread = _thread(str(named)) if named else None
    given = {"messages": _new(body.messages) if thread else _all(call, body)}
    modes = ["messages-tuple", "values"] if body.stream else ["values"]
    asked = {"assistant_id": body.model, "input": given, "stream_mode": modes, "if_not_exists": "create"}
    made = await runs.accept(call, RunCreate.model_validate({**asked, "on_disconnect": "cancel"}), thread)
    head = {"id": f"chatcmpl-{made.run}", "created": int(time.time()), "model": body.model}
    headers = {"Content-Location": made.path}
    if body.stream:
        usage = bool((body.stream_options or {}).get("include_usage"))
        return StreamingResponse(_chunks(call, made, head, usage=usage), media_type=streaming.SSE, headers=headers)
    text, used = await _whole(call, made)
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", "logprobs": None}
    return answers.json({**head, "object": "chat.completion", "choices": [choice], "usage": used}, headers=headers)


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
    lines = [f"{one.get('role')}: {_text(one.get('content'))}" for one in body.messages]
    return [{"role": "user", "content": "\n\n".join(lines)}]


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


async def _whole(call: Caller, made: Accepted) -> tuple[str, dict[str, Any]]:
    values: Any = {}
    async for event in streaming.events(call, made.thread, made.run, START):
        if event is not None and event.name == "error":
            raise faults.Refused(500, wire.loads(event.data)["message"])
        if event is not None and event.name == "values":
            values = wire.loads(event.data)
    return _said(values), _used(values)


async def _chunks(call: Caller, made: Accepted, head: dict[str, Any], *, usage: bool) -> AsyncIterator[bytes]:
    def chunk(delta: dict[str, Any], end: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": end, "logprobs": None}
        made = {**head, "object": "chat.completion.chunk", "choices": [choice], **more}
        return f"data: {json.dumps(made, ensure_ascii=False)}\n\n".encode()

    values: Any = {}
    ended = False
    try:
        yield chunk({"role": "assistant", "content": ""})
        async for event in streaming.events(call, made.thread, made.run, START):
            if event is None:
                yield b": heartbeat\n\n"
            elif event.name == "messages" and (text := _piece(wire.loads(event.data))):
                yield chunk({"content": text})
            elif event.name == "values":
                values = wire.loads(event.data)
            elif event.name == "error":
                yield b'data: {"error":%b}\n\n' % event.data
            ended = ended or (event is not None and event.name == END)
        yield chunk({}, "stop")
        if usage:
            yield chunk({}, None, choices=[], usage=_used(values))
        yield b"data: [DONE]\n\n"
    finally:
        if not ended:
            await runs.stop(call, made.thread, made.run, "interrupt")


def _piece(data: list[Any]) -> str:
    message = data[0]
    kind = str(message.get("type", "")).lower()
    return _text(message.get("content")) if kind.startswith("ai") else ""


def _answers(values: Any) -> list[dict[str, Any]]:
    """The messages of the model since the user's last words."""
    found = values.get("messages") if isinstance(values, dict) else None
    answers: list[dict[str, Any]] = []
    for message in reversed(found or []):
        if message.get("type") == "human":
            break
        if message.get("type") == "ai":
            answers.insert(0, message)
    return answers


def _said(values: Any) -> str:
    found = _answers(values)
    return _text(found[-1].get("content")) if found else ""


def _used(values: Any) -> dict[str, Any]:
    used = [message.get("usage_metadata") or {} for message in _answers(values)]
    given, made = (sum(one.get(key, 0) for one in used) for key in ("input_tokens", "output_tokens"))
    cached = sum((one.get("input_token_details") or {}).get("cache_read", 0) for one in used)
    details = {"prompt_tokens_details": {"cached_tokens": cached}}
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made, **details}
