"""What the service holds on to: connections under idle streams, and memory and keys under minutes of load.

`python -m satchel.evals.service_soak --idle 300 --minutes 10`. A stream is idle whose run is due in a year. Under load
a mark is taken after each minute; the first two fill caches and streams that wait to expire, and are not compared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from satchel.evals.service_load import BODIES, CONCURRENT, Server, drive, service
from satchel.memory.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Sequence

YEAR = 365 * 24 * 3_600

BEATS = 12.0
"""Seconds that idle streams are held: two signs of life of each, which look at its run."""

WARM, MINUTE = 2, 60.0
"""Marks that are not compared, and the seconds between two."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What is held at a moment: kilobytes of the service's process and of its store, and keys in that."""

    process: float
    store: float
    keys: float

    def __str__(self) -> str:
        return f"process {self.process:,.0f} kB, store {self.store:,.0f} kB, {self.keys:,.0f} keys"


async def idle(server: Server, store: str, streams: int, *, seconds: float = BEATS) -> int:
    """The most connections that the service had to its store while so many streams waited for so many seconds."""
    watch = Connection(store)
    loop = asyncio.get_running_loop()
    most = 0
    async with AsyncExitStack() as stack:
        stack.push_async_callback(watch.aclose)
        for _ in range(streams):
            stack.callback((await _stream(server.url)).close)
        until = loop.time() + seconds
        while loop.time() < until:
            most = max(most, len(await watch.redis.client_list()) - 1)
            await asyncio.sleep(0.2)
    return most


async def _stream(url: str) -> asyncio.StreamWriter:
    """A stream whose headers have come, and no event of its run will."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps({**BODIES["stream"], "after_seconds": YEAR}).encode()
    head = f"POST /runs/stream HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\nContent-Length: "
    writer.write(f"{head}{len(body)}\r\n\r\n".encode() + body)
    told = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in told:
        raise ConnectionError(f"a stream was refused: {told[:60]!r}")
    return writer


async def soak(server: Server, store: str, marks: int, *, seconds: float = MINUTE) -> list[Mark]:
    """Marks under load, one after each so many seconds; waits and streams by turns."""
    watch = Connection(store)
    found = []
    try:
        for n in range(marks):
            way = list(BODIES)[n % len(BODIES)]
            await asyncio.to_thread(drive, server, way, concurrent=CONCURRENT, seconds=seconds)
            used = (await watch.redis.info("memory"))["used_memory"] / 1024
            found.append(Mark(_resident(server.pid), used, await watch.redis.dbsize()))
    finally:
        await watch.aclose()
    return found


def growth(marks: Sequence[Mark], warm: int = WARM) -> Mark:
    """By what share the later half of the marks is above the earlier, without the first `warm`."""
    kept = list(map(astuple, marks[warm:]))
    half = len(kept) // 2
    early, late = (list(map(mean, zip(*some, strict=True))) for some in (kept[:half], kept[half:]))
    return Mark(*(after / before - 1 for before, after in zip(early, late, strict=True)))


def _resident(pid: int) -> float:
    """Kilobytes of a process in memory (proc(5): VmRSS)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return float(status.partition("VmRSS:")[2].split()[0])


def main() -> None:
    """Print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle", type=int, default=300, help="streams")
    parser.add_argument("--minutes", type=int, default=10)
    args = parser.parse_args()
    with service() as (server, store):
        if args.idle:
            most = asyncio.run(idle(server, store, args.idle))
            print(f"{args.idle} idle streams: at most {most} connections to the store")  # noqa: T201 - what the command is for
        if args.minutes:
            marks = asyncio.run(soak(server, store, args.minutes))
            for minute, mark in enumerate(marks, 1):
                print(f"after minute {minute}: {mark}")  # noqa: T201 - as above
            grown = growth(marks)
            print(f"growth: process {grown.process:+.1%}, store {grown.store:+.1%}, keys {grown.keys:+.1%}")  # noqa: T201 - as above


if __name__ == "__main__":
    main()
