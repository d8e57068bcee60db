"""What `RedisSaver` does with its store, one method for each question of LangGraph's port; all in one event loop."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from langgraph.checkpoint.base import get_checkpoint_metadata

from satchel.memory import points
from satchel.memory.blobs import strict
from satchel.memory.errors import ConfigError, DamagedEntry
from satchel.memory.saver_order import Tasks
from satchel.memory.saver_plan import Plan
from satchel.memory.saver_read import Reader, config_of
from satchel.memory.saver_sweep import copy, sweep
from satchel.memory.saver_write import Writer
from satchel.memory.store import Store, ThreadId

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import (
        ChannelVersions,
        Checkpoint,
        CheckpointMetadata,
        CheckpointTuple,
        DeltaChannelHistory,
    )
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from satchel.memory.saver_sweep import Choice

    Planned = tuple[Writer, Plan]

MOST_WRITERS = 64
"""Threads whose last lists are remembered; those of one that is forgotten are read again."""

TOKEN = "__satchel_token"  # noqa: S105 - a name
"""Where a config says under which turn (`runs.Turn.token`) is written: once the turn is another's, that is refused."""

ATTEMPTS = 3

_DURABILITY = "__pregel_durability"
"""Where LangGraph's configs say how durable a run is; with `exit` no task writes."""

T = TypeVar("T")


