"""An embedded server and the threads that live there one after the other, through the blows that are dealt to them."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from redis import Redis

from satchel.memory.embedded import _attach
from satchel.memory.keys import keys
from satchel.memory.store import ThreadId
from tests.chaos import supersteps
from tests.chaos.program import child
from tests.chaos.witness import Note, Witness

PATIENCE = 60.0
"""Seconds after which a process hangs."""

RIVALS = 0.1
"""Of all processes, how many have a rival for their thread."""

CLEAR = {"StoreUnreachable", "ThreadBusy", "LeaseLost"}
"""Errors with which a process may end when its server is killed, or a rival has its thread."""


@dataclass
class Found:
    """What came of it."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Site:
    """An embedded server, and the one thread that lives there at a time."""

    def __init__(self, place: Path, tree: Path, seed: str) -> None:
        self.place = place
        self.home = place / "home"
        self.tree = tree
        self.url = ""
        self.dice = random.Random(seed)
        self.found = Found()
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
        self.url = server.url
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
        trail.touch()
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
        witness.trail.unlink()

    def graph(self, victim: str) -> None:
        """Live through blows with a plain graph over `RedisSaver` until it has ended."""
        _, job = self.fresh("graph", "")
        trail, ended = Path(job["trail"]), False
        while not ended:
            with self.served():
                pid = os.fork() or child({**job, "url": self.url}, supersteps.run)
                blow = Blow(victim, self.dice.random())
                blow.strike(self, pid, supersteps.SECONDS)
                killed = self.wait(pid)
            self.found.counts[f"kills of the {victim} of a graph"] += killed or blow.struck
            faults, counts, ended = supersteps.judge(trail)
        self.found.faults += faults
        self.found.counts += counts + Counter(graphs=1)
        trail.unlink()

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
    """Blows without end, at random moments."""
    while True:
        rival, again = site.dice.random() < RIVALS, site.dice.random() < 0.5
        yield Blow(victim, site.dice.random(), rival=rival, again=again)
