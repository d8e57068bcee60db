"""The reading half of `RedisSaver`: checkpoints of one thread in a few reads, however many values they hold."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from langgraph.checkpoint.base import CheckpointTuple, DeltaChannelHistory, PendingWrite, writes_sort_key
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from satchel.memory import blobs, points
from satchel.memory.fields import GENERATION
from satchel.memory.lists import Pieces
from satchel.memory.points import Point, Segments
from satchel.memory.saver_plan import CHUNK

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import Checkpoint
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from satchel.memory.fields import Fields
    from satchel.memory.store import ThreadId

BATCH = 200
"""Checkpoints of one read on the way to a delta channel's snapshot."""


@dataclass(frozen=True, slots=True)
class Write:
    """What a task wrote to a channel: references to one value, or to the items of a list."""

    task: str
    path: str
    index: int
    channel: str
    kind: int
    refs: list[bytes]


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a channel: references to one value, or to the items of a list in these segments."""

    kind: int
    refs: list[bytes]
    segments: Segments = ()


class Reader:
    """Reads one thread. What it has read once it does not read again: use a new one for each question."""

    def __init__(self, fields: Fields, thread: ThreadId, serde: SerializerProtocol) -> None:
        self._fields = fields
        self._thread = thread
        self._what = blobs.checkpoint_of(thread)
        self._serde = serde
        self._read: dict[bytes, bytes | None] = {}
        self.lists: dict[tuple[str, str], Pieces] = {}

    async def newest(self, ns: str) -> str | None:
        """The id of the newest checkpoint of a namespace."""
        (found,) = await self._get([points.head_name(ns)])
        return None if found is None else found.decode(errors="surrogatepass")

    async def places(self) -> list[tuple[str, str]]:
        """Namespace and id of all checkpoints, sorted."""
        return sorted(place for name in await self._fields.names(self._thread) if (place := points.place_of(name)))

    async def points(self, places: Sequence[tuple[str, str]]) -> list[Point | None]:
        """The checkpoints at these places, None where there is none."""
        found = await self._get([points.point_name(*place) for place in places])
        return [None if data is None else self._point(ns, data) for (ns, _), data in zip(places, found, strict=True)]

    async def generation(self) -> bytes:
        """The generation of the thread's fields now."""
        return (await self._fields.get(self._thread, [GENERATION]))[0] or b""

    async def tuples(self, found: Sequence[Point]) -> list[CheckpointTuple]:
        """Checkpoints with their values and pending writes."""
        values = await self.values(found)
        writes = await self.writes([point.place() for point in found])
        await self._load(value.refs for row in values for value in row.values())
        await self._load(write.refs for row in writes for write in row)
        return [self._tuple(*row) for row in zip(found, values, writes, strict=True)]

    async def values(self, found: Sequence[Point], only: Sequence[str] | None = None) -> list[dict[str, Value]]:
        """The values of the checkpoints' channels (or of some) that are not None, not loaded yet."""
        named = [_names(point, only) for point in found]
        names = [name for row in named for name in row.values()]
        kept = {name: data for name, data in zip(names, await self._get(names), strict=True) if data is not None}
        opened = {name: blobs.unseal(data, self._what) for name, data in kept.items()}
        segments = {
            name: points.unpack_segments(data[1:], self._thread)
            for name, data in opened.items()
            if data[0] != points.WHOLE
        }
        await self._get_all(name for of in segments.values() for name in points.entry_names(of))
        made = {
            name: Value(data[0], self._refs(segments[name]), segments[name])
            if name in segments
            else Value(points.WHOLE, [data[1:]])
            for name, data in opened.items()
        }
        return [{channel: made[name] for channel, name in row.items() if name in made} for row in named]

    async def writes(self, places: Sequence[tuple[str, str]]) -> list[list[Write]]:
        """What was written under these checkpoints, in the order in which it applies, not loaded yet."""
        counted = [points.writes_name(*place) for place in places]
        rows = [(name, int(data or 0)) for name, data in zip(counted, await self._get(counted), strict=True)]
        await self._get_all(name for row in rows for name in points.write_names(*row))
        return [self._writes(points.write_names(*row)) for row in rows]

    async def write_names(self, place: tuple[str, str]) -> list[bytes]:
        """Where the writes under a checkpoint stand."""
        (count,) = await self._get([name := points.writes_name(*place)])
        return [name, *points.write_names(name, int(count or 0))]

    async def history(self, point: Point, channels: Sequence[str]) -> Mapping[str, DeltaChannelHistory]:
        """What ancestors contributed to channels, each back to its nearest kept value."""
        chain, ends = await self.seeds(point, channels)
        values = await self.values(chain, only=channels)
        writes = await self.writes([found.place() for found in chain])
        reach = {channel: ends.get(channel, len(chain) - 1) for channel in channels}
        await self._load(w.refs for n, row in enumerate(writes) for w in row if n <= reach.get(w.channel, -1))
        await self._load(values[end][channel].refs for channel, end in ends.items() if channel in values[end])
        out: dict[str, DeltaChannelHistory] = {}
        for channel, end in reach.items():
            rows = [w for row in reversed(writes[: end + 1]) for w in row if w.channel == channel]
            out[channel] = DeltaChannelHistory(writes=[self._pending(w) for w in rows])
            if channel in ends:
                out[channel]["seed"] = self._made(values[end][channel]) if channel in values[end] else None
        return out

    async def seeds(self, point: Point, channels: Sequence[str]) -> tuple[list[Point], dict[str, int]]:
        """The ancestors from the nearest on, until each channel has a kept value, and where in them each has it."""
        chain: list[Point] = []
        ends: dict[str, int] = {}
        if not channels:
            return chain, ends
        async for found in self._ancestors(point, channels):
            for channel in channels:
                if channel not in ends and (channel in found.nulls or self.kept(found, channel)):
                    ends[channel] = len(chain)
            chain.append(found)
            if len(ends) == len(channels):
                break
        return chain, ends

    def kept(self, point: Point, channel: str) -> bool:
        """Whether a value that is not None was read for a channel of a checkpoint."""
        version = point.checkpoint["channel_versions"].get(channel)
        return version is not None and self._read.get(points.value_name(point.ns, channel, version)) is not None

    async def _ancestors(self, point: Point, channels: Sequence[str]) -> AsyncIterator[Point]:
        """The checkpoints before this one on its branch, newest first; the values of channels are read with them."""
        ids = [id_ for ns, id_ in await self.places() if ns == point.ns]
        seen = {point.id}
        while point.parent is not None and point.parent not in seen:
            seen.add(point.parent)
            if points.point_name(point.ns, point.parent) not in self._read:
                at = bisect_left(ids, point.parent)
                batch = [(point.ns, id_) for id_ in ids[max(0, at - BATCH) : at + 1]]
                near = [found for found in await self.points(batch) if found is not None]
                await self._get([name for found in near for name in _names(found, channels).values()])
            (parent,) = await self.points([(point.ns, point.parent)])
            if parent is None:
                return
            yield parent
            point = parent

    def _point(self, ns: str, data: bytes) -> Point:
        parent, checkpoint, metadata, nulls = self._record(data)
        return Point(ns, parent, checkpoint, metadata, nulls)

    def _writes(self, names: Iterable[bytes]) -> list[Write]:
        kept: dict[tuple[str, int], Write] = {}
        for name in names:
            task, path, rows = self._record(self._read[name] or b"")
            for index, channel, kind, refs in rows:
                if index < 0 or (task, index) not in kept:
                    kept[task, index] = Write(task, path, index, channel, kind, refs)
        return sorted(kept.values(), key=lambda write: writes_sort_key(write.path, write.task, write.index))

    def _tuple(self, point: Point, values: Mapping[str, Value], writes: Sequence[Write]) -> CheckpointTuple:
        made: dict[str, Any] = dict.fromkeys(point.nulls)
        for channel, value in values.items():
            made[channel] = self._made(value)
            if value.kind != points.WHOLE:
                items = made[channel].value if value.kind == points.SNAPSHOT else made[channel]
                self.lists[point.ns, channel] = Pieces.of(items, list(value.refs), value.segments)
        return CheckpointTuple(
            config=config_of(self._thread, point.ns, point.id),
            checkpoint=cast("Checkpoint", {**point.checkpoint, "channel_values": made}),
            metadata=point.metadata,
            parent_config=config_of(self._thread, point.ns, point.parent) if point.parent else None,
            pending_writes=[self._pending(write) for write in writes],
        )

    def _pending(self, write: Write) -> PendingWrite:
        return write.task, write.channel, self._made(Value(write.kind, write.refs))

    def _made(self, value: Value) -> Any:
        items = [self._serde.loads_typed(blobs.unframe(self._framed(ref))) for ref in value.refs]
        if value.kind == points.WHOLE:
            return items[0]
        return _DeltaSnapshot(items) if value.kind == points.SNAPSHOT else items

    def _record(self, data: bytes) -> Any:
        return self._serde.loads_typed(blobs.unframe(blobs.unseal(data, self._what)))

    def _refs(self, segments: Segments) -> list[bytes]:
        return [blobs.unseal(self._read[name] or b"", self._what) for name in points.entry_names(segments)]

    def _framed(self, ref: bytes) -> bytes:
        found = blobs.digest(ref)
        return ref if found is None else blobs.unseal(self._read[points.blob_name(found)] or b"", self._what)

    async def _load(self, refs: Iterable[Sequence[bytes]]) -> None:
        found = (blobs.digest(ref) for row in refs for ref in row)
        await self._get([points.blob_name(digest) for digest in found if digest is not None])

    async def _get(self, names: Sequence[bytes]) -> list[bytes | None]:
        missing = [name for name in dict.fromkeys(names) if name not in self._read]
        self._read.update(zip(missing, await self._fields.get(self._thread, missing) if missing else [], strict=True))
        return [self._read[name] for name in names]

    async def _get_all(self, names: Iterable[bytes]) -> None:
        """Read what must be there; a count that lies ends at the first name that is not."""
        left = iter(names)
        while part := list(islice(left, CHUNK)):
            if None in await self._get(part):
                raise blobs.damaged(self._what)


def _names(point: Point, only: Sequence[str] | None) -> dict[str, bytes]:
    """Where the values of a checkpoint stand that are not None."""
    return {
        channel: points.value_name(point.ns, channel, version)
        for channel, version in point.checkpoint["channel_versions"].items()
        if channel not in point.nulls and (only is None or channel in only)
    }


def config_of(thread: ThreadId, ns: str, point: str) -> RunnableConfig:
    """The config that names a checkpoint."""
    return {"configurable": {"thread_id": thread.name, "checkpoint_ns": ns, "checkpoint_id": point}}
