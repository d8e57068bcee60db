"""A LangChain chat model that asks a model of ours: how agents of other libraries play the same cases."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool

from satchel.memory.records import Usage
from satchel.runtime.models import Answer, Policy, Scripted
from satchel.runtime.transcript_langchain import read, system

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.memory.records import Json
    from satchel.runtime.context.message import Message

REPLY = 1_024
"""Tokens of a reply, as those of an agent of ours."""

SUMMARY = 8_192
"""Tokens of a reply to a prompt without tools: a summary, which nothing should cut."""


SEALED = "sealed"
"""Under this key a reply's metadata holds what only its provider understands."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One model call: what was sent, and its tokens: the prefix sent before, the rest, and the reply."""

    messages: Sequence[BaseMessage]
    tools: Sequence[Json]
    cached: int
    rest: int
    output: int

    @property
    def size(self) -> int:
        """Tokens of the prompt."""
        return self.cached + self.rest


@dataclass(slots=True)
class Tape:
    """The calls of a model, oldest first; `failing` is how many of the next ones will fail."""

    calls: list[Sent] = field(default_factory=list, repr=False)
    failing: int = 0


class ModelChat(BaseChatModel):
    """Answers as `asked` does, a `Model` of ours, and keeps every call on `tape`, if it has one.

    What only a provider understands in a reply comes back to the model as it was.
    """

    asked: Any = None
    tape: Any = None
    offered: tuple[Any, ...] = ()
    serial: Any = None

    @classmethod
    def of(cls, policy: Policy) -> ModelChat:
        """A model that a policy plays, with a tape of its own."""
        return cls.asking(Scripted(policy), tape=Tape())

    @classmethod
    def asking(cls, model: Any, *, tape: Tape | None = None, profile: Any = None) -> ModelChat:
        """A chat model in front of a model; `profile` tells LangChain its window."""
        return cls(asked=model, tape=tape, serial=count(), profile=profile)

    @property
    def _llm_type(self) -> str:
        return "satchel"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> ModelChat:
        """The same model, offering these tools."""
        return self.model_copy(update={"offered": tuple(map(convert_to_openai_tool, tools))})

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return asyncio.run(self._ask(messages))

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return await self._ask(messages)

    async def _ask(self, messages: list[BaseMessage]) -> ChatResult:
        if self.tape is not None and self.tape.failing:
            self.tape.failing -= 1
            raise ConnectionError("the line is down")
        seen = [_unsealed(message) for message in (*system(messages), *read(messages))]
        answer: Answer = await self.asked.call(seen, self.offered, reply_tokens=REPLY if self.offered else SUMMARY)
        used = answer.usage or Usage()
        if self.tape is not None:
            spoken = used.output + used.reasoning
            self.tape.calls.append(Sent(messages, self.offered, used.cache_read, used.input - used.cache_read, spoken))
        return ChatResult(generations=[ChatGeneration(message=self._reply(answer, used))])

    def _reply(self, answer: Answer, used: Usage) -> AIMessage:
        serial = next(self.serial)
        calls = [
            {"id": c.id or f"call_{serial}_{n}", "name": c.name, "args": c.args} for n, c in enumerate(answer.calls)
        ]
        output = used.output + used.reasoning
        usage = {
            "input_tokens": used.input, "output_tokens": output, "total_tokens": used.input + output,
            "input_token_details": {"cache_read": used.cache_read},
        }  # fmt: skip
        sealed = {} if answer.opaque is None else {SEALED: answer.opaque}
        return AIMessage(answer.text, tool_calls=calls, usage_metadata=usage, response_metadata=sealed)


def _unsealed(message: Message) -> Message:
    """A reply with the parts that came with it."""
    origin = getattr(message, "origin", None)
    sealed = origin.response_metadata.get(SEALED) if isinstance(origin, AIMessage) else None
    return message if sealed is None else replace(message, opaque=sealed)
