"""What is told to nobody and kept nowhere: keys, passwords, folders."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from satchel.runtime.service.api_keys import add
from satchel.runtime.service.wire import safe
from tests.service.door import behind
from tests.service.leaky import SECRET, served
from tests.stores import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx


def everything(redis: Redis) -> Iterator[tuple[bytes, bytes]]:
    """All keys of a server and all that is in them."""
    kinds: Any = {
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"set": redis.smembers,
        b"zset": lambda key: redis.zrange(key, 0, -1),
        b"stream": redis.xrange,
    }
    names: Any = redis.scan_iter()
    for key in names:
        yield key, repr(kinds[redis.type(key)](key)).encode()


async def test_secrets_are_in_no_answer_no_event_no_log_and_nothing_that_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "keys"
    keys = [add("ann", path), add("ann", path)]
    answers: list[bytes] = []

    async def ask(method: str, where: str, **more: Any) -> httpx.Response:
        answer = await client.request(method, where, **{"headers": {"authorization": f"Bearer {keys[1]}"}, **more})
        answers.append(answer.content + repr(answer.headers).encode())
        assert answer.status_code < 500, answer.text
        return answer

    with serving("valkey", tmp_path / "store") as store:
        assert store is not None
        async with behind(path, served, store=store.url) as client:
            for name in served:
                thread = (await ask("POST", "/threads", json={})).json()["thread_id"]
                sent: Any = {
                    "assistant_id": name,
                    "input": {"messages": [{"role": "user", "content": "hi"}], "name": "a"},
                }
                sent |= {"stream_mode": ["values", "updates", "debug", "tasks", "events"], "stream_resumable": True}
                made = await ask("POST", f"/threads/{thread}/runs", json=sent, headers={"x-api-key": keys[0]})
                run = made.json()["run_id"]
                failed = (await ask("GET", f"/threads/{thread}/runs/{run}/join")).json()["__error__"]["message"]
                assert "refused" in failed  # what went wrong is told
                await ask("GET", f"/threads/{thread}/runs/{run}/stream")
                for below in ("", "/state", "/history", "/usage", "/runs", f"/runs/{run}"):
                    await ask("GET", f"/threads/{thread}{below}")
                await ask("GET", f"/runs/{run}/prompts")
                await ask("POST", "/runs/wait", json=sent)
                await ask("POST", "/v1/chat/completions", json={"model": name, "messages": [], "secret": keys[0]})
                await ask("POST", "/threads", json={"metadata": keys[0]})
        with Redis.from_url(store.url) as redis:
            kept = list(everything(redis))
    secrets = [SECRET.encode(), *(key.encode() for key in keys)]
    assert len(kept) > 5
    assert [answer for answer in answers if any(one in answer for one in secrets) or b"canary-folder" in answer] == []
    assert [(key, value) for key, value in kept if any(one in key + value for one in secrets)] == []
    assert "failed: RuntimeError" in caplog.text
    assert not any(one in caplog.text.encode() for one in secrets)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("no file /srv/app/data.csv here", "no file data.csv here"),
        (r"no file C:\Users\ann\data.csv here", "no file data.csv here"),
        ("GET https://example.org/a/b failed", "GET https://example.org/a/b failed"),
        ("redis://u:pw@host/0 is down", "redis://***@host/0 is down"),
        ("Traceback (most recent call last):\n  File x\nValueError: no", "ValueError: no"),
        ("a/b and 1/2 stay", "a/b and 1/2 stay"),
    ],
)
def test_a_message_is_told_without_folders_passwords_and_tracebacks(said: str, told: str) -> None:
    assert safe(said) == told
