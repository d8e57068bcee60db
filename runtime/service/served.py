"""What the service asks of a graph or an agent that it serves; a new kind of thing to serve is one more class."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

PLACE = {"thread_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map"}
"""Keys of a config that say where a run is, not what it is told: the service sets them, a client cannot."""

if TYPE_CHECKING:
    from langgraph.runtime import RunControl

    from satchel.memory.store import ThreadId


@dataclass(frozen=True, slots=True)
class Job:
    """One run to drive: the thread, the run, the attempt (from 1), what was asked, and the token of the turn.

    `modes` are the API's stream modes; `control` asks the graph to stop at its next crash point.
    """

    thread: ThreadId
    run: str
    attempt: int
    asked: Mapping[str, Any]
    modes: tuple[str, ...]
    token: str
    control: RunControl


@dataclass(frozen=True, slots=True)
class Part:
    """One event of a stream: the name (`values`, `messages/partial`, `updates|inner:1`, ...) and its data."""

    name: str
    data: Any


@dataclass(frozen=True, slots=True)
class Rest:
    """How a thread stands without a run: `idle` or `interrupted`, and its interrupts by task."""

    status: str = "idle"
    interrupts: Mapping[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """A checkpoint of a thread: its namespace and id; no id is the newest."""

    ns: str = ""
    id: str | None = None


class Served(Protocol):
    """A graph or an agent of one tenant."""

    name: str

    def stream(self, job: Job) -> AsyncIterator[Part]:
        """Drive a run, from its beginning or from where a crash left it; raises what the graph raises."""

    async def rest(self, thread: ThreadId) -> Rest:
        """How the thread stands."""

    async def values(self, thread: ThreadId) -> Any:
        """The values of the thread's state; None if it has none."""

    async def state(self, thread: ThreadId, place: Place, *, subgraphs: bool = False) -> dict[str, Any]:
        """The state of a thread at a checkpoint, as the API has it."""

    async def history(
        self, thread: ThreadId, place: Place, *, limit: int, before: str | None, metadata: Mapping[str, Any] | None
    ) -> list[dict[str, Any]]:
        """States of a thread, newest first."""

    async def update(self, thread: ThreadId, place: Place, values: Any, as_node: str | None) -> dict[str, Any]:
        """Change the state; the config of the new checkpoint."""

    async def replay(self, thread: ThreadId, supersteps: list[list[tuple[Any, str | None]]]) -> None:
        """Make a state out of supersteps, each a list of values and the node that they are from."""

    async def undo(self, thread: ThreadId, run: str) -> None:
        """Remove what a run did to the thread's state."""

    async def copy(self, source: ThreadId, target: ThreadId) -> None:
        """Copy a thread's state."""

    async def prune(self, thread: ThreadId) -> None:
        """Keep the newest state only."""

    async def delete(self, thread: ThreadId) -> None:
        """Remove a thread's state."""

    async def usage(self, thread: ThreadId) -> dict[str, Any]:
        """Tokens and dollars that the thread's model calls used."""

    async def result(self, thread: ThreadId, ref: str, part: Mapping[str, str | None]) -> str:
        """A stored result of the thread, or a part of it. Raises `UnknownHandle`."""

    async def prompts(self, thread: ThreadId, run: str) -> list[dict[str, Any]]:
        """What was sent to the model in a run, and what was left out and why."""

    def resume(self, interrupt: str, response: Any) -> Any:
        """The value with which a run goes on that answers one interrupt."""

    def schemas(self) -> dict[str, Any]:
        """JSON schemas of input, output, state, config and context; null for what cannot be described."""

    def drawing(self, *, xray: int | bool) -> dict[str, Any]:
        """Nodes and edges."""

    def subgraphs(self, ns: str | None, *, recurse: bool) -> dict[str, Any]:
        """Schemas of the subgraphs by namespace."""
