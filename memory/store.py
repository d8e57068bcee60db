"""The port every store implements: a fenced, idempotent, append-only log of bytes for each thread.

A store knows neither records nor agents. Every write names the lease it was made under; a store refuses it with
`LeaseLost` in the same atomic step if another executor has taken the thread since.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from satchel.memory.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.memory.fields import Fields

LONGEST = 512
"""Characters of a thread id or a tenant, at most."""


@dataclass(frozen=True, slots=True)
class ThreadId:
    """A thread of one tenant. Any non-empty text up to 512 characters is a valid id; two ids never share a key."""

    name: str
    tenant: str = "default"

    def __post_init__(self) -> None:
        for what, text in (("thread id", self.name), ("tenant", self.tenant)):
            if not 0 < len(text) <= LONGEST:
                raise ConfigError(
                    f"the {what} {str(text)[:40]!r} is not a text of 1 to {LONGEST} characters; choose another"
                )


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write to a thread: `token` is a counter and a random nonce, compared for equality."""

    thread: ThreadId
    token: str


@dataclass(frozen=True, slots=True)
class Head:
    """Where a thread's log ends: its length in entries, and the entry that a reader may start from."""

    length: int
    mark: int


class Store(Protocol):
    """Keeps logs. All methods raise `StoreError` or one of its children and nothing else."""

    url: str

    @property
    def fields(self) -> Fields:
        """The named values of its threads: LangGraph's checkpoints."""

    async def acquire(self, thread: ThreadId, *, ttl: float) -> Lease:
        """Take the thread for `ttl` seconds. A holder that has died on this machine is replaced at once.

        Raises `ThreadBusy` while another live executor holds it.
        """

    async def renew(self, lease: Lease, *, ttl: float) -> None:
        """Hold the thread for `ttl` more seconds; `LeaseLost` if another executor has it."""

    async def release(self, lease: Lease) -> None:
        """Give the thread back. Never raises `LeaseLost`: what is not ours is left alone."""

    async def append(
        self, lease: Lease, *, op: str, expected: int, entries: Sequence[bytes], mark: int | None = None
    ) -> int:
        """Append entries in one atomic step and return the new length of the log.

        `op` makes it idempotent: the last operation sent again changes nothing and returns the same length.
        `expected` is the length that the writer knows; another length raises `LeaseLost`, for with one writer a
        thread there is none. `mark`, if given, becomes the head's mark.
        """

    async def settle(self, lease: Lease) -> bool:
        """Wait until all that was appended under the lease is on the server's disk, where the server can tell.

        Returns whether it could: False from Redis before 7.2 and from a store that keeps no append-only file. Raises
        `StoreUnsafe` if the disk does not take it within seconds, `LeaseLost` if another executor has the thread.
        """

    async def head(self, thread: ThreadId) -> Head | None:
        """The end of the thread's log, or None if the store holds no such thread."""

    async def read(self, thread: ThreadId, start: int = 0, stop: int | None = None) -> list[bytes]:
        """Entries `start` to `stop` (exclusive; None: the end), in order."""

    async def threads(self, tenant: str = "default") -> list[ThreadId]:
        """All threads of a tenant, sorted by name."""

    async def delete(self, thread: ThreadId) -> None:
        """Remove every key of the thread. Raises `ThreadBusy` while it is held, `ThreadNotFound` if there is none."""

    async def size(self, thread: ThreadId) -> int:
        """Bytes of the thread's entries as stored."""

    async def put_cursor(self, thread: ThreadId, fields: dict[str, bytes], drop: Sequence[str] = ()) -> None:
        """Write and drop named small values beside the log, in one atomic step (LangGraph's cursor; no truth in it)."""

    async def cursor(self, thread: ThreadId) -> dict[str, bytes]:
        """All named small values of the thread."""

    async def check(self) -> list[str]:
        """What may lose data, one sentence each. Raises `StoreUnsafe` for what must not be used at all (eviction)."""

    async def aclose(self) -> None:
        """Close connections and, for the embedded server, let go of it."""
