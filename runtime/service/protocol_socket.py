"""The WebSocket of streaming version 3: commands and events of one thread over one connection."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from satchel.memory.tasks import ended
from satchel.runtime.failure import describe
from satchel.runtime.service import bodies, faults, wire
from satchel.runtime.service.caller import speaker
from satchel.runtime.service.protocol_api import COMMANDS, Command, Subscription, Unable, answered, heard, place, unable

if TYPE_CHECKING:
    from satchel.memory.store import ThreadId
    from satchel.runtime.service.caller import Caller
    from satchel.runtime.service.protocol import Told, Wish

router = APIRouter()

READ, ASK = "POST /threads/{thread}/stream/events", "POST /threads/{thread}/commands"
"""Whose rules hold for what is heard, and for what is asked."""

RESTART, FAULT = 1012, 1011
"""Why a connection is closed, in the registry of RFC 6455: the server ends and clients come again, or it failed."""

REFUSED, REASON = 4_000, 100
"""Added to the status that a request would have been refused with, as LangGraph's client for JavaScript reads it; and
characters of a reason: a frame that closes holds 123 bytes."""

MOST = 16
"""Subscriptions of one connection."""

log = logging.getLogger("satchel.service")


@router.websocket("/threads/{thread}/stream/events")
async def socket(thread: str, connection: WebSocket) -> None:
    """The commands of `POST /threads/{t}/commands` and the events of `POST /threads/{t}/stream/events`."""
    try:
        call = await speaker(connection, READ, {})
        at = await place(call, thread)
    except faults.Refused as problem:
        await connection.accept()
        await connection.close(
            REFUSED + problem.status_code, str(problem.detail).encode("ascii", "replace").decode()[:REASON]
        )
        return
    await connection.accept()
    await Conversation(connection, call, at).hold()


class Conversation:
    """What is asked and told over one connection, until it is closed: one frame for each command, answer and event."""

    def __init__(self, connection: WebSocket, call: Caller, at: ThreadId) -> None:
        self._connection = connection
        self._call = call
        self._at = at
        self._told: dict[str, asyncio.Task[None]] = {}
        self._seq = 0
        self._over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._own = {"subscription.subscribe": self._subscribe, "subscription.unsubscribe": self._unsubscribe}
        self._commands = {**COMMANDS, **self._own}

    async def hold(self) -> None:
        """Listen until the client or the server ends it."""
        listening = asyncio.create_task(self._listen())
        either: set[asyncio.Future[Any]] = {listening, self._over}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._over.done() and not listening.done():
                await self._connection.close(self._over.result())
        finally:
            for task in (listening, *self._told.values()):
                await ended(task)

    async def _listen(self) -> None:
        try:
            while True:
                message = await self._connection.receive()
                if message["type"] == "websocket.disconnect":
                    return
                await self._wait()
                await self._send(await self._answer(message.get("text") or ""))
        except WebSocketDisconnect:
            pass  # it went away while it was answered
        except Exception as problem:  # noqa: BLE001 - the last resort: told and written down without what it may hold
            self._end(FAULT, problem)

    async def _wait(self) -> None:
        """A command counts as a request; who sends too many is answered later."""
        known, settings = self._call.known, self._call.service.settings
        if known.name:
            rates = self._call.service.rates
            wait = await rates.take(known.tenant, known.name, rate=settings.requests, burst=settings.burst)
            await asyncio.sleep(wait)

    async def _answer(self, text: str) -> Told:
        settings = self._call.service.settings
        try:
            bodies.check(text.encode(), depth=settings.json_depth, length=settings.string_length)
            sent = Command.model_validate(json.loads(text))
        except faults.Refused as problem:
            return unable(None, "invalid_argument", f"a command is JSON: {problem.detail}")
        except ValidationError:
            return unable(None, "invalid_argument", "a command has an integer id and the name of a method")
        try:
            call = self._call if sent.method in self._own else await speaker(self._connection, ASK, dict(sent.params))
        except faults.Refused as problem:
            return unable(sent.id, "unknown_error", str(problem.detail))
        return await answered(call, self._at, sent, self._commands, self._seq)

    async def _subscribe(self, _: Caller, at: ThreadId, params: dict[str, Any]) -> dict[str, Any]:
        try:
            wanted = Subscription.model_validate(params)
        except ValidationError:
            raise Unable("invalid_argument", "a subscription has channels, namespaces, depth, since") from None
        if wanted.wrong:
            raise Unable("invalid_argument", wanted.wrong)
        if len(self._told) >= MOST:
            raise Unable("invalid_argument", f"a connection has at most {MOST} subscriptions")
        name = str(uuid.uuid4())
        self._told[name] = asyncio.create_task(self._tell(at, wanted.wish), name=f"events of {at.name}")
        return {"subscription_id": name, "replayed_events": 0}

    async def _unsubscribe(self, _: Caller, __: ThreadId, params: dict[str, Any]) -> dict[str, Any]:
        name = params.get("subscription_id")
        if not isinstance(name, str):
            raise Unable("invalid_argument", "subscription.unsubscribe requires a subscription_id.")
        if name not in self._told:
            raise Unable("no_such_subscription", f"Unknown subscription: {name:.80}")
        await ended(self._told.pop(name))
        return {}

    async def _tell(self, at: ThreadId, wish: Wish) -> None:
        try:
            async for event in heard(self._call, at, wish):
                if event is not None:  # uvicorn gives signs of life
                    self._seq = max(self._seq, event["seq"])
                    await self._send(event)
            self._end(RESTART)  # a thread is never over, only the server is
        except WebSocketDisconnect:
            pass  # whoever listens is told, too
        except Exception as problem:  # noqa: BLE001 - as above
            self._end(FAULT, problem)

    async def _send(self, told: Told) -> None:
        """Send a frame, and wait until the client takes it: a slow one is read for no faster."""
        await self._connection.send_text(wire.dumps(told).decode())

    def _end(self, code: int, problem: Exception | None = None) -> None:
        if problem is not None:
            log.error("a WebSocket failed: %s", describe(problem))
        if not self._over.done():
            self._over.set_result(code)
