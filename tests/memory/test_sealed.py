"""Encryption at rest: nothing readable on the server, nothing that can be moved, and one sentence for a wrong key."""

from __future__ import annotations

import base64
import io
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from langgraph.graph import START, MessagesState, StateGraph
from redis.asyncio import Redis

from satchel import Agent
from satchel.memory import Log, RedisSaver, RedisStore, ThreadId, open_store, read_log
from satchel.memory.embedded import attach
from satchel.memory.errors import ConfigError, DamagedEntry, WrongKey
from satchel.memory.forks import fork_thread
from satchel.memory.keyring import VARIABLE, Keyring, from_environment
from satchel.memory.open import runs_of
from satchel.memory.portable import export_thread, import_thread
from satchel.memory.records import Said
from satchel.memory.runs import START as FIRST
from satchel.memory.runs import Turn
from satchel.memory.sealed import SealedStore
from tests.leaks import leaked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from satchel.memory.store import Store

KEY, OTHER = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
ONE, TWO, THREE = (ThreadId(name) for name in ("one", "two", "three"))
TEXT = "the well behind the old mill"
MESSAGE = {"messages": [("user", TEXT * 9)]}


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    server = await attach(tmp_path / "home")
    yield server.url
    assert [key for key in await leaked(server.url) if b":store:" not in key] == []  # items stay until removed
    server.release()


