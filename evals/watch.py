"""What a trial watches while it runs: each prompt as its model got it, each call, each store access."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from satchel.evals.case import nothing
from satchel.memory.errors import ModelBusy, ModelError
from satchel.memory.records import Usage
from satchel.runtime.context import recall, tokens
from satchel.runtime.context.context import fixed
from satchel.runtime.events import PromptSent, ReplyReceived, RunEnded, ToolFinished, ToolStarted
from satchel.runtime.meter import Meter
from satchel.runtime.models import spoken

if TYPE_CHECKING:
    from satchel.evals.case import Case
    from satchel.evals.prompt_tape import Tape
    from satchel.memory.records import Json
    from satchel.runtime.context.message import Message, ToolCall
    from satchel.runtime.events import Event, RunResult
    from satchel.runtime.models import Answer, Model


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTokens:
    """One model call in tokens: the whole prompt, its prefix sent before, the reply; and whether a fold came first."""

    input: int
    cached: int
    output: int
    folded: bool = False


def action(name: str, args: Json) -> str:
    """A call as text that can be compared."""
    return f"{name} {tokens.compact(args)}"


@dataclass(slots=True)
class Watch:
    """Collects what the events of the runs of one case tell."""

    case: Case
    calls: list[str] = field(default_factory=list)
    repeated: int = 0
    errors: int = 0
    folded: set[int] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    usage: Usage = field(default_factory=Usage)
    result: RunResult | None = None
    first_reply: float | None = None
    began: float = field(default_factory=time.perf_counter)
    _prompts: int = 0
    _open: dict[str, str] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case PromptSent(folded=folded):
                self.folded |= {self._prompts} if folded else set()
                self._prompts += 1
            case ReplyReceived() if self.first_reply is None:
                self.first_reply = time.perf_counter() - self.began
            case ToolStarted(call=call, name=name, args=args):
                self._open[call] = action(name, args)
                self.calls.append(self._open[call])
                self.repeated += self._open[call] in self.known
            case ToolFinished(call=call, name=name, error=error):
                self.errors += error
                if not error and name in self._reads():
                    self.known.add(self._open[call])
            case RunEnded(result=result):
                self.result = result
                self.usage = _sum(self.usage, result.usage)

    def _reads(self) -> set[str]:
        return {tool.name for tool in self.case.tools if tool.effect == "read"}

    def again(self, calls: Sequence[ToolCall]) -> bool:
        """Whether a reply does nothing but fetch what the thread has had before: a fault."""
        return bool(calls) and all(c.name == recall.NAME or action(c.name, c.args) in self.known for c in calls)


def _sum(a: Usage, b: Usage) -> Usage:
    names = ("fresh", "cache_read", "cache_write", "output", "reasoning", "model_calls", "tool_calls")
    return replace(a, **{name: getattr(a, name) + getattr(b, name) for name in names})


class Metered:
    """A model whose prompts are measured: by its own usage, or else by the prefix shared with the one before.

    `cached=False` bills each prompt as if no provider kept anything. `away` says that the last call found nobody: a
    provider that was busy or out of reach, or refused the first prompt.
    """

    def __init__(self, model: Model, watch: Watch, *, cached: bool = True, tape: Tape | None = None) -> None:
        self._model = model
        self.name, self.window, self.exact = model.name, model.window, model.exact
        self._meter = Meter()
        self._watch, self._cached, self._tape = watch, cached, tape
        self._prompts = hashlib.sha256()
        self._digests: dict[Message, bytes] = {}
        self.turns: list[TurnTokens] = []
        self.faults = self.amnesia = self.stale = self.fixed = 0
        self.seconds = 0.0
        self.away = False

    @property
    def prompts(self) -> str:
        """A digest of every prompt sent, byte for byte: equal in two runs if and only if all prompts were."""
        return self._prompts.hexdigest()[:16]

    async def call(self, messages: Sequence[Message], tools: Sequence[Json], *, reply_tokens: int) -> Answer:
        """The model's own answer."""
        if self._watch.case.stale is not nothing:
            self.stale += self._watch.case.stale("\n".join(m.content for m in messages))
        self._prompts.update(tokens.compact([len(tools), len(messages)]).encode())
        self._prompts.update(b"".join(map(self._digest, messages)))
        began = time.perf_counter()
        self.away = True
        try:
            answer = await self._model.call(messages, tools, reply_tokens=reply_tokens)
        except ModelError as error:
            self.away = isinstance(error, ModelBusy) or not self.turns
            raise
        self.away = False
        self.seconds += time.perf_counter() - began
        if self._tape is not None:
            self._tape.add(messages, tools, answer)
        self.fixed += fixed([m for m in messages if m.role == "system"], tools)
        turn = self._turn(answer, messages, tools)
        self.turns.append(turn)
        if self._watch.again(answer.calls):
            self.faults += 1
            self.amnesia += turn.input + turn.output
        return answer

    def _digest(self, message: Message) -> bytes:
        known = self._digests.get(message)
        if known is None:
            known = self._digests[message] = hashlib.sha256(tokens.render(message).encode(errors="replace")).digest()
        return known

    def _turn(self, answer: Answer, messages: Sequence[Message], tools: Sequence[Json]) -> TurnTokens:
        if used := answer.usage:
            total, cached, output = used.input, used.cache_read, used.output + used.reasoning
        else:
            split = self._meter.measure(messages, tools)
            total, cached = split.cached + split.rest, split.cached
            output = spoken(answer.text, answer.calls)
        return TurnTokens(input=total, cached=cached if self._cached else 0, output=output)


class Counted:
    """A store whose accesses are counted: one round trip each. Renewals of the lease follow the clock and are not."""

    def __init__(self, store: object) -> None:
        self._store = store
        self.trips = 0

    def __getattr__(self, name: str) -> Any:
        """The store's own part; a method is counted when it is called."""
        part = getattr(self._store, name)
        if not callable(part) or name == "renew":
            return part
        return self._counting(part)

    def _counting(self, part: Callable[..., Any]) -> Callable[..., Any]:
        def count(*args: Any, **kwargs: Any) -> Any:
            self.trips += 1
            return part(*args, **kwargs)

        return count
