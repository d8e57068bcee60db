"""What an agent is, as one frozen value: everything that a session needs beside the thread's log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

from satchel.memory.errors import ConfigError
from satchel.memory.handles import ref
from satchel.prompts import render
from satchel.runtime.brief import briefs
from satchel.runtime.budget import DEFAULT, SAFETY, Budget
from satchel.runtime.context.context import Context, fixed
from satchel.runtime.context.controller import Controller, Rates
from satchel.runtime.context.message import Message
from satchel.runtime.context.past import Terms
from satchel.runtime.mode import Mode
from satchel.runtime.mode import mode as mode_named
from satchel.runtime.models import resolve
from satchel.runtime.note import NOTE
from satchel.runtime.prices import Price, row
from satchel.runtime.prices_known import look_up
from satchel.runtime.tools import Tool, as_tools

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.runtime.models import Model

OnBudget = Literal["answer", "pause", "raise"]

AUTO = "auto"
"""Folds are timed by the prices."""


@dataclass(frozen=True, slots=True)
class Spec:
    """Model, tools, system messages, mode, limits and prices of an agent. Units as in `Agent`.

    `briefs` are the schemas by which tools are shown whose own come with their first use.
    """

    model: Model
    tools: Mapping[str, Tool]
    system: tuple[Message, ...]
    mode: Mode
    context_limit: int
    reply_tokens: int
    budget: Budget
    on_budget: OnBudget
    price: Price | None
    rates: Rates
    fold: int | None = None
    notes: bool = False
    briefs: Mapping[str, Json] = field(default_factory=dict)
    summariser: Model | None = None
    summariser_price: Price | None = None

    @property
    def schemas(self) -> tuple[Json, ...]:
        """Tool schemas in a steady order, without those that come with the first handle."""
        return tuple(self.briefs.get(tool.name, tool.schema) for tool in self.tools.values() if tool is not NOTE)

    @property
    def ceiling(self) -> int:
        """The most tokens that a prompt and its reply may have."""
        return min(self.context_limit, self.model.window) if self.mode.bounded else self.model.window

    def context(self, salt: bytes) -> Context:
        """A fresh context. Raises `PromptTooLarge` if the fixed surface leaves no room under the ceiling."""
        return context(
            self.mode, salt, system=self.system, tools=self.schemas, ceiling=self.ceiling,
            reply_tokens=self.reply_tokens, rates=self.rates, factor=1.0 if self.model.exact else SAFETY,
            every=self.fold, own=(NOTE.schema,) if self.notes else (),
            prose=self.summariser is not None,
        )  # fmt: skip


def make(
    model: Model,
    tools: Iterable[object],
    *,
    instructions: str,
    mode: str | Mode,
    context_limit: int | str,
    reply_tokens: int,
    budget: Budget | None,
    on_budget: OnBudget,
    fold: int | str = AUTO,
    note: bool = False,
    summarizer: object = None,
    brief_tools: bool = False,
    price: str | None = None,
) -> Spec:
    """A spec of checked values. Raises `ConfigError` for what is wrong, and `PromptTooLarge` for what can never fit."""
    if on_budget not in get_args(OnBudget):
        raise ConfigError(f"on_budget={on_budget!r} is none of {', '.join(get_args(OnBudget))}")
    if type(reply_tokens) is not int or reply_tokens < 1:
        raise ConfigError(f"reply_tokens={reply_tokens!r} must be a whole number of tokens above zero")
    limits = DEFAULT if budget is None else budget
    found = row(price) if price else look_up(model.name)
    rates = folds_by(found, model.name, limits)
    system = (Message("system", "\n\n".join(filter(None, [instructions.strip(), render("progress")]))),)
    other = None if summarizer is None else resolve(summarizer)
    other_price = look_up(other.name) if other else None
    if other:
        folds_by(other_price, other.name, limits)  # refuses a dollar budget without a price
    known = {tool.name: tool for tool in as_tools((*tools, NOTE) if note else tools)}
    short = briefs(tool for tool in known.values() if tool is not NOTE) if brief_tools else {}
    surface = fixed(system, [short.get(name, tool.schema) for name, tool in known.items()])
    spec = Spec(
        model=model,
        tools=known,
        system=system,
        mode=mode_named(mode),
        context_limit=limit(context_limit, int(surface * (1.0 if model.exact else SAFETY))),
        reply_tokens=reply_tokens,
        budget=limits,
        on_budget=on_budget,
        price=found,
        rates=rates,
        fold=interval(fold),
        notes=note,
        briefs=short,
        summariser=other,
        summariser_price=other_price,
    )
    spec.context(b"")  # refuses by name what can never fit
    return spec


def folds_by(price: Price | None, model: str, budget: Budget) -> Rates:
    """The prices that folds are timed by. Raises `ConfigError` for a dollar budget without a price in dollars."""
    if budget.usd is not None and (price is None or price.unit != "usd"):
        raise ConfigError(f"a dollar budget needs a price for {model!r}, and there is none; use total_tokens instead")
    return Rates(*price.rates) if price else Rates()


def limit(text: int | str, surface: int) -> int:
    """A context limit in tokens: `N` counts everything, `+N` counts beyond the fixed surface. Raises `ConfigError`."""
    if not re.fullmatch(r"\+?[1-9]\d{0,8}", str(text)):
        raise ConfigError(f"context limit {text!r} is neither a number of tokens nor +N beyond the fixed surface")
    return int(text) + (surface if str(text).startswith("+") else 0)


def interval(text: int | str) -> int | None:
    """After how many turns to fold, None if the prices decide: `auto`, or a number from 1 on. Raises `ConfigError`."""
    if text == AUTO:
        return None
    if not re.fullmatch(r"[1-9]\d{0,5}", str(text)):
        raise ConfigError(f"fold={text!r} is neither {AUTO!r} nor a number of turns from 1 on")
    return int(text)


def context(
    mode: Mode,
    salt: bytes,
    *,
    system: tuple[Message, ...],
    tools: tuple[Json, ...],
    ceiling: int,
    reply_tokens: int,
    rates: Rates,
    factor: float = 1.0,
    every: int | None = None,
    own: tuple[Json, ...] = (),
    prose: bool = False,
) -> Context:
    """The context of a thread with this salt; replay and agent make it here alike. See `Context` and `Terms`."""
    handle = cache(lambda seq: ref(salt, seq))
    tag = handle(0)[-5:]
    terms = Terms(
        handle=handle,
        tag=tag,
        fixed=fixed(system, tools),
        controller=Controller(rates),
        every=every,
        notes=bool(own),
        prose=prose,
    )
    return Context(
        mode.past(terms), system=system, tools=tools, ceiling=ceiling, reply_tokens=reply_tokens, tag=tag,
        factor=factor, own=own,
    )  # fmt: skip
