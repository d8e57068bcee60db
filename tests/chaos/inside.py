"""An agent in this process, over a store that something happens to in the middle of its run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from satchel import Agent
from satchel.memory.redis_store import ServerStore
from satchel.runtime.models import Scripted
from tests.chaos import depot

QUESTION = "long chain"
CALLS = 6
"""Calls that the question takes."""


@dataclass
class Looking:
    """What the tools do: count the calls, and at one of them let something happen."""

    at: int = 0
    happen: Callable[[], None] = lambda: None
    calls: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def __call__(self, _: str, key: str) -> Iterator[None]:
        self.calls[key] += 1
        yield
        if self.calls.total() == self.at:
            self.happen()


def agent(store: ServerStore, tree: Path, looking: Looking) -> Agent:
    return Agent(
        Scripted(depot.answer), depot.tools(tree, looking), instructions="You look after a depot.",
        context_limit="+1100", reply_tokens=200, store=store, seed=7,
    )  # fmt: skip


async def run(made: Agent, *, resume: bool = False) -> Any:
    task = depot.QUESTIONS[QUESTION].text
    return await (made.aresume("t") if resume else made.arun(task, thread="t"))
