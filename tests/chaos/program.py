"""A process that runs an agent on one question and kills or stops itself at a numbered operation.

Started once, it forks a child for each job that it reads from its input (one JSON object a line) and writes what became
of the child. The children share no memory, file descriptor or connection with each other: each is a process of its own
that only need not import everything again.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

from satchel.memory.embedded import attach
from satchel.memory.errors import SatchelError
from satchel.memory.memory_store import MemoryStore
from satchel.memory.records import Json
from satchel.memory.redis_store import ServerStore
from satchel.memory.store import Lease, Store, ThreadId
from satchel.runtime.agent import Agent
from satchel.runtime.context.message import Message
from satchel.runtime.models import Answer, Scripted
from tests.chaos import depot

ROOM, REPLY = "+1100", 200
"""Context limit and reserve for the reply, in tokens: so little that results are previewed and turns folded."""


class Trail:
    """The file that outlives the process: each line is written in one system call, which a SIGKILL cannot undo."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._file = os.open(job["trail"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._points = count(1)
        self._ends = {job.get("kill"): signal.SIGKILL, job.get("stop"): signal.SIGSTOP}
        self._fells = job.get("fell")
        self._home = Path(job.get("home", ""))

    def note(self, kind: str, **values: Any) -> None:
        os.write(self._file, json.dumps({"kind": kind, **values}).encode() + b"\n")

    def point(self, what: str) -> None:
        """Come to the next operation; die or stop here, or kill the server here, if it is the one."""
        number = next(self._points)
        self.note("point", number=number, what=what)
        if number == self._fells:
            os.kill(json.loads((self._home / "server.json").read_text())["server"], signal.SIGKILL)
        if number in self._ends:
            os.kill(os.getpid(), self._ends[number])

    @contextmanager
    def running(self, name: str, key: str) -> Iterator[None]:
        self.point(f"before {name}")
        self.note("tool", name=name, key=key)
        yield
        self.point(f"after {name}")


class Mortal(ServerStore):
    """The store with a point before and after each append; its leases may be shorter than those asked for."""

    trail: Trail
    ttl: float | None = None

    async def acquire(self, thread: ThreadId, *, ttl: float) -> Lease:
        return await super().acquire(thread, ttl=self.ttl or ttl)

    async def append(self, lease: Lease, *, op: str, expected: int, entries: Sequence[bytes]) -> int:
        self.trail.point(f"before append {op}")
        length = await super().append(lease, op=op, expected=expected, entries=entries)
        self.trail.note("commit", op=op, seq=expected, sha=[sha256(entry).hexdigest() for entry in entries])
        self.trail.point(f"after append {op}")
        return length


def policy(trail: Trail) -> Any:
    """The policy of the depot; each prompt that it is sent leaves its digest."""

    def answer(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
        step = sum(m.role == "assistant" for m in messages) + max(
            map(int, depot.FOLDED.findall(messages[1].content)), default=0
        )
        sent = json.dumps([[m.role, m.content, [[c.id, c.name, c.args] for c in m.calls], m.call_id] for m in messages])
        trail.note("prompt", step=step, sha=sha256((sent + json.dumps(list(tools))).encode()).hexdigest())
        return depot.answer(messages, tools)

    return answer


def agent(job: dict[str, Any], trail: Trail, store: Store) -> Agent:
    return Agent(
        Scripted(policy(trail)), depot.tools(Path(job["tree"]), trail.running), instructions="You look after a depot.",
        mode=job["mode"], context_limit=ROOM, reply_tokens=REPLY, store=store, seed=7,
    )  # fmt: skip


async def run(job: dict[str, Any]) -> None:
    """Do the job, and note how it ended."""
    trail = Trail(job)
    try:
        server = await attach(Path(job["home"]))
        store = Mortal(job.get("url") or server.url, server=server)
        store.trail, store.ttl = trail, job.get("ttl")
        try:
            await drive(job, trail, store)
        finally:
            await store.aclose()
    except SatchelError as error:
        trail.note("error", type=type(error).__name__, text=str(error))


async def drive(job: dict[str, Any], trail: Trail, store: Store) -> None:
    """Run the question's thread, or resume it, over an open store."""
    name = job["question"]
    made = agent(job, trail, store)
    task = (depot.QUESTIONS | depot.WRITES)[name].text
    result = await (made.aresume(name) if job.get("resume") else made.arun(task, thread=name))
    trail.note("end", outcome=result.outcome, output=result.output, detail=result.detail, folds=result.state.folds)


def child(job: dict[str, Any], life: Callable[[dict[str, Any]], Coroutine[Any, Any, None]] = run) -> NoReturn:
    """One job in this process, and its end."""
    code = 1
    try:
        asyncio.run(life(job))
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, it is shown, and the process ends here
        traceback.print_exc()
    finally:
        os._exit(code)


async def warm() -> None:
    """Load before the first child what a run loads."""
    with tempfile.TemporaryDirectory() as away, suppress(SatchelError):
        job = {"trail": f"{away}/trail", "tree": away, "mode": "stateful"}
        await agent(job, Trail(job), MemoryStore()).arun(depot.QUESTIONS["missing"].text, thread="warm")
        await ServerStore(f"unix://{away}/none").head(ThreadId("warm"))


def main() -> None:
    """Fork a child for each job, or wait again for one that was stopped; tell its number, and how it ended."""
    asyncio.run(warm())
    gc.freeze()  # the children share these pages
    for line in sys.stdin:
        job = json.loads(line)
        pid = job.get("wait") or os.fork()
        if not pid:
            child(job)
        status = os.waitpid(pid, os.WUNTRACED)[1]
        stopped = os.WIFSTOPPED(status)
        code = None if stopped else os.waitstatus_to_exitcode(status)
        sys.stdout.write(json.dumps({"pid": pid, "stopped": stopped, "code": code}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
