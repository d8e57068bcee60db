"""Scripts over the connections of a `ServerStore`, for what keeps something beside threads on the same server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from satchel.memory.redis_store import ServerStore

Call = tuple["Sequence[str]", "Sequence[Any]"]
"""The keys and the arguments of a script."""


class Scripts:
    """Registers scripts and runs them; whatever fails is an error of ours. Closing it closes the store."""

    def __init__(self, server: ServerStore) -> None:
        self._server = server

    def register(self, text: str) -> Callable[[Call], Awaitable[Any]]:
        """A script that is sent whole only once."""
        script = self._server._script(text)  # noqa: SLF001 - this module is the store's other face

        async def run(call: Call) -> Any:
            with self._server._errors():  # noqa: SLF001 - as above
                return await script(*call)

        return run

    async def atomically(self, text: str, calls: Sequence[Call]) -> list[Any]:
        """The answers of one script that is called several times, all in one step."""
        with self._server._errors():  # noqa: SLF001 - as above
            async with self._server._redis.pipeline(transaction=True) as pipe:  # noqa: SLF001 - as above
                for names, args in calls:
                    pipe.eval(text, len(names), *names, *args)
                return await pipe.execute()

    async def aclose(self) -> None:
        """Close the connections; the embedded server ends when nobody uses it any more."""
        await self._server.aclose()
