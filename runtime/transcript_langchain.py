"""A graph's LangChain messages as the engine sees them, and back: the same object wherever nothing was shortened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolMessage

from satchel.memory.normalise import normalise
from satchel.runtime.context.message import Message, Role, ToolCall
from satchel.runtime.conversation import Stamp
from satchel.runtime.messages_langchain import Layout
from satchel.runtime.models_langchain import opaque, said_calls

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.runtime.providers import Provider

CUT_OFF = "(this call was cut off before it gave a result)"
"""Stands for the result of a call that has none: providers refuse a chat with open calls."""

KEY = "satchel"
"""Under this key a graph's state holds the ledger, and a reply's metadata its stamp."""

ROLES: dict[str, Role] = {"ai": "assistant", "tool": "tool", "system": "system"}


@dataclass(frozen=True, slots=True, eq=False)
class Foreign(Message):
    """A message of the engine that was made from LangChain's `origin`; shortened copies keep it."""

    origin: BaseMessage | None = field(default=None, kw_only=True)

    @property
    def whole(self) -> bool:
        """Whether it says what its origin says."""
        origin = self.origin
        if origin is None or self.content[: len(self.content) - self.volatile] != str(origin.text):
            return False
        return not isinstance(origin, AIMessage) or list(self.calls) == calls_of(origin)


@dataclass(frozen=True, slots=True)
class Mark:
    """How a message stood when it was read: the object, and the values that it held then."""

    origin: BaseMessage
    content: Json
    calls: Json

    @classmethod
    def of(cls, message: BaseMessage) -> Mark:
        """The mark of a message."""
        return cls(message, message.content, getattr(message, "tool_calls", None))

    def still(self, now: BaseMessage) -> bool:
        """Whether the message that stands in its place says the same."""
        known = now is self.origin or (type(now) is type(self.origin) and now.id == self.origin.id)
        return known and now.content == self.content and getattr(now, "tool_calls", None) == self.calls


def read(messages: Iterable[BaseMessage]) -> list[Message]:
    """Messages as the engine sees them, made legal: open calls get a result, results without a call are left out.

    System messages are left out, too: they belong to the fixed surface.
    """
    out: list[Message] = []
    open_calls: dict[str, ToolCall] = {}
    for message in messages:
        if isinstance(message, SystemMessage):
            continue
        if isinstance(message, ToolMessage):
            if open_calls.pop(message.tool_call_id, None):
                out.append(_foreign(message))
            continue
        out += _closed(open_calls)
        made = _foreign(message)
        open_calls = {call.id: call for call in made.calls}
        out.append(made)
    return [*out, *_closed(open_calls)]


def system(messages: Iterable[BaseMessage]) -> list[Message]:
    """The system messages among them."""
    return [_foreign(message) for message in messages if isinstance(message, SystemMessage)]


def stamp(message: Message) -> Stamp | None:
    """The stamp that a reply carries, if it has one."""
    origin = message.origin if isinstance(message, Foreign) else None
    found = origin.response_metadata.get(KEY) if isinstance(origin, AIMessage) else None
    if not isinstance(found, dict):
        return None
    model, ceiling = found.get("model"), found.get("ceiling")
    counted, billed = (n if type(n := found.get(name)) is int and n > 0 else 0 for name in ("counted", "input"))
    return Stamp(str(model or ""), counted, billed, ceiling if type(ceiling) is int else None)


def stamped(reply: AIMessage, stamp: dict[str, Json]) -> AIMessage:
    """The reply with its stamp."""
    return reply.model_copy(update={"response_metadata": {**reply.response_metadata, KEY: stamp}})


def answer(call: Any, text: str, *, error: bool = False) -> ToolMessage:
    """The result of a call that no tool of the graph answers."""
    status: Literal["error", "success"] = "error" if error else "success"
    return ToolMessage(text, tool_call_id=call["id"] or "", name=call["name"], status=status)


class Faithful(Layout):
    """A layout that sends a message of the graph as it is, but for the marks its provider wants.

    Marks stand at the system text and at the end of the prompt ahead of the tail: a caching middleware of LangChain may
    set two more of the four that Anthropic allows.
    """

    def __init__(self, kind: str, provider: Provider) -> None:
        super().__init__(kind, provider)
        self._marks = bool(provider.mark)

    def _ends(self, messages: Sequence[Message]) -> set[int]:
        systems = [n for n, message in enumerate(messages) if message.role == "system"]
        return {*systems[-1:], len(messages) - 1}

    def _made(self, message: Message) -> BaseMessage:
        origin = message.origin if isinstance(message, Foreign) else None
        if origin is None or isinstance(origin, AIMessage):
            return origin if origin is not None and message.whole else super()._made(message)  # type: ignore[attr-defined]  # it is Foreign
        if isinstance(message, Foreign) and message.whole and not (self._marks and isinstance(origin.content, str)):
            return origin
        content = message.content[: len(message.content) - message.volatile]
        return origin.model_copy(update={"content": self._said(content)})


def _closed(calls: dict[str, ToolCall]) -> Iterator[Message]:
    for call in calls.values():
        yield Message("tool", CUT_OFF, call_id=call.id, name=call.name)


def _foreign(message: BaseMessage) -> Foreign:
    role = ROLES.get(message.type, "user")
    text = str(message.text)
    if isinstance(message, AIMessage):
        return Foreign(role, text, tuple(calls_of(message)), opaque=opaque(message, "langchain"), origin=message)
    parts = normalise([part for part in message.content if _more(part)]) if isinstance(message.content, list) else None
    if isinstance(message, ToolMessage):
        name = message.name
        return Foreign(role, text, call_id=message.tool_call_id, name=name, opaque=parts or None, origin=message)
    return Foreign(role, text, opaque=parts or None, origin=message)


def calls_of(message: AIMessage) -> list[ToolCall]:
    """The calls of a reply that can be answered: those with an id."""
    return [call for call in said_calls(message) if call.id]


def _more(part: object) -> bool:
    """Whether a content block is more than text."""
    return isinstance(part, dict) and part.get("type") != "text"
