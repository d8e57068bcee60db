"""The items of `RedisStore`, their values sealed; namespaces, keys and times, which the server orders by, stay open."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from satchel.memory.items import joined, raw

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from satchel.memory.items import Change, Items, Path, Row, Wanted
    from satchel.memory.keyring import Keyring


class SealedItems:
    """`Items` over others; `base` names the tenant's keys, and with them its own key of encryption."""

    def __init__(self, inner: Items, keys: Keyring, base: str) -> None:
        self._inner = inner
        self._keys = keys
        self._scope = base.encode()

    async def get(self, wanted: Sequence[Wanted]) -> list[Row | None]:
        """The items, opened."""
        return [row and self._opened(row) for row in await self._inner.get(wanted)]

    async def touch(self, rows: Sequence[Row]) -> None:
        """Begin deadlines anew."""
        await self._inner.touch(rows)

    async def scan(self, prefix: Path, *, skip: int = 0, most: int | None = None) -> AsyncGenerator[Row]:
        """The items at and below a path, opened."""
        async for row in self._inner.scan(prefix, skip=skip, most=most):
            yield self._opened(row)

    def paths(self, prefix: Path) -> AsyncGenerator[Path]:
        """The paths at and below one."""
        return self._inner.paths(prefix)

    async def write(self, changes: Sequence[Change]) -> None:
        """Write items, sealed, and remove items."""
        await self._inner.write([self._sealed(change) for change in changes])

    async def aclose(self) -> None:
        """Close connections."""
        await self._inner.aclose()

    def _sealed(self, change: Change) -> Change:
        if change.data is None:
            return change
        return replace(change, data=self._keys.seal(self._scope, _place(change), change.data))

    def _opened(self, row: Row) -> Row:
        what = f"item {row.key!r} of {row.path}"
        return replace(row, data=self._keys.open(self._scope, _place(row), row.data, what))


def _place(item: Change | Row) -> bytes:
    return b"item " + joined(item.path) + b"\0" + raw(item.key)
