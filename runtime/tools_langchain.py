"""Tools of LangChain as tools of ours: the same description for the model, checked, with an effect class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.tools import Tool as SimpleTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from satchel.runtime.arguments import Arguments
from satchel.runtime.tools import Tool

if TYPE_CHECKING:
    from collections.abc import Callable


def from_langchain(tool: BaseTool) -> Tool:
    """A LangChain tool; its effect is `metadata["effect"]`, or else `write`. Raises `ConfigError` for a bad one."""
    function = convert_to_openai_tool(tool)["function"]
    schema = {"type": "object", "properties": {}, **function.get("parameters", {})}
    return Tool(
        name=function["name"],
        description=function.get("description", ""),
        function=_asynchronous(tool) if _is_async(tool) else _synchronous(tool),
        arguments=Arguments.of_schema(schema, name=function["name"]),
        effect=(tool.metadata or {}).get("effect", "write"),
    )


def _asynchronous(tool: BaseTool) -> Callable[..., Any]:
    async def call(**given: Any) -> Any:
        return await tool.ainvoke(given)

    return call


def _synchronous(tool: BaseTool) -> Callable[..., Any]:
    def call(**given: Any) -> Any:
        return tool.invoke(given)

    return call


def _is_async(tool: BaseTool) -> bool:
    """Whether it has a coroutine of its own: LangChain would run any other in a pool, which a hanging tool fills."""
    if isinstance(tool, StructuredTool | SimpleTool):
        return tool.coroutine is not None
    return type(tool)._arun is not BaseTool._arun  # noqa: SLF001 - the method that LangChain asks authors to override
