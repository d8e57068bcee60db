"""The thin synchronous shell: one event loop in a thread of its own, so that `run` works in a notebook, too."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class Portal:
    """Runs coroutines on a background loop and waits for them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="satchel", daemon=True)
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

    def stop(self) -> None:
        """End the loop and its thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
            self._loop.close()

    @staticmethod
    async def _settled() -> None:
        """Wait for what was cancelled to clean up."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=4)


async def _next(source: AsyncIterator[T]) -> T:
    return await anext(source)
