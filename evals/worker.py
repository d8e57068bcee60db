"""A worker process: reads tasks as JSON lines, runs each trial, writes its result as a JSON line.

It ends when its input ends, so it never outlives the process that started it.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import IO, TYPE_CHECKING

from satchel.evals.oracle import Oracle
from satchel.evals.pool import REFUSED
from satchel.evals.suite import suite
from satchel.evals.trial import run_trial
from satchel.memory.errors import PromptTooLarge
from satchel.memory.tasks import ended
from satchel.runtime.stores import open_store

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.memory.store import Store


async def serve(lines: IO[str], out: IO[str], url: str | None) -> None:
    """Run tasks until there are no more. An input that ends stops the trial that is under way, too."""
    store = await open_store(url)
    try:
        given = asyncio.Queue[str]()
        working = asyncio.create_task(_work(given, out, store))
        await _read(lines, given)
        await ended(working)
    finally:
        await store.aclose()


async def _read(lines: IO[str], given: asyncio.Queue[str]) -> None:
    while line := await asyncio.to_thread(lines.readline):
        given.put_nowait(line)


async def _work(given: asyncio.Queue[str], out: IO[str], store: Store) -> None:
    oracle = Oracle()
    while True:
        job: Json = json.loads(await given.get())
        try:
            trial = await run_trial(
                suite(job["suite"]), job["seed"], job["mode"], number=job["number"], store=store, oracle=oracle,
                prices=job["prices"], context_limit=job["context_limit"],
            )  # fmt: skip
        except PromptTooLarge as error:
            found: Json = {REFUSED: str(error)}
        else:
            found = trial.to_json()
        out.write(json.dumps(found) + "\n")
        out.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the one who started us decides
    asyncio.run(serve(sys.stdin, sys.stdout, sys.argv[1] if len(sys.argv) > 1 else None))
