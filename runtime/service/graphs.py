"""A compiled LangGraph graph as the service drives it: its checkpoints in our saver, its memory in our store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, cast, is_typeddict

from langgraph.types import Command, Send, StateUpdate

from satchel.memory.checkpoints import TOKEN
from satchel.memory.errors import UnknownHandle
from satchel.runtime.service import snapshots
from satchel.runtime.service.modes import Modes
from satchel.runtime.service.served import PLACE, Job, Part, Place, Rest

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.pregel import Pregel

    from satchel.memory.saver import RedisSaver
    from satchel.memory.store import ThreadId
    from satchel.runtime.service.factories import Maker

    Graph = Pregel[Any, Any, Any, Any]


PARTS = ("checkpointer", "store", "name")
"""What the service gives to a graph."""

CLOSED = ("__", "langgraph_auth_")
"""What keys begin with that a client cannot set: LangGraph's own, and who calls."""


class ServedGraph:
    """A graph of one tenant."""

    def __init__(self, name: str, graph: Graph, saver: RedisSaver, maker: Maker) -> None:
        self.name = name
        self.graph = graph
        self._saver = saver
        self._maker = maker

    async def stream(self, job: Job) -> AsyncIterator[Part]:
        """Drive a run; one that a crash cut off goes on at its own last checkpoint."""
        given = _input(job.asked)
        asked_for = job.asked.get("checkpoint") or {}
        place = Place(asked_for.get("checkpoint_ns") or "", asked_for.get("checkpoint_id"))
        if job.attempt > 1 and await self._began(job):
            given, place = None, Place()
        modes = Modes(job.modes)
        config = self._config(job, place)
        context = _context(self.graph, job.asked.get("context") or {})
        options: dict[str, Any] = {
            "context": context,
            "interrupt_before": job.asked.get("interrupt_before") or None,
            "interrupt_after": job.asked.get("interrupt_after") or None,
            "durability": job.asked["durability"],
            "subgraphs": bool(job.asked.get("stream_subgraphs")),
        }
        async with self._made(job, config, context) as graph:
            source = modes.source(graph, given, config, options, job.control)
            async with aclosing(source) as parts:  # type: ignore[type-var]  # it is a generator
                async for part in parts:
                    yield part

    async def rest(self, thread: ThreadId) -> Rest:
        """How the thread stands."""
        state = await self.graph.aget_state(_at(thread, Place()))
        found = {task.id: [snapshots.interrupt(i) for i in task.interrupts] for task in state.tasks if task.interrupts}
        return Rest("interrupted" if state.next else "idle", found)

    async def values(self, thread: ThreadId) -> Any:
        """The values of the thread's state."""
        state = await self.graph.aget_state(_at(thread, Place()))
        return state.values if state.created_at else None

    async def state(self, thread: ThreadId, place: Place, *, subgraphs: bool = False) -> dict[str, Any]:
        """The state of a thread at a checkpoint."""
        return snapshots.wire(await self.graph.aget_state(_at(thread, place), subgraphs=subgraphs))

    async def history(
        self, thread: ThreadId, place: Place, *, limit: int, before: str | None, metadata: Mapping[str, Any] | None
    ) -> list[dict[str, Any]]:
        """States of a thread, newest first."""
        older = _at(thread, Place(place.ns, before)) if before else None
        found = self.graph.aget_state_history(
            _at(thread, place), filter=dict(metadata) if metadata else None, before=older, limit=limit
        )
        return [snapshots.wire(state) async for state in found]

    async def update(self, thread: ThreadId, place: Place, values: Any, as_node: str | None) -> dict[str, Any]:
        """Change the state."""
        config = await self.graph.aupdate_state(_at(thread, place), values, as_node=as_node)
        return dict(config["configurable"])

    async def replay(self, thread: ThreadId, supersteps: list[list[tuple[Any, str | None]]]) -> None:
        """Make a state out of supersteps."""
        steps = [[StateUpdate(_values(values), node) for values, node in step] for step in supersteps]
        await self.graph.abulk_update_state(_at(thread, Place()), steps)

    async def undo(self, thread: ThreadId, run: str) -> None:  # noqa: ARG002 - the port names it
        """Remove the run's checkpoints."""
        await self._saver.adelete_for_runs([run])

    async def copy(self, source: ThreadId, target: ThreadId) -> None:
        """Copy a thread's checkpoints."""
        await self._saver.acopy_thread(source.name, target.name)

    async def prune(self, thread: ThreadId) -> None:
        """Keep the newest checkpoint only."""
        await self._saver.aprune([thread.name])

    async def delete(self, thread: ThreadId) -> None:
        """Remove a thread's checkpoints."""
        await self._saver.adelete_thread(thread.name)

    async def usage(self, thread: ThreadId) -> dict[str, Any]:
        """What the messages of the state say that they used."""
        return snapshots.usage(await self.values(thread))

    async def result(self, thread: ThreadId, ref: str, part: Mapping[str, str | None]) -> str:  # noqa: ARG002 - the port names it
        """A graph that is not an agent of ours stores no results."""
        raise UnknownHandle(f"{ref} names nothing: thread {thread.name} is not one of a satchel agent")

    async def prompts(self, thread: ThreadId, run: str) -> list[dict[str, Any]]:  # noqa: ARG002 - the port names it
        """What a graph that is not an agent of ours sends is its own affair."""
        return []

    def resume(self, interrupt: str, response: Any) -> Any:
        """LangGraph maps interrupts to their answers."""
        return {interrupt: response}

    def schemas(self) -> dict[str, Any]:
        """JSON schemas of the graph."""
        return snapshots.schemas(self.graph)

    def drawing(self, *, xray: int | bool) -> dict[str, Any]:
        """Nodes and edges."""
        return snapshots.drawing(self.graph.get_graph(xray=xray))

    def subgraphs(self, ns: str | None, *, recurse: bool) -> dict[str, Any]:
        """Schemas of the subgraphs."""
        found = self.graph.get_subgraphs(namespace=ns, recurse=recurse)
        return {name: snapshots.schemas(cast("Graph", graph)) for name, graph in found}

    @asynccontextmanager
    async def _made(self, job: Job, config: RunnableConfig, context: Any) -> AsyncIterator[Graph]:
        """The graph for a run: that which is there, or one that is made for it."""
        if self._maker.fixed:
            yield self.graph
            return
        parts = {name: getattr(self.graph, name) for name in PARTS}
        user = job.asked.get("user") or None
        async with self._maker.running(config, _typed(self.graph, context), user, parts["store"]) as graph:
            yield graph.copy(update=parts)

    async def _began(self, job: Job) -> bool:
        """Whether the newest checkpoint of the thread is of this run."""
        found = await self._saver.aget_tuple(_at(job.thread, Place()))
        return found is not None and found.metadata.get("run_id") == job.run

    def _config(self, job: Job, place: Place) -> RunnableConfig:
        asked = dict(job.asked.get("config") or {})
        given = {
            k: v
            for k, v in (asked.pop("configurable", None) or {}).items()
            if k not in PLACE and not k.startswith(CLOSED)
        }
        ours = _at(job.thread, place)["configurable"]
        if job.asked.get("user"):
            ours["langgraph_auth_user_id"] = job.asked["user"]
        marks = {"run_id": job.run, "graph_id": self.name, "assistant_id": job.asked["assistant_id"]}
        metadata = {**(asked.pop("metadata", None) or {}), **(job.asked.get("metadata") or {}), **marks}
        metadata["run_attempt"] = job.attempt
        kept = {key: asked[key] for key in ("tags", "recursion_limit") if asked.get(key) is not None}
        configurable = {**given, **ours, **marks, TOKEN: job.token}
        return cast("RunnableConfig", {**kept, "metadata": metadata, "configurable": configurable})


