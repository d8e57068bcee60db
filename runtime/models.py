"""The port to a model, and the scripted model that needs no key: a policy that is a pure function of the prompt."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Protocol

from satchel.memory.errors import ConfigError, ModelError
from satchel.memory.records import Json, Usage
from satchel.runtime.context import tokens
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.meter import Meter


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said: text, tool calls, its usage in tokens, and provider parts to send back unmodified.

    `predicted` is how many input tokens, by our count, its provider should have had in its cache; None if its rules are
    not known.
    """

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    opaque: Json = None
    predicted: int | None = None


class Model(Protocol):
    """Anything that answers a prompt.

    `name` is looked up in the price table; `window` is the context window in tokens (what bounds a stateless prompt);
    `exact` says that our token counter is the model's own.
    """

    name: str
    window: int
    exact: bool

    async def call(self, messages: Sequence[Message], tools: Sequence[Json], *, reply_tokens: int) -> Answer:
        """Answer the prompt, with at most `reply_tokens` tokens. Raises `ModelError` when there is no answer.

        A `ModelBusy` is tried again, a `PromptTooLong` answered by a harder fold, once: retries are the runtime's, and
        it counts them.

        `tools` are JSON schemas `{"type": "function", "function": {"name", "description", "parameters"}}`; empty for
        the reserved last answer.
        """


Policy = Callable[[Sequence[Message], Sequence[Json]], Answer]
"""Messages and tool schemas to an answer; the same prompt always gives the same answer."""

_FOLDED = re.compile(r"^\[/satchel \S+ up to turn (\d+)\]", re.MULTILINE)


class Scripted:
    """A model that a policy plays, without a key or a network; it counts tokens exactly.

    Its usage is what a provider that caches every prefix would report: what a prompt shares with the one before it is
    read from the cache, the rest is written. A text longer than `reply_tokens` is cut, as a provider would; calls are
    sent as the policy made them. An answer that brings its own usage keeps it.
    """

    exact = True

    def __init__(
        self, policy: Policy, *, name: str = "sim:scripted", window: int = 1_000_000, meter: Meter | None = None
    ) -> None:
        self.name = name
        self.window = window
        self._policy = policy
        self._meter = meter or Meter()

    async def call(self, messages: Sequence[Message], tools: Sequence[Json], *, reply_tokens: int) -> Answer:
        """Answer by the policy."""
        answer = self._policy(messages, tools)
        ids = tokens.encode(answer.text)
        text = answer.text if len(ids) <= reply_tokens else tokens.decode(ids[:reply_tokens])
        split = self._meter.measure(messages, tools)
        usage = Usage(
            cache_read=split.cached,
            cache_write=split.rest,
            output=spoken(text, answer.calls),
            model_calls=1,
            usd=None,
        )
        return replace(answer, text=text, usage=answer.usage or usage)


def spoken(text: str, calls: Sequence[ToolCall]) -> int:
    """Tokens of an answer: its text, and its calls as JSON."""
    return tokens.count(text) + sum(tokens.count(tokens.compact({"name": c.name, "args": c.args})) for c in calls)


def script(*answers: Answer | str) -> Policy:
    """A policy that gives these answers in turn; calls without an id are numbered.

    Which answer is due is read from the prompt, so a resumed run goes on where it stopped: the replies that stand in
    it, and the turns that its digest says were folded. A mode that drops turns silently repeats answers. Asked for more
    answers than there are, it raises `ModelError`.
    """

    def policy(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:  # noqa: ARG001 - the shape of a policy
        users = [message.content for message in messages if message.role == "user"]
        folded = _FOLDED.findall(users[0]) if users else []
        turn = sum(message.role == "assistant" for message in messages) + (int(folded[-1]) if folded else 0)
        if turn >= len(answers):
            raise ModelError(f"the script has {len(answers)} answers and was asked for one more")
        answer = answers[turn]
        if isinstance(answer, str):
            return Answer(answer)
        calls = (replace(c, id=c.id or f"call_{turn}_{n}") for n, c in enumerate(answer.calls))
        return replace(answer, calls=tuple(calls))

    return policy


def echo(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:  # noqa: ARG001 - the shape of a policy
    """The policy behind `sim:echo`: the last words of the user, and no tool call."""
    return Answer(next((message.content for message in reversed(messages) if message.role == "user"), ""))


_SIMULATED: dict[str, Policy] = {"sim:echo": echo}


def resolve(model: object) -> Model:
    """A model by what a user may give: a Satchel `Model`, a LangChain chat model, `sim:echo` or `provider:model`.

    Raises `ConfigError` for anything else, and for `provider:model` without the extra `models`.
    """
    if isinstance(model, str):
        return _named(model)
    core = sys.modules.get("langchain_core.language_models.chat_models")
    if core is not None and isinstance(model, core.BaseChatModel):
        from satchel.runtime.models_langchain import LangChainModel  # noqa: PLC0415 - langchain only where it is in use

        return LangChainModel(model)
    if all(hasattr(model, part) for part in ("name", "window", "exact", "call")):
        return model  # type: ignore[return-value]  # it has the parts of the port
    raise ConfigError(f"{model!r:.80} is no model: give a LangChain chat model, 'provider:model', or a satchel Model")


def _named(name: str) -> Model:
    if name in _SIMULATED:
        return Scripted(_SIMULATED[name], name=name)
    if name.startswith("sim:") or ":" not in name:
        near = get_close_matches(name, _SIMULATED, 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"give 'provider:model', or one of {', '.join(_SIMULATED)}"
        raise ConfigError(f"unknown model {name!r}; {hint}")
    from satchel.runtime.models_langchain import by_name  # noqa: PLC0415 - langchain only where it is asked for

    return by_name(name)
