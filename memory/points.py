"""The names and small records of a thread's checkpoints: what stands in which of its fields.

- `h <namespace>`: the id of the newest checkpoint
- `p <id> <namespace>`: a checkpoint without its values, its parent and its metadata
- `v <namespace> <channel> <version>`: a value, its kind, then a reference, or the segments of its list
- `l <list> <index>`: a reference to an item of a list; what stands there never changes
- `b <digest>`: a value above `blobs.INLINE` bytes
- `w <id> <namespace>`, and with a number behind: how often writes were put under a checkpoint, and each time what
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote
from uuid import UUID

from satchel.memory.blobs import damaged
from satchel.memory.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langgraph.checkpoint.base import Checkpoint, CheckpointMetadata

    from satchel.memory.store import ThreadId

WHOLE, LIST, SNAPSHOT = range(3)
"""Kinds of values: anything, a list, a delta channel's snapshot that is a list."""

LIST_ID = 6
_LONGEST = 255
_UUID = 36
_SAFE = "!#$&'()*+,-./:;<=>?@[]^_`{|}~"
_END = 4

Segments = tuple[tuple[bytes, int], ...]
"""A list in pieces: the items up to each end (exclusive) are those of the list beside it, at their own index."""


@dataclass(frozen=True, slots=True)
class Point:
    """A checkpoint as kept: `nulls` are the channels whose value is None, the others have fields of their own."""

    ns: str
    parent: str | None
    checkpoint: Checkpoint
    metadata: CheckpointMetadata
    nulls: list[str]

    @property
    def id(self) -> str:
        """Its id, unique in the namespace; later ones are greater."""
        return self.checkpoint["id"]

    def place(self) -> tuple[str, str]:
        """Namespace and id."""
        return self.ns, self.id


def head_name(ns: str) -> bytes:
    """Where the id of the newest checkpoint stands."""
    return b"h" + _text(ns)


def point_name(ns: str, point: str) -> bytes:
    """Where a checkpoint stands."""
    return b"p" + _id(point) + _text(ns)


def writes_name(ns: str, point: str) -> bytes:
    """Where the writes of a checkpoint are counted."""
    return b"w" + _id(point) + _text(ns)


def value_name(ns: str, channel: str, version: str | float) -> bytes:
    """Where a channel's value stands."""
    return b"v%b %b %b" % (_text(ns), _text(channel), _text(str(version)))


def blob_name(digest: bytes) -> bytes:
    """Where a value stands that has a digest."""
    return b"b" + digest


def entry_name(of: bytes, index: int) -> bytes:
    """Where an item of a list stands."""
    return b"l%b%d" % (of, index)


def entry_names(segments: Segments) -> Iterator[bytes]:
    """Where all items of a list stand, in order."""
    start = 0
    for of, end in segments:
        yield from (entry_name(of, index) for index in range(start, end))
        start = max(start, end)


def write_names(name: bytes, count: int) -> Iterator[bytes]:
    """Where writes stand that are counted under a name."""
    return (b"%b %d" % (name, n) for n in range(count))


def head(point: str) -> bytes:
    """The id of the newest checkpoint as it stands."""
    return point.encode(errors="surrogatepass")


def place_of(name: bytes) -> tuple[str, str] | None:
    """The namespace and id of a checkpoint's name, None for any other name."""
    return _place(name) if name[:1] == b"p" else None


def place_of_writes(name: bytes) -> tuple[str, str] | None:
    """The namespace and id under which writes stand, None for any other name."""
    return _place(name) if name[:1] == b"w" else None


def pack_segments(segments: Segments) -> bytes:
    """The pieces of a list as bytes."""
    return b"".join(of + end.to_bytes(_END, "big") for of, end in segments)


def unpack_segments(data: bytes, thread: ThreadId) -> Segments:
    """What `pack_segments` was given; `DamagedEntry` for what it never gives."""
    step = LIST_ID + _END
    if len(data) % step:
        raise damaged(f"a list of thread {thread.name!r}")
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    return tuple((piece[:LIST_ID], int.from_bytes(piece[LIST_ID:], "big")) for piece in pieces)


def stripped(checkpoint: Checkpoint) -> Any:
    """A checkpoint without its values."""
    return {name: value for name, value in checkpoint.items() if name != "channel_values"}


def _place(name: bytes) -> tuple[str, str]:
    end = 2 + (name[1] or 16)
    raw = name[2:end]
    point = _plain(raw) if name[1] else str(UUID(bytes=raw))
    return _plain(name[end:].partition(b" ")[0]), point


def _plain(quoted: bytes) -> str:
    return unquote(quoted.decode(), errors="surrogatepass")


@lru_cache
def _id(point: str) -> bytes:
    """An id with its length in front: LangGraph's UUIDs in 16 bytes (length 0), others as they are."""
    if len(point) == _UUID:
        try:
            packed = UUID(point)
        except ValueError:
            pass
        else:
            if str(packed) == point:
                return b"\0" + packed.bytes
    raw = _text(point)
    if not 0 < len(raw) <= _LONGEST:
        raise ConfigError(f"the checkpoint id {point[:40]!r} is not a text of 1 to {_LONGEST} bytes; choose another")
    return bytes((len(raw),)) + raw


@lru_cache
def _text(text: str) -> bytes:
    """A text without spaces, so that two names never meet."""
    return quote(text, safe=_SAFE, errors="surrogatepass").encode()
