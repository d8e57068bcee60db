"""The port behind a service: threads that wait for their turn, runs in the order they were accepted, and their events.

A run is accepted once it is stored. Each thread has one queue; whoever executes it holds the thread's turn, a lease
with a token that each of its writes names. The first run that is due stays at its place until its end is written, so
one that a crash cut off is found again, in order. All of a thread lives beside its log, in its hash slot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from satchel.memory.store import ThreadId

Strategy = Literal["enqueue", "reject", "interrupt", "rollback"]
"""What a new run does to those that wait or run: stand behind them, stay away, stop them, or undo them."""

Action = Literal["interrupt", "rollback"]

Drop = Literal["", "run", "thread"]

Events = Sequence[tuple[str, bytes]]
"""Names and data of events that have no id yet."""

START = "0-0"
"""The position before the first event of every stream."""


@dataclass(frozen=True, slots=True)
class Written:
    """Where events were written: the id before them and their own; `before` is empty where that is not known."""

    before: str = ""
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ThreadRow:
    """A thread as a service keeps it: `doc` is the service's own text, `rest` how its last run left it.

    `queue` names the runs that wait or run, in order.
    """

    thread: ThreadId
    doc: bytes
    rest: bytes
    queue: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run: `doc` is what was asked, and stays; the rest is where it stands.

    `status` is `pending`, `running` or an end; `cancel` an `Action` that was asked for, or empty; `due` and `updated`
    are milliseconds since 1970; `error` is the service's own text, `read` says that somebody has read its events.
    """

    id: str
    doc: bytes
    status: str
    attempt: int
    cancel: str
    due: int
    updated: int
    error: bytes
    read: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to execute one run of a thread; `token` is a counter and a random nonce, compared for equality.

    `doc` is what was asked; empty if the run was removed while it waited.
    """

    thread: ThreadId
    run: str
    token: str
    attempt: int
    cancel: str
    doc: bytes


@dataclass(frozen=True, slots=True)
class NoTurn:
    """Why there is nothing to execute now: another one holds the thread, or its next run is due in `seconds`."""

    held: bool
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Admitted:
    """What became of a run that was offered, and which runs stood before it."""

    how: Literal["ok", "absent", "busy", "full", "over"]
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a run: `id` grows within its stream, `name` and `data` are the service's own."""

    id: str
    name: str
    data: bytes


END = "end"
"""The name of the last event of a run, written in one step with its end; `data` is its status."""


def order(event: str) -> tuple[int, int]:
    """An event's id as numbers that compare as their events came."""
    first, _, second = event.partition("-")
    return int(first or 0), int(second or 0)


class Runs(Protocol):
    """Threads, runs and events of a service. All methods raise `StoreError` or one of its children and nothing else."""

    async def create(self, thread: ThreadId, doc: bytes) -> bool:
        """Make a thread; False if there is one already."""

    async def row(self, thread: ThreadId) -> ThreadRow | None:
        """A thread, or None."""

    async def rows(self, threads: Sequence[ThreadId]) -> list[ThreadRow]:
        """Those of the threads that are there, in order."""

    async def replace(self, thread: ThreadId, old: bytes, new: bytes) -> bool:
        """Put a new `doc` in the place of an old one; False if another stands there by now."""

    async def settle(self, thread: ThreadId, rest: bytes) -> None:
        """Say how the thread stands, without a run."""

    async def listed(self, tenant: str) -> list[ThreadId]:
        """All threads of a tenant, the one that was changed last first."""

    async def delete(self, thread: ThreadId) -> bool:
        """Remove a thread with its runs and events, also under a run; False if there is none."""

    async def admit(
        self, thread: ThreadId, run: str, doc: bytes, *, strategy: Strategy, due: int, make: bytes | None, limit: int
    ) -> Admitted:
        """Accept a run. `make` is the `doc` of a thread that is not there yet (None: `absent`).

        `busy` if the strategy is `reject` and the queue holds a run, `full` if it holds `limit`. Accepted twice is
        accepted once, and `over` if it has ended since and was dropped with its thread, while its events are there.
        """

    async def claim(self, thread: ThreadId, *, ttl: float) -> Turn | NoTurn:
        """Take the thread's turn for `ttl` seconds, for the first run that is due or to be stopped.

        A holder that has died on this machine is replaced at once.
        """

    async def renew(self, turn: Turn, *, ttl: float) -> str:
        """Hold the turn for `ttl` more seconds; the `Action` that was asked for, or empty. Raises `LeaseLost`."""

    async def release(self, turn: Turn) -> None:
        """Give the turn back with its run not ended: it is next again."""

    async def finish(
        self, turn: Turn, *, status: str, error: bytes, rest: bytes, drop: Drop, keep: float, events: Events = ()
    ) -> tuple[bool, Written]:
        """Append the last events and `END`, end the run and the turn, `drop` what nobody needs any more, in one step.

        Its events stay for `keep` seconds. Says whether other runs wait in the thread. Raises `LeaseLost` if another
        executor has it: then nothing is written.
        """

    async def append(self, turn: Turn, events: Events) -> Written:
        """Append events (names and data) to the run's stream. Raises `LeaseLost`."""

    async def cancel(self, thread: ThreadId, run: str, action: Action, *, keep: float) -> str:
        """Stop a run: `stopped` if it had not begun, `asked` if it runs, `ended` if it had ended, `absent`."""

    async def forget(self, thread: ThreadId, run: str) -> bool:
        """Remove a run and its events; False if there is none."""

    async def run(self, thread: ThreadId, run: str) -> RunRow | None:
        """A run, or None."""

    async def runs(self, thread: ThreadId) -> list[RunRow]:
        """All runs of a thread, in the order in which they were accepted."""

    async def thread_of(self, tenant: str, run: str) -> ThreadId | None:
        """The thread of a run, or None."""

    async def taken(self, thread: ThreadId, run: str) -> bool:
        """Note that somebody reads the run's events from the first on; False if somebody does already."""

    async def waiting(self) -> list[ThreadId]:
        """Threads of all tenants that may hold runs to execute: what a worker looks at when it starts."""

    async def last(self, thread: ThreadId, run: str) -> str:
        """The id of the newest event of a run, or `START`."""

    async def page(self, thread: ThreadId, run: str, after: str, count: int) -> list[Event]:
        """Events of a run after an id, at most `count`."""

    async def news(self, after: Mapping[tuple[ThreadId, str], str]) -> Mapping[tuple[ThreadId, str], list[Event]]:
        """Wait for events after these ids, or until `ring`; one caller at a time."""

    async def ring(self) -> None:
        """End the wait of `news`."""

    async def aclose(self) -> None:
        """Let go of what `news` holds; the store itself stays open."""