@asynccontextmanager
async def opened(url: str, key: str | None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    with monkeypatch.context() as patch:
        if key:
            patch.setenv(VARIABLE, key)
        store = await open_store(url)
    try:
        yield store
    finally:
        await store.aclose()


async def say(store: Store, thread: ThreadId, *texts: str) -> None:
    log = await Log.open(store, thread)
    for text in texts:
        await log.append(f"s{log.length}", [Said(text=text)])
    await log.close()


async def said(store: Store, thread: ThreadId) -> list[str]:
    return [e.record.text for e in await read_log(store, thread) if isinstance(e.record, Said)]


async def all_bytes(url: str) -> bytes:
    """Everything that the server holds."""
    out: list[Any] = []
    async with Redis.from_url(url) as raw:
        for key in await raw.keys():
            kind = await raw.type(key)
            out.append(key)
            if kind == b"hash":
                out += [part for pair in (await raw.hgetall(key)).items() for part in pair]
            elif kind == b"stream":
                entries: Any = await raw.xrange(key)
                out += [part for _, fields in entries for part in fields.values()]
            elif kind == b"list":
                out += await raw.lrange(key, 0, -1)
            elif kind != b"string":
                out += await (raw.smembers(key) if kind == b"set" else raw.zrange(key, 0, -1))
    return b"\n".join(out)


def reply(state: MessagesState) -> dict[str, Any]:
    return {"messages": [("ai", f"{len(state['messages'])} {TEXT}")]}


GRAPH = StateGraph(MessagesState).add_node(reply).add_edge(START, "reply")


async def test_without_a_key_a_text_stands_on_the_server_as_it_is(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(url, None, monkeypatch) as store:
        await say(store, ONE, TEXT)
        assert TEXT.encode() in await all_bytes(url)


async def test_nothing_of_a_text_stands_on_the_server(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    async with Agent("sim:echo", store=url) as agent:
        result = await agent.arun(TEXT, thread="one")
        assert result.output == TEXT
        assert (await agent.arun("again", thread="one")).output == "again"
    with RedisSaver.from_url(url) as saver:
        graph = GRAPH.compile(checkpointer=saver)
        config = {"configurable": {"thread_id": "lang"}}
        for _ in range(3):
            await graph.ainvoke(MESSAGE, config)  # type: ignore[call-overload]  # a plain dict is a config
        saver.copy_thread("lang", "copied")
        saver.prune(["lang"])
        for name in ("lang", "copied"):
            state = graph.get_state({"configurable": {"thread_id": name}})
            assert [m.text for m in state.values["messages"]][-1] == f"5 {TEXT}"
        await graph.ainvoke(MESSAGE, {"configurable": {"thread_id": "copied"}})  # type: ignore[call-overload]  # as above
    with RedisStore.from_url(url) as shelf:
        shelf.put(("users",), "ann", {"knows": TEXT})
        item = shelf.get(("users",), "ann")
        assert item is not None
        assert item.value == {"knows": TEXT}
        assert len(shelf.search(("users",), filter={"knows": TEXT})) == 1
    kept = await all_bytes(url)
    store = await open_store(url)
    digests = [name[1:] for name in await store.fields.names(ThreadId("copied")) if name[:1] == b"b"]
    await store.aclose()
    assert digests
    assert not any(digest in kept for digest in digests), "who knows a text cannot tell that it is there"
    assert TEXT.encode() not in kept
    assert b"mill" not in kept
    assert bytes([1]) * 32 not in kept


@pytest.mark.parametrize("key", [None, OTHER])
async def test_without_the_key_there_is_one_sentence(
    url: str, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    async with opened(url, KEY, monkeypatch) as store:
        await say(store, ONE, TEXT)
        with monkeypatch.context() as patch:
            patch.setenv(VARIABLE, KEY)
            with RedisSaver.from_url(url) as saver:
                GRAPH.compile(checkpointer=saver).invoke(MESSAGE, {"configurable": {"thread_id": "lang"}})  # type: ignore[call-overload]  # as above
            with RedisStore.from_url(url) as shelf:
                shelf.put(("users",), "ann", {"knows": TEXT})
    way_out = "is encrypted.*SATCHEL_KEY"
    async with opened(url, key, monkeypatch) as store:
        with pytest.raises(WrongKey, match=way_out):
            await read_log(store, ONE)
        with pytest.raises(WrongKey, match=way_out):
            await Log.open(store, ONE)
        with pytest.raises(WrongKey, match=way_out):
            await export_thread(store, ONE, io.BytesIO())
        assert await store.threads() == [ONE]
        with monkeypatch.context() as patch:
            if key:
                patch.setenv(VARIABLE, key)
            with RedisSaver.from_url(url) as saver, pytest.raises(WrongKey, match=way_out):
                saver.get_tuple({"configurable": {"thread_id": "lang"}})
            with RedisSaver.from_url(url) as saver, pytest.raises(WrongKey, match="is encrypted"):
                saver.copy_thread("lang", "copy")
            assert await store.fields.threads("default") == [ThreadId("lang")]
            with RedisStore.from_url(url) as shelf, pytest.raises(WrongKey, match=way_out):
                shelf.get(("users",), "ann")
        await store.delete(ONE)  # what cannot be read can be removed


async def test_keys_are_changed_and_what_was_plain_stays_readable(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(url, None, monkeypatch) as store:
        await say(store, ONE, "plain")
    with RedisSaver.from_url(url) as saver:
        GRAPH.compile(checkpointer=saver).invoke(MESSAGE, {"configurable": {"thread_id": "lang"}})  # type: ignore[call-overload]  # as above
    for text, keys in (("first", KEY), ("second", f"{OTHER}, {KEY}")):
        async with opened(url, keys, monkeypatch) as store:
            await say(store, ONE, text)
        with monkeypatch.context() as patch:
            patch.setenv(VARIABLE, keys)
            with RedisSaver.from_url(url) as saver:
                GRAPH.compile(checkpointer=saver).invoke(MESSAGE, {"configurable": {"thread_id": "lang"}})  # type: ignore[call-overload]  # as above
    async with opened(url, f"{OTHER},{KEY}", monkeypatch) as store:
        assert await said(store, ONE) == ["plain", "first", "second"]
        with monkeypatch.context() as patch:
            patch.setenv(VARIABLE, f"{OTHER},{KEY}")
            with RedisSaver.from_url(url) as saver:
                saver.prune(["lang"])
                found = saver.get_tuple({"configurable": {"thread_id": "lang"}})
                assert found is not None
                assert len(found.checkpoint["channel_values"]["messages"]) == 6


async def test_a_service_keeps_its_runs_sealed_too_and_a_change_of_keys_changes_no_thread(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = TEXT.encode()
    async with opened(url, KEY, monkeypatch) as store:
        runs = runs_of(store)
        await runs.admit(ONE, "r", said, strategy="enqueue", due=0, make=said, limit=9)
        turn = await runs.claim(ONE, ttl=9)
        assert isinstance(turn, Turn)
        await runs.append(turn, [("values", said)])
        await runs.settle(ONE, said)
        assert said not in await all_bytes(url)
        row, run = await runs.row(ONE), await runs.run(ONE, "r")
        assert row
        assert run
        assert (row.doc, row.rest, run.doc) == (said, said, said)
        assert [event.data for event in await runs.page(ONE, "r", FIRST, 9)] == [said]
    async with opened(url, f"{OTHER},{KEY}", monkeypatch) as store:
        runs = runs_of(store)
        assert not await runs.replace(ONE, b"strange", b"new")
        assert await runs.replace(ONE, said, b"new")
        assert await runs.replace(ONE, said, b"new")  # sent again
        row = await runs.row(ONE)
        assert row
        assert (row.doc, row.rest) == (b"new", said)
    async with opened(url, OTHER, monkeypatch) as store:
        with pytest.raises(WrongKey, match="a run of thread 'one'"):
            await runs_of(store).runs(ONE)
        await runs_of(store).delete(ONE)


async def test_what_is_moved_or_altered_does_not_open(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(url, KEY, monkeypatch) as store, Redis.from_url(url) as raw:
        log = "satchel:{default:%s}:log"

        async def entry(thread: str, seq: int) -> bytes:
            found = await raw.hget(log % thread, str(seq))
            assert isinstance(found, bytes)
            return found

        async def damaged(seq: int, data: bytes) -> None:
            await say(store, ONE, "a", "b")
            await raw.hset(log % "one", str(seq), data)
            with pytest.raises(DamagedEntry, match=f"entry {seq} of thread 'one' is damaged, or was moved"):
                await read_log(store, ONE)
            await store.delete(ONE)

        await say(store, ONE, "a", "b")
        await say(store, TWO, "a", "b")
        one, other = await entry("one", 1), await entry("two", 1)
        await store.delete(ONE)
        assert one != other, "the same text in another thread is sealed otherwise"
        await damaged(1, other)
        await damaged(2, one)
        await damaged(1, one[:-1] + bytes([one[-1] ^ 1]))
        await damaged(1, one[:20])


async def test_an_append_sent_again_is_the_same_bytes(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(url, KEY, monkeypatch) as store:
        lease = await store.acquire(ONE, ttl=10)
        for _ in range(2):
            assert await store.append(lease, op="a", expected=0, entries=[b"0", b"1"]) == 2
        await store.release(lease)
        assert await store.read(ONE) == [b"0", b"1"]
        assert isinstance(store, SealedStore)
        assert await store.size(ONE) == 2 * (2 + 4 + 16 + 1)


async def test_forks_of_forks_open_before_and_after_their_sources_go(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(url, KEY, monkeypatch) as store:
        await say(store, ONE, "a", "b")
        await fork_thread(store, ONE, TWO)
        await say(store, TWO, "c")
        await say(store, ONE, "elsewhere")
        await fork_thread(store, TWO, THREE)
        await say(store, THREE, "d")
        for gone in (None, ONE, TWO):
            if gone:
                await store.delete(gone)
            assert await said(store, THREE) == ["a", "b", "c", "d"]
        file = io.BytesIO()
        await export_thread(store, THREE, file)
        file.seek(0)
        assert await said(store, await import_thread(store, file, "four")) == ["a", "b", "c", "d"]
        assert TEXT.encode() not in await all_bytes(url)


@pytest.mark.parametrize("given", ["short", "x" * 44, KEY + ",", KEY[:-4], "0" * 63])
def test_what_is_no_key_is_refused_without_showing_it(given: str) -> None:
    with pytest.raises(ConfigError, match="of SATCHEL_KEY is not 32 bytes in base64 or hexadecimal") as refused:
        from_environment({VARIABLE: given})
    assert given.strip(",") not in str(refused.value)


def test_a_key_is_read_in_each_form_and_never_shown() -> None:
    raw = bytes(range(200, 232))
    plain, safe = base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()
    rings = [from_environment({VARIABLE: text}) for text in (plain, safe, raw.hex(), raw.hex().upper())]
    assert from_environment({}) is from_environment({VARIABLE: " "}) is None
    sealed = Keyring([raw]).seal(b"s", b"p", b"text")
    for ring in rings:
        assert ring is not None
        assert ring.open(b"s", b"p", sealed, "it") == b"text"
        assert repr(ring) == "<Keyring of 1>"
