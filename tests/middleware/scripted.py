"""A LangChain chat model that a policy plays: it walks through the rooms of `tests.providers.errand`."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import StructuredTool
from pydantic import Field

from satchel.runtime.context import tokens
from satchel.runtime.meter import Meter
from satchel.runtime.transcript_langchain import read, system
from tests.providers import errand


class Walker(BaseChatModel):
    """Walks through the house; keeps every prompt and the tools that came with it, and reports usage as a cache would."""

    rooms: int = errand.ROOMS
    prompts: list[list[BaseMessage]] = Field(default_factory=list)
    offers: list[list[str]] = Field(default_factory=list)
    sizes: list[int] = Field(default_factory=list)
    fails: int = 0
    offered: list[Any] = Field(default_factory=list)
    root: Any = None
    meter: Any = Field(default_factory=Meter)

    @property
    def _llm_type(self) -> str:
        return "walker"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        """Itself with these tools; what is kept is kept in one place."""
        from langchain_core.utils.function_calling import convert_to_openai_tool  # noqa: PLC0415 - only here

        schemas = [convert_to_openai_tool(tool) for tool in tools]
        return self.model_copy(update={"offered": schemas, "root": self.root or self})

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        root = self.root or self
        if root.fails:
            root.fails -= 1
            raise ConnectionError("the line is down")
        names = [tool["function"]["name"] for tool in self.offered]
        root.prompts.append(messages)
        root.offers.append(names)
        ours = [*system(messages), *read(messages)]
        split = root.meter.measure(ours, self.offered)
        root.sizes.append(split.cached + split.rest)
        wish = errand.wish("\n".join(map(tokens.render, ours)), names, self.rooms)
        serial = len(root.prompts)
        calls = [{"id": f"call_{serial}_{n}", "name": name, "args": args} for n, (name, args) in enumerate(wish.calls)]
        usage = {"input_tokens": root.sizes[-1], "output_tokens": 20, "total_tokens": root.sizes[-1] + 20}
        details = {"input_token_details": {"cache_read": split.cached}}
        reply = AIMessage(wish.words, tool_calls=calls, usage_metadata={**usage, **details})
        return ChatResult(generations=[ChatGeneration(message=reply)])


def tools() -> list[StructuredTool]:
    """The house, as LangChain tools."""
    return [StructuredTool.from_function(tool.function, name=tool.name) for tool in errand.tools()]
