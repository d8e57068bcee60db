"""The items on a server with the Redis protocol: three indexes for a tenant, and two keys for each path."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from satchel.memory import item_scripts as scripts
from satchel.memory.errors import DamagedEntry
from satchel.memory.items import Change, Row, joined, parted, raw, split, text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence

    from satchel.memory.items import Keys, Path, Wanted
    from satchel.memory.redis_client import Call, Scripts

CHUNK = 400
"""Items of one script call: some services take no more than 3,999 arguments, and an item may bring seven."""

SPACES = 1_000
"""Paths of one answer, and of one call that reads their items."""

PAGE = 200
"""Items of one answer."""

ROOM = 4 << 20
"""Bytes after which an answer ends."""

_HEAD = re.compile(rb"([0-9]{1,16}) ([0-9]{1,16}) ")
_SCORE = re.compile(rb"[0-9]{1,16}")


class ServerItems:
    """`Items` over the connections of a store, which it closes with itself."""

    def __init__(self, server: Scripts, keys: Keys) -> None:
        self._server = server
        self._keys = keys
        self._write = server.register(scripts.WRITE)
        self._get = server.register(scripts.GET)
        self._paths = server.register(scripts.PATHS)
        self._page = server.register(scripts.PAGE)

    async def get(self, wanted: Sequence[Wanted]) -> list[Row | None]:
        """The items that are there, refreshed where that is asked for."""
        out: list[Row | None] = []
        for some in _chunks(wanted, CHUNK):
            rows = await self._ask(self._get, self._named(some, lambda want: (raw(want.key), int(want.refresh))))
            out += [row and _row(want.path, *row) for want, row in zip(some, rows, strict=True)]
        return out

    async def touch(self, rows: Sequence[Row]) -> None:
        """Begin the deadlines of items anew."""
        for some in _chunks(rows, CHUNK):
            await self._ask(self._get, self._named(some, lambda row: (raw(row.key), 2)))

    async def scan(self, prefix: Path, *, skip: int = 0, most: int | None = None) -> AsyncGenerator[Row]:
        """The items at and below a path, in order; what is written meanwhile may or may not be among them."""
        found = [(score, path) async for path, score in self._under(prefix)]
        for some in _chunks([path for _, path in sorted(found, key=lambda pair: pair[0])], SPACES):
            least: bytes = b"-inf"
            left, ended = some, 0
            while not ended:
                names = [self._keys.due, *(key for path in left for key in self._keys.of(path))]
                count = PAGE if most is None else min(PAGE, most)
                skip, ended, rows = await self._ask(self._page, (names, (least, skip, count, ROOM)))
                for number, key, score, value in rows:
                    if value is not None:  # else the index of the path names an item that is not there
                        yield _row(left[number - 1], key, score, value)
                if rows:
                    left, least = left[rows[-1][0] - 1 :], b"(" + rows[-1][2]

    async def paths(self, prefix: Path) -> AsyncGenerator[Path]:
        """The paths at and below one, sorted."""
        async for path, _ in self._under(prefix):
            yield path

    async def write(self, changes: Sequence[Change]) -> None:
        """Write and remove items: one script, or above `CHUNK` items one transaction of several."""
        calls = [self._written(some, _kind, wait=len(changes) <= CHUNK) for some in _chunks(changes, CHUNK)]
        if len(calls) == 1:
            await self._ask(self._write, calls[0])
        else:
            await self._ask(self._write, self._written([], _kind, wait=True))
            await self._server.atomically(scripts.WRITE, calls)

    async def aclose(self) -> None:
        """Close the connections; the embedded server ends when nobody uses it any more."""
        await self._server.aclose()

    async def _under(self, prefix: Path) -> AsyncGenerator[tuple[Path, int]]:
        """The paths at and below one, sorted, each with its place in the order in which they came."""
        start = joined(prefix)
        least, greatest = (b"[" + start, b"(" + start[:-1] + b"\x01") if start else (b"-", b"+")
        names = (self._keys.due, self._keys.names, self._keys.paths)
        while True:
            found = await self._ask(self._paths, (names, (least, greatest, SPACES)))
            for name, score in found:
                yield split(name), _number(score)
            if len(found) < SPACES:
                return
            least = b"(" + found[-1][0]

    async def _ask(self, script: Callable[[Call], Awaitable[Any]], call: Call) -> Any:
        """The answer of a script, which comes once nothing is due any more."""
        while True:
            answered, answer = await script(call)
            if answered:
                return answer
            await self._purge(answer)

    async def _purge(self, due: list[bytes]) -> None:
        """Remove the items that a script found to be due, and all others that are."""
        while due:
            gone = [Change(path, text(key), None) for path, key in map(parted, due)]
            _, due = await self._write(self._written(gone, lambda change: ("?", raw(change.key), b""), wait=False))

    def _written(self, changes: Sequence[Change], each: Callable[[Change], tuple[Any, ...]], *, wait: bool) -> Call:
        (due, *names), args = self._named(changes, each)
        return (due, self._keys.names, self._keys.paths, *names), [*args, int(wait)]

    def _named(self, items: Sequence[Any], each: Callable[[Any], tuple[Any, ...]]) -> Call:
        """The keys of a script: due and those of each path; its arguments: the paths, and what `each` says."""
        numbers: dict[Path, int] = {}
        for item in items:
            numbers.setdefault(item.path, len(numbers) + 1)
        names = [self._keys.due, *(key for path in numbers for key in self._keys.of(path))]
        return names, [*map(joined, numbers), *(part for item in items for part in (numbers[item.path], *each(item)))]


def _kind(change: Change) -> tuple[Any, ...]:
    return ("-" if change.data is None else change.ttl, raw(change.key), change.data or b"")


def _row(path: Path, key: bytes, score: bytes | None, value: bytes) -> Row:
    head = _HEAD.match(value)
    if head is None:
        raise DamagedEntry(f"an item of namespace {path} is damaged or not ours; write it anew, or delete it")
    return Row(path, text(key), _number(score), int(head[1]), int(head[2]), value[head.end() :])


def _number(score: bytes | None) -> int:
    if score is None or not _SCORE.fullmatch(score):
        raise DamagedEntry(f"the store's index holds a score of {score!r}, which is not ours; remove it")
    return int(score)


def _chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    left = iter(items)
    while some := list(islice(left, size)):
        yield some