class Checkpoints:
    """The checkpoints of a tenant. `plan_...` may be called in any thread, the rest in the store's loop."""

    def __init__(self, tenant: str) -> None:
        ThreadId("any", tenant)  # a wrong tenant is told here
        self.tenant = tenant
        self._tasks = Tasks()
        self._lock = Lock()
        self._writers: OrderedDict[ThreadId, Writer] = OrderedDict()

    def plan_put(
        self,
        serde: SerializerProtocol,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> tuple[Planned, RunnableConfig]:
        """Plan to keep a checkpoint, a child of the one that the config names; with the config that names the new."""
        thread, ns, parent = self.place(config)
        values = checkpoint["channel_values"]
        nulls = [name for name in checkpoint["channel_versions"] if name in values and values[name] is None]
        point = points.Point(ns or "", parent, checkpoint, get_checkpoint_metadata(config, metadata), nulls)
        self._tasks.kept((thread, point.ns, point.id), checkpoint["versions_seen"], values)
        with self._lock:
            writer = self._writer(thread)
            planned = writer, writer.plan_point(serde, point, values, new_versions, _token(config))
        return planned, config_of(thread, point.ns, point.id)

    def plan_writes(
        self,
        serde: SerializerProtocol,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task: tuple[str, str],
    ) -> Planned:
        """Plan to keep what a task (its id and path) wrote under the checkpoint that the config names."""
        thread, ns, point = self.place(config)
        if point is None:
            raise ConfigError("writes belong to a checkpoint: put its checkpoint_id into the config")
        with self._lock:
            writer = self._writer(thread)
            plan = writer.plan_writes(serde, (ns or "", point), writes, task, _token(config))
        self._tasks.wrote((thread, ns or "", point), task[0], [channel for channel, _ in writes])
        return writer, plan

    def wait(self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata) -> None:
        """Wait for the writes of the parent's tasks, which may be in other threads and not have begun."""
        thread, ns, parent = self.place(config)
        writing = config["configurable"].get(_DURABILITY) != "exit"
        if parent is not None and metadata.get("source") == "loop" and writing:
            self._tasks.wait((thread, ns or "", parent), checkpoint["versions_seen"])

    def withdraw(self, planned: Planned) -> None:
        """Do not send what was planned, unless that has begun: its store could not be opened."""
        planned[0].withdraw(planned[1])

    def forget(self) -> None:
        """Forget all writers: the store is closed."""
        with self._lock:
            self._writers.clear()

    async def send(self, store: Store, planned: Planned) -> None:
        """Send what was planned, after all that was planned before it."""
        writer, plan = planned
        await writer.send(store.fields, plan)

    async def get(self, store: Store, serde: SerializerProtocol, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that the config names, or the newest of its namespace."""
        thread, ns, wanted = self.place(config)
        await self.settle(store, thread)

        async def ask(reader: Reader) -> CheckpointTuple | None:
            point = wanted or await reader.newest(ns or "")
            found = await reader.points([(ns or "", point)]) if point else [None]
            if found[0] is None:
                return None
            (answer,) = await reader.tuples([found[0]])
            self._tasks.read((thread, *found[0].place()), answer)
            return answer

        return await self.reading(store, serde, thread, ask)

    async def history(
        self, store: Store, serde: SerializerProtocol, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What the ancestors of a checkpoint contributed to channels."""
        thread, ns, wanted = self.place(config)
        await self.settle(store, thread)

        async def ask(reader: Reader) -> Mapping[str, DeltaChannelHistory]:
            point = wanted or await reader.newest(ns or "")
            found = await reader.points([(ns or "", point)]) if point else [None]
            return await reader.history(found[0], channels) if found[0] else {name: {"writes": []} for name in channels}

        return await self.reading(store, serde, thread, ask)

    async def delete(self, store: Store, name: str) -> None:
        """Remove all of a thread."""
        thread = self.thread(name)
        await self.settle(store, thread)
        await store.fields.delete(thread)
        self._stale(thread)

    async def copy(self, store: Store, source: str, target: str) -> None:
        """Copy all of a thread into another one."""
        await self.settle(store, self.thread(source))
        await self.settle(store, self.thread(target))
        if await store.fields.names(self.thread(source)):
            await copy(store.fields, self.thread(source), self.thread(target))

    async def prune(self, store: Store, serde: SerializerProtocol, names: Sequence[str], strategy: str) -> None:
        """Keep the newest checkpoint of each namespace (`keep_latest`), or nothing (`delete`)."""
        if strategy not in {"keep_latest", "delete"}:
            raise ConfigError(f"there is no strategy {strategy!r} to prune by; choose keep_latest or delete")
        for name in names:
            if strategy == "delete":
                await self.delete(store, name)
            else:
                await self._sweep(store, serde, self.thread(name), _newest)

    async def delete_runs(self, store: Store, serde: SerializerProtocol, runs: Sequence[str]) -> None:
        """Remove the checkpoints of runs in all threads of the tenant."""
        gone = set(runs)

        def others(found: list[points.Point]) -> list[points.Point]:
            return [point for point in found if point.metadata.get("run_id") not in gone]

        for thread in await store.fields.threads(self.tenant) if gone else []:
            await self._sweep(store, serde, thread, others)

    async def settle(self, store: Store, thread: ThreadId) -> None:
        """Send what is planned for a thread, so that a reader sees it."""
        writer = self._writers.get(thread)
        if writer is not None:
            await writer.settle(store.fields)

    async def reading(
        self, store: Store, serde: SerializerProtocol, thread: ThreadId, ask: Callable[[Reader], Awaitable[T]]
    ) -> T:
        """The answer of a reader; asked again if what it read was removed meanwhile."""
        for attempt in range(ATTEMPTS):
            reader = Reader(store.fields, thread, serde)
            generation = await reader.generation()
            try:
                with strict(thread):
                    answer = await ask(reader)
            except DamagedEntry:
                if attempt == ATTEMPTS - 1 or await reader.generation() == generation:
                    raise
                continue
            if generation:
                with self._lock:
                    self._writer(thread).learn(generation, reader.lists)
            return answer
        raise AssertionError

    def place(self, config: RunnableConfig) -> tuple[ThreadId, str | None, str | None]:
        """Thread, namespace and checkpoint of a config."""
        where = config.get("configurable", {})
        if "thread_id" not in where:
            raise ConfigError('a checkpoint belongs to a thread: pass config={"configurable": {"thread_id": "..."}}')
        return self.thread(where["thread_id"]), where.get("checkpoint_ns"), where.get("checkpoint_id") or None

    def thread(self, name: object) -> ThreadId:
        """A thread of the tenant; LangGraph's ids may be numbers."""
        return ThreadId(str(name), self.tenant)

    async def _sweep(self, store: Store, serde: SerializerProtocol, thread: ThreadId, choice: Choice) -> None:
        await self.settle(store, thread)
        with strict(thread):
            await sweep(store.fields, thread, serde, choice)
        self._stale(thread)

    def _stale(self, thread: ThreadId) -> None:
        with self._lock:
            if thread in self._writers:
                self._writers[thread].forget()

    def _writer(self, thread: ThreadId) -> Writer:
        writer = self._writers.pop(thread, None) or Writer(thread)
        self._writers[thread] = writer
        if len(self._writers) > MOST_WRITERS:
            idle = [name for name, other in self._writers.items() if other.idle and other is not writer]
            for name in idle[:1]:
                del self._writers[name]
        return writer


def _token(config: RunnableConfig) -> str:
    return str(config["configurable"].get(TOKEN, ""))


def _newest(found: list[points.Point]) -> list[points.Point]:
    return list({point.ns: point for point in found}.values())
