"""Tools: typed functions with an effect class, called with checked arguments; whatever goes wrong is text to read."""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, get_args, overload

from satchel.memory.errors import ConfigError
from satchel.memory.records import Effect, Json
from satchel.runtime.arguments import Arguments, BadArguments
from satchel.runtime.failure import describe
from satchel.runtime.output import to_text
from satchel.runtime.threads import in_thread

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""What every provider accepts as the name of a tool."""

RESERVED = frozenset({"recall"})
"""Names of built-in tools."""

KEY = "idempotency_key"
"""A parameter of this name gets the key of the call; the model does not see it."""


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """What a tool call gave, as text; `error` says that it failed."""

    text: str
    error: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Tool:
    """A function that a model may call, and what the runtime needs to know of it.

    `effect` says what may be done with a call that a crash left in doubt; `cost_usd` is what one call costs; `timeout`
    is in seconds; `max_inline_tokens` is how much of a result is shown before it becomes a preview (None: the
    context decides). Calling a `Tool` calls the function, unchecked.
    """

    name: str
    description: str
    function: Callable[..., Any]
    arguments: Arguments
    effect: Effect = "write"
    cost_usd: float = 0.0
    timeout: float | None = None
    max_inline_tokens: int | None = None
    schema: dict[str, Json] = field(init=False)

    def __post_init__(self) -> None:
        _check(self)
        function = {"name": self.name, "description": self.description, "parameters": self.arguments.schema}
        object.__setattr__(self, "schema", {"type": "function", "function": function})
        object.__setattr__(self, "__wrapped__", self.function)
        object.__setattr__(self, "__doc__", self.description)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself."""
        return self.function(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Tool:
        """A tool that is a method, bound to its object."""
        if instance is None or next(iter(self.arguments.schema["properties"]), None) != "self":
            return self
        bound = self.function.__get__(instance, owner)
        return replace(self, function=bound, arguments=Arguments.of_function(bound, name=self.name, hidden=KEY))

    async def invoke(self, args: Json, *, key: str) -> ToolOutput:
        """Run one call with the arguments that a model gave; `key` is its idempotency key.

        Never raises but for cancellation: bad arguments, an exception and a timeout become an error that the model can
        read. A function that is not async runs in a thread of its own; when its time is up it is abandoned.
        """
        try:
            given = self.arguments.check(args)
        except BadArguments as error:
            return ToolOutput(f"invalid arguments for {self.name}: {error}", error=True)
        if self.arguments.takes_key:
            given[KEY] = key
        try:
            async with asyncio.timeout(self.timeout) as clock:
                return await self._run(given)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a failing tool is a result, not a crash
            return ToolOutput(self._late() if clock.expired() else describe(error), error=True)

    async def _run(self, given: dict[str, Any]) -> ToolOutput:
        if _is_async(self.function):
            return ToolOutput(to_text(await self.function(**given)))
        made = await in_thread(lambda: _call(self.function, given))
        return made if isinstance(made, ToolOutput) else ToolOutput(to_text(await made))

    def _late(self) -> str:
        left = "; it could not be stopped and may still take effect" if not _is_async(self.function) else ""
        return f"TimeoutError: {self.name} gave no result within {self.timeout:g} seconds{left}"


def _call(function: Callable[..., Any], given: dict[str, Any]) -> ToolOutput | Awaitable[Any]:
    """What the function gives, as output unless it has to be awaited first."""
    try:
        value = function(**given)
        return value if inspect.isawaitable(value) else ToolOutput(to_text(value))
    except BaseException as error:  # noqa: BLE001 - here, too, and StopIteration could not cross a coroutine
        return ToolOutput(describe(error), error=True)


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _check(tool: Tool) -> None:
    problems = {
        f"the name must match {NAME.pattern}": not NAME.fullmatch(tool.name),
        "the name is that of a built-in tool": tool.name in RESERVED,
        f"effect={tool.effect!r} is none of {', '.join(get_args(Effect))}": tool.effect not in get_args(Effect),
        f"cost_usd={tool.cost_usd!r} is below zero": not tool.cost_usd >= 0,
        f"timeout={tool.timeout!r} is not above zero": tool.timeout is not None and not tool.timeout > 0,
        f"max_inline_tokens={tool.max_inline_tokens!r} is not above zero": tool.max_inline_tokens is not None
        and not tool.max_inline_tokens > 0,
    }
    if wrong := [text for text, found in problems.items() if found]:
        raise ConfigError(f"tool {tool.name!r}: {wrong[0]}")


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *,
    effect: Effect = "write",
    cost_usd: float = 0.0,
    timeout: float | None = None,
    max_inline_tokens: int | None = None,
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(function: Callable[..., Any] | None = None, /, **options: Any) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a typed function a tool: `@tool`, or `@tool(effect="read", timeout=10)`.

    Its name, docstring and annotations are what the model sees. Raises `ConfigError` for a function that cannot be
    described to a model.
    """
    if function is None:
        return lambda found: _from_function(found, **options)
    return _from_function(function, **options)


def _from_function(function: Callable[..., Any], **options: Any) -> Tool:
    name = getattr(function, "__name__", None) or type(function).__name__
    if name == "<lambda>" or inspect.isclass(function):
        raise ConfigError(f"tool {name!r} must be a function with a name; wrap it in one")
    return Tool(
        name=name,
        description=inspect.getdoc(function) or "",
        function=function,
        arguments=Arguments.of_function(function, name=name, hidden=KEY),
        **options,
    )


def as_tools(items: Iterable[object]) -> tuple[Tool, ...]:
    """Tools in the order given: tools, typed functions (effect `write`), LangChain tools.

    Raises `ConfigError` for anything else, for two tools of one name, and for a set, whose order is not steady.
    """
    if isinstance(items, set | frozenset):
        raise ConfigError(
            "tools must come in a list: the order of a set changes from run to run, and the prompt with it"
        )
    tools: dict[str, Tool] = {}
    for item in items:
        found = _as_tool(item)
        if found.name in tools:
            raise ConfigError(f"two tools are named {found.name!r}; rename one of them")
        tools[found.name] = found
    return tuple(tools.values())


def _as_tool(item: object) -> Tool:
    if isinstance(item, Tool):
        return item
    core = sys.modules.get("langchain_core.tools")
    if core is not None and isinstance(item, core.BaseTool):
        from satchel.runtime.tools_langchain import from_langchain  # noqa: PLC0415 - loads langchain, here in use anyway

        return from_langchain(item)
    if callable(item):
        return _from_function(item)
    raise ConfigError(f"{item!r:.80} is no tool: give a typed function, a @tool or a LangChain tool")
