"""What spans event loops: a resource in each that uses it, and a lock whose holders run in several.

LangGraph calls a checkpointer from synchronous nodes in threads and from asynchronous ones in whatever loop the user
runs. Connections belong to one loop, so each loop has its own, and no call has to go through another thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from satchel.memory.background import Background, Closable
from satchel.memory.errors import SatchelError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine

R = TypeVar("R", bound=Closable)
T = TypeVar("T")


STANDING: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar("standing", default=None)
"""The loop that stands still until a synchronous call from within it is answered."""


class Everywhere(Generic[R]):
    """Opens a resource on first use in each event loop, and one in a thread of its own for synchronous calls.

    What was opened in a loop is closed when that loop ends, as `asyncio.run` ends it, or by `close`; used again, it is
    opened again.
    """

    def __init__(self, opening: Callable[[], Awaitable[R]]) -> None:
        self._opening = opening
        self._own = Background(opening)
        self._guard = threading.Lock()
        self._held: dict[asyncio.AbstractEventLoop, _Held[R]] = {}

    def call(self, action: Callable[[R], Coroutine[Any, Any, T]]) -> T:
        """The result of an action; Ctrl-C in the waiting thread cancels it. A loop that runs in it stands still."""
        before = STANDING.set(_running())
        try:
            return self._own.call(action)
        finally:
            STANDING.reset(before)

    async def acall(self, action: Callable[[R], Awaitable[T]]) -> T:
        """The result of an action in the running loop."""
        loop = asyncio.get_running_loop()
        held = self._here(loop)
        try:
            resource = await held.get()
        except Exception:
            self._forget(loop, held)  # the next call tries again
            raise
        return await action(resource)

    def later(self, action: Callable[[R], Awaitable[object]]) -> None:
        """Do an action in the running loop with nobody waiting for it; it ends when what it needs is closed."""
        left = self._here(loop := asyncio.get_running_loop()).left
        left.add(task := loop.create_task(self._quietly(action)))
        task.add_done_callback(left.discard)

    async def _quietly(self, action: Callable[[R], Awaitable[object]]) -> None:
        with suppress(SatchelError):  # nobody hears it
            await self.acall(action)

    def close(self) -> None:
        """Close what synchronous calls use, and let each loop close its own; again is nothing."""
        with self._guard:
            held, self._held = self._held, {}
        for loop, one in held.items():
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(one.begin_closing)
        self._own.close()

    async def aclose(self) -> None:
        """Close what the running loop uses, and do as `close` does."""
        held = self._held.get(loop := asyncio.get_running_loop())
        if held is not None:
            self._forget(loop, held)
            await held.close()
        await asyncio.to_thread(self.close)

    def _here(self, loop: asyncio.AbstractEventLoop) -> _Held[R]:
        held = self._held.get(loop)
        if held is None:
            held = _Held(self._opening, loop)
            with self._guard:
                self._held = {other: one for other, one in self._held.items() if not other.is_closed()} | {loop: held}
        return held

    def _forget(self, loop: asyncio.AbstractEventLoop, held: _Held[R]) -> None:
        with self._guard:
            if self._held.get(loop) is held:
                del self._held[loop]


class _Held(Generic[R]):
    """A resource of one loop. A generator holds it, since loops close the generators that are open when they end."""

    def __init__(self, opening: Callable[[], Awaitable[R]], loop: asyncio.AbstractEventLoop) -> None:
        self.left: set[asyncio.Task[None]] = set()
        self._holding = _holding(opening, self.left)
        self._opened = loop.create_task(_first(self._holding))
        self._closing: asyncio.Task[None] | None = None

    async def get(self) -> R:
        """The resource, once it is open."""
        return self._opened.result() if self._opened.done() else await asyncio.shield(self._opened)

    async def close(self) -> None:
        """Close it; nothing if that is done."""
        with suppress(SatchelError):  # a store that is gone needs no closing
            await self._opened
            await self._holding.aclose()

    def begin_closing(self) -> None:
        """Close it in the running loop."""
        self._closing = asyncio.get_running_loop().create_task(self.close())


async def _holding(opening: Callable[[], Awaitable[R]], left: set[asyncio.Task[None]]) -> AsyncGenerator[R]:
    resource = await opening()
    try:
        yield resource
    finally:
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        with suppress(SatchelError):
            await resource.aclose()


async def _first(holding: AsyncGenerator[R]) -> R:
    return await anext(holding)


class Turn:
    """A lock for asynchronous code whose holders may run in different event loops."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._holder: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()

    def stands(self) -> bool:
        """Whether it would come to the caller only when the loop that waits for the caller went on."""
        standing = STANDING.get()
        with self._guard:
            loops = {self._holder, *(one.get_loop() for one in self._waiting)}
        return standing is not None and standing in loops

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        with self._guard:
            if self._holder is None:
                self._holder = loop
                return
            mine = loop.create_future()
            self._waiting.append(mine)
        try:
            await mine
        except BaseException:
            if mine.done() and not mine.cancelled():
                self._pass_on()  # it was given at the same moment
            mine.cancel()
            raise

    async def __aexit__(self, *exc: object) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        with self._guard:
            if not self._waiting:
                self._holder = None
                return
            following = self._waiting.popleft()
            self._holder = loop = following.get_loop()
        if loop is _running():
            self._give(following)
            return
        try:
            loop.call_soon_threadsafe(self._give, following)
        except RuntimeError:  # the loop is closed
            self._pass_on()

    def _give(self, following: asyncio.Future[None]) -> None:
        if following.done():  # it was cancelled
            self._pass_on()
        else:
            following.set_result(None)


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
