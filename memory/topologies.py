"""The clients of redis-py for each topology, and how long each waits for what passes by itself.

`redis://`, `rediss://` and `unix://` are one server; `+sentinel` finds the primary through its sentinels, again after
each failover; `+cluster` finds the node of a key. Commands are repeated here and in redis-py, so each must bear it.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode, PipelineCommand
from redis.asyncio.connection import Connection as PlainConnection
from redis.asyncio.connection import parse_url
from redis.asyncio.sentinel import (
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterError,
    RedisClusterException,
)
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import TimeoutError as NoAnswer

from satchel.memory.errors import ConfigError
from satchel.memory.gathered import Gathering
from satchel.memory.patience import Patient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

CONNECTIONS = 16
"""Of one store; a further command waits for one to be free."""

TIMEOUT = 5.0
"""Seconds for a connection, and for an answer; then both are tried again, so each command here may be sent twice."""

LOOKS, LOOKS_AT = 50, 5_000
"""Looks for news of streams on a cluster in a second, and streams looked at, at most."""

FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")

OPTIONS = (
    *FILES, "ssl_ca_path", "ssl_cert_reqs", "ssl_check_hostname", "ssl_password", "db", "username", "password",
    "sentinel_username", "sentinel_password", "client_name",
)  # fmt: skip
"""What may stand behind `?` in an address; redis-py knows more, which would change what its answers are."""

Client = tuple[Redis, "tuple[Callable[[], Awaitable[None]], ...]"]
"""A client, and what ends it."""


AWAY = (NoConnection, NoAnswer)
MOVING = (*AWAY, AskError, ClusterError, RedisClusterException)


class _Primary(SentinelManagedConnection):
    """A connection that asks the sentinels anew also where redis-py would repeat a command to the same address."""

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        """See redis-py."""
        if not self.is_connected:
            await self.connect()  # type: ignore[no-untyped-call]  # redis-py has no types here
        await super().send_packed_command(command, check_health)


class _SecurePrimary(_Primary, SentinelManagedSSLConnection):
    """The same with TLS."""


class _SentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """Connections to the primary that sentinels name; a further command waits for one to be free."""


class Cluster(RedisCluster):
    """redis-py's client of a cluster, with a bound on its connections and the patience that a failover takes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(retry=Patient(MOVING), **options)
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._patience = Patient(MOVING, retries=0)

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """See redis-py, which sends what comes before the first look at the cluster to any node."""
        run = super().execute_command

        async def send() -> Any:
            await self.initialize()
            return await run(*args, **kwargs)

        async with self._free:
            return await self._patience.call_with_retry(send, _nothing)

    async def aclose(self) -> None:
        """Look at the cluster anew before the next command.

        redis-py calls this after redirections, amidst the commands of others, whose connections must not be cut.
        """
        self._initialize = True

    async def end(self) -> None:
        """Close all connections."""
        self._initialize = False
        await super().aclose()

    async def xread(  # type: ignore[override]  # what we use of redis-py's signature
        self, streams: Mapping[Any, Any], count: int | None = None, block: int | None = None
    ) -> Any:
        """See redis-py. One command cannot span slots, so it is one for each stream, again and again."""
        until = time.monotonic() + (block or 0) / 1000
        while True:
            async with self.pipeline(transaction=False) as pipe:
                for name, after in streams.items():
                    pipe.xread({name: after}, count=count)
                found = [entry for answer in await pipe.execute() for entry in answer or ()]
            if found or time.monotonic() >= until:
                return found
            await asyncio.sleep(max(1 / LOOKS, len(streams) / LOOKS_AT))

    async def together(self, key: str, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """See `Connection.together`."""

        async def sent(node: Any, *lines: Sequence[Any]) -> list[Any]:
            queue = [PipelineCommand(n, *line) for n, line in enumerate(lines)]
            await node.execute_pipeline(queue)
            return [command.result for command in queue]

        async def send() -> list[Any]:
            await self.execute_command("EXISTS", key)  # a client that was redirected knows the key's new node
            answers = await sent(self.get_node_from_key(key), *commands)
            if type(answers[0]) is AskError:
                node = self.get_node(host=answers[0].host, port=answers[0].port)
                answers = (await sent(node, ("ASKING",), *commands))[1:]
            if isinstance(answers[0], MOVING):
                raise answers[0]
            return answers

        return await self._patience.call_with_retry(send, _nothing)


async def _nothing(_: Exception) -> None:
    """Nothing to mend between two attempts."""


def _one(url: str) -> Client:
    """A server of its own."""
    options = _options(url)
    pool = BlockingConnectionPool(retry=Patient((BusyLoadingError,), timeout=TIMEOUT), **POOL, **_bound(url), **options)
    pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py has no types here; tells now what does not fit
    redis = Gathering.from_pool(pool)
    return redis, (redis.aclose,)


def _sentinel(url: str) -> Client:
    """The primary called `name` of `redis+sentinel://user:password@host:port,host:port/name`."""
    user, hosts, name = _split(url, port=26_379)
    if not name:
        raise ValueError
    options = _options(f"{user}?{urlsplit(url).query}")
    secure = options.pop("connection_class", None) is not None
    watchers = {key: options.pop(f"sentinel_{key}") for key in ("username", "password") if f"sentinel_{key}" in options}
    watchers |= {"ssl": secure} | {key: value for key, value in options.items() if key.startswith("ssl_")}
    sentinels = Sentinel(hosts, sentinel_kwargs=TIMES | watchers)  # type: ignore[no-untyped-call]  # redis-py has no types here
    pool = _SentinelPool(  # type: ignore[no-untyped-call]  # as above
        name,
        sentinels,
        connection_class=_SecurePrimary if secure else _Primary,
        retry=Patient(AWAY, timeout=TIMEOUT),
        **POOL,
        **_bound(url),
        **options,
    )
    pool.make_connection()  # type: ignore[no-untyped-call]  # as above
    redis = Gathering.from_pool(pool)
    return redis, (redis.aclose, sentinels.aclose)


def _cluster(url: str) -> Client:
    """The cluster that any of `redis+cluster://user:password@host:port,host:port` belongs to."""
    user, hosts, _ = _split(url, port=6_379)
    options = _options(f"{user}?{urlsplit(url).query}")
    kind = options.pop("connection_class", PlainConnection)
    nodes = [ClusterNode(host, port, connection_class=kind, **TIMES, **options) for host, port in hosts]
    cluster = Cluster(startup_nodes=nodes, ssl=kind is not PlainConnection, **TIMES, **options)
    return cast("Redis", cluster), (cluster.end,)  # the same commands under other types


CLIENTS: Mapping[str, Callable[[str], Client]] = {
    "one": _one,
    "sentinel": _sentinel,
    "cluster": _cluster,
}
"""For each topology its client; a new one is one row."""

TIMES: dict[str, Any] = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}
POOL: dict[str, Any] = {"max_connections": CONNECTIONS, "timeout": 4 * TIMEOUT, "socket_connect_timeout": TIMEOUT}


