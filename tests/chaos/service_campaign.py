"""Kill servers under their runs, stop one beyond its lease and wake it, and count what is lost, doubled or overtaken.

    python -m tests.chaos.service_campaign --runs 200 --threads 10 --kills 5 --points --seed 0

Two servers share one store. While a client sends runs to all threads, servers are killed at random moments and started
again; one is stopped while it executes a run, until another has done that run and the next, and then goes on.
`--points` also kills a server at every numbered step of a run's life. `--control` takes the fences away: then the same
campaign must fail. Exit code 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from satchel.memory.embedded import attach
from satchel.memory.runs import order
from tests import servers
from tests.chaos.serving import Orders, run
from tests.servers import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from multiprocessing.process import BaseProcess

PATIENCE = 120.0
"""Seconds that anything may take before it counts as lost."""


@dataclass
class Found:
    """What was counted, and what was wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Site:
    """Servers on one store; `dice` decide which of them is asked."""

    def __init__(self, place: Path, servers: int, dice: random.Random, *, fenced: bool = True) -> None:
        self.place = place
        self.dice = dice
        self.fenced = fenced
        self.ports = free_ports(servers)
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload(["tests.chaos.serving"])
        self.processes: list[BaseProcess | None] = [None] * servers
        self.client = httpx.AsyncClient(timeout=30)

    async def start(self, n: int, *, kill: int = 0) -> None:
        """Start a server and wait until it listens, or has died."""
        orders = Orders(self.place, self.ports[n], kill, self.fenced)
        process = self._context.Process(target=run, args=(orders,), daemon=True)
        process.start()
        self.processes[n] = process
        await until(lambda: (self.place / f"{process.pid}.up").exists() or not process.is_alive(), "a server's start")

    async def kill(self, n: int) -> None:
        """End a server as a power cut would."""
        process = self.processes[n]
        if process is not None and process.pid is not None:
            os.kill(process.pid, signal.SIGKILL)
            await asyncio.to_thread(process.join)
            self.processes[n] = None

    async def ask(self, method: str, path: str, **given: Any) -> Any:
        """The answer of whichever server is up. What changes something may be done twice: see `send`."""
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            for port in self.ports:
                try:
                    async with asyncio.timeout(5):  # a stopped server takes connections and says nothing
                        answer = await self.client.request(method, f"http://127.0.0.1:{port}{path}", **given)
                except (httpx.TransportError, TimeoutError):
                    continue
                if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    return answer.json()
            await asyncio.sleep(0.05)
        raise TimeoutError(f"no server answers {method} {path}")

    async def send(self, thread: str, number: int, **given: Any) -> str:
        """Have a run accepted, once: if the connection broke, look first whether it was."""
        body = {
            "assistant_id": "steps", "input": {"number": number, **given}, "metadata": {"number": number},
            "stream_mode": ["custom", "updates"], "stream_resumable": True, "durability": "sync",
        }  # fmt: skip
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            try:
                async with asyncio.timeout(5):
                    port = self.dice.choice(self.ports)
                    made = await self.client.post(f"http://127.0.0.1:{port}/threads/{thread}/runs", json=body)
                    return str(made.raise_for_status().json()["run_id"])
            except (httpx.HTTPError, TimeoutError):
                runs = await self.ask("GET", f"/threads/{thread}/runs?limit=1000")
                found = [one["run_id"] for one in runs if one["metadata"]["number"] == number]
                if found:
                    return str(found[0])
        raise TimeoutError(f"run {number} was not accepted")

    async def events(self, thread: str, name: str, after: str = "-1") -> AsyncIterator[tuple[str, str, Any]]:
        """The events of a run to its end, from one server or the next: ids, names and data."""
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            port = self.dice.choice(self.ports)
            path = f"http://127.0.0.1:{port}/threads/{thread}/runs/{name}"
            try:
                headers = {"Last-Event-ID": after}  # and a living server says something every 5 s
                async with self.client.stream("GET", f"{path}/stream", headers=headers, timeout=6) as answer:
                    async for part in _parts(answer):
                        after = part[0]
                        yield part
                    return
            except (httpx.TransportError, TimeoutError):
                await asyncio.sleep(0.02)
        raise TimeoutError(f"the stream of run {name} does not end")

    async def aclose(self) -> None:
        """End all."""
        for n in range(len(self.ports)):
            await self.kill(n)
        await self.client.aclose()


