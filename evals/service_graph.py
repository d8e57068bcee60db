"""What the service's load is measured on: one graph, served by satchel, and bare behind the same ASGI server."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langgraph.graph import START, MessagesState, StateGraph

from satchel.runtime.service.wire import dumps

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

LATENCY = float(os.environ.get("SERVICE_LOAD_LATENCY", "0.1"))
"""Seconds of one model call."""

WORDS = ["what", "was", "asked", "for", "is", "done", "and", "here", "is", "the", "answer"]
"""The reply, a piece for each word."""


class Slow(BaseChatModel):
    """Answers after `LATENCY` seconds; in pieces if somebody reads them."""

    @property
    def _llm_type(self) -> str:
        return "slow"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError("asynchronous only")

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:  # noqa: ARG002 - the port
        await asyncio.sleep(LATENCY)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(" ".join(WORDS)))])

    async def _astream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:  # noqa: ARG002 - the port
        for word in WORDS:
            await asyncio.sleep(LATENCY / len(WORDS))
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))


_model = Slow()


async def talk(state: MessagesState) -> MessagesState:
    """The one node: a model call."""
    return {"messages": [await _model.ainvoke(state["messages"])]}


graph = StateGraph(MessagesState).add_node(talk).add_edge(START, "talk").compile()

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


async def bare(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """The graph alone as an ASGI application: no routes, no validation, no state; `/runs/stream` streams."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    message = await receive()
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    asked = json.loads(body)
    kind = "text/event-stream" if scope["path"].endswith("stream") else "application/json"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind.encode())]})
    if scope["path"].endswith("stream"):
        async for mode, data in graph.astream(asked["input"], stream_mode=["messages", "values"]):
            event = b"event: %b\ndata: %b\n\n" % (mode.encode(), dumps(data))
            await send({"type": "http.response.body", "body": event, "more_body": True})
        return await send({"type": "http.response.body", "body": b""})
    return await send({"type": "http.response.body", "body": dumps(await graph.ainvoke(asked["input"]))})
