"""Removal of checkpoints: what stays keeps what it needs, also the ancestors that its delta channels are made from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from satchel.memory import blobs, points
from satchel.memory.errors import StoreError
from satchel.memory.fields import GENERATION, Change
from satchel.memory.keyring import refuse
from satchel.memory.saver_read import Reader

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from satchel.memory.fields import Fields
    from satchel.memory.store import ThreadId

CHUNK = 1_900
"""Fields of one script: some services take no more than 3,999 arguments."""

COPIED = 200
"""Fields that are in this process at once while a thread is copied."""

ATTEMPTS = 20

Choice = Callable[[list[points.Point]], list[points.Point]]
"""From all checkpoints of a thread, in the order of namespace and id, to those that shall stay."""


async def sweep(fields: Fields, thread: ThreadId, serde: SerializerProtocol, choice: Choice) -> None:
    """Remove all checkpoints but those chosen and what they need, and every value that nothing refers to any more.

    Each script checks that nobody has written since the thread was read, else it is read again. Removing in several
    scripts is safe at any point: the first takes the checkpoints, the others what only those referred to.
    """
    for _ in range(ATTEMPTS):
        reader = Reader(fields, thread, serde)
        names = await fields.names(thread)
        (generation,) = await fields.get(thread, [GENERATION])
        if generation is None:
            return
        found = [point for point in await reader.points(await reader.places()) if point is not None]
        chosen = choice(found)
        if len(chosen) == len(found):
            return
        stay = await _with_ancestors(reader, chosen)
        if not stay:
            await fields.delete(thread)
            return
        needed = await _needed(reader, stay, _early(names, found))
        newest = {point.ns: point.id for point in sorted(stay, key=points.Point.place)}
        heads = {points.head_name(ns): points.head(id_) for ns, id_ in newest.items()}
        drop = sorted((name for name in names if name not in needed), key=_turn)
        if not drop or await _drop(fields, thread, heads, drop, (generation, len(names))):
            return
    raise StoreError(f"thread {thread.name!r} is written to all the time; prune it when its run has ended")


async def copy(fields: Fields, source: ThreadId, target: ThreadId) -> None:
    """Copy all fields of a thread into another one, those that others refer to first, its heads at last."""
    for _ in range(ATTEMPTS):
        (generation,) = await fields.get(source, [GENERATION])
        names = sorted(await fields.names(source), key=_turn, reverse=True)
        heads = [name for name in names if name[:1] == b"h"]
        for first in range(0, len(names), COPIED):
            part = names[first : first + COPIED]
            values = await fields.get(source, part)
            kept = {name: data for name, data in zip(part, values, strict=True) if data}
            for data in kept.values():
                refuse(data, blobs.checkpoint_of(source))  # it is sealed for its own thread
            if not first:
                await fields.enlist(target)
            await fields.change(target, Change(put={n: data for n, data in kept.items() if n[:1] not in {b"h", b"g"}}))
        tops = dict(zip(heads, await fields.get(source, heads), strict=True))
        if await fields.get(source, [GENERATION]) == [generation] and len(await fields.names(source)) == len(names):
            await fields.change(target, Change(top={name: data for name, data in tops.items() if data}))
            return
    raise StoreError(f"thread {source.name!r} is written to all the time; copy it when its run has ended")


async def _drop(
    fields: Fields, thread: ThreadId, heads: dict[bytes, bytes], drop: list[bytes], state: tuple[bytes, int]
) -> bool:
    generation, size = state
    for first in range(0, len(drop), CHUNK):
        part = drop[first : first + CHUNK]
        put = heads if first == 0 else {}
        answer = await fields.change(thread, Change(put=put, drop=part, generation=generation, size=size))
        if answer.how != "done":
            return False
        generation, size = answer.generation, size - len(part)
    return True


async def _with_ancestors(reader: Reader, chosen: list[points.Point]) -> list[points.Point]:
    """The chosen checkpoints, and those that lie between them and the snapshots of their delta channels."""
    stay = {point.place(): point for point in chosen}
    for point in chosen:
        counted = point.metadata.get("counters_since_delta_snapshot") or {}
        open_ = [channel for channel in counted if channel in point.checkpoint["channel_versions"]]
        await reader.values([point], only=open_)
        chain, _ = await reader.seeds(point, [channel for channel in open_ if not reader.kept(point, channel)])
        stay.update((found.place(), found) for found in chain)
    return list(stay.values())


def _early(names: list[bytes], found: list[points.Point]) -> list[tuple[str, str]]:
    """Checkpoints that are not there yet, but whose tasks have written already: those of a run that goes on."""
    newest = {point.ns: point.id for point in found}
    places = {place for name in names if (place := points.place_of_writes(name))}
    return sorted(place for place in places if place[1] > newest.get(place[0], ""))


async def _needed(reader: Reader, stay: list[points.Point], early: list[tuple[str, str]]) -> set[bytes]:
    """The names of all that these checkpoints consist of."""
    needed = {GENERATION}
    for point in stay:
        needed |= {points.head_name(point.ns), points.point_name(*point.place())}
    for row in await reader.values(stay):
        for value in row.values():
            needed.update(points.entry_names(value.segments))
            needed.update(points.blob_name(found) for ref in value.refs if (found := blobs.digest(ref)))
    for point in stay:
        for channel, version in point.checkpoint["channel_versions"].items():
            needed.add(points.value_name(point.ns, channel, version))
    places = [*(point.place() for point in stay), *early]
    for place, writes in zip(places, await reader.writes(places), strict=True):
        needed.update(await reader.write_names(place))
        needed.update(points.blob_name(found) for w in writes for ref in w.refs if (found := blobs.digest(ref)))
    return needed


def _turn(name: bytes) -> int:
    """The order of removal: heads, checkpoints and writes before what they refer to."""
    return b"hpwvlb".find(name[:1])
