"""Kill agents and their server by the thousand, resume, and count what is lost, doubled or repeated: nothing may be.

    python -m tests.chaos.campaign --client-kills 500 --server-kills 100 --points --seed 0

Each worker has an embedded server of its own. It gives one thread after the other to processes that are forked from
this one, kills them or the server at random moments until the thread has ended, and lets a rival compete for a thread
now and then. Exit code 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, cast

from redis import Redis

from satchel.memory.embedded import _attach
from satchel.memory.keys import keys
from satchel.memory.store import ThreadId
from tests.chaos import depot
from tests.chaos.program import child, warm
from tests.chaos.witness import Note, Witness

MODES = ("stateful", "stateless")
PATIENCE = 60.0
"""Seconds after which a process hangs."""

RIVALS = 0.1
"""Of all processes, how many have a rival for their thread."""

CLEAR = {"StoreUnreachable", "ThreadBusy", "LeaseLost"}
"""Errors with which a process may end when its server is killed, or a rival has its thread."""


@dataclass
class Share:
    """What one worker has to do, and where."""

    number: int
    place: Path
    seed: int
    client: int = 0
    server: int = 0
    points: tuple[int, int] | None = None


@dataclass
class Found:
    """What came of it."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Site:
    """An embedded server, and the one thread that lives there at a time."""

    def __init__(self, share: Share) -> None:
        self.place = share.place / str(share.number)
        self.home = self.place / "home"
        self.dice = random.Random(f"{share.seed}/{share.number}")
        self.found = Found()
        self.tree = share.place / "tree"
        self._wholes: dict[tuple[str, str], tuple[Witness, int, float]] = {}
        self._threads = 0

    # ------------------------------------------------------------------ one process

    def spawn(self, job: dict[str, Any]) -> int:
        """A process that does the job."""
        return os.fork() or child(job)

    def wait(self, pid: int) -> bool:
        """Wait for a process; whether it was killed."""
        code = ended(pid, PATIENCE)
        if code not in {0, -signal.SIGKILL}:
            self.found.faults.append(f"a process ended with {code}" if code is not None else "a process hung")
        return code == -signal.SIGKILL

    @contextmanager
    def served(self) -> Iterator[Redis]:
        """The server, held and started if need be, and a raw view of it."""
        server = _attach(self.home, None)
        try:
            with Redis.from_url(server.url) as raw:
                yield raw
        finally:
            server.release()

    def pids(self) -> dict[str, int]:
        return cast("dict[str, int]", json.loads((self.home / "server.json").read_text()))

    # ------------------------------------------------------------------ one thread

    def whole(self, question: str, mode: str) -> tuple[Witness, int, float]:
        """What an undisturbed process leaves, how many operations it has, and the seconds that it takes."""
        if (question, mode) not in self._wholes:
            witness, job = self.fresh(question, mode)
            began = time.monotonic()
            with self.served() as raw:
                self.wait(self.spawn(job))
                seconds = time.monotonic() - began
                notes = witness.look(fields(raw, question))
            numbers = [note["number"] for note in notes if note["kind"] == "point"]
            self.found.faults += [f"undisturbed: {fault}" for fault in witness.end(witness)]
            self._wholes[question, mode] = witness, max(numbers, default=0), seconds
        return self._wholes[question, mode]

    def fresh(self, question: str, mode: str) -> tuple[Witness, dict[str, Any]]:
        """A server without threads, and the job of a first process."""
        with self.served() as raw:
            raw.flushall()
        self._threads += 1
        trail = self.place / f"{self._threads}.jsonl"
        job = {"trail": str(trail), "home": str(self.home), "tree": str(self.tree), "question": question, "mode": mode}
        return Witness(trail, question), job

    def thread(self, question: str, mode: str, blows: Iterator[Blow]) -> None:
        """Live through the blows until the thread has ended."""
        whole, _, seconds = self.whole(question, mode)
        witness, job = self.fresh(question, mode)
        while True:
            with self.served() as raw:
                blow = next(blows, Blow())
                resume = {"resume": True} if witness.begun else {}
                pids = [self.spawn({**job, **resume, **blow.job})]
                if blow.rival and resume:
                    pids.append(self.spawn({**job, **resume}))
                blow.strike(self, pids[0], seconds)
                killed = [self.wait(pid) for pid in pids]
            with self.served() as raw:
                new = witness.look(fields(raw, question))
            self.count(blow, killed, new)
            if any(note["kind"] == "end" and note["outcome"] == "done" for note in new):
                break
        self.found.faults += [f"{question}, {mode}: {fault}" for fault in witness.end(whole)]
        self.found.counts += witness.counts + Counter(threads=1)
        witness.trail.unlink(missing_ok=True)

    def count(self, blow: Blow, killed: list[bool], new: list[Note]) -> None:
        errors = [note for note in new if note["kind"] == "error"]
        self.found.faults += [f"{note['type']}: {note['text']}" for note in errors if note["type"] not in CLEAR]
        self.found.counts[f"kills of the {blow.victim}"] += killed[0] if blow.victim == "client" else blow.struck
        self.found.counts["processes"] += len(killed)
        self.found.counts["rivals"] += len(killed) - 1
        for note in errors:
            self.found.counts[f"ended with {note['type']}"] += 1
        if blow.victim == "server" and blow.struck and not errors:
            self.found.counts["went on by themselves"] += 1


