"""Trials in this process, or in processes of their own, one a core; results come as they are done."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

from satchel.evals.oracle import Oracle
from satchel.evals.suite import suite
from satchel.evals.trial import Trial, run_trial
from satchel.memory.errors import ConfigError, PromptTooLarge, SatchelError

if TYPE_CHECKING:
    from satchel.evals.plan import Job
    from satchel.memory.store import Store
    from satchel.runtime.models import Model

Done = tuple["Job", Trial | PromptTooLarge]
"""A job with its result, or with what says that its fixed surface does not fit under the context limit."""

LONGEST_LINE = 2**26
"""Bytes of the longest result."""

REFUSED = "refused"
"""The one field of an answer that tells, in words, what does not fit."""


async def inside(jobs: Sequence[Job], store: Store | str | None, model: Model | None) -> AsyncGenerator[Done]:
    """The results of the jobs, one after the other in this process."""
    if isinstance(store, str | None):
        raise ConfigError("trials in this process need an open store; give one, or more than one worker")
    oracle = Oracle()
    found: Trial | PromptTooLarge
    for job in jobs:
        task, setting = job.task, job.setting
        try:
            found = await run_trial(
                task.suite, task.seed, job.way, number=task.number, store=store, prices=setting.prices,
                context_limit=setting.context_limit, model=model, oracle=oracle,
            )  # fmt: skip
        except PromptTooLarge as error:
            found = error
        yield job, found


async def outside(jobs: Sequence[Job], store: Store | str | None, workers: int) -> AsyncGenerator[Done]:
    """The results of the jobs as they are done in so many processes, which know suites and modes by their names.

    Raises `SatchelError` if a worker dies; the other workers are stopped then, and when the caller goes away.
    """
    if not isinstance(store, str | None) or any(job.setting.model for job in jobs):
        raise ConfigError(
            "trials in several processes take the scripted policies and the URL of a store; use workers=1"
        )
    for name in {job.task.suite.name for job in jobs}:
        suite(name)
    left, done = deque(jobs), asyncio.Queue[Done | BaseException]()
    started: list[asyncio.subprocess.Process] = []
    tasks = [asyncio.create_task(_work(left, done, store, started)) for _ in range(min(workers, len(jobs)))]
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
        await asyncio.gather(*map(_stop, started))


async def _work(
    left: deque[Job], done: asyncio.Queue[Done | BaseException], store: str | None,
    started: list[asyncio.subprocess.Process],
) -> None:  # fmt: skip
    """Start one worker, and feed it until no job is left."""
    command = [sys.executable, "-m", "satchel.evals.worker", *([store] if store else [])]
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=LONGEST_LINE)
        started.append(process)
        while left:
            job = left.popleft()
            done.put_nowait((job, await _ask(process, job)))
    except (OSError, SatchelError) as error:
        done.put_nowait(error)


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End a worker and wait for it."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def _ask(process: asyncio.subprocess.Process, job: Job) -> Trial | PromptTooLarge:
    task, setting = job.task, job.setting
    asked = {
        "suite": task.suite.name, "number": task.number, "seed": task.seed, "mode": job.way.name,
        "prices": setting.prices, "context_limit": setting.context_limit,
    }  # fmt: skip
    assert process.stdin  # noqa: S101 - asked for above
    assert process.stdout  # noqa: S101 - as above
    process.stdin.write(json.dumps(asked).encode() + b"\n")
    await process.stdin.drain()
    line = await process.stdout.readline()
    if not line:
        raise SatchelError(f"the worker of {task.suite.name}, seed {task.seed}, {job.way.name} died; see above")
    found = json.loads(line)
    return PromptTooLarge(found[REFUSED]) if REFUSED in found else Trial.from_json(found)
