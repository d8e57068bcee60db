"""The routes of streaming version 3: commands to a thread, and its events by channel."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse
from pydantic import Field

from satchel.runtime.service import answers, faults, runs, streaming, thread_stream, threads, wire
from satchel.runtime.service.caller import Called
from satchel.runtime.service.models import Body, RunCreate
from satchel.runtime.service.protocol import CHANNELS, MODES, Teller, Told, Wish, pauses

if TYPE_CHECKING:
    from satchel.memory.store import ThreadId
    from satchel.runtime.service.caller import Caller

router = APIRouter(tags=["protocol"])

Commands = Mapping[str, Callable[["Caller", "ThreadId", dict[str, Any]], Awaitable[dict[str, Any]]]]

PATIENCE, PAUSE = 5.0, 0.02
"""Seconds that an answer waits for the end of the run that asked, and between two looks."""

SETTLE = 0.1
"""Seconds until a pause or an end is told: langgraph-sdk has several streams open and ends all with the first that
tells of one, whatever the others still have to bring."""


class Command(Body):
    """POST /threads/{t}/commands."""

    id: int | None = None
    method: str | None = None
    params: dict[str, Any] = Field(default_factory=dict)


class Subscription(Body):
    """POST /threads/{t}/stream/events; events with a `seq` of at most `since` are left out."""

    channels: Annotated[list[str], Field(max_length=100)] = Field(default_factory=list)
    namespaces: Annotated[list[list[str]], Field(max_length=100)] | None = None
    depth: Annotated[int, Field(ge=0)] | None = None
    since: int = 0

    @property
    def wish(self) -> Wish:
        """What it wants to hear."""
        return Wish(self.channels, self.namespaces or (), self.depth, self.since)

    @property
    def wrong(self) -> str:
        """Why nothing can be heard; empty: it can."""
        if not self.channels:
            return "channels is empty; name at least one"
        wrong = [one for one in self.channels if one not in CHANNELS and not one.startswith("custom:")]
        known = ", ".join(CHANNELS)
        return f"channels contains {wrong[0]!r:.80}; known are {known} and custom:<name>" if wrong else ""


class Unable(Exception):
    """Why a command was not done: the protocol's code and a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@router.post("/threads/{thread}/commands")
async def command(thread: str, body: Command, call: Called) -> Response:
    """Do a command; what cannot be done is an answer of type `error`."""
    told = await answered(call, await place(call, thread), body, COMMANDS)
    return answers.json(told, 400 if body.id is None or body.method is None else 200)


async def answered(call: Caller, at: ThreadId, body: Command, commands: Commands, seq: int = 0) -> Told:
    """The answer to a command; `seq` is the number of the newest event that was told before it."""
    if body.id is None or body.method is None:
        return unable(body.id, "invalid_argument", "a command has an integer id and the name of a method")
    if body.method not in commands:
        return unable(body.id, "unknown_command", f"no command is {body.method:.80}, but {', '.join(commands)}")
    try:
        result = await commands[body.method](call, at, body.params)
    except Unable as problem:
        return unable(body.id, problem.code, str(problem))
    except faults.Refused as problem:
        return unable(body.id, "unknown_error", str(problem.detail))
    return {"type": "success", "id": body.id, "result": result, "meta": {"applied_through_seq": seq}}


async def place(call: Caller, thread: str) -> ThreadId:
    """A thread that the caller may see, or one that is not there yet. Raises 422, and 404 for what is another's."""
    at = await threads.of(call, thread)
    if await call.service.runs.row(at) is not None:
        await threads.found(call, thread)
    return at


def unable(sent: int | None, code: str, message: str) -> Told:
    """The answer to a command that was not done; `sent` is its id."""
    return {"type": "error", "id": sent, "error": code, "message": message}


async def _start(call: Caller, at: ThreadId, params: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(params.get("assistant_id"), str):
        raise Unable("invalid_argument", "run.start requires an assistant_id.")
    names = ("assistant_id", "input", "config", "context", "metadata")
    kept: dict[str, Any] = {name: params[name] for name in names if name in params}
    row = await call.service.runs.row(at)
    if row and not row.queue and (await threads.shown(call, row, ["interrupts"]))["interrupts"]:
        kept["command"] = {"resume": kept.pop("input", None)}  # as RemoteGraph expects: it sends no command of its own
    return {"run_id": await _run(call, at, kept)}


async def _respond(call: Caller, at: ThreadId, params: dict[str, Any]) -> dict[str, Any]:
    wanted = params.get("interrupt_id")
    shown = await _rested(call, at)
    if wanted not in {one["id"] for found in shown.get("interrupts", {}).values() for one in found}:
        raise Unable("no_such_interrupt", f"Unknown or already-consumed interrupt: {wanted!s:.80}")
    served = await call.service.served(call.tenant, shown["metadata"]["graph_id"])
    resume = served.resume(str(wanted), params.get("response"))
    await _run(call, at, {"assistant_id": shown["metadata"]["assistant_id"], "command": {"resume": resume}})
    return {}


async def _rested(call: Caller, at: ThreadId) -> dict[str, Any]:
    """The thread once no run of it goes on: an interrupt is told a moment before the run that asks has ended."""
    until = time.monotonic() + PATIENCE
    while (row := await call.service.runs.row(at)) and row.queue and time.monotonic() < until:  # noqa: ASYNC110 - another process may end it
        await asyncio.sleep(PAUSE)
    return await threads.shown(call, row, ["interrupts", "metadata"]) if row else {}


async def _subscribe(call: Caller, at: ThreadId, params: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - the shape of a command
    return {"subscription_id": str(uuid.uuid4()), "replayed_events": 0}


async def _run(call: Caller, at: ThreadId, asked: dict[str, Any]) -> str:
    streamed = {"stream_subgraphs": True, "stream_resumable": True, "if_not_exists": "create"}
    body = RunCreate.model_validate({**asked, **streamed}).model_copy(update={"stream_mode": MODES})
    return (await runs.accept(call, body, at.name)).run


COMMANDS: Commands = {
    "run.start": _start,
    "input.respond": _respond,
    "subscription.subscribe": _subscribe,
}
"""The commands by name."""


@router.post("/threads/{thread}/stream/events")
async def events(thread: str, body: Subscription, call: Called) -> StreamingResponse:
    """The events of a thread's runs that are kept, and of those to come; the thread may come later, too."""
    if wrong := body.wrong:
        raise faults.Refused(400, wrong)
    stream = _sse(call, await place(call, thread), body.wish)
    return StreamingResponse(stream, media_type=streaming.SSE, headers=streaming.HEADERS)


async def _sse(call: Caller, at: ThreadId, wish: Wish) -> AsyncIterator[bytes]:
    async for event in heard(call, at, wish):
        if event is None:
            yield b": heartbeat\n\n"
        else:
            yield b"event: %b\ndata: %b\nid: %d\n\n" % (event["method"].encode(), wire.dumps(event), event["seq"])


async def heard(call: Caller, at: ThreadId, wish: Wish) -> AsyncIterator[Told | None]:
    """The events that somebody wants, of runs that are kept and of those to come; None in between is a sign of life."""
    teller = Teller()
    async for one in thread_stream.told(call, at, "0"):
        if one is None:
            yield None
            continue
        for event in teller.tell(*one):
            if wish.wants(event):
                if pauses(event):
                    await asyncio.sleep(min(SETTLE, event["params"]["timestamp"] / 1000 + SETTLE - time.time()))
                yield event
