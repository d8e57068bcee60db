"""From an address to a store: one row for each scheme."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from satchel.memory.errors import ConfigError
from satchel.memory.keyring import from_environment
from satchel.memory.redis_errors import public

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from satchel.memory.crons import Crons
    from satchel.memory.deliveries import Deliveries
    from satchel.memory.keyring import Keyring
    from satchel.memory.memory_store import MemoryStore
    from satchel.memory.rates import Rates
    from satchel.memory.redis_store import ServerStore
    from satchel.memory.runs import Runs
    from satchel.memory.store import Store


async def open_store(url: str | MemoryStore | None = None) -> Store:
    """The store at an address; None is the embedded server of the user's data directory, a `MemoryStore` itself.

    With `SATCHEL_KEY` in the environment what it keeps is encrypted, but for `memory://`, which keeps nothing. Raises
    `ConfigError` for an unknown scheme or a wrong key, `StoreUnreachable`, `StoreUnsafe`.
    """
    keys = from_environment()
    if url is None:
        return _sealed(await _embedded(), keys)
    if not isinstance(url, str):
        return url
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise ConfigError(
            f"{public(url)!r} is not the address of a store; known are {known}, or none for the embedded one"
        )
    store = await SCHEMES[scheme](url)
    return store if scheme == "memory" else _sealed(store, keys)


def opener(url: str | MemoryStore | None) -> Callable[[], Awaitable[Store]]:
    """What opens the store at an address once for each event loop; `memory://` is the same one in all."""
    from satchel.memory.memory_store import MemoryStore  # noqa: PLC0415 - loaded only when used

    if not isinstance(url, MemoryStore) and url != "memory://":
        return partial(open_store, url)
    store = url if isinstance(url, MemoryStore) else MemoryStore()

    async def same() -> Store:
        return store

    return same


def runs_of(store: Store) -> Runs:
    """The threads and runs of a service beside a store's own, over the same connections; encrypted if the store is.

    Raises `ConfigError` for a store that is neither ours in memory nor on a server.
    """
    from satchel.memory.memory_store import MemoryStore  # noqa: PLC0415 - loaded only when used

    if isinstance(store, MemoryStore):
        from satchel.memory.memory_runs import MemoryRuns  # noqa: PLC0415 - as above

        return MemoryRuns(store.fields)
    from satchel.memory.sealed_runs import SealedRuns  # noqa: PLC0415 - as above
    from satchel.memory.server_runs import ServerRuns  # noqa: PLC0415 - as above

    server, keys = _behind(store)
    if server is None:
        raise ConfigError(f"a service keeps no runs in a {type(store).__name__}; give it the address of a store")
    return SealedRuns(server, keys) if keys else ServerRuns(server)


def rates_of(store: Store) -> Rates:
    """What counts how often something happens, over the connections of a store that `runs_of` takes, too."""
    from satchel.memory.rates import MemoryRates, ServerRates  # noqa: PLC0415 - loaded only when used

    server, _ = _behind(store)
    return ServerRates(server) if server else MemoryRates()


def deliveries_of(store: Store) -> Deliveries:
    """What keeps what has to be told to somebody outside, over the connections of a store as above.

    Encrypted if the store is.
    """
    from satchel.memory.deliveries import MemoryDeliveries, SealedDeliveries, ServerDeliveries  # noqa: PLC0415 - as above

    server, keys = _behind(store)
    if server is None:
        return MemoryDeliveries()
    return SealedDeliveries(server, keys) if keys else ServerDeliveries(server)


def crons_of(store: Store) -> Crons:
    """What keeps crons, over the connections of a store as above; encrypted if the store is."""
    from satchel.memory.crons import MemoryCrons, SealedCrons, ServerCrons  # noqa: PLC0415 - as above

    server, keys = _behind(store)
    if server is None:
        return MemoryCrons()
    return SealedCrons(server, keys) if keys else ServerCrons(server)


def _behind(store: Store) -> tuple[ServerStore | None, Keyring | None]:
    """The server that keeps a store, and the keys of one that is encrypted."""
    from satchel.memory.redis_store import ServerStore  # noqa: PLC0415 - as above
    from satchel.memory.sealed import SealedStore  # noqa: PLC0415 - as above

    store, keys = (store.inner, store.keys) if isinstance(store, SealedStore) else (store, None)
    return (store if isinstance(store, ServerStore) else None), keys


async def _embedded() -> Store:
    from satchel.memory.embedded import attach, default_home  # noqa: PLC0415 - loaded only when used
    from satchel.memory.redis_store import ServerStore  # noqa: PLC0415 - as above, 130 ms

    server = await attach(default_home() / "server")
    return ServerStore(server.url, server=server)


def _sealed(store: Store, keys: Keyring | None) -> Store:
    if keys is None:
        return store
    from satchel.memory.sealed import SealedStore  # noqa: PLC0415 - as above

    return SealedStore(store, keys)


async def _server(url: str) -> Store:
    from satchel.memory.redis_store import ServerStore  # noqa: PLC0415 - as above

    store = ServerStore(url)
    try:
        await store.check()
    except BaseException:
        await store.aclose()
        raise
    return store


async def _memory(url: str) -> Store:
    from satchel.memory.memory_store import MemoryStore  # noqa: PLC0415 - as above

    if url != MemoryStore.url:
        raise ConfigError(
            f"{url!r}: the store in memory has no name; write {MemoryStore.url}, or pass one MemoryStore on"
        )
    return MemoryStore()


SCHEMES: Mapping[str, Callable[[str], Awaitable[Store]]] = {
    "redis": _server,
    "rediss": _server,
    "unix": _server,
    "redis+sentinel": _server,
    "rediss+sentinel": _server,
    "redis+cluster": _server,
    "rediss+cluster": _server,
    "memory": _memory,
}