@dataclass
class Blow:
    """What is done to one process: nothing; or it or the server is killed after a while, or at a numbered operation."""

    victim: str = "client"
    share: float | None = None
    """When, as a share of the time that an undisturbed process takes."""

    job: dict[str, int] = field(default_factory=dict)
    rival: bool = False
    again: bool = False
    """Whether the server is started again at once."""

    struck: bool = False

    def strike(self, site: Site, pid: int, seconds: float) -> None:
        if self.share is None:
            self.struck = bool(self.job)
            return
        known = site.pids()
        time.sleep(self.share * seconds)
        if self.victim == "client":
            os.kill(pid, signal.SIGKILL)
            return
        os.kill(known["server"], signal.SIGKILL)
        self.struck = True
        if self.again:
            _attach(site.home, None).release()


def ended(pid: int, patience: float) -> int | None:
    """How a process ended; None if it had to be killed because it did not."""
    end = time.monotonic() + patience
    pause = 0.001
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(pause)
        pause = min(pause * 1.2, 0.02)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def fields(raw: Redis, question: str) -> Mapping[bytes, bytes]:
    return cast("dict[bytes, bytes]", raw.hgetall(keys(ThreadId(question))[0]))


def blows(site: Site, victim: str) -> Iterator[Blow]:
    while True:
        rival, again = site.dice.random() < RIVALS, site.dice.random() < 0.5
        yield Blow(victim, site.dice.random(), rival=rival, again=again)


def work(share: Share) -> Found:
    """Do one worker's share."""
    site = Site(share)
    site.place.mkdir()
    every = [(question, mode) for question in depot.QUESTIONS | depot.WRITES for mode in MODES]
    with site.served():  # held, so that it does not end between two threads
        for victim, most in (("client", share.client), ("server", share.server)):
            while site.found.counts[f"kills of the {victim}"] < most:
                site.thread(*site.dice.choice(every), blows(site, victim))
        if share.points is not None:
            for question, mode in every:
                for number in range(1 + share.points[0], 1 + site.whole(question, mode)[1], share.points[1]):
                    for victim, word in (("client", "kill"), ("server", "fell")):
                        site.thread(question, mode, iter([Blow(victim, job={word: number})]))
    return site.found


def campaign(given: list[Share]) -> Found:
    """All shares side by side, summed up."""
    asyncio.run(warm())
    gc.freeze()  # the children share these pages
    depot.grow(given[0].place / "tree")
    whole = Found()
    with get_context("fork").Pool(len(given)) as pool:
        for found in pool.imap_unordered(work, given):
            whole.counts += found.counts
            whole.faults += found.faults
    return whole


def shares(place: Path, given: argparse.Namespace) -> list[Share]:
    """What each worker has to do, so that together they do all."""
    n = given.workers
    client, server = (-(-kills // n) for kills in (given.client_kills, given.server_kills))
    points = [(k, n) if given.points else None for k in range(n)]
    return [Share(k, place, given.seed, client, server, points[k]) for k in range(n)]


def report(found: Found, seconds: float) -> str:
    """What was found, one line a count, and the violations that came most often."""
    counts = {**dict(sorted(found.counts.items())), "seconds": round(seconds), "violations": len(found.faults)}
    lines = [f"{name:32} {value:>8,}" for name, value in counts.items()]
    return "\n".join([*lines, *(f"  {n} x {fault}" for fault, n in Counter(found.faults).most_common(20)), ""])


def main() -> int:
    """Read the command line, and print what was found."""
    ask = argparse.ArgumentParser(prog="python -m tests.chaos.campaign", description=__doc__.partition("\n")[0])
    ask.add_argument("--client-kills", type=int, default=500)
    ask.add_argument("--server-kills", type=int, default=100)
    ask.add_argument("--points", action="store_true", help="also kill client and server at every numbered operation")
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = ask.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="satchel-campaign-") as place:
        found = campaign(shares(Path(place), given))
    sys.stdout.write(report(found, time.monotonic() - began))
    return int(bool(found.faults))


if __name__ == "__main__":
    sys.exit(main())
