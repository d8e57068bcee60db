"""Agents of LangChain and deepagents that run the errand of the providers' tests, with a scripted chat model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import StructuredTool
from langgraph.checkpoint.memory import InMemorySaver

from satchel.evals.chat import ModelChat, Sent
from satchel.memory.records import Json
from satchel.runtime.context import tokens
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.middleware import SatchelMiddleware
from satchel.runtime.models import Answer
from satchel.runtime.tools import Tool
from tests.providers import errand

LIMIT = 6_000
REPLY = 1_024


def as_langchain(tool: Tool) -> StructuredTool:
    """A tool of ours for an agent of LangChain's: it gives the same texts, also for what went wrong."""

    async def acall(**given: Any) -> str:
        return (await tool.invoke(given, key="")).text

    def call(**given: Any) -> str:
        return asyncio.run(acall(**given))

    return StructuredTool.from_function(
        call, acall, name=tool.name, description=tool.description or tool.name, args_schema=tool.arguments.schema
    )


HOUSE = [as_langchain(tool) for tool in errand.tools()]


def walk(messages: Sequence[Message], tools: Sequence[Json], *, rooms: int = errand.ROOMS) -> Answer:
    """The policy of the errand."""
    names = [tool["function"]["name"] for tool in tools]
    wish = errand.wish("\n".join(map(tokens.render, messages)), names, rooms)
    return Answer(wish.words, tuple(ToolCall("", name, args) for name, args in wish.calls))


def walker(rooms: int = errand.ROOMS) -> ModelChat:
    return ModelChat.of(partial(walk, rooms=rooms))


def agent(chat: Any, *others: Any, saver: Any = None, tools: Any = HOUSE, **options: Any) -> Any:
    """`create_agent` with the middleware, after `others`."""
    own = SatchelMiddleware(**{"context_limit": LIMIT, "reply_tokens": REPLY, **options})
    return create_agent(
        chat, tools, system_prompt=errand.INSTRUCTIONS, middleware=[*others, own], checkpointer=saver or InMemorySaver()
    )


def thread(name: str = "t") -> Any:
    return {"configurable": {"thread_id": name}}


def task(text: str = errand.TASK, name: str = "m-0") -> Any:
    return {"messages": [{"role": "user", "content": text, "id": name}]}


def ended(result: Any) -> dict[str, Json]:
    """The stamp on the last message."""
    stamp: dict[str, Json] = result["messages"][-1].response_metadata["satchel"]
    return stamp


def plain(sent: Sent) -> list[tuple[Any, ...]]:
    """What was sent, as values."""
    return [(m.type, m.content, getattr(m, "tool_calls", None)) for m in sent.messages]


def is_legal(sent: Sent) -> bool:
    """Whether each call is answered once and right after it, and the first message after system is the user's."""
    waiting: list[str] = []
    roles = [m.type for m in sent.messages if m.type != "system"]
    for message in sent.messages:
        if message.type == "tool":
            if message.tool_call_id not in waiting:  # type: ignore[attr-defined]  # a tool's message has one
                return False
            waiting.remove(message.tool_call_id)  # type: ignore[attr-defined]  # as above
            continue
        if waiting:
            return False
        waiting = [call["id"] for call in getattr(message, "tool_calls", [])]
    return roles[0] == "human" and not waiting
