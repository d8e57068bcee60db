"""`RedisSaver`: LangGraph's checkpointer on core commands of any Redis or Valkey, embedded, or in memory.

Each value of a channel is kept once, a growing list by its new items; README.md says how. Asynchronous calls go to the
server from the caller's own event loop, synchronous ones from a loop in a thread of the saver's own, so that one saver
serves any thread and any loop.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from satchel.memory.background import Closing
from satchel.memory.checkpoints import Checkpoints
from satchel.memory.errors import SatchelError
from satchel.memory.listing import Listing
from satchel.memory.loops import Everywhere
from satchel.memory.marks import mark
from satchel.memory.open import opener

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, DeltaChannelHistory
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from satchel.memory.checkpoints import Planned
    from satchel.memory.memory_store import MemoryStore
    from satchel.memory.store import Store


TURNS = 3
"""Of the caller's loop that writes wait: after the last task LangGraph puts a checkpoint, and both are sent as one."""


class RedisSaver(Closing, BaseCheckpointSaver[str]):
    """LangGraph's `BaseCheckpointSaver`, every capability of it, for synchronous and asynchronous use at once.

    A config that names a turn (`checkpoints.TOKEN`) is held to it: once the turn is another's, `put` and `put_writes`
    raise `LeaseLost` and write nothing. It connects on first use. Close it with `close` or `aclose`, or use it as a
    context manager of either kind.
    """

    def __init__(
        self, url: str | MemoryStore | None = None, *, tenant: str = "default", serde: SerializerProtocol | None = None
    ) -> None:
        """See `from_url`; a `MemoryStore` is shared with whoever else has it."""
        super().__init__(serde=serde or JsonPlusSerializer(allowed_msgpack_modules=None))
        self._of = self._kept = Checkpoints(tenant)
        self._at: Everywhere[Store] = Everywhere(opener(url))
        weakref.finalize(self._of, self._at.close)  # LangGraph's copies of a saver share it

    @classmethod
    def from_url(
        cls, url: str | None = None, *, tenant: str = "default", serde: SerializerProtocol | None = None
    ) -> Self:
        """The saver of a tenant at an address: `redis://`, `rediss://`, `unix://`, `memory://`; None: embedded.

        `serde` is LangGraph's in its strict form by default: loading runs no code and makes no objects but those of
        LangGraph and LangChain; `JsonPlusSerializer(allowed_msgpack_modules=[MyState])` allows more. Raises
        `ConfigError` for a wrong tenant; a wrong or unreachable address raises on first use.
        """
        return cls(url, tenant=tenant, serde=serde)

    def of(self, tenant: str) -> Self:
        """The saver of another tenant over the same connections; closing one closes both. Raises `ConfigError`."""
        other = copy(self)
        other._of = Checkpoints(tenant)  # noqa: SLF001 - a saver of this class
        other._kept = self._of  # noqa: SLF001 - as above; the connections live as long as either
        return other

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint, and the values of its new versions, after all that was put into the thread before."""
        planned, stored = self._of.plan_put(self.serde, config, checkpoint, metadata, new_versions)
        await self._asend(planned)
        return stored

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep what a task wrote under a checkpoint; of ordinary writes put twice the first counts."""
        await self._asend(self._of.plan_writes(self.serde, config, writes, (task_id, task_path)), turns=TURNS)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that the config names, or the newest of its namespace; None if there is none."""
        return await self._at.acall(partial(self._of.get, serde=self.serde, config=config))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the port names it
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Checkpoints of a thread (or of all), newest first; without a namespace in the config those of all."""
        listing = Listing(self._of, self.serde, config=config, wanted=filter, before=before, limit=limit)
        while page := await self._at.acall(listing.page):
            for found in page:
                yield found

    async def adelete_thread(self, thread_id: str) -> None:
        """Remove all of a thread."""
        await self._at.acall(partial(self._of.delete, name=thread_id))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Remove the checkpoints of runs, but those from which a delta channel of one that stays is rebuilt."""
        await self._at.acall(partial(self._of.delete_runs, serde=self.serde, runs=run_ids))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy all of a thread into another one."""
        await self._at.acall(partial(self._of.copy, source=source_thread_id, target=target_thread_id))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Keep the newest checkpoint of each namespace and what its delta channels need, or `delete` all."""
        await self._at.acall(partial(self._of.prune, serde=self.serde, names=thread_ids, strategy=strategy))

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What ancestors of a checkpoint contributed to channels, each back to its nearest kept value."""
        return await self._at.acall(partial(self._of.history, serde=self.serde, config=config, channels=channels))

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """`aput`, waited for; LangGraph may call it before `put_writes` that it has submitted earlier."""
        self._of.wait(config, checkpoint, metadata)
        planned, stored = self._of.plan_put(self.serde, config, checkpoint, metadata, new_versions)
        self._send(planned)
        return stored

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """`aput_writes`, waited for."""
        self._send(self._of.plan_writes(self.serde, config, writes, (task_id, task_path)))

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """`aget_tuple`, waited for."""
        return self._at.call(partial(self._of.get, serde=self.serde, config=config))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the port names it
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """`alist`, page by page."""
        listing = Listing(self._of, self.serde, config=config, wanted=filter, before=before, limit=limit)
        while page := self._at.call(listing.page):
            yield from page

    def delete_thread(self, thread_id: str) -> None:
        """`adelete_thread`, waited for."""
        self._at.call(partial(self._of.delete, name=thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """`adelete_for_runs`, waited for."""
        self._at.call(partial(self._of.delete_runs, serde=self.serde, runs=run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """`acopy_thread`, waited for."""
        self._at.call(partial(self._of.copy, source=source_thread_id, target=target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """`aprune`, waited for."""
        self._at.call(partial(self._of.prune, serde=self.serde, names=thread_ids, strategy=strategy))

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """`aget_delta_channel_history`, waited for."""
        return self._at.call(partial(self._of.history, serde=self.serde, config=config, channels=channels))

    def get_next_version(self, current: str | float | None, channel: None) -> str:  # noqa: ARG002 - the port names it
        """The version after one: a counter, and a random part, so that two branches never share a version."""
        last = int(current.partition(".")[0], 16) if isinstance(current, str) else int(current or 0)
        return f"{last + 1:08x}.{mark(5).hex()}"

    def close(self) -> None:
        """Close the connections, those of a running event loop a moment later; used again, the saver opens new ones."""
        self._at.close()
        self._of.forget()

    async def aclose(self) -> None:
        """Close the connections; used again, the saver opens new ones."""
        await self._at.aclose()
        self._of.forget()

    async def _asend(self, planned: Planned, *, turns: int = 0) -> None:
        """Send what was planned after so many turns of the loop; if the caller is cancelled, in the background."""
        try:
            for _ in range(turns):
                await asyncio.sleep(0)
            await self._at.acall(partial(self._of.send, planned=planned))
        except asyncio.CancelledError:
            self._at.later(partial(self._of.send, planned=planned))
            raise
        except SatchelError:
            self._of.withdraw(planned)
            raise

    def _send(self, planned: Planned) -> None:
        try:
            self._at.call(partial(self._of.send, planned=planned))
        except SatchelError:
            self._of.withdraw(planned)
            raise
