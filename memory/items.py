"""The port of what `RedisStore` keeps: small documents under paths of labels, in the order in which they came.

A path exists as long as it holds an item. Of one tenant all is ordered: paths by when they came to be, the items of a
path by when they were first written; overwriting keeps an item's place. An item whose deadline has passed is gone, and
every read sees it so. Backends: `memory_items.py`, and `server_items.py` on a server with the Redis protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from satchel.memory.errors import ConfigError, DamagedEntry
from satchel.memory.store import LONGEST

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

Path = tuple[str, ...]
"""A namespace: labels that are not empty and hold no NUL."""


@dataclass(frozen=True, slots=True)
class Row:
    """A kept item: times in microseconds since 1970, time to live in milliseconds (0: it never expires)."""

    path: Path
    key: str
    created: int
    updated: int
    ttl: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Wanted:
    """An item to read; `refresh` gives it its full time to live again."""

    path: Path
    key: str
    refresh: bool


@dataclass(frozen=True, slots=True)
class Change:
    """An item to write, or without data to remove; `ttl` in milliseconds, 0 for ever."""

    path: Path
    key: str
    data: bytes | None
    ttl: int = 0


class Items(Protocol):
    """Keeps the items of one tenant. All methods raise `StoreError` or one of its children and nothing else."""

    async def get(self, wanted: Sequence[Wanted]) -> list[Row | None]:
        """The items, each None if it is not there; the deadlines of those with `refresh` begin anew."""

    async def touch(self, rows: Sequence[Row]) -> None:
        """Begin the deadlines of items anew; what has gone meanwhile stays gone."""

    def scan(self, prefix: Path, *, skip: int = 0, most: int | None = None) -> AsyncGenerator[Row]:
        """The items at and below a path, in order, without the first `skip`; `most` is how many will be asked for."""

    def paths(self, prefix: Path) -> AsyncGenerator[Path]:
        """The paths at and below one, sorted."""

    async def write(self, changes: Sequence[Change]) -> None:
        """Write and remove items in one atomic step; no two changes may name the same item."""

    async def aclose(self) -> None:
        """Close connections and, for the embedded server, let go of it."""


class Keys:
    """The names of a tenant's keys, all in one hash slot, and its paths as bytes that sort as the paths do."""

    def __init__(self, tenant: str) -> None:
        if not 0 < len(tenant) <= LONGEST:
            raise ConfigError(f"the tenant {tenant[:40]!r} is not a text of 1 to {LONGEST} characters; choose another")
        base = f"satchel:{{{_quoted(tenant)}}}:store"
        self.base = base
        self.due = f"{base}:due"
        self.names = f"{base}:names"
        self.paths = f"{base}:paths"

    def of(self, path: Path) -> tuple[str, str]:
        """The items of a path and their order; labels percent-encoded, so that two paths never share a key."""
        name = "/".join(map(_quoted, path))
        return f"{self.base}:items:{name}", f"{self.base}:order:{name}"


def raw(text: str) -> bytes:
    """A label or a key as bytes; lone surrogates, which UTF-8 has no place for, too."""
    return text.encode(errors="surrogatepass")


def text(data: bytes) -> str:
    """What `raw` was given; `DamagedEntry` for bytes that it never gives."""
    try:
        return data.decode(errors="surrogatepass")
    except UnicodeDecodeError as error:
        raise DamagedEntry(f"the store's index holds {data[:40]!r}, which is not ours; remove it") from error


def joined(path: Path) -> bytes:
    """A path as bytes: each label ends with NUL, so that bytes sort as paths do and a prefix of one is one of both."""
    return b"".join(raw(label) + b"\0" for label in path)


def split(data: bytes) -> Path:
    """What `joined` was given."""
    return tuple(text(label) for label in data.split(b"\0")[:-1])


def parted(member: bytes) -> tuple[Path, bytes]:
    """The path and the key of an item's name in the index of deadlines: the path, NUL, the key."""
    end = 0
    while (at := member.find(b"\0", end)) > end:
        end = at + 1
    if at < 0:
        raise DamagedEntry(f"the store's index holds {member[:40]!r}, which is not ours; remove it")
    return split(member[:end]), member[end + 1 :]


def _quoted(label: str) -> str:
    return quote(label, safe="", errors="surrogatepass")
