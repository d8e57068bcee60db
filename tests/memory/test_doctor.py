"""`satchel doctor`: each way in which a store may lose data is found, with what it means, and never with a secret."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from satchel.memory.doctor import examine
from satchel.memory.embedded import attach
from satchel.memory.errors import ConfigError
from satchel.memory.health import CHECKS, Facts
from tests.leaks import leaked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WELL = {
    "valkey_version": "9.1.2",
    "role": "master",
    "aof_enabled": 1,
    "maxmemory": 0,
    "used_memory": 1 << 20,
    "total_system_memory": 1 << 33,
}


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    server = await attach(tmp_path / "home")
    yield server.url
    assert await leaked(server.url) == []
    server.release()


def states(info: dict[str, Any], config: dict[str, str] | None = None) -> dict[str, str]:
    """What is not well about a server that says these things of itself."""
    findings = [check(Facts(WELL | info, {"appendfsync": "everysec"} | (config or {}))) for check in CHECKS]
    assert all(one.found and one.means for one in findings)
    assert all(one.todo for one in findings if one.state != "ok")
    return {one.subject: one.state for one in findings if one.state != "ok"}


LATE = {"ip": "127.0.0.1", "port": 1, "state": "online", "offset": 1, "lag": 60}


@pytest.mark.parametrize(
    ("info", "config", "found"),
    [
        ({}, {}, {}),
        ({"valkey_version": "6.0.9"}, {}, {"server": "warning"}),
        ({"role": "slave"}, {}, {"role": "unfit"}),
        ({"maxmemory": 1 << 30, "maxmemory_policy": "allkeys-lru"}, {}, {"eviction": "unfit"}),
        ({"maxmemory": 1 << 30, "maxmemory_policy": "volatile-lru"}, {}, {"eviction": "warning"}),
        ({"aof_enabled": 0}, {}, {"persistence": "warning"}),
        ({"aof_last_write_status": "err"}, {}, {"persistence": "warning"}),
        ({"rdb_last_bgsave_status": "err"}, {}, {"persistence": "warning"}),
        ({}, {"appendfsync": "no"}, {"fsync": "warning"}),
        ({}, {"appendfsync": "always"}, {}),
        ({"maxmemory": 1_100_000}, {}, {"memory": "warning"}),
        ({"valkey_version": "banana"}, {}, {"server": "warning"}),
        ({"valkey_version": "9.1-rc1"}, {}, {}),
        ({"used_memory": "much", "maxmemory": float("nan"), "total_system_memory": -1, "slave0": "away"}, {}, {}),
        ({"connected_slaves": 1, "slave0": LATE | {"lag": 0}}, {}, {}),
        ({"connected_slaves": 1, "slave0": LATE}, {}, {"replicas": "warning"}),
        ({"connected_slaves": 1, "slave0": LATE | {"lag": 0, "state": "wait_bgsave"}}, {}, {"replicas": "warning"}),
    ],
)
def test_each_way_to_lose_data_is_found(info: dict[str, Any], config: dict[str, str], found: dict[str, str]) -> None:
    assert states(info, config) == found


STRANGE = {
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a number for everything": b":7\r\n",
    "yes to everything": b"+OK\r\n",
    "a length below zero": b"$-5\r\n",
    "lists in lists": b"*1\r\n" * 3_000 + b"+x\r\n",
    "colours and bells": b"-ERR \x1b[31mred\x07\r\n",
    "maps": b"%1\r\n$5\r\nproto\r\n:3\r\n",
}


@pytest.mark.parametrize("kind", STRANGE)
async def test_what_is_no_redis_is_a_finding(kind: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            writer.write(STRANGE[kind])
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        findings = await examine(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert findings[-1].state == "unfit"
    assert all(word.isprintable() for one in findings for word in (one.found, one.means, one.todo))


async def test_the_embedded_server_keeps_all_that_is_promised() -> None:
    findings = await examine(None)
    assert {one.subject: one.state for one in findings if one.state != "ok"} == {}
    assert {"reachability", "transport", "user", "lease", "intents", "disk", *(c.__name__ for c in CHECKS)} <= {
        one.subject for one in findings
    }


async def test_the_weaker_promise_is_stated_and_a_slow_disk_is_seen(url: str) -> None:
    async with Redis.from_url(url) as raw:
        await raw.config_set("appendonly", "no")
        found = {one.subject: one.state for one in await examine(url)}
        assert (found["persistence"], found["intents"]) == ("warning", "warning")
        await raw.config_set("maxmemory", "100mb")
        await raw.config_set("maxmemory-policy", "allkeys-lru")
        assert {one.subject: one.state for one in await examine(url)}["eviction"] == "unfit"


async def test_the_examination_leaves_nothing_behind_where_the_disk_does_not_take_it_in_time_either(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded server, looked at as if it were another: nobody tells it when its file is on the disk."""
    monkeypatch.setattr("satchel.memory.settling.PATIENCE", 0.2)
    found = {one.subject: one.state for one in await examine(url)}
    assert (found["fsync"], found["lease"], found["intents"]) == ("warning", "ok", "unfit")
    async with Redis.from_url(url) as raw:
        assert await raw.keys() == []


async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that never answers."""
    while await reader.read(1_000):
        pass
    writer.close()


async def test_a_store_that_is_away_or_silent_is_a_finding_within_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("satchel.memory.doctor.LIMIT", 0.3)
    (away,) = await examine("redis://user:secret@127.0.0.1:1/0?password=secret")
    async with await asyncio.start_unix_server(listen, tmp_path / "s.sock") as silent:
        (mute,) = await examine(f"unix://user:secret@{tmp_path}/s.sock")
        silent.close()
    for one in (away, mute):
        assert (one.subject, one.state) == ("reachability", "unfit")
        assert "secret" not in str(one)
    with pytest.raises(ConfigError):
        await examine("http://user:secret@x")
