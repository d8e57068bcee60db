"""How files hold chats, whatever the messages look like: a list, an object with `messages`, or lines of either.

A line that also holds the response, or has the prompt under `request`, is a logged call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from satchel.evals.transcripts.source import Source, at
from satchel.evals.transcripts.transcript import Request, Transcript, conversations, renamed, transcript

if TYPE_CHECKING:
    from satchel.memory.records import Json

Head = Mapping[str, "Json"]

Reply = Callable[[Head], Request]
"""From the response of a logged call to its reply, bill and model; the prompt is added."""


def sample(values: Iterable[Json]) -> list[Head]:
    """The messages of the first values of a file: what a format is told by."""
    return [m for value in values for _, messages in _chats(value) for m in messages if isinstance(m, dict)]


def heads(values: Iterable[Json]) -> list[Head]:
    """What stands around the messages."""
    return [head for value in values for head, _ in _chats(value)]


def _chats(value: Json) -> Iterator[tuple[Head, list[Json]]]:
    if isinstance(value, dict):
        head = value["request"] if isinstance(value.get("request"), dict) else value
        if isinstance(head.get("messages"), list):
            yield ({**head, "response": value.get("response")} if "response" in value else head), head["messages"]
        elif "role" in value or "type" in value:
            yield {}, [value]
    elif isinstance(value, list):
        if any(isinstance(v, dict) and isinstance(v.get("messages", v.get("request")), list | dict) for v in value):
            for v in value:
                yield from _chats(v)
        else:
            yield {}, value


def read(
    source: Source, made: Callable[[Head, list[Json]], Request], reply: Reply | None = None
) -> Iterator[Transcript]:
    """The chats of a file by what makes one chat, and what reads the response of a logged call."""
    loose: list[Request] = []
    logged: list[Request] = []
    whole: list[Transcript] = []

    def one(value: Json) -> None:
        found = list(_chats(value))
        if not found:
            raise ValueError("no messages")
        for head, messages in found:
            chat = made(head, messages)
            tools, model = head.get("tools"), chat.model or head.get("model")
            if not head and isinstance(value, dict):
                loose.append(chat)
            elif reply and isinstance(head.get("response"), dict):
                answer = reply(head["response"])
                logged.append(replace(answer, messages=chat.messages, tools=tools, model=answer.model or model))
            else:
                whole.append(transcript(source.name, chat.messages, tools=tools, model=model, billed=chat.billed))

    for where, value in source.records:
        at(where, one, value)
    if loose:
        messages, billed = (m for chat in loose for m in chat.messages), (b for chat in loose for b in chat.billed)
        model = next((chat.model for chat in loose if chat.model), None)
        whole.append(transcript(source.name, messages, model=model, billed=billed))
    whole.extend(conversations(source.name, logged))
    yield from (renamed(t, f"{source.name}#{n}") if len(whole) > 1 else t for n, t in enumerate(whole, 1))
