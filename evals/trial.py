"""One trial: a case run by the agent in one mode, with every prompt measured as a caching provider would bill it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from satchel.memory.errors import ModelError
from satchel.memory.store import ThreadId
from satchel.runtime.agent import Agent
from satchel.runtime.budget import Budget
from satchel.runtime.context import tokens
from satchel.runtime.events import PromptSent, RunEnded, ToolStarted
from satchel.runtime.meter import Meter
from satchel.runtime.models import Scripted, spoken
from satchel.runtime.prices import bill_prompt, row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from satchel.evals.case import Case
    from satchel.evals.suite import Suite
    from satchel.memory.records import Json
    from satchel.memory.store import Store
    from satchel.runtime.context.message import Message
    from satchel.runtime.events import Event, RunResult
    from satchel.runtime.models import Answer, Model


TENANT = "evals"
"""Whose threads trials are, apart from the user's own; each is named by suite, mode and seed, and removed after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTokens:
    """One model call in tokens: the whole prompt, its prefix sent before, the reply; and whether a fold came first."""

    input: int
    cached: int
    output: int
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one run of one case in one mode came to.

    Tokens are counted by us; `cached_tokens` is the sum over turns of the longest common prefix with the turn before.
    `repeated_tool_calls` are executed calls of a `read` tool that had run before with the same arguments. `usd` is by
    price row, in dollars for a model's row and in millions of uncached input tokens for a relative one; None is
    unknown. `seconds` is wall time, `store_bytes` the thread as stored.
    """

    suite: str
    case: str
    seed: int
    mode: str
    success: float
    outcome: str
    model_calls: int
    tool_calls: int
    repeated_tool_calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    peak_tokens: int
    usd: Mapping[str, float | None]
    seconds: float
    store_bytes: int
    folds: int
    context_limit: int
    turns: tuple[TurnTokens, ...] = field(repr=False)

    def to_json(self) -> dict[str, Json]:
        """The trial as it stands in result.json; each turn as [input, cached, output, folded 0 or 1]."""
        raw = asdict(self)
        raw["usd"] = dict(self.usd)
        raw["turns"] = [[t.input, t.cached, t.output, int(t.folded)] for t in self.turns]
        return raw


class Metered:
    """A model whose prompts are measured: by its own usage, or else by the prefix shared with the one before."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.name, self.window, self.exact = model.name, model.window, model.exact
        self._meter = Meter()
        self.turns: list[TurnTokens] = []

    async def call(self, messages: Sequence[Message], tools: Sequence[Json], *, reply_tokens: int) -> Answer:
        """The model's own answer."""
        answer = await self._model.call(messages, tools, reply_tokens=reply_tokens)
        if used := answer.usage:
            turn = TurnTokens(input=used.input, cached=used.cache_read, output=used.output + used.reasoning)
        else:
            split = self._meter.measure(messages, tools)
            turn = TurnTokens(
                input=split.cached + split.rest, cached=split.cached, output=spoken(answer.text, answer.calls)
            )
        self.turns.append(turn)
        return answer


async def run_trial(
    suite: Suite,
    seed: int,
    mode: str,
    *,
    store: Store,
    prices: Sequence[str],
    context_limit: str | None = None,
    model: Model | None = None,
    policy: str = "expert",
) -> Trial:
    """Run the case of a seed in a mode on a thread of its own, measure it, and remove the thread.

    Without a model the case's own `policy` plays. Raises `ConfigError` for an unknown mode or price row.
    """
    case = suite.make(seed)
    metered = Metered(model or Scripted(case.policies[policy]))
    agent = _agent(case, metered, mode, store, context_limit or suite.context_limit)
    thread = ThreadId(f"{suite.name}/{mode}/{seed}", TENANT)
    if await store.head(thread) is not None:  # left by a run that was broken off
        await store.delete(thread)
    began = time.perf_counter()
    watched = await _watch(agent.astream(case.task, thread=thread.name), case)
    seconds = time.perf_counter() - began
    turns = tuple(
        TurnTokens(input=t.input, cached=t.cached, output=t.output, folded=n in watched.folded)
        for n, t in enumerate(metered.turns)
    )
    size = await store.size(thread)
    await store.delete(thread)
    return Trial(
        suite=suite.name,
        case=case.id,
        seed=seed,
        mode=mode,
        success=case.score(),
        outcome=watched.result.outcome,
        model_calls=len(turns),
        tool_calls=watched.result.usage.tool_calls,
        repeated_tool_calls=watched.repeated,
        input_tokens=sum(t.input for t in turns),
        cached_tokens=sum(t.cached for t in turns),
        output_tokens=sum(t.output for t in turns),
        peak_tokens=max((t.input for t in turns), default=0),
        usd={name: bills(turns, name) for name in prices},
        seconds=seconds,
        store_bytes=size,
        folds=watched.result.state.folds,
        context_limit=agent.spec.ceiling,
        turns=turns,
    )


def bills(turns: Sequence[TurnTokens], name: str) -> float | None:
    """What the turns would have cost at a price row; None if any of them has no known price."""
    price = row(name)
    each = [bill_prompt(t.cached, t.input - t.cached, price, output=t.output) for t in turns]
    known = [b for b in each if b is not None]
    return sum(known) if len(known) == len(each) else None


def _agent(case: Case, model: Model, mode: str, store: Store, context_limit: str) -> Agent:
    return Agent(
        model=model,
        tools=case.tools,
        instructions=case.instructions,
        mode=mode,
        context_limit=context_limit,
        budget=Budget(steps=case.steps, tool_calls=case.tool_calls),
        store=store,
        tenant=TENANT,
        seed=case.seed,
    )


@dataclass(slots=True)
class _Watched:
    """What the events of a run tell."""

    result: RunResult
    repeated: int
    folded: frozenset[int]


async def _watch(events: AsyncIterator[Event], case: Case) -> _Watched:
    reads = {tool.name for tool in case.tools if tool.effect == "read"}
    seen: set[str] = set()
    folded: set[int] = set()
    repeated = 0
    result: RunResult | None = None
    async for event in events:
        if isinstance(event, PromptSent) and event.folded:
            folded.add(event.step)
        elif isinstance(event, ToolStarted) and event.name in reads:
            key = f"{event.name} {tokens.compact(event.args)}"
            repeated += key in seen
            seen.add(key)
        elif isinstance(event, RunEnded):
            result = event.result
    if result is None:
        raise ModelError("the run ended without an outcome; `satchel threads show` tells how far it came")
    return _Watched(result, repeated, frozenset(folded))
