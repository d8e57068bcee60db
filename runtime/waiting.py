"""The synchronous face of an agent: each call is its asynchronous twin, waited for on a background loop."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Self

from satchel.runtime.portal import Portal

if TYPE_CHECKING:
    from satchel.runtime.budget import Budget
    from satchel.runtime.events import Event, RunResult


class Waiting(ABC):
    """`run`, `resume`, `stream` and `close` over `arun`, `aresume`, `astream` and `aclose`."""

    def __init__(self, close: Callable[[], Coroutine[None, None, None]]) -> None:
        self._portal: Portal | None = None
        self._last = close

    @abstractmethod
    async def arun(self, task: str, *, thread: str | None = None) -> RunResult:
        """Drive a thread to an outcome."""

    @abstractmethod
    async def aresume(self, thread: str, *, add_budget: Budget | None = None) -> RunResult:
        """Go on with a thread."""

    @abstractmethod
    def astream(self, task: str, *, thread: str | None = None) -> AsyncGenerator[Event]:
        """The events of `arun`."""

    def run(self, task: str, *, thread: str | None = None) -> RunResult:
        """`arun`, waited for; works inside a running event loop, too."""
        return self._waiter().call(self.arun(task, thread=thread))

    def resume(self, thread: str, *, add_budget: Budget | None = None) -> RunResult:
        """`aresume`, waited for."""
        return self._waiter().call(self.aresume(thread, add_budget=add_budget))

    def stream(self, task: str, *, thread: str | None = None) -> Iterator[Event]:
        """The events of `run`."""
        return self._waiter().iterate(self.astream(task, thread=thread))

    def close(self) -> None:
        """Close what the synchronous calls opened."""
        if self._portal:
            self._portal.stop(self._last)
            self._portal = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _waiter(self) -> Portal:
        if self._portal is None:
            self._portal = Portal()
            weakref.finalize(self, self._portal.stop, self._last)
        return self._portal
