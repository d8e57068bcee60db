"""The intent of a write is on the disk before its tool starts; reads and idempotent calls wait for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from satchel.memory import settling
from satchel.memory.embedded import attach
from satchel.memory.errors import StoreUnsafe
from satchel.memory.redis_store import ServerStore
from satchel.runtime.agent import Agent
from satchel.runtime.models import Answer, Scripted, script
from satchel.runtime.tools import Tool, tool
from tests.runtime.desk import call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


ASKS = Answer("", (call("send", letter="A"),))


@pytest.fixture
async def lazy(tmp_path: Path) -> AsyncIterator[ServerStore]:
    """A store on a server that is not ours and never syncs, so that waiting for it takes for ever."""
    server = await attach(tmp_path / "home")
    store = ServerStore(server.url)
    yield store
    await store.aclose()
    server.release()


def sender(effect: Any) -> tuple[Tool, list[str]]:
    """A tool and the letters that it has sent."""
    sent: list[str] = []

    @tool(effect=effect)
    def send(letter: str) -> str:
        """Send a letter."""
        sent.append(letter)
        return f"sent {letter}"

    return send, sent


async def synced(store: ServerStore) -> dict[str, int]:
    """How often each command was called on the server."""
    async with Redis.from_url(store.url) as raw:
        stats = await raw.info("commandstats")
    return {name: said["calls"] for name, said in stats.items()}


async def test_a_write_whose_intent_the_disk_does_not_take_is_not_run_and_can_be_asked_for_again(
    lazy: ServerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "PATIENCE", 0.1)
    send, sent = sender("write")
    agent = Agent(Scripted(script(ASKS, ASKS, "Done.")), [send], store=lazy)
    with pytest.raises(StoreUnsafe, match=r"send was not run: the disk of the store .* within 0 s"):
        await agent.arun("Send it.", thread="t")
    assert sent == []
    async with Redis.from_url(lazy.url) as raw:
        await raw.config_set("appendfsync", "always")
    result = await agent.aresume("t")
    assert (result.outcome, sent) == ("done", ["A"])


@pytest.mark.parametrize("effect", ["read", "idempotent"])
async def test_calls_that_may_run_twice_do_not_wait_for_the_disk(lazy: ServerStore, effect: str) -> None:
    send, sent = sender(effect)
    agent = Agent(Scripted(script(ASKS, "Done.")), [send], store=lazy)
    assert (await agent.arun("Send it.", thread="t")).outcome == "done"
    assert sent == ["A"]
    assert "cmdstat_waitaof" not in await synced(lazy)


async def test_the_promise_is_weaker_where_the_server_keeps_no_file(lazy: ServerStore) -> None:
    async with Redis.from_url(lazy.url) as raw:
        await raw.config_set("appendonly", "no")
    send, sent = sender("write")
    agent = Agent(Scripted(script(ASKS, "Done.")), [send], store=lazy)
    assert (await agent.arun("Send it.", thread="t")).outcome == "done"
    assert sent == ["A"]
    assert [warning for warning in await lazy.check() if "append-only" in warning]
