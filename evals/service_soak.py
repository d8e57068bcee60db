"""What the service holds on to: connections under idle streams, and memory and keys under minutes of load.

`python -m satchel.evals.service_soak --idle 300 --minutes 10`. A stream is idle whose run is due in a year. What a load
leaves depends on its rate for as long as the streams of ended runs wait to expire; so what is compared are marks at
rest, once nothing expires any more: after the first two minutes, which fill caches, and after the last.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from satchel.evals.service_load import BODIES, CONCURRENT, Server, drive, service
from satchel.memory.connection import Connection

YEAR = 365 * 24 * 3_600

BEATS = 12.0
"""Seconds that idle streams are held: two signs of life of each, which look at its run."""

WARM, MINUTE = 2, 60.0
"""Minutes of load before the first mark at rest, and the seconds of each."""

LOOK = 0.5
"""Seconds between two looks whether all that expires is gone."""


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


async def soak(server: Server, store: str, minutes: int, *, seconds: float = MINUTE) -> Mark:
    """The mark at rest after so many minutes of load, waits and streams by turns."""
    watch = Connection(store)
    try:
        for n in range(minutes):
            way = list(BODIES)[n % len(BODIES)]
            await asyncio.to_thread(drive, server, way, concurrent=CONCURRENT, seconds=seconds)
        while (await watch.redis.info("keyspace")).get("db0", {}).get("expires"):  # noqa: ASYNC110 - another process expires it
            await asyncio.sleep(LOOK)
        used = (await watch.redis.info("memory"))["used_memory"] / 1024
        return Mark(_resident(server.pid), used, await watch.redis.dbsize())
    finally:
        await watch.aclose()


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
            for minutes in (WARM, args.minutes):
                mark = asyncio.run(soak(server, store, minutes))
                print(f"at rest after {minutes} more minutes of load: {mark}")  # noqa: T201 - as above


if __name__ == "__main__":
    main()
