"""How fast a store takes entries from many writers at once: `python -m satchel.evals.store_rate`.

So many writers, each with a thread of its own, append entries to the embedded server: through the store, through the
bare client with the same script, pool and arguments, and into LangGraph's store, by turns on the same server.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from satchel.memory import RedisStore, ThreadId
from satchel.memory.embedded import attach
from satchel.memory.keys import keys
from satchel.memory.redis_store import ServerStore
from satchel.memory.scripts import APPEND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Writing = Callable[[int, int, bytes], Awaitable[Any]]
    """Writes the nth entry of a writer."""

TTL = 600
"""Seconds of a lease."""


class Rates:
    """Entries a second by way, one for each round."""

    def __init__(self, writers: int, each: int, size: int) -> None:
        self.writers, self.each = writers, each
        self.rates: dict[str, list[float]] = {}
        self._entry = random.Random(0).randbytes(size)  # noqa: S311 - bytes for a measurement

    async def time(self, way: str, writing: Writing) -> None:
        """Let all writers write by one way at once."""

        async def writer(number: int) -> None:
            for n in range(self.each):
                await writing(number, n, self._entry)

        begin = time.perf_counter()
        await asyncio.gather(*(writer(number) for number in range(self.writers)))
        seconds = time.perf_counter() - begin
        self.rates.setdefault(way, []).append(self.writers * self.each / seconds)

    def ratio(self, one: str, other: str) -> float:
        """The median over the rounds of one rate by another."""
        return median(a / b for a, b in zip(self.rates[one], self.rates[other], strict=True))

    def __str__(self) -> str:
        lines = [f"{way:>12}  {median(rates):>7,.0f} entries/s" for way, rates in self.rates.items()]
        return "\n".join([*lines, f"Store.append is at {self.ratio('Store.append', 'evalsha'):.2f}x of evalsha"])


async def measure(*, writers: int, each: int, size: int, rounds: int) -> Rates:
    """Entries a second of so many writers with so many entries of `size` bytes each, by each way in turn."""
    rates = Rates(writers, each, size)
    async with _ways(writers) as ways:
        for turn in range(rounds):
            for way, prepare in ways.items():
                await rates.time(way, await prepare(turn))
    return rates


@asynccontextmanager
async def _ways(writers: int) -> AsyncIterator[dict[str, Callable[[int], Awaitable[Writing]]]]:
    with tempfile.TemporaryDirectory() as home:
        server = await attach(Path(home))
        store = ServerStore(server.url)
        redis = store._redis  # noqa: SLF001 - the same client and pool, without the store
        script: Any = await redis.script_load(APPEND)

        async def leases(turn: int, way: str) -> list[Any]:
            return [await store.acquire(ThreadId(f"{way} {turn} {n}"), ttl=TTL) for n in range(writers)]

        async def through_store(turn: int) -> Writing:
            held = await leases(turn, "store")
            return lambda writer, n, entry: store.append(held[writer], op=f"op {n}", expected=n, entries=[entry])

        async def through_client(turn: int) -> Writing:
            held = await leases(turn, "bare")
            logs = [keys(lease.thread)[0] for lease in held]

            def write(writer: int, n: int, entry: bytes) -> Awaitable[Any]:
                args: list[Any] = [held[writer].token, f"op {n}", "", n, entry]
                done: Awaitable[Any] = redis.evalsha(script, 1, logs[writer], *args)
                return done

            return write

        async def through_items(turn: int) -> Writing:
            texts: dict[bytes, str] = {}

            def write(writer: int, n: int, entry: bytes) -> Awaitable[Any]:
                text = texts.setdefault(entry, entry.hex()[: len(entry)])
                return items.aput(("writers", f"{turn} {writer}"), str(n), {"text": text})

            return write

        async with RedisStore.from_url(server.url) as items:
            yield {"Store.append": through_store, "evalsha": through_client, "RedisStore": through_items}
        await store.aclose()
        server.release()


def main() -> None:
    """Print one line for each way, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writers", type=int, default=32)
    parser.add_argument("--each", type=int, default=40, help="entries of one writer in one round")
    parser.add_argument("--size", type=int, default=2048, help="bytes of one entry")
    parser.add_argument("--rounds", type=int, default=15)
    print(asyncio.run(measure(**vars(parser.parse_args()))))  # noqa: T201 - what the command is for


if __name__ == "__main__":
    main()
