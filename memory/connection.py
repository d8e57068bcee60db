"""The way to a server: its client, its scripts, and whatever fails as an error of ours."""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import sha1
from typing import TYPE_CHECKING, Any, Protocol

from redis.asyncio import RedisCluster
from redis.exceptions import NoScriptError, RedisClusterException, RedisError

from satchel.memory.errors import ConfigError
from satchel.memory.gathered import Gathering
from satchel.memory.redis_errors import public, translate
from satchel.memory.topologies import CLIENTS, Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


STRANGE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What redis-py stumbles over where something else than Redis answers."""


class Script(Protocol):
    """A script of `Connection.script`."""

    async def __call__(self, names: Sequence[str], args: Sequence[Any], first: Sequence[Sequence[Any]] = ()) -> Any:
        """Its answer."""


class Connection:
    """A client, for the event loop it is first used in; `url` shows no credentials. Raises `ConfigError` when made."""

    def __init__(self, url: str) -> None:
        self.url = public(url)
        self.topology = url.partition("://")[0].partition("+")[2] or "one"
        try:
            self.redis, self._ends = CLIENTS[self.topology](url)
        except (ValueError, TypeError, KeyError, RedisClusterException):
            known = "redis://host:port, rediss://, unix://path, redis+sentinel://host:port,.../name, redis+cluster://"
            raise ConfigError(f"{self.url!r} is not an address of a server; write {known}") from None

    def script(self, text: str) -> Script:
        """A script that is sent whole only to a server that does not know it; it may be a new one at any time.

        `first` are commands that are done before it, whatever keys they have.
        """
        digest = sha1(text.encode(), usedforsecurity=False).hexdigest()

        async def run(names: Sequence[str], args: Sequence[Any], first: Sequence[Sequence[Any]] = ()) -> Any:
            try:
                return await self._after(first, ("EVALSHA", digest, len(names), *names, *args))
            except NoScriptError:
                return await _got(self.redis.eval(text, len(names), *names, *args))

        return run

    async def _after(self, first: Sequence[Sequence[Any]], last: Sequence[Any]) -> Any:
        """The answer of the last command; in one message, where the servers of all keys are one."""
        execute: Any = self.redis.execute_command
        if not first:
            return await _got(execute(*last))
        apart = isinstance(self.redis, Cluster)
        async with self.redis.pipeline(transaction=False) as pipe:
            for command in first if apart else [*first, last]:
                pipe.execute_command(*command)
            answers = await pipe.execute()
        return await _got(execute(*last)) if apart else answers[-1]

    async def atomically(self, text: str, calls: Sequence[tuple[Sequence[str], Sequence[Any]]]) -> list[Any]:
        """The answers of one script that is called several times, all in one step."""
        async with self.redis.pipeline(transaction=True) as pipe:
            for names, args in calls:
                pipe.eval(text, len(names), *names, *args)
            return await pipe.execute()

    async def rest(self) -> None:
        """Close the connections that nobody uses now; the next commands open new ones. A cluster keeps its own."""
        if isinstance(self.redis, Gathering):
            await self.redis.rest()

    async def together(self, key: str, *commands: Sequence[Any]) -> list[Any]:
        """The answers of commands sent over one connection to the server of a key, errors among them.

        If the first fails for a reason that passes, all are sent again: so none of them answers for another connection.
        """
        if isinstance(self.redis, Cluster):
            return await self.redis.together(key, commands)
        async with self.redis.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            return await pipe.execute(raise_on_error=False)

    async def each(self, command: str, *args: Any) -> Mapping[str, Any]:
        """What each server that takes writes answers to a method of redis-py, by its public address."""
        run = getattr(self.redis, command)
        if isinstance(self.redis, Cluster):
            told = _by_node(await run(*args, target_nodes=RedisCluster.PRIMARIES), self.redis)
            return {f"{self.url} at {name}": answer for name, answer in told.items()}
        return {self.url: await run(*args)}

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turns what redis-py and the socket raise into our errors."""
        try:
            yield
        except (RedisError, RedisClusterException, OSError, *STRANGE) as error:
            raise translate(error, self.url) from error

    async def aclose(self) -> None:
        """Close all connections."""
        for end in self._ends:
            await end()


def _by_node(told: Mapping[str, Any], redis: RedisCluster) -> Mapping[str, Mapping[str, Any]]:
    """redis-py gives the answer of a cluster with a single primary bare."""
    primaries = [node.name for node in redis.get_primaries()]
    return told if set(told) <= set(primaries) else {primaries[0]: told}


async def _got(answer: Any) -> Any:
    """The answer of a command, which redis-py types as "perhaps awaitable"."""
    return await answer
