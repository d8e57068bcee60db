"""Who plays a case in a trial: our agent in a mode, or an agent of another library, behind one port."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from satchel.evals.frameworks import Framework, Way
from satchel.runtime.agent import Agent
from satchel.runtime.budget import Budget
from satchel.runtime.models import Model, Policy, Scripted

if TYPE_CHECKING:
    from satchel.evals.case import Case
    from satchel.memory.store import Store, ThreadId
    from satchel.runtime.events import Event
    from satchel.runtime.mode import Mode


class Driver(Protocol):
    """An agent that plays one case; `ceiling` is the most tokens that its prompts should have."""

    ceiling: int

    async def say(self, words: str, hear: Callable[[Event], None]) -> None:
        """One run on the words of the user; every event is heard as it comes, and the last says how it ended."""


class Ours:
    """Our agent in a mode, on a thread of the store."""

    def __init__(
        self, case: Case, model: Model, mode: Mode, *, store: Store, thread: ThreadId, limit: str, price: str | None
    ) -> None:
        self._agent = Agent(
            model=model,
            tools=case.tools,
            instructions=case.instructions,
            mode=mode,
            context_limit=limit,
            price=price,
            budget=Budget(steps=case.steps, tool_calls=case.tool_calls),
            store=store,
            tenant=thread.tenant,
            seed=case.seed,
        )
        self._thread = thread.name
        self.ceiling = self._agent.spec.ceiling

    async def say(self, words: str, hear: Callable[[Event], None]) -> None:
        """One run of the agent."""
        async for event in self._agent.astream(words, thread=self._thread):
            hear(event)


def scripted(way: Way, policy: Policy) -> Model:
    """The model that a policy plays in a mode; to agents of other libraries it gives summaries, too."""
    if isinstance(way, Framework):
        from satchel.evals.summaries import summarising  # noqa: PLC0415 - as below

        return summarising(policy)
    return Scripted(policy)


async def driver(
    way: Way, case: Case, model: Model, *, store: Store, thread: ThreadId, limit: str, price: str | None
) -> Driver:
    """The agent that plays a case in a mode with a model. Raises `ConfigError` for what is no context limit."""
    if isinstance(way, Framework):
        from satchel.evals.graph_run import GraphRun  # noqa: PLC0415 - LangChain's graphs are for those who ask

        return await GraphRun.of(way, case, model, limit)
    return Ours(case, model, way, store=store, thread=thread, limit=limit, price=price)
