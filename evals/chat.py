"""A LangChain chat model that a policy plays, measured as a caching provider would bill it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from satchel.runtime.meter import Meter
from satchel.runtime.models import Policy, spoken
from satchel.runtime.transcript_langchain import read, system

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.memory.records import Json
    from satchel.runtime.tools import Tool


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
    meter: Meter = field(default_factory=Meter, repr=False)
    failing: int = 0


class PolicyChat(BaseChatModel):
    """Answers by `policy`, a pure function of the prompt, and keeps every call on `tape`."""

    policy: Any = None
    tape: Any = None
    offered: tuple[Any, ...] = ()

    @classmethod
    def of(cls, policy: Policy) -> PolicyChat:
        """A model with a tape of its own."""
        return cls(policy=policy, tape=Tape())

    @property
    def _llm_type(self) -> str:
        return "policy"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> PolicyChat:
        """The same model, offering these tools."""
        return self.model_copy(update={"offered": tuple(map(convert_to_openai_tool, tools))})

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        if self.tape.failing:
            self.tape.failing -= 1
            raise ConnectionError("the line is down")
        seen = [*system(messages), *read(messages)]
        split = self.tape.meter.measure(seen, self.offered)
        answer = self.policy(seen, self.offered)
        serial = len(self.tape.calls)
        sent = Sent(messages, self.offered, split.cached, split.rest, spoken(answer.text, answer.calls))
        self.tape.calls.append(sent)
        calls = [{"id": f"call_{serial}_{n}", "name": c.name, "args": c.args} for n, c in enumerate(answer.calls)]
        usage = {
            "input_tokens": sent.size, "output_tokens": sent.output, "total_tokens": sent.size + sent.output,
            "input_token_details": {"cache_read": split.cached},
        }  # fmt: skip
        reply = AIMessage(answer.text, tool_calls=calls, usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=reply)])


def as_langchain(tool: Tool) -> StructuredTool:
    """A tool of ours for an agent of LangChain's: it gives the same texts, also for what went wrong."""

    def call(**given: Any) -> str:
        return asyncio.run(tool.invoke(given, key="")).text

    schema = tool.arguments.schema
    return StructuredTool.from_function(
        call, name=tool.name, description=tool.description or tool.name, args_schema=schema
    )
