"""One resource on a loop of its own, for objects that are used from any thread and any loop.

LangGraph calls a store from synchronous nodes in threads and from asynchronous ones in whatever loop the user runs;
connections belong to one loop, so all calls go to the same one.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from satchel.memory.errors import SatchelError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from concurrent.futures import Future


class Closable(Protocol):
    """What can be closed."""

    async def aclose(self) -> None:
        """Let go of what is held."""


R = TypeVar("R", bound=Closable)
T = TypeVar("T")

PATIENCE = 5.0
"""Seconds that closing may take."""


class Background(Generic[R]):
    """Opens a resource on first use and runs actions on it; closed, it opens again on the next."""

    def __init__(self, opening: Callable[[], Awaitable[R]]) -> None:
        self._opening = opening
        self._guard = threading.Lock()
        self._served: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None
        self._opened: asyncio.Task[R] | None = None

    def call(self, action: Callable[[R], Coroutine[Any, Any, T]]) -> T:
        """The result of an action; Ctrl-C in the waiting thread cancels it."""
        future = self._submit(action)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    async def acall(self, action: Callable[[R], Coroutine[Any, Any, T]]) -> T:
        """The result of an action, without blocking the caller's loop; cancelled with its caller."""
        return await asyncio.wrap_future(self._submit(action))

    def close(self) -> None:
        """Close the resource and end the thread; again is nothing."""
        with self._guard:
            served, self._served = self._served, None
            opened, self._opened = self._opened, None
        if served is None:
            return
        loop, thread = served
        asyncio.run_coroutine_threadsafe(_end(opened), loop)
        if threading.current_thread() is not thread:  # the garbage collector may run in the loop itself
            thread.join(PATIENCE)

    def _submit(self, action: Callable[[R], Coroutine[Any, Any, T]]) -> Future[T]:
        with self._guard:
            if self._served is None:
                loop = asyncio.new_event_loop()
                thread = threading.Thread(target=_serve, args=(loop,), name="satchel-store", daemon=True)
                self._served = loop, thread
                thread.start()
            return asyncio.run_coroutine_threadsafe(self._run(action), self._served[0])

    async def _run(self, action: Callable[[R], Coroutine[Any, Any, T]]) -> T:
        if self._opened is None:
            self._opened = asyncio.ensure_future(self._opening())
        try:
            resource = await asyncio.shield(self._opened)
        except Exception:
            self._opened = None  # the next call tries again
            raise
        return await action(resource)


async def _end(opened: asyncio.Task[Any] | None) -> None:
    """Close what was opened; actions that still run are cancelled."""
    others = asyncio.all_tasks() - {asyncio.current_task(), opened}
    for task in others:
        task.cancel()
    try:
        if others:
            await asyncio.wait(others, timeout=1)
        if opened is not None:
            await (await opened).aclose()
    except SatchelError:
        pass  # a store that is gone needs no closing
    finally:
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.stop)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


class Closing:
    """Something with `close`: its asynchronous twin, and both kinds of context manager."""

    def close(self) -> None:
        """Let go of what is held."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """`close`, without blocking the caller's loop."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()
