"""Trials in processes of their own, one a core; results come as they are done."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

from satchel.evals.trial import Trial
from satchel.memory.errors import SatchelError

if TYPE_CHECKING:
    from satchel.evals.plan import Setting
    from satchel.evals.suite import Task

Job = tuple[str, "Task", str]
"""The digest under which the result is kept, the task, and the name of the mode."""

LONGEST_LINE = 2**26
"""Bytes of the longest result."""


async def run(
    jobs: Sequence[Job], setting: Setting, *, workers: int, store: str | None
) -> AsyncGenerator[tuple[str, Trial]]:
    """The results of the jobs with their digests, in the order in which they are done.

    Raises `SatchelError` if a worker dies; the other workers are stopped then, and when the caller goes away.
    """
    left, done = deque(jobs), asyncio.Queue[tuple[str, Trial] | BaseException]()
    tasks = [asyncio.create_task(_work(left, done, setting, store)) for _ in range(min(workers, len(jobs)))]
    try:
        for _ in jobs:
            result = await done.get()
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _work(
    left: deque[Job], done: asyncio.Queue[tuple[str, Trial] | BaseException], setting: Setting, store: str | None
) -> None:
    """Feed one worker until no job is left."""
    command = [sys.executable, "-m", "satchel.evals.worker", *([store] if store else [])]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=LONGEST_LINE)
    try:
        while left:
            key, task, mode = left.popleft()
            done.put_nowait((key, await _ask(process, task, mode, setting)))
    except (OSError, SatchelError) as error:
        done.put_nowait(error)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _ask(process: asyncio.subprocess.Process, task: Task, mode: str, setting: Setting) -> Trial:
    job = {
        "suite": task.suite.name, "number": task.number, "seed": task.seed, "mode": mode,
        "prices": setting.prices, "context_limit": setting.context_limit,
    }  # fmt: skip
    assert process.stdin  # noqa: S101 - asked for above
    assert process.stdout  # noqa: S101 - as above
    process.stdin.write(json.dumps(job).encode() + b"\n")
    await process.stdin.drain()
    line = await process.stdout.readline()
    if not line:
        raise SatchelError(f"the worker of {task.suite.name}, seed {task.seed}, {mode} died; its error stands above")
    return Trial.from_json(json.loads(line))