async def _parts(answer: httpx.Response) -> AsyncIterator[tuple[str, str, Any]]:
    """The events of an answer that are whole; raises if it breaks off."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if line and name:
            fields[name] = value
        elif fields:
            yield fields["id"], fields["event"], json.loads(fields["data"])
            fields = {}


async def until(true: Callable[[], object], what: str) -> None:
    """Ask again and again until it is so."""
    try:
        await asyncio.to_thread(servers.until, true, what, PATIENCE)
    except AssertionError as late:
        raise TimeoutError(str(late)) from None


@dataclass
class Sent:
    """The runs of one thread, in the order in which they were accepted, and what readers saw of some."""

    thread: str
    runs: list[str] = field(default_factory=list)
    seen: dict[str, list[tuple[str, str, Any]]] = field(default_factory=dict)


async def storm(site: Site, found: Found, given: argparse.Namespace) -> None:
    """Runs on all threads, kills at random moments, one server stopped beyond its lease."""
    each = given.runs // given.threads
    os.mkfifo(site.place / "gate")
    calm = asyncio.Event()
    for n in range(len(site.ports)):
        await site.start(n)
    threads = [Sent((await site.ask("POST", "/threads", json={}))["thread_id"]) for _ in range(given.threads)]

    async def killing(kills: int) -> None:
        for _ in range(kills):
            await asyncio.sleep(site.dice.uniform(0.3, 1.0))
            n = site.dice.randrange(len(site.ports))
            await site.kill(n)
            found.counts["kills"] += 1
            await asyncio.sleep(site.dice.uniform(0, 0.3))
            await site.start(n)

    async with asyncio.TaskGroup() as all_of_it:
        for sent in threads:
            all_of_it.create_task(sending(site, sent, each, calm if sent is threads[0] else None))
        await killing(given.kills - 1)
        calm.set()  # whoever has the run at the gate is not killed there
        await pausing(site, found, threads[0], each // 2)
        await killing(1)
    for sent in threads:
        await judge(site, found, sent)


async def sending(site: Site, sent: Sent, runs: int, calm: asyncio.Event | None) -> None:
    """Send all runs of a thread, one after the other, and read some; with `calm` the middle one waits at a gate."""
    async with asyncio.TaskGroup() as readers:
        for number in range(runs):
            held = calm is not None and number == runs // 2
            if calm is not None and held:
                await calm.wait()
            sent.runs.append(await site.send(sent.thread, number, gate="gate" if held else ""))
            if number % 5 == 0:
                readers.create_task(follow(site, sent, sent.runs[-1]))


async def follow(site: Site, sent: Sent, name: str) -> None:
    """Read a run to its end."""
    sent.seen[name] = [part async for part in site.events(sent.thread, name)]


async def pausing(site: Site, found: Found, sent: Sent, number: int) -> None:
    """Stop the server that has a run at the gate, until another has done it and the next, then let it go on."""
    pid = site.place / "gate.pid"
    await until(lambda: pid.exists() and pid.read_text(), "the run's way to the gate")
    zombie = int(pid.read_text())
    os.kill(zombie, signal.SIGSTOP)
    try:
        await until(lambda: len(sent.runs) > number + 1, "the acceptance of the next run")
        await site.ask("GET", f"/threads/{sent.thread}/runs/{sent.runs[number + 1]}/join")
    finally:
        os.kill(zombie, signal.SIGCONT)
    before = len(refusals(site.place, zombie))
    await asyncio.to_thread((site.place / "gate").write_text, "go")
    found.counts["stops beyond the lease"] += 1
    if site.fenced:
        await until(lambda: "change" in refusals(site.place, zombie)[before:], "the refusal of a late checkpoint")


def refusals(place: Path, pid: int) -> list[str]:
    """What was refused to a process, in order."""
    path = place / f"{pid}.points"
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [line[2] for line in lines if line[1] == "refused"]


async def judge(site: Site, found: Found, sent: Sent) -> None:
    """What went wrong with the runs of a thread."""
    said, last = found.faults.append, (0, 0)
    for name in sent.runs:
        events = [part async for part in site.events(sent.thread, name)]
        row = await site.ask("GET", f"/threads/{sent.thread}/runs/{name}")
        if row["status"] != "success":
            said(f"a run ended as {row['status']}")
        if events and order(events[0][0]) <= last:
            said("a run began before the one before it had ended")
        last = order(events[-1][0]) if events else last
        attempts = [data["attempt"] for _, _, data in events if "attempt" in data]
        if attempts != sorted(attempts):
            said("an earlier attempt wrote after a later one")
        if name in sent.seen and sent.seen[name] != events:
            said("a reader saw something else than the whole stream")
        found.counts["runs"] += 1
        found.counts["attempts after the first"] += max(attempts, default=1) - 1
        found.counts["streams read across kills"] += name in sent.seen
    rows = list(reversed(await site.ask("GET", f"/threads/{sent.thread}/runs?limit=1000")))
    for row in rows:
        if row["run_id"] not in sent.runs:  # accepted again by a server that was stopped amid its answer
            found.counts["accepted twice"] += 1
            await site.ask("GET", f"/threads/{sent.thread}/runs/{row['run_id']}/join")
    accepted: list[int] = [row["metadata"]["number"] for row in rows]
    done: list[int] = (await site.ask("GET", f"/threads/{sent.thread}/state"))["values"].get("done", [])
    lost = (Counter(accepted) | Counter(range(len(sent.runs)))) - Counter(done)
    twice = Counter(done) - Counter(accepted)
    found.counts["threads in order"] += done == accepted
    found.faults += ["a run is lost"] * lost.total() + ["a run was done twice"] * twice.total()
    if not lost and not twice and done != accepted:
        said("runs of a thread are out of order")


async def points(site: Site, found: Found, every: int) -> None:
    """Kill a server at each numbered step of the life of two runs, begun anew each time."""
    number, most = 0, 1
    while number <= most:
        await site.start(0, kill=number)
        sent = Sent((await site.ask("POST", "/threads", json={}))["thread_id"])
        dead = site.processes[0]
        if number:
            found.counts["points"] += 1
        work = asyncio.create_task(_two(site, sent))
        while not work.done():
            if dead is not None and not dead.is_alive():
                await site.start(0)
                dead = None
            await asyncio.wait([work], timeout=0.02)
        await work
        if number == 0:
            process = site.processes[0]
            assert process is not None
            most = len((site.place / f"{process.pid}.points").read_text().splitlines())
        await judge(site, found, sent)
        await site.kill(0)
        number += every


async def _two(site: Site, sent: Sent) -> None:
    for number in range(2):
        sent.runs.append(await site.send(sent.thread, number, gate=""))
    for name in sent.runs:
        await site.ask("GET", f"/threads/{sent.thread}/runs/{name}/join")


async def campaign(place: Path, given: argparse.Namespace) -> Found:
    """All of it, on a store of its own."""
    found = Found()
    server = await attach(place / "home" / "server")  # held, so that it outlives those that use it
    site = Site(place, 2, random.Random(given.seed), fenced=not given.control)
    alone = Site(place, 1, random.Random(given.seed), fenced=not given.control)
    try:
        await storm(site, found, given)
        if given.points:
            await points(alone, found, given.points)
    except* TimeoutError as late:
        found.faults += [str(one) for one in late.exceptions]
    finally:
        await site.aclose()
        await alone.aclose()
        server.release()
    return found


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    ask = argparse.ArgumentParser(prog="python -m tests.chaos.service_campaign", description=__doc__.partition("\n")[0])
    ask.add_argument("--runs", type=int, default=200)
    ask.add_argument("--threads", type=int, default=10)
    ask.add_argument("--kills", type=int, default=5)
    ask.add_argument("--points", type=int, nargs="?", const=1, default=0, help="kill at each (or each n-th) step, too")
    ask.add_argument("--control", action="store_true", help="without fences: this must fail")
    ask.add_argument("--seed", type=int, default=0)
    return ask.parse_args(words)


def main() -> int:
    """Read the command line, and print what was found."""
    given = arguments()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="satchel-service-") as place:
        found = asyncio.run(campaign(Path(place), given))
        for path in Path(place).glob("*.points"):
            found.counts.update(f"refused: {what}" for what in refusals(Path(place), int(path.stem)))
    counts = {**dict(sorted(found.counts.items())), "seconds": round(time.monotonic() - began)}
    lines = [f"{name:36} {value:>9,}" for name, value in {**counts, "violations": len(found.faults)}.items()]
    lines += [f"  {n} x {fault}" for fault, n in Counter(found.faults).most_common(20)]
    sys.stdout.write("\n".join([*lines, ""]))
    return int(bool(found.faults))


if __name__ == "__main__":
    sys.exit(main())
