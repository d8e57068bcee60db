"""The port every store implements: a fenced, idempotent, append-only log of bytes for each thread.

A store knows neither records nor agents. Every write names the lease it was made under; a store refuses it with
`LeaseLost` in the same atomic step if another executor has taken the thread since.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from satchel.memory.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Sequence

    from satchel.memory.fields import Fields

LONGEST = 512
"""Characters of a thread id or a tenant, at most."""


GRAIN = 60
"""Seconds between two notes of a thread's last commit, if it never expires: its age then costs no bytes a commit."""


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
    """Where a thread's log ends: its length in entries.

    `at` is the time of the last commit in seconds since 1970 (exact for a thread that expires, else at most `GRAIN`
    seconds early; None: not known), `expire` how many seconds after it the thread is gone (None: never), `lineage` what
    was kept with a fork.
    """

    length: int
    at: float | None = field(default=None, compare=False)
    expire: float | None = field(default=None, compare=False)
    lineage: bytes = field(default=b"", compare=False)


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

    async def append(self, lease: Lease, *, op: str, expected: int, entries: Sequence[bytes]) -> int:
        """Append entries in one atomic step and return the new length of the log.

        `op` makes it idempotent: the last operation sent again changes nothing and returns the same length.
        `expected` is the length that the writer knows; another length raises `LeaseLost`, for with one writer a
        thread there is none.
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
        """Remove every key of the thread, fields too; its forks get what they share with it before.

        Raises `ThreadBusy` while it is held, `ThreadNotFound` if there is none.
        """

    async def size(self, thread: ThreadId) -> int:
        """Bytes of the thread's entries as stored, without those that it shares with another thread."""

    async def fork(self, source: ThreadId, target: ThreadId, length: int, *, lineage: bytes = b"") -> None:
        """Make a new thread whose log begins with the first `length` entries of another one, shared and not copied.

        It has a lease and a cursor of its own, expires as its source does, and keeps `lineage` for `head`. Raises
        `ThreadExists`, `ThreadNotFound`, `ThreadBusy`, and `ConfigError` for another tenant or a wrong length.
        """

    async def create(self, thread: ThreadId, entries: AsyncIterable[bytes]) -> int:
        """Make a new thread of these entries, seen once the last one is there; the length of its log.

        Raises `ThreadExists`, `ThreadBusy`, `ConfigError` if there is no entry, and whatever the entries raise: then
        nothing is kept.
        """

    async def keep(self, thread: ThreadId, seconds: float | None) -> None:
        """Let the thread expire this long after its last commit, or after now if that is later; None: never.

        An expired thread is gone for every reader at once, unless it is held, and its bytes go with the next `keep`,
        `sweep` or `acquire` that comes upon it. Raises `ThreadNotFound`.
        """

    async def sweep(self, tenant: str = "default") -> list[ThreadId]:
        """Remove the threads of a tenant whose time is over, and what a killed `fork` or `create` left behind."""

    async def put_cursor(self, thread: ThreadId, fields: dict[str, bytes], drop: Sequence[str] = ()) -> None:
        """Write and drop named small values beside the log, in one atomic step (LangGraph's cursor; no truth in it)."""

    async def cursor(self, thread: ThreadId) -> dict[str, bytes]:
        """All named small values of the thread."""

    async def check(self) -> list[str]:
        """What may lose data, one sentence each. Raises `StoreUnsafe` for what must not be used at all (eviction)."""

    async def aclose(self) -> None:
        """Close connections and, for the embedded server, let go of it."""
