"""The fields of a sealed store: values sealed, blobs under names that say nothing of their content.

The server compares heads (`h`) and counts writes (`w`), so these stay open. What is pushed gets its number there, so it
is bound to its name without the number. A blob's name is its digest: that would tell who knows a text that it is there,
so the digest is encrypted, too.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from satchel.memory.errors import DamagedEntry, WrongKey
from satchel.memory.fields import GENERATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from satchel.memory.fields import Change, Changed, Fields
    from satchel.memory.keyring import Keyring
    from satchel.memory.store import ThreadId

_BLOB, _SEALED_BLOB = 1 + 16, 1 + 4 + 16
_PUT, _PUSHED = b"field ", b"pushed "
_NUMBER = re.compile(rb" [0-9]+\Z")


class SealedFields:
    """`Fields` over those of another store."""

    def __init__(self, inner: Fields, keys: Keyring) -> None:
        self._inner = inner
        self._keys = keys

    async def get(self, thread: ThreadId, names: Sequence[bytes]) -> list[bytes | None]:
        """The values of these names, opened; a blob may stand under the name of any key, or open."""
        forms = [self._forms(thread, name) for name in names]
        found = iter(await self._inner.get(thread, [form for some in forms for form in some]))
        out: list[bytes | None] = []
        for name, some in zip(names, forms, strict=True):
            values = [value for value in [next(found) for _ in some] if value is not None]
            out.append(self._open(thread, name, values[0]) if values else None)
        return out

    async def names(self, thread: ThreadId) -> list[bytes]:
        """All names of the thread; as often as a blob stands there under the names of several keys."""
        return [self._named(thread, name) for name in await self._inner.names(thread)]

    async def change(self, thread: ThreadId, change: Change) -> Changed:
        """Do it, or not at all."""
        return await self._inner.change(
            thread,
            replace(
                change,
                put=dict(self._sealed(thread, change.put.items(), _PUT)),
                fresh=dict(self._sealed(thread, change.fresh.items(), _PUT)),
                push=list(self._sealed(thread, change.push, _PUSHED)),
                drop=[form for name in change.drop for form in self._forms(thread, name)],
            ),
        )

    async def enlist(self, thread: ThreadId) -> None:
        """List the thread."""
        await self._inner.enlist(thread)

    async def threads(self, tenant: str) -> list[ThreadId]:
        """The tenant's threads that are listed."""
        return await self._inner.threads(tenant)

    async def delete(self, thread: ThreadId) -> None:
        """Remove all fields of the thread."""
        await self._inner.delete(thread)

    def _sealed(
        self, thread: ThreadId, pairs: Iterable[tuple[bytes, bytes]], how: bytes
    ) -> Iterator[tuple[bytes, bytes]]:
        for name, value in pairs:
            kept = self._forms(thread, name)[0]
            if how == _PUT and (name[:1] == b"h" or (name[:1] == b"w" and value.isdigit())):
                yield kept, value
            else:
                yield kept, self._keys.seal(scope_of(thread), how + name, value)

    def _open(self, thread: ThreadId, name: bytes, value: bytes) -> bytes:
        if name == GENERATION:
            return value
        scope, what = scope_of(thread), f"a field of thread {thread.name!r}"
        if name[:1] == b"w" and _NUMBER.search(name):
            with suppress(DamagedEntry):  # then it was put, by who copied the thread
                return self._keys.open(scope, _PUSHED + _NUMBER.sub(b"", name), value, what)
        return self._keys.open(scope, _PUT + name, value, what)

    def _forms(self, thread: ThreadId, name: bytes) -> list[bytes]:
        """The names under which a field may stand; the first is that of what is written now."""
        if len(name) != _BLOB or name[:1] != b"b":
            return [name]
        return [b"b" + form for form in self._keys.names(scope_of(thread), name[1:])] + [name]

    def _named(self, thread: ThreadId, name: bytes) -> bytes:
        if len(name) != _SEALED_BLOB or name[:1] != b"b":
            return name
        plain = self._keys.named(scope_of(thread), name[1:])
        if plain is None:
            raise WrongKey(f"a field of thread {thread.name!r} is encrypted with a key that SATCHEL_KEY does not hold")
        return b"b" + plain


def scope_of(thread: ThreadId) -> bytes:
    """What a thread's key is derived for."""
    return f"{len(thread.tenant)} {thread.tenant} {thread.name}".encode(errors="surrogatepass")
