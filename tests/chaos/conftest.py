"""Two processes that run jobs side by side, each with threads of its own, and the tree that their agents look into."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from satchel.memory.errors import ThreadNotFound
from satchel.memory.log import read_log
from satchel.memory.records import Entry, Result, Started
from satchel.memory.redis_store import ServerStore
from satchel.memory.store import ThreadId
from tests.chaos import depot
from tests.leaks import leaked
from tests.stores import serving

ROOT = Path(__file__).parents[2]


@dataclass
class Life:
    """What a process left behind: how it ended, what it noted, and the log as it stood then."""

    code: int | None
    pid: int
    notes: list[dict[str, Any]]
    log: list[Entry] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [note for note in self.notes if note["kind"] == kind]

    @property
    def end(self) -> dict[str, Any]:
        return self.notes[-1]

    @property
    def executed(self) -> list[str]:
        """Idempotency keys of the calls that were run, in order."""
        return [note["key"] for note in self.of("tool")]

    @property
    def acknowledged(self) -> set[str]:
        """Operations that the process knew to be in the log."""
        return {note["what"].split()[-1] for note in self.of("point") if note["what"].startswith("after append")}

    @property
    def begun(self) -> bool:
        """Whether a run stands in the log, so that it can be resumed."""
        return any(isinstance(entry.record, Started) for entry in self.log)

    def completed(self, thread: str) -> set[str]:
        """Idempotency keys of the calls whose result stands in the log."""
        return {f"{thread}:{e.op.removeprefix('c')}" for e in self.log if isinstance(e.record, Result)}


class Worker:
    """A process that forks a child for each job."""

    def __init__(self, place: Path, **always: Any) -> None:
        self.place = place
        self.always = always
        words = [sys.executable, "-m", "tests.chaos.program"]
        self.process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._lives = 0
        self._trails: dict[int, Path] = {}
        self._stopped: set[int] = set()

    async def live(self, **job: Any) -> Life:
        """One process from its start to its end, or until it has stopped itself."""
        self._lives += 1
        trail = self.place / f"{self._lives}.jsonl"
        return await asyncio.to_thread(self._live, trail, {**self.always, **job, "trail": str(trail)})

    async def end(self, life: Life) -> Life:
        """Let a process that has stopped go on to its end."""
        self._stopped.discard(life.pid)
        os.kill(life.pid, signal.SIGCONT)
        return await asyncio.to_thread(self._live, self._trails[life.pid], {"wait": life.pid})

    def _live(self, trail: Path, job: dict[str, Any]) -> Life:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(job) + "\n")
        stdin.flush()
        told = json.loads(stdout.readline())
        self._trails[told["pid"]] = trail
        if told["stopped"]:
            self._stopped.add(told["pid"])
        return Life(told["code"], told["pid"], [json.loads(line) for line in trail.read_text().splitlines()])

    def close(self) -> None:
        for pid in self._stopped:
            os.kill(pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("depot")
    depot.grow(root)
    return root


@pytest.fixture(scope="session")
def workers(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Worker]]:
    """Two, on databases of their own: the same thread can live in both, with the same handles."""
    with serving("valkey", tmp_path_factory.mktemp("server")) as server, ExitStack() as stack:
        assert server is not None
        made = []
        for n in range(2):
            place = tmp_path_factory.mktemp("trails")
            made.append(Worker(place, home=str(server.home), url=f"{server.url}?db={n}", tree=str(tree)))
            stack.callback(made[-1].close)
        yield made


class Place:
    """One worker, and a look into its store."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.store = ServerStore(worker.always["url"])

    async def live(self, question: str, mode: str, **job: Any) -> Life:
        """A process, and the log of its thread after it."""
        life = await self.worker.live(question=question, mode=mode, **job)
        return await self.seen(life, question)

    async def end(self, life: Life, question: str) -> Life:
        """The end of a process that had stopped, and the log after it."""
        return await self.seen(await self.worker.end(life), question)

    async def seen(self, life: Life, question: str) -> Life:
        try:
            life.log = await read_log(self.store, ThreadId(question))
        except ThreadNotFound:
            life.log = []
        return life

    async def clear(self, question: str) -> None:
        await self.store.delete(ThreadId(question))


@pytest.fixture
async def places(workers: list[Worker]) -> AsyncIterator[list[Place]]:
    made = [Place(worker) for worker in workers]
    yield made
    for place in made:
        await place.store.aclose()
        assert await leaked(place.worker.always["url"]) == []
