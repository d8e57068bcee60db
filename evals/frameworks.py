"""Agents of other libraries as modes of a comparison: the same model, tools and tasks in LangChain's and deepagents'.

Each is one row; what it needs is imported when it is built, so that nothing here must be installed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from satchel.memory.errors import ConfigError
from satchel.runtime.mode import MODES, Mode

if TYPE_CHECKING:
    from satchel.evals.chat import ModelChat

KEEP = 10
"""Messages that LangChain's summariser leaves as they are."""

RESULTS = 3
"""Results that LangChain's editing leaves as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an agent is built of. `room` is the context limit beyond the fixed surface, in tokens; `name` its case."""

    chat: ModelChat
    tools: Sequence[Any]
    instructions: str
    room: int
    name: str
    checkpointer: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """A mode that is an agent of another library. `build` makes its graph; `libraries` are what it runs on.

    `bounded` says whether it heeds the context limit.
    """

    name: str
    summary: str
    libraries: tuple[str, ...]
    build: Callable[[Parts], Any]
    cached: bool = True
    bounded: bool = True

    @property
    def versions(self) -> str:
        """The libraries with their versions. Raises `ConfigError` for one that is not installed."""
        return ", ".join(f"{library} {self._version(library)}" for library in self.libraries)

    def _version(self, library: str) -> str:
        try:
            return version(library)
        except PackageNotFoundError:
            raise ConfigError(f"mode {self.name!r} needs {library}: pip install {library}") from None


def _langchain(parts: Parts, *middleware: Any) -> Any:
    from langchain.agents import create_agent  # noqa: PLC0415 - only where it is installed

    return create_agent(
        parts.chat, parts.tools, system_prompt=parts.instructions, middleware=middleware,
        checkpointer=parts.checkpointer,
    )  # fmt: skip


def _summary(parts: Parts) -> Any:
    from langchain.agents.middleware import SummarizationMiddleware  # noqa: PLC0415 - as above

    summaries = SummarizationMiddleware(
        parts.chat, trigger=("tokens", parts.room), keep=("messages", KEEP), trim_tokens_to_summarize=None
    )
    return _langchain(parts, summaries)


def _clear(parts: Parts) -> Any:
    from langchain.agents.middleware import ClearToolUsesEdit, ContextEditingMiddleware  # noqa: PLC0415 - as above

    return _langchain(parts, ContextEditingMiddleware(edits=[ClearToolUsesEdit(trigger=parts.room, keep=RESULTS)]))


def _satchel(parts: Parts) -> Any:
    from satchel.runtime.middleware import SatchelMiddleware  # noqa: PLC0415 - it needs LangChain

    return _langchain(parts, SatchelMiddleware(context_limit=f"+{parts.room}"))


def _deepagents(parts: Parts, *middleware: Any) -> Any:
    from deepagents import create_deep_agent  # noqa: PLC0415 - as above

    from satchel.evals.sessions import Session  # noqa: PLC0415 - it needs deepagents

    return create_deep_agent(
        parts.chat, parts.tools, system_prompt=parts.instructions, middleware=[Session(parts.name), *middleware],
        checkpointer=parts.checkpointer,
    )  # fmt: skip


def _deep_satchel(parts: Parts) -> Any:
    from satchel.runtime.middleware import SatchelMiddleware  # noqa: PLC0415 - it needs LangChain

    return _deepagents(parts, SatchelMiddleware(context_limit=f"+{parts.room}", name="SummarizationMiddleware"))


_LANGCHAIN, _DEEP = ("langchain",), ("deepagents", "langchain")

FRAMEWORKS = {
    row.name: row
    for row in (
        Framework(name="langchain", summary="LangChain's create_agent as it comes", libraries=_LANGCHAIN,
                  build=_langchain, bounded=False),
        Framework(name="langchain-summary", summary="create_agent with SummarizationMiddleware at the context limit",
                  libraries=_LANGCHAIN, build=_summary),
        Framework(name="langchain-clear", summary="create_agent with ContextEditingMiddleware at the context limit",
                  libraries=_LANGCHAIN, build=_clear),
        Framework(name="langchain-satchel", summary="create_agent with SatchelMiddleware", libraries=_LANGCHAIN,
                  build=_satchel),
        Framework(name="deepagents", summary="create_deep_agent on a model whose window is the context limit",
                  libraries=_DEEP, build=_deepagents),
        Framework(name="deepagents-satchel", summary="create_deep_agent with SatchelMiddleware for its summariser",
                  libraries=_DEEP, build=_deep_satchel),
    )
}  # fmt: skip

Way = Mode | Framework
"""A mode of a comparison: of ours, or an agent of another library."""


def way(value: str | Way) -> Way:
    """A mode of a comparison by name. Raises `ConfigError` for an unknown one and for a library that is missing."""
    found = FRAMEWORKS.get(value) or MODES.get(value) if isinstance(value, str) else value
    if found is not None:
        versions(found)  # a library that is missing is told here, not in the first trial
        return found
    near = get_close_matches(str(value), [*MODES, *FRAMEWORKS], 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join([*MODES, *FRAMEWORKS])}"
    raise ConfigError(f"unknown mode {value!r}; {hint}")


def versions(value: Way) -> str:
    """What a mode runs on, beside our own source."""
    return value.versions if isinstance(value, Framework) else ""
