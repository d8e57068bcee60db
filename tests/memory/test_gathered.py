"""Commands of many callers in one message: fewer messages, and each caller has its own answer, error and patience."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ResponseError

from satchel.memory import patience
from satchel.memory.connection import Connection
from satchel.memory.embedded import attach
from tests.wire import wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[str]:
    server = await attach(tmp_path / "home")
    yield server.url
    server.release()


async def test_what_many_ask_at_once_takes_few_messages(there: str) -> None:
    asker = Connection(there)
    before = (await asker.redis.info("stats"))["total_reads_processed"]
    got = await asyncio.gather(*(asker.redis.incr(f"n{n % 7}") for n in range(700)))
    assert got == [1 + n // 7 for n in range(700)]
    after = (await asker.redis.info("stats"))["total_reads_processed"]
    assert after - before < 100
    await asker.aclose()


async def test_an_error_is_told_to_who_caused_it_alone(there: str) -> None:
    asker = Connection(there)
    await asker.redis.set("word", "x")
    answers = await asyncio.gather(
        asker.redis.get("word"), asker.redis.hget("word", "f"), asker.redis.get("word"), return_exceptions=True
    )
    assert [answers[0], answers[2]] == [b"x", b"x"]
    assert isinstance(answers[1], ResponseError)
    async with asker.redis.pipeline(transaction=False) as pipe:
        pipe.get("word")
        pipe.hget("word", "f")
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await pipe.execute()
    await asker.aclose()


async def test_who_gives_up_disturbs_nobody_and_nobody_waits_with_who_waits(there: str) -> None:
    asker = Connection(there)
    await asker.redis.ping()
    waits = asyncio.ensure_future(asker.redis.xread({"bell": "0-0"}, block=60_000))
    others: list[asyncio.Future[int]] = [asyncio.ensure_future(asker.redis.incr("n")) for _ in range(20)]
    await asyncio.sleep(0)  # all have asked
    for gone in others[::2]:
        gone.cancel()
    done = await asyncio.gather(*others, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in done] == [True, False] * 10
    assert not waits.done()
    await asker.redis.xadd("bell", {"r": ""})
    assert await waits
    await asker.aclose()


async def test_a_message_whose_answer_is_lost_is_sent_again(there: str, tmp_path: Path) -> None:
    async with wire(there, tmp_path) as proxy:
        asker = Connection(f"unix://{tmp_path}/wire.sock")
        await asker.redis.ping()

        async def first() -> None:
            await asker.redis.ping()
            proxy.lose = 1  # that of the others' message, which goes out now

        _, *added = await asyncio.gather(first(), *(asker.redis.sadd("s", n) for n in range(9)))
        assert added == [0] * 9  # done the first time
        assert proxy.lost == 1
        assert await asker.redis.scard("s") == 9
        await asker.aclose()


async def test_a_caller_that_is_amidst_of_a_try_takes_no_patience_from_a_message(there: str, tmp_path: Path) -> None:
    """Whether something is tried already is known by context; the message of others must not inherit it."""
    async with wire(there, tmp_path) as proxy:
        asker = Connection(f"unix://{tmp_path}/wire.sock")
        await asker.redis.ping()
        trying = patience._TRYING.set(True)
        proxy.lose = 1
        assert all(await asyncio.gather(asker.redis.set("a", 1), asker.redis.set("b", 1)))
        patience._TRYING.reset(trying)
        await asker.aclose()


async def test_an_answer_that_cannot_be_read_leaves_none_of_its_message_for_what_comes_next(there: str) -> None:
    def odd(*_: object, **__: object) -> None:
        raise ValueError("odd")

    asker = Connection(there)
    await asker.redis.set("word", "x")
    asker.redis.set_response_callback("GET", odd)
    got = await asyncio.gather(
        asker.redis.ping(), asker.redis.get("word"), asker.redis.strlen("word"), return_exceptions=True
    )
    assert isinstance(got[1], ValueError)
    assert (await asker.redis.exists("none"), await asker.redis.strlen("word")) == (0, 1)
    await asker.aclose()
