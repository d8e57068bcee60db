"""The way to a server: lost replies, servers that are away, full, or may forget, and addresses with secrets."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    MovedError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from satchel.memory import Log, MemoryStore, ThreadId, open_store
from satchel.memory.embedded import attach
from satchel.memory.errors import (
    ConfigError,
    DamagedEntry,
    LeaseLost,
    StoreError,
    StoreUnreachable,
    StoreUnsafe,
    ThreadBusy,
)
from satchel.memory.log import read_log
from satchel.memory.patience import RETRIES
from satchel.memory.records import Said
from satchel.memory.redis_errors import public, translate
from satchel.memory.redis_store import ServerStore
from satchel.memory.store import Head
from tests.leaks import leaked
from tests.wire import wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

THREAD = ThreadId("t")


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    server = await attach(tmp_path / "home")
    yield server.url
    assert await leaked(server.url) == []
    server.release()


async def test_a_command_whose_reply_is_lost_is_sent_again_and_done_once(url: str, tmp_path: Path) -> None:
    async with wire(url, tmp_path) as proxy:
        store = ServerStore(f"unix://{tmp_path}/wire.sock")
        log = await Log.open(store, THREAD)
        for n in range(5):
            proxy.lose = 1
            await log.append(f"say {n}", [Said(text=str(n))])
        proxy.lose = 1
        await store.renew(log._lease, ttl=10)
        proxy.lose = 1
        await log.close()
        proxy.lose = 1
        again = await Log.open(store, THREAD)
        assert proxy.lost == 8
        assert [entry.record for entry in again.entries[1:]] == [Said(text=str(n)) for n in range(5)]
        assert again.length == 6
        await again.close()
        await store.aclose()


async def test_a_store_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    for url in ("redis://user:secret@127.0.0.1:1/0?password=secret", f"unix://user:secret@{tmp_path}/none.sock"):
        with pytest.raises(StoreUnreachable, match="gives no answer") as caught:
            await open_store(url)
        assert "secret" not in str(caught.value)


async def test_a_server_that_loads_its_data_is_waited_for_beyond_the_retries(tmp_path: Path) -> None:
    loading = ["LOADING the dataset is loaded into memory"] * (RETRIES + 3)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while words := int((await reader.readline())[1:] or 0):
            told = [(await reader.readline(), await reader.readline())[1].strip() for _ in range(words)]
            if told[0] == b"HELLO":
                writer.write(b"%1\r\n+proto\r\n:3\r\n")
            elif told[0] == b"HMGET":
                head = b"".join(b"+1\r\n" if name == b"n" else b"_\r\n" for name in told[2:])  # one entry, no more
                writer.write(f"-{loading.pop()}\r\n".encode() if loading else b"*%d\r\n%b" % (words - 2, head))
            else:
                writer.write(b"+OK\r\n")
        writer.close()

    async with await asyncio.start_unix_server(serve, tmp_path / "s.sock") as server:
        store = ServerStore(f"unix://{tmp_path}/s.sock")
        assert await store.head(THREAD) == Head(1)
        assert not loading
        await store.aclose()
        server.close()


async def test_a_wrong_password_is_named_as_such(url: str) -> None:
    store = ServerStore(url.replace("unix://", "unix://user:secret@"))
    with pytest.raises(StoreUnreachable, match="refuses the user or password") as caught:
        await store.check()
    assert "secret" not in f"{caught.value} {store.url} {store!r}"
    await store.aclose()


@pytest.mark.parametrize("url", ["http://x", "redis", "", "memory://name", "redis://h:port:x/se/cret@"])
async def test_an_address_of_no_store_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await open_store(url)
    assert "cret" not in str(caught.value)


async def test_the_address_of_a_memory_store_opens_one() -> None:
    assert isinstance(await open_store("memory://"), MemoryStore)


def test_an_address_is_shown_without_credentials() -> None:
    assert public("redis://u:p/w@d@host:1/0?password=x") == "redis://host:1/0"
    assert public("unix:///run/x.sock") == "unix:///run/x.sock"


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-lru", "noeviction"])
async def test_a_server_that_may_evict_threads_is_refused(url: str, policy: str) -> None:
    async with Redis.from_url(url) as raw:
        await raw.config_set("maxmemory", "100mb")
        await raw.config_set("maxmemory-policy", policy)
        store = ServerStore(url)
        if policy == "allkeys-lru":
            with pytest.raises(StoreUnsafe, match=r"may evict threads .* set it to noeviction"):
                await open_store(url)
        else:
            assert [w for w in await store.check() if "evict leases" in w] == await store.check()
        await raw.config_set("appendonly", "no")
        if policy == "noeviction":
            assert [w for w in await store.check() if "append-only" in w]
        await store.aclose()


async def test_a_full_server_refuses_in_our_words_and_keeps_what_it_has(url: str) -> None:
    store = ServerStore(url)
    log = await Log.open(store, THREAD)
    await log.append("say", [Said(text="kept")])
    async with Redis.from_url(url) as raw:
        await raw.config_set("maxmemory", "1")
        with pytest.raises(StoreUnsafe, match="has reached its maxmemory"):
            await log.append("more", [Said(text="x")])
        await raw.config_set("maxmemory", "0")
    await log.append("more", [Said(text="y")])
    assert [entry.record for entry in (await read_log(store, THREAD))[1:]] == [Said(text="kept"), Said(text="y")]
    await log.close()
    await store.aclose()


async def test_a_replica_is_refused(url: str) -> None:
    async with Redis.from_url(url) as raw:
        store = ServerStore(url)
        log = await Log.open(store, THREAD)
        await raw.replicaof("127.0.0.1", "1")
        with pytest.raises(StoreUnsafe, match="read-only replica"):
            await log.append("say", [Said(text="x")])
        with pytest.raises(StoreUnsafe, match="read-only replica"):
            await store.check()
        await raw.replicaof("NO", "ONE")
        await log.close()
        await store.aclose()


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (BusyLoadingError("x", status_code="LOADING"), StoreUnreachable, "still loading"),
        (ReadOnlyError("x", status_code="READONLY"), StoreUnsafe, "read-only replica"),
        (OutOfMemoryError("x", status_code="OOM"), StoreUnsafe, "maxmemory"),
        (ResponseError("MISCONF Valkey is configured to save RDB snapshots"), StoreUnsafe, "disk"),
        (ResponseError("ERR Error running script: @user_script:1: WRONGTYPE x"), DamagedEntry, "something else"),
        (ResponseError("ERR unknown command"), StoreError, "unknown command"),
        (AuthenticationError("x"), StoreUnreachable, "password"),
        (MovedError("1 127.0.0.1:1", status_code="MOVED"), StoreUnreachable, r"write redis\+cluster://"),
        (ResponseError("CLUSTERDOWN The cluster is down"), StoreUnreachable, "a cluster that is down"),
        (ResponseError("TRYAGAIN Multiple keys request during rehashing of slot"), StoreUnreachable, "moving"),
        (ResponseError("NOREPLICAS Not enough good replicas to write."), StoreUnsafe, "too few replicas"),
        (ResponseError("MASTERDOWN Link with MASTER is down"), StoreUnreachable, "without its primary"),
        (ResponseError("BUSY Redis is busy running a script."), StoreUnreachable, "SCRIPT KILL"),
        (ResponseError("NOPERM this user has no permissions"), StoreUnreachable, "widen its ACL"),
        (ResponseError("DENIED Redis is running in protected mode"), StoreUnreachable, "set a password there"),
        (AuthenticationError("NOAUTH Authentication required."), StoreUnreachable, "asks for a password"),
        (ResponseError("ERR max number of clients reached"), StoreUnreachable, "raise its maxclients"),
        (OSError(28, "no"), StoreUnreachable, "no answer"),
    ],
)
def test_what_a_server_says_becomes_an_error_of_ours(error: RedisError | OSError, kind: type, words: str) -> None:
    ours = translate(error, "redis://h")
    assert re.search(words, str(ours))
    assert type(ours) is kind


async def test_a_server_that_forgets_its_scripts_is_told_them_again(url: str) -> None:
    """As one does that is killed and started again, at any moment."""
    store = ServerStore(url)
    log = await Log.open(store, THREAD)
    async with Redis.from_url(url) as raw:
        for n in range(3):
            await raw.script_flush()
            await log.append(f"say {n}", [Said(text=str(n))])
    assert log.length == 4
    await log.close()
    await store.aclose()


async def test_a_thread_that_could_not_be_given_back_is_free_for_the_process_that_gave_it_up(
    url: str, tmp_path: Path
) -> None:
    async with wire(url, tmp_path) as proxy:
        store, other = ServerStore(f"unix://{tmp_path}/wire.sock"), ServerStore(url)
        log = await Log.open(store, THREAD)
        with pytest.raises(ThreadBusy, match="held by this process"):
            await other.acquire(THREAD, ttl=10)
        proxy.refuse = b"READONLY You can't write against a read only replica."
        with pytest.raises(StoreUnsafe):
            await log.close()
        again = await Log.open(other, THREAD)
        await again.append("say", [Said(text="x")])
        proxy.refuse = b""
        with pytest.raises(LeaseLost):
            await log.append("late", [Said(text="y")])
        await again.close()
        await store.aclose()
        await other.aclose()
