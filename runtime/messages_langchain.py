"""Our messages as LangChain's, laid out for a provider: each converted once, the tail in its place, marks set."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from satchel.memory.records import Json
from satchel.runtime.context.message import Message
from satchel.runtime.providers import Provider

EMPTY = "(no text)"
"""Stands for a message without a word, since providers refuse those."""

DIGEST = re.compile(r"^\[satchel (\w+) summary .*?^(?=\[/satchel \1 )", re.MULTILINE | re.DOTALL)
"""A digest in the words of a user, without its last line, which each fold changes."""

BLANK = re.compile(r"(?<=\n)\n")
"""What stands between two blocks of a digest."""


class Layout:
    """Turns prompts into what the client `kind` (the name of its class) sends to its provider."""

    def __init__(self, kind: str, provider: Provider) -> None:
        self._kind = kind
        self._provider = provider
        self._converted: WeakKeyDictionary[Message, BaseMessage] = WeakKeyDictionary()

    def prompt(self, messages: Sequence[Message]) -> list[BaseMessage]:
        """The prompt; a function of the messages alone."""
        out = [self._convert(message) for message in messages]
        if self._provider.mark:
            for n in self._ends(messages):
                out[n] = _marked(out[n], self._provider.mark)
        if messages and (tail := _tail(messages[-1])):
            out[-1:] = self._with_tail(out[-1], tail)
        return out

    def _ends(self, messages: Sequence[Message]) -> set[int]:
        """Where cached prefixes end: at system text and digest, the end of the prompt before, and the end of this one.

        The end of the prompt before is the message ahead of the newest reply. It is marked again so that a turn of many
        blocks, which a look-back of 20 would not reach over, still finds what was written then.
        """
        users = [n for n, message in enumerate(messages) if message.role == "user"]
        replies = [n for n, message in enumerate(messages) if message.role == "assistant"]
        system = [n for n, message in enumerate(messages) if message.role == "system"]
        return {*system[-1:], *users[:1], *(n - 1 for n in replies[-1:] if n), len(messages) - 1}

    def _with_tail(self, last: BaseMessage, tail: str) -> list[BaseMessage]:
        if isinstance(last.content, str):
            return [_saying(last, last.content + tail)]
        if self._provider.apart and isinstance(last, ToolMessage):
            return [last, HumanMessage([_block(tail.strip())])]
        return [_saying(last, [*last.content, _block(tail.strip())])]

    def _convert(self, message: Message) -> BaseMessage:
        if (known := self._converted.get(message)) is None:
            known = self._converted[message] = self._made(message)
        return known

    def _made(self, message: Message) -> BaseMessage:
        content = message.content[: len(message.content) - message.volatile]
        if message.role == "assistant":
            return self._reply(message)
        if message.role == "tool":
            return ToolMessage(self._said(content), tool_call_id=message.call_id or "", name=message.name)
        if message.role == "user" and self._provider.mark:
            return HumanMessage([_block(part) for part in _parts(content)])
        kind = SystemMessage if message.role == "system" else HumanMessage
        return kind(self._said(content if content.strip() else EMPTY))

    def _said(self, text: str) -> Any:
        """A text as the provider takes it: as blocks where marks may stand on them, always in the same shape."""
        return [_block(text if text.strip() else EMPTY)] if self._provider.mark else text

    def _reply(self, message: Message) -> AIMessage:
        calls = [{"type": "tool_call", "id": c.id, "name": c.name, "args": _object(c.args)} for c in message.calls]
        kept = message.opaque if isinstance(message.opaque, dict) else {}
        if kept.get("by") == self._kind:
            return AIMessage(**{**kept["message"], "tool_calls": calls})
        silent = not calls and not message.content.strip()
        return AIMessage(EMPTY if silent else message.content, tool_calls=calls)


def _parts(text: str) -> list[str]:
    """The text of a user's message, each block of a digest a part of its own: so one more leaves the others cached."""
    digest = DIGEST.search(text)
    ends = [*(m.start() for m in BLANK.finditer(text, *digest.span())), digest.end()] if digest else []
    parts = [text[start:end] for start, end in pairwise([0, *ends, len(text)])]
    return [part for part in parts if part.strip()] or [EMPTY]


def _tail(message: Message) -> str:
    return message.content[len(message.content) - message.volatile :] if message.volatile else ""


def _marked(message: BaseMessage, mark: Mapping[str, Json]) -> BaseMessage:
    """The message with a mark on its last block, or where its digest ends; a reply, which carries none, as it is."""
    if isinstance(message, AIMessage) or not isinstance(message.content, list):
        return message
    blocks = message.content
    at = next((n for n, block in enumerate(blocks) if isinstance(block, dict) and _closes(block)), len(blocks)) - 1
    last = blocks[at]
    return _saying(message, [*blocks[:at], {**last, **mark}, *blocks[at + 1 :]] if isinstance(last, dict) else blocks)


def _closes(block: Mapping[str, Json]) -> bool:
    """Whether a block begins with the last line of a digest."""
    return str(block.get("text", "")).startswith("[/satchel ")


def _saying(message: BaseMessage, content: Any) -> BaseMessage:
    return message.model_copy(update={"content": content})


def _block(text: str) -> dict[str, Json]:
    return {"type": "text", "text": text}


def _object(args: Json) -> dict[str, Json]:
    """Arguments as providers accept them back: an object, also where the model got them wrong."""
    return args if isinstance(args, dict) else {"arguments": args}
