"""The thin synchronous shell: one event loop in a thread of its own, so that `run` works in a notebook, too."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import TypeVar

from satchel.memory.errors import SatchelError

T = TypeVar("T")


class Portal:
    """Runs coroutines on a background loop and waits for them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="satchel", daemon=True)
        self._thread.start()

    def call(self, coroutine: Coroutine[object, object, T]) -> T:
        """The result of a coroutine; Ctrl-C in the waiting thread cancels it and waits until it has let go."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            with suppress(BaseException):
                asyncio.run_coroutine_threadsafe(self._settled(), self._loop).result(5)
            raise

    def iterate(self, source: AsyncIterator[T]) -> Iterator[T]:
        """The items of an asynchronous iterator, one at a time; closing early closes it."""
        try:
            while True:
                try:
                    yield self.call(_next(source))
                except StopAsyncIteration:
                    return
        finally:
            close = getattr(source, "aclose", None)
            if close is not None:
                self.call(close())

    def stop(self, last: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run the `last` coroutine, and end the loop and its thread; again is nothing."""
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._end(last), self._loop)
        if threading.current_thread() is not self._thread:  # the garbage collector may run in the loop itself
            self._thread.join(5)

    def _serve(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    async def _end(self, last: Callable[[], Coroutine[None, None, None]]) -> None:
        with suppress(SatchelError):  # a store that is gone needs no closing
            await last()
        self._loop.call_soon(self._loop.stop)

    @staticmethod
    async def _settled() -> None:
        """Wait for what was cancelled to clean up."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=4)


async def _next(source: AsyncIterator[T]) -> T:
    return await anext(source)
