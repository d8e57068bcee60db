"""A minimal LangGraph checkpointer for graphs whose truth is a thread's log: it keeps the newest checkpoint only.

A checkpoint here is a cursor of a few hundred bytes, whatever the thread's length; older ones and their writes are
dropped as the next one comes. It serves asynchronous graphs (`ainvoke`, `astream`, `aget_state`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from satchel.memory.store import Store, ThreadId

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

OpenStore = Callable[[], Awaitable[Store]]


class CursorSaver(BaseCheckpointSaver[str]):
    """Keeps each thread's newest checkpoint beside its log, serialised strictly: loading it never runs code."""

    def __init__(self, store: OpenStore, *, tenant: str = "default") -> None:
        super().__init__(serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        self._store = store
        self._tenant = tenant

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,  # noqa: ARG002 - the port names it; a cursor has no large channels
    ) -> RunnableConfig:
        """Put the newest checkpoint in the place of the one before, and drop that one's writes."""
        thread, ns, parent = self._place(config)
        store = await self._store()
        old = [name for name in await store.cursor(thread) if name.startswith(f"write {ns} ")]
        value = [parent, checkpoint, get_checkpoint_metadata(config, metadata)]
        await store.put_cursor(thread, {f"point {ns}": self._dump(value)}, old)
        return _config(thread, ns, checkpoint["id"])

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep what a task of the newest checkpoint wrote, in the order of its path."""
        thread, ns, point = self._place(config)
        fields = {}
        for n, (channel, value) in enumerate(writes):
            index = WRITES_IDX_MAP.get(channel, n)
            name = f"write {ns} {task_path} {task_id} {index:06d}"
            fields[name] = self._dump([point, task_id, channel, value])
        await (await self._store()).put_cursor(thread, fields)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The newest checkpoint with its writes; None if there is none, or if another one is asked for."""
        thread, ns, wanted = self._place(config)
        fields = await (await self._store()).cursor(thread)
        newest = self._load(fields.get(f"point {ns}"))
        if newest is None or (wanted and wanted != newest[1]["id"]):
            return None
        parent, checkpoint, metadata = newest
        point = checkpoint["id"]
        rows = [self._load(fields[name]) for name in sorted(fields) if name.startswith(f"write {ns} ")]
        return CheckpointTuple(
            config=_config(thread, ns, point),
            checkpoint=checkpoint,
            metadata=metadata,
            parent_config=_config(thread, ns, parent) if parent else None,
            pending_writes=[(row[1], row[2], row[3]) for row in rows if row and row[0] == point],
        )

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the port names it
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """The newest checkpoint, if there is one and nothing rules it out."""
        found = await self.aget_tuple(config) if config and before is None and limit != 0 else None
        if found and all(found.metadata.get(key) == value for key, value in (filter or {}).items()):
            yield found

    def _place(self, config: RunnableConfig) -> tuple[ThreadId, str, str | None]:
        where = config["configurable"]
        thread = ThreadId(str(where["thread_id"]), self._tenant)
        return thread, where.get("checkpoint_ns", ""), where.get("checkpoint_id")

    def _dump(self, value: object) -> bytes:
        return self.serde.dumps_typed(value)[1]

    def _load(self, data: bytes | None) -> Any:
        """What was dumped; None for what is missing or damaged, for the log and not the cursor holds the truth."""
        try:
            return None if data is None else self.serde.loads_typed(("msgpack", data))
        except (ValueError, TypeError):
            return None


def _config(thread: ThreadId, ns: str, point: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread.name, "checkpoint_ns": ns, "checkpoint_id": point}}