def _context(graph: Graph, given: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The context of a run: what the graph's schema names, with the schema's own defaults for the rest."""
    schema = graph.context_schema
    if schema is None:
        return given or None
    named = {name for kind in schema.__mro__ for name in getattr(kind, "__annotations__", ())}
    known = {key: value for key, value in given.items() if key in named}
    return None if is_typeddict(schema) and not known else known


def _typed(graph: Graph, context: Mapping[str, Any] | None) -> Any:
    """The context as the graph's schema has it. Raises what the schema raises."""
    schema = graph.context_schema
    return context if schema is None or context is None or is_typeddict(schema) else schema(**context)


def _at(thread: ThreadId, place: Place) -> RunnableConfig:
    where = {"thread_id": thread.name, "checkpoint_ns": place.ns}
    if place.id:
        where["checkpoint_id"] = place.id
    return {"configurable": where}


def _input(asked: Mapping[str, Any]) -> Any:
    if command := asked.get("command"):
        return _command(command)
    return asked.get("input")


def _command(given: Mapping[str, Any]) -> Command[Any]:
    goto = given.get("goto") or ()
    found = [_send(one) for one in (goto if isinstance(goto, list) else [goto])] if goto else ()
    update = given.get("update")
    if isinstance(update, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in update):  # noqa: PLR2004 - a pair
        update = [(str(name), value) for name, value in update]
    return Command(goto=found, update=update, resume=given.get("resume"))


def _send(goto: Any) -> str | Send:
    if isinstance(goto, Mapping):
        return Send(str(goto.get("node")), goto.get("input"))
    return str(goto)


def _values(values: Any) -> Any:
    if isinstance(values, Mapping) and "__command__" in values:
        return _command(values["__command__"])
    return values
