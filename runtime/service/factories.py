"""Graphs that a function makes: one for each run, with its config and who runs it, and one for all that only reads.

The function is what LangGraph's server takes: it returns a graph or yields one as an (asynchronous) context manager,
and has parameters for the run's config, for a `langgraph_sdk.runtime.ServerRuntime`, or none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from inspect import Parameter, isawaitable, signature
from typing import TYPE_CHECKING, Any

from langgraph.graph import StateGraph
from langgraph.pregel import Pregel
from langgraph_sdk.runtime import _ExecutionRuntime, _ReadRuntime

from satchel.memory.errors import ConfigError

if TYPE_CHECKING:
    from langgraph.store.base import BaseStore

    Graph = Pregel[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class User:
    """Who runs a graph, as `langgraph_sdk.auth.types.BaseUser` has it."""

    identity: str
    display_name: str
    is_authenticated: bool = True
    permissions: tuple[str, ...] = ()

    def __getitem__(self, key: str) -> Any:
        return asdict(self)[key]

    def __contains__(self, key: object) -> bool:
        return key in asdict(self)

    def __iter__(self) -> Iterator[str]:
        return iter(asdict(self))


class Maker:
    """What a user serves, as something that gives a compiled graph. Raises `ConfigError` for what cannot."""

    def __init__(self, made: Any) -> None:
        self.fixed = not callable(made) or isinstance(made, Pregel)
        self._made = made
        self._takes: Mapping[str, str] = {} if self.fixed else _takes(made)

    @asynccontextmanager
    async def reading(self, store: BaseStore) -> AsyncIterator[Graph]:
        """The graph for what only reads: its shape, schemas and states."""
        runtime: Any = _ReadRuntime(access_context="assistants.read", store=store)
        async with self._graph({"configurable": {}}, runtime) as graph:
            yield graph

    @asynccontextmanager
    async def running(
        self, config: Mapping[str, Any], context: Any, user: str | None, store: BaseStore
    ) -> AsyncIterator[Graph]:
        """The graph for one run, whose resources may live as long as that."""
        known = User(user, user) if user else None
        runtime: Any = _ExecutionRuntime(access_context="threads.create_run", user=known, store=store, context=context)
        async with self._graph(config, runtime) as graph:
            yield graph

    @asynccontextmanager
    async def _graph(self, config: Mapping[str, Any], runtime: Any) -> AsyncIterator[Graph]:
        given = {"config": config, "runtime": runtime}
        made = self._made if self.fixed else self._made(**{name: given[kind] for name, kind in self._takes.items()})
        if isawaitable(made):
            made = await made
        if isinstance(made, AbstractAsyncContextManager):
            async with made as graph:
                yield _compiled(graph)
        elif isinstance(made, AbstractContextManager):
            with made as graph:
                yield _compiled(graph)
        else:
            yield _compiled(made)


def _takes(made: Callable[..., Any]) -> Mapping[str, str]:
    """What the parameters of a function are to be given: `config` or `runtime`."""
    found: dict[str, str] = {}
    for name, parameter in signature(made).parameters.items():
        if parameter.kind in {Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL}:
            continue
        said = f"{name} {parameter.annotation}".lower()
        found[name] = "runtime" if "runtime" in said else "config"
    if len(set(found.values())) < len(found):
        raise ConfigError(f"{made!r:.80} makes a graph from {', '.join(found)}; it may take a config and a runtime")
    return found


def _compiled(made: object) -> Graph:
    if isinstance(made, StateGraph):
        made = made.compile()
    if not isinstance(made, Pregel):
        raise ConfigError(f"{made!r:.80} is neither an Agent nor a LangGraph graph; serve one of these")
    return made
