"""Scripts over the connections of a `ServerStore`, for what keeps something beside threads on the same server."""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import sha1
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError, RedisError

from satchel.memory.redis_errors import translate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from redis.asyncio import Redis

Call = tuple["Sequence[str]", "Sequence[Any]"]
"""The keys and the arguments of a script."""


class Scripts:
    """Registers scripts and runs them; whatever fails is an error of ours. Closing it closes the store."""

    def __init__(self, redis: Redis, url: str, closing: Callable[[], Awaitable[None]]) -> None:
        self._redis = redis
        self._url = url
        self._closing = closing

    def register(self, text: str) -> Callable[[Call], Awaitable[Any]]:
        """A script that is sent whole only once."""
        known = script(self._redis, text)

        async def run(call: Call) -> Any:
            with translated(self._url):
                return await known(*call)

        return run

    async def atomically(self, text: str, calls: Sequence[Call]) -> list[Any]:
        """The answers of one script that is called several times, all in one step."""
        with translated(self._url):
            async with self._redis.pipeline(transaction=True) as pipe:
                for names, args in calls:
                    pipe.eval(text, len(names), *names, *args)
                return await pipe.execute()

    async def aclose(self) -> None:
        """Close the connections; the embedded server ends when nobody uses it any more."""
        await self._closing()


def script(redis: Redis, text: str) -> Callable[[Sequence[str], Sequence[Any]], Awaitable[Any]]:
    """A script that is sent whole only to a server that does not know it; the server may be a new one at any time."""
    digest = sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(names: Sequence[str], args: Sequence[Any]) -> Any:
        try:
            return await redis.evalsha(digest, len(names), *names, *args)
        except NoScriptError:
            return await redis.eval(text, len(names), *names, *args)

    return run


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Errors of redis-py inside are raised as ours; `url` is public."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise translate(error, url) from error
