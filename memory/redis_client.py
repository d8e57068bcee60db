"""Scripts over the connections of a `ServerStore`, for what keeps something beside threads on the same server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from satchel.memory.connection import Connection

Call = tuple["Sequence[str]", "Sequence[Any]"]
"""The keys and the arguments of a script."""


class Scripts:
    """Registers scripts and runs them; whatever fails is an error of ours. `close` is run when it is closed."""

    def __init__(self, connection: Connection, close: Callable[[], Awaitable[None]]) -> None:
        self._connection = connection
        self._close = close

    def register(self, text: str) -> Callable[[Call], Awaitable[Any]]:
        """A script that is sent whole only once."""
        script = self._connection.script(text)

        async def run(call: Call) -> Any:
            with self._connection.errors():
                return await script(*call)

        return run

    async def atomically(self, text: str, calls: Sequence[Call]) -> list[Any]:
        """The answers of one script that is called several times, all in one step."""
        with self._connection.errors():
            return await self._connection.atomically(text, calls)

    async def aclose(self) -> None:
        """Close the connections; the embedded server ends when nobody uses it any more."""
        await self._close()
