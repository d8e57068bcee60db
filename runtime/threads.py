"""One call in a daemon thread of its own: a call that hangs blocks neither the loop, nor a pool, nor the exit."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(call: Callable[[], T]) -> T:
    """The value of `call()`, or its exception; if the caller is cancelled, the thread goes on and is forgotten.

    Not `asyncio.to_thread`: its pool is small, and the interpreter waits for it at exit.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[T | None, BaseException | None]] = loop.create_future()
    context = contextvars.copy_context()

    def report(value: T | None, error: BaseException | None) -> None:
        if not done.done():
            done.set_result((value, error))

    def work() -> None:
        outcome: tuple[T | None, BaseException | None]
        try:
            outcome = context.run(call), None
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
            outcome = None, error
        with contextlib.suppress(RuntimeError):  # the loop has gone: nobody waits any more
            loop.call_soon_threadsafe(report, *outcome)

    threading.Thread(target=work, name="satchel-tool", daemon=True).start()
    value, error = await done
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # without an error it is what `call` gave