def _bound(url: str) -> dict[str, Any]:
    """None for reads and writes, since `Patient` bounds the attempt.

    Not so with TLS: a server that refuses a certificate says so after the first write of a client, and redis-py's bound
    on that write leaves the loop a turn to read it.
    """
    return {"socket_timeout": TIMEOUT if url.startswith("rediss") else None}


def _options(url: str) -> dict[str, Any]:
    """What redis-py reads from an address.

    Raises `ConfigError` for an option that is not known, and for a file that cannot be read.
    """
    options = dict(parse_url(url))
    if not parse_qs(urlsplit(url).query, keep_blank_values=True).keys() <= set(OPTIONS):
        raise ConfigError(f"an option behind ? in the address is not known; known are {', '.join(OPTIONS)}")
    for name in FILES:
        path = options.get(name)
        if path is not None and not os.access(str(path), os.R_OK):
            raise ConfigError(f"{name} of the address names {str(path)!r}, which cannot be read; correct it")
    return options


def _split(url: str, *, port: int) -> tuple[str, list[tuple[str, int]], str]:
    """An address with several hosts: the same without hosts for redis-py, the hosts, what is behind the slash."""
    parts = urlsplit(url)
    user, at, listed = parts.netloc.rpartition("@")
    hosts = [urlsplit(f"//{host}") for host in listed.split(",")]
    if not all(host.hostname for host in hosts):
        raise ValueError
    scheme = parts.scheme.partition("+")[0]
    return f"{scheme}://{user}{at}", [(str(h.hostname), h.port or port) for h in hosts], unquote(parts.path[1:])
