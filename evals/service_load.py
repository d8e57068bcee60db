"""What the service adds to a graph: its rates beside those of the bare graph behind the same ASGI server.

`python -m satchel.evals.service_load` starts both in processes of their own, a store of its own, and drives them with
`hey` (a Debian package), by turns, so that what else the machine does meets all alike.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, field
from pathlib import Path
from statistics import median

from satchel.memory.embedded import attach
from satchel.memory.errors import ConfigError

CONCURRENT, ROUNDS, SECONDS, WARM = 20, 7, 4.0, 1.0
"""Requests at once, rounds, seconds of each way in a round, and in the first, which is not counted."""

GRAPH = "satchel.evals.service_graph"

WAIT, STREAM, ADDED = 0.85, 0.75, 0.015
"""The bars: shares of the bare graph's rate, and seconds added to the middle request."""

INPUT = {"messages": [{"role": "user", "content": "do what is to be done"}]}
BODIES = {
    "wait": {"assistant_id": "agent", "input": INPUT},
    "stream": {"assistant_id": "agent", "input": INPUT, "stream_mode": ["messages-tuple", "values"]},
}
"""What is asked, on a thread of its own each time, so that no request waits for another."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One way in one round: requests a second, seconds of the middle one, and the share that failed.

    `cpu` is what a request takes of the processor in the server's process, in seconds.
    """

    rate: float
    p50: float
    failed: float
    cpu: float


@dataclass(slots=True)
class Beside:
    """One way to run the graph, `wait` or `stream`, beside the bare graph: a pair of slices a round."""

    name: str
    pairs: list[tuple[Slice, Slice]] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Our rate by that of the bare graph, in the middle round."""
        return median(ours.rate / bare.rate for ours, bare in self.pairs)

    @property
    def added(self) -> float:
        """Seconds that the middle request takes longer, in the middle round."""
        return median(ours.p50 - bare.p50 for ours, bare in self.pairs)

    def __str__(self) -> str:
        ours, bare = (
            Slice(*map(median, zip(*map(astuple, side), strict=True))) for side in zip(*self.pairs, strict=True)
        )
        return (
            f"{self.name:6} {self.ratio:.2f}x the bare graph's rate ({ours.rate:.0f} beside {bare.rate:.0f} a second), "
            f"p50 {1000 * self.added:+.1f} ms ({1000 * ours.p50:.0f} beside {1000 * bare.p50:.0f}), "
            f"processor {1000 * ours.cpu:.1f} beside {1000 * bare.cpu:.1f} ms a request, failed {ours.failed:.1%}"
        )


@dataclass(frozen=True, slots=True)
class Server:
    """A server process, and where it listens."""

    url: str
    pid: int

    def cpu(self) -> float:
        """Seconds that it has taken of the processor (proc(5): fields 14 and 15)."""
        stat = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def started(*words: str) -> Iterator[Server]:
    """A server process, given to `python -m`."""
    process = subprocess.Popen([sys.executable, "-m", *words], stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own program
    assert process.stderr is not None  # noqa: S101 - it is a pipe
    try:
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                yield Server(found[0], process.pid)
                break
        else:
            raise ConfigError(f"{words[0]} did not start")
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def drive(server: Server, way: str, *, concurrent: int, seconds: float) -> Slice:
    """Let `hey` ask for so many seconds. Raises `ConfigError` if it is not there."""
    hey = shutil.which("hey")
    if hey is None:
        raise ConfigError("hey is missing; install the Debian package hey")
    command = [hey, "-z", f"{seconds}s", "-c", str(concurrent), "-m", "POST", "-T", "application/json", "-o", "csv"]
    command += ["-d", json.dumps(BODIES[way]), f"{server.url}/runs/{way}"]
    before = server.cpu()
    told = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - a program of Debian
    cpu = server.cpu() - before
    rows = list(csv.DictReader(told.stdout.splitlines()))
    took = [float(row["response-time"]) for row in rows]
    whole = max(float(row["offset"]) + one for row, one in zip(rows, took, strict=True))
    good = sum(row["status-code"] == "200" for row in rows)
    return Slice(good / whole, median(took), 1 - good / len(rows), cpu / len(rows))


@contextmanager
def service() -> Iterator[tuple[Server, str]]:
    """The service that serves the graph, and the address of its store, which is gone afterwards."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = asyncio.run(attach(home))
        stack.callback(store.release)
        words = ("satchel", "serve", "--agent", f"{GRAPH}:graph", "--port", "0", "--store", store.url)
        yield stack.enter_context(started(*words)), store.url


@contextmanager
def both() -> Iterator[tuple[Server, Server]]:
    """The service and the bare graph."""
    with service() as (ours, _), started("uvicorn", f"{GRAPH}:bare", "--port", "0", "--no-access-log") as bare:
        yield ours, bare


def measure(*, concurrent: int = CONCURRENT, rounds: int = ROUNDS, seconds: float = SECONDS) -> list[Beside]:
    """Both ways beside the bare graph, by turns."""
    ways = [Beside(name) for name in BODIES]
    with both() as servers:
        for turn in range(rounds + 1):
            for way in ways:
                took = seconds if turn else WARM
                ours, bare = (drive(one, way.name, concurrent=concurrent, seconds=took) for one in servers)
                if turn:
                    way.pairs.append((ours, bare))
    return ways


def main() -> None:
    """Print one line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--concurrent", type=int, default=CONCURRENT)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each way in a round")
    for way in measure(**vars(parser.parse_args())):
        print(way)  # noqa: T201 - what the command is for


if __name__ == "__main__":
    main()
