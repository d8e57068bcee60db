"""One trial: a case run by the agent in one mode, with every prompt measured as a caching provider would bill it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, cast

from satchel.evals.cassette import Kind, begin, kind
from satchel.evals.driver import driver, scripted
from satchel.evals.frameworks import versions
from satchel.evals.frameworks import way as way_named
from satchel.evals.oracle import Oracle
from satchel.evals.watch import Counted, Metered, TurnTokens, Watch
from satchel.memory.errors import ConfigError, ModelError
from satchel.memory.store import ThreadId
from satchel.runtime.context import tokens
from satchel.runtime.mode import Mode
from satchel.runtime.prices import bill_prompt, find, row
from satchel.runtime.prices_known import look_up

if TYPE_CHECKING:
    from satchel.evals.case import Case
    from satchel.evals.driver import Driver
    from satchel.evals.frameworks import Way
    from satchel.evals.graders import Judge
    from satchel.evals.prompt_tape import Tape
    from satchel.evals.suite import Suite
    from satchel.memory.records import Json
    from satchel.memory.store import Store
    from satchel.runtime.models import Model

TENANT = "evals"
"""Whose threads trials are, apart from the user's own; each is named by what sets its trial apart, and removed."""

TOLERANCE = 0.01
"""How much less than the oracle a trial may score and still count as solved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one run of one case in one mode came to; README.md defines each measure and its unit.

    Tokens are counted by us; `cached_tokens` is the sum over turns of the longest common prefix with the turn before.
    `usd` is by price row, in dollars for a model's row and in millions of uncached input tokens for a relative one;
    None is unknown. `seconds` are wall time, `store_bytes` the thread as stored. `kind` says who answered, `libraries`
    whose agent it was if not ours.
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
    fixed_tokens: int = 0
    solved: bool = True
    oracle: float = 1.0
    extra_steps: int = 0
    tool_accuracy: float = 1.0
    agreement: float = 1.0
    diverged: int | None = None
    faults: int = 0
    amnesia_tokens: int = 0
    stale: int = 0
    tool_errors: int = 0
    tokens: Mapping[str, int] = field(default_factory=dict)
    first_reply_seconds: float | None = None
    gpu_seconds: float | None = None
    round_trips: int = 0
    prompts: str = ""
    tags: tuple[str, ...] = ()
    judged: float | None = None
    kind: Kind = "simulated"
    libraries: str = ""

    @property
    def pair(self) -> tuple[str, str, int]:
        """What pairs it with the same task in another mode."""
        return self.suite, self.case, self.seed

    def to_json(self) -> dict[str, Json]:
        """The trial as it stands in result.json; each turn as [input, cached, output, folded 0 or 1]."""
        raw = asdict(self)
        raw |= {"usd": dict(self.usd), "tokens": dict(self.tokens), "tags": list(self.tags)}
        raw["turns"] = [[t.input, t.cached, t.output, int(t.folded)] for t in self.turns]
        return raw

    @classmethod
    def from_json(cls, raw: Mapping[str, Json]) -> Trial:
        """The trial that `to_json` wrote."""
        turns = tuple(TurnTokens(input=i, cached=c, output=o, folded=bool(f)) for i, c, o, f in raw["turns"])
        return cls(**{**raw, "turns": turns, "tags": tuple(raw["tags"])})


async def run_trial(
    suite: Suite,
    seed: int,
    mode: str | Way,
    *,
    store: Store,
    prices: Sequence[str],
    context_limit: str | None = None,
    model: Model | None = None,
    policy: str = "expert",
    number: int = 0,
    oracle: Oracle | None = None,
    judge: Judge | None = None,
    tape: Tape | None = None,
) -> Trial:
    """Run case `number` of a suite at a seed in a mode on a thread of its own, measure it, and remove the thread.

    A `tape` takes every prompt. Without a model the case's own `policy` plays. Raises `ConfigError` for an unknown mode
    or price row.
    """
    way = way_named(mode)
    draw = suite.draw(number, seed)
    if suite.recorded and model is None:
        if not isinstance(way, Mode):
            raise ConfigError(f"{suite.name} is replayed, not played, so it has no mode {way.name!r}")
        return suite.recorded.trial(suite.name, draw, way, context_limit or suite.context_limit, prices)
    reference = await (oracle or Oracle()).of(suite, draw)
    case = suite.make(draw)
    watch, counted = Watch(case), Counted(store)
    metered = Metered(model or scripted(way, case.policies[policy]), watch, cached=way.cached, tape=tape)
    limit = context_limit or suite.context_limit
    under = "" if limit == suite.context_limit else f"/{limit}"
    thread = ThreadId(f"{suite.name}/{way.name}/{draw}{under}", TENANT)
    price = None if look_up(metered.name) else prices[0]
    kept = cast("Store", counted)
    agent = await driver(way, case, metered, store=kept, thread=thread, limit=limit, price=price)
    await _clear(store, thread)
    begin(model, thread.name)
    _load()
    began = watch.began = time.perf_counter()
    answer = await _converse(agent, case, watch)
    seconds = time.perf_counter() - began
    size = await store.size(thread)
    await _clear(store, thread)
    judged = await judge(case.task, answer) if judge else None
    if watch.result is None:
        raise ModelError("the run ended without an outcome; `satchel threads show` tells how far it came")
    if watch.result.outcome == "failed" and metered.away:
        raise ModelError(f"{metered.name} gave no answer, which says nothing of {way.name}: {watch.result.detail}")
    turns = tuple(
        TurnTokens(input=t.input, cached=t.cached, output=t.output, folded=n in watch.folded)
        for n, t in enumerate(metered.turns)
    )
    if judged and judged.usage:  # the judge's call is part of the bill
        used = judged.usage
        turns = (*turns, TurnTokens(input=used.input, cached=used.cache_read, output=used.output + used.reasoning))
    success = case.score(answer)
    return Trial(
        suite=suite.name,
        case=case.id,
        seed=seed,
        mode=way.name,
        success=success,
        outcome=watch.result.outcome,
        model_calls=len(turns),
        tool_calls=len(watch.calls),
        repeated_tool_calls=watch.repeated,
        input_tokens=sum(t.input for t in turns),
        cached_tokens=sum(t.cached for t in turns),
        output_tokens=sum(t.output for t in turns),
        peak_tokens=max((t.input for t in turns), default=0),
        usd={name: bills(turns, name) for name in prices},
        seconds=seconds,
        store_bytes=size,
        folds=watch.result.state.folds,
        context_limit=agent.ceiling,
        turns=turns,
        fixed_tokens=metered.fixed,
        solved=success > 0 and success >= reference.success - TOLERANCE,
        oracle=reference.success,
        extra_steps=len(metered.turns) - reference.steps,
        tool_accuracy=reference.accuracy(watch.calls),
        agreement=reference.agreement(watch.calls),
        diverged=reference.divergence(watch.calls),
        faults=metered.faults,
        amnesia_tokens=metered.amnesia,
        stale=metered.stale,
        tool_errors=watch.errors,
        tokens={name: getattr(watch.usage, name) for name in BUCKETS},
        first_reply_seconds=watch.first_reply,
        gpu_seconds=metered.seconds if model and kind(model) == "live" and find(model.name) is None else None,
        round_trips=counted.trips,
        prompts=metered.prompts,
        tags=tuple(sorted({suite.name, *suite.tags, *case.tags})),
        judged=judged.score if judged else None,
        kind=kind(model),
        libraries=versions(way),
    )


TIMES = ("seconds", "first_reply_seconds", "gpu_seconds", "store_bytes")
"""Fields that differ from run to run: times, and the stored bytes of a log that holds times."""

BUCKETS = ("fresh", "cache_read", "cache_write", "output", "reasoning")
"""Tokens by what a provider bills them as, disjoint."""


def _load() -> None:
    """Load what a process loads once, so that it is in no trial's time: the vocabulary, and LangGraph."""
    tokens.encoding()
    import_module("satchel.runtime.graph")


async def _clear(store: Store, thread: ThreadId) -> None:
    """Remove what a run has left, also one that was broken off: whoever died holding it is replaced first."""
    if await store.head(thread) is not None:
        await store.release(await store.acquire(thread, ttl=60))
        await store.delete(thread)


async def _converse(agent: Driver, case: Case, watch: Watch) -> str:
    """Run after run on one thread, as long as the simulated user has something to say; the last answer."""
    words: str | None = case.task
    answer = ""
    while words is not None:
        await agent.say(words, watch)
        ended = watch.result
        answer = (ended.output or "") if ended else ""
        words = case.user(answer) if ended and ended.outcome == "done" else None
    return answer


def bills(turns: Sequence[TurnTokens], name: str) -> float | None:
    """What the turns would have cost at a price row; None if any of them has no known price."""
    price = row(name)
    each = [bill_prompt(t.cached, t.input - t.cached, price, output=t.output) for t in turns]
    known = [b for b in each if b is not None]
    return sum(known) if len(known) == len(each) else None
